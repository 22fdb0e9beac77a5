"""The money records of a run in one canonical form, so that two runs can be compared byte by byte.

A record is an order update, a fill, a funding payment or a closed trade, as JSON with sorted keys. Records are
sorted by (ts, type, id), so neither the recorder's timing nor the interleaving of streams shows. Nothing in them
comes from the wall clock: every time is an event time.
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from app.messages.base import Message
from app.messages.execution import ClosedTrade, Fill, FundingPaid, OrderUpdate


def canonical_records(messages: Iterable[Message]) -> list[bytes]:
    """One line (without newline) for each record among `messages`."""
    keyed = [(*key, msgspec.json.encode(message, order="sorted")) for message in messages if (key := _key(message))]
    # The line itself breaks ties: two updates of one order may share their time.
    return [line for *_, line in sorted(keyed)]


def records_digest(lines: Sequence[bytes]) -> str:
    """SHA-256 of the lines, each ended by a newline: the digest of the file they are written to."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
        digest.update(b"\n")
    return digest.hexdigest()


def _key(message: Message) -> tuple[int, str, str] | None:
    match message:
        case OrderUpdate():
            return message.ts, "order", message.order_id
        case Fill():
            return message.ts, "fill", message.fill_id
        case FundingPaid():
            return message.ts, "funding", message.signal_id
        case ClosedTrade():
            return message.ts, "trade", message.signal_id
        case _:
            return None
