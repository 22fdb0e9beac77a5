"""Identifiers derived from causes, so that a repeat of the same cause is recognised as such."""

import hashlib
from typing import Final

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz234567"
#: Base32 (RFC 4648, lower case) of ten bits at a time.
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]


def derived_id(*parts: object) -> str:
    """16 lower-case base32 characters (80 bits) that depend on nothing but `parts`, in order."""
    # The unit separator cannot occur in a symbol or a strategy name, so ("a", "bc") and ("ab", "c") differ.
    text = "\x1f".join(map(str, parts))
    bits = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=10).digest())
    return (
        _PAIRS[bits >> 70] + _PAIRS[bits >> 60 & 1023] + _PAIRS[bits >> 50 & 1023] + _PAIRS[bits >> 40 & 1023]
        + _PAIRS[bits >> 30 & 1023] + _PAIRS[bits >> 20 & 1023] + _PAIRS[bits >> 10 & 1023] + _PAIRS[bits & 1023]
    )  # fmt: skip


def signal_id(strategy: str, symbol: str, ts: int, kind: str) -> str:
    """Id of the signal that `strategy` raised on `symbol` at `ts` (ns since the epoch)."""
    return derived_id(kind, strategy, symbol, ts)


def client_order_id(signal: str, leg: str, attempt: int) -> str:
    """Order id a venue accepts (≤ 36 characters of [A-Za-z0-9_-]), equal for an equal cause.

    `leg` is ``entry``, ``take_profit`` or ``exit``; `attempt` counts from 0 within the leg.
    """
    return f"{signal}-{leg[:8]}-{attempt}"


def cancel_id(order: str) -> str:
    """Id of the message that takes `order` back."""
    return f"{order}-cancel"


def is_cancel(message: str) -> bool:
    """Whether `message` is an id of `cancel_id`."""
    return message.endswith("-cancel")
