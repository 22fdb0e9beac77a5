"""Identifiers derived from causes, so that a repeat of the same cause is recognised as such."""

import base64
import hashlib


def derived_id(*parts: object) -> str:
    """16 lower-case base32 characters (80 bits) that depend on nothing but `parts`, in order."""
    # The unit separator cannot occur in a symbol or a strategy name, so ("a", "bc") and ("ab", "c") differ.
    text = "\x1f".join(map(str, parts))
    digest = hashlib.blake2b(text.encode(), digest_size=10).digest()
    return base64.b32encode(digest).decode().lower()


def signal_id(strategy: str, symbol: str, ts: int, kind: str) -> str:
    """Id of the signal that `strategy` raised on `symbol` at `ts` (ns since the epoch)."""
    return derived_id(kind, strategy, symbol, ts)


def client_order_id(signal: str, leg: str, attempt: int) -> str:
    """Order id a venue accepts (≤ 36 characters of [A-Za-z0-9_-]), equal for an equal cause.

    `leg` is ``entry``, ``take_profit`` or ``exit``; `attempt` counts from 0 within the leg.
    """
    return f"{signal}-{leg[:8]}-{attempt}"
