"""Stream entries: what the loop reads turned into deliveries, and what a core sends turned into packed commands.

An entry holds either ``m``, a JSON array of messages, or a block of event rows: ``b`` the bytes, ``s`` their schema
hash, ``n`` how many rows the writer had written to the stream up to and including this block.
"""

import base64
from collections.abc import Sequence
from typing import Any

from app.bus.types import Delivery, Outbox
from app.bus.wire import pack
from app.core.errors import BadInput
from app.market.schema import SCHEMA, check_schema
from app.messages import codec
from app.messages.base import Message
from app.messages.control import DeadLetter

_DEAD_PAYLOAD_MAX = 64 * 1024
_SCHEMA = SCHEMA.encode()


def add_messages(stream: str, messages: Sequence[Message]) -> bytes:
    """The packed command that appends `messages` to `stream` as one entry."""
    return pack("XADD", stream, "*", "m", codec.encode(messages))


def add_block(stream: str, block: bytes, counter: int) -> bytes:
    """The packed command that appends a block of event rows to `stream`."""
    return pack("XADD", stream, "*", "b", block, "s", _SCHEMA, "n", counter)


Entry = tuple[bytes, list[bytes] | None]


def parse(reply: Any) -> list[tuple[str, list[Entry]]]:
    """Stream and entries of a reply to XREADGROUP; an entry is its id and its fields (None if trimmed away)."""
    return [(stream.decode(), entries) for stream, entries in reply or () if entries]


def decode(stream: str, entry_id: str, fields: Sequence[bytes], out: Outbox) -> Delivery | None:
    """The delivery in an entry. What is bad in it is refused into `out`; None if nothing good is left."""
    if len(fields) == 2 and fields[0] == b"m":
        good, bad = codec.decode(fields[1])
        delivery = Delivery(stream, entry_id, good)
        for part, error in bad:
            out.refuse(delivery, part, error)
        return delivery if good else None
    return _decode_block(stream, entry_id, dict(zip(fields[::2], fields[1::2], strict=False)), out)


def _decode_block(stream: str, entry_id: str, values: dict[bytes, bytes], out: Outbox) -> Delivery | None:
    delivery = Delivery(stream, entry_id)
    if (block := values.get(b"b")) is not None:
        try:
            check_schema(values.get(b"s", b"").decode(errors="replace"), where=f"entry {entry_id} of {stream}")
        except BadInput as error:
            out.refuse(delivery, block, error)
            return None
        return Delivery(stream, entry_id, block=block)
    found = ", ".join(repr(key.decode(errors="replace")) for key in values) or "none"
    fault = BadInput(
        f"stream entry has fields {found}; expected 'm' (messages) or 'b' (event rows)", reason="malformed"
    )
    out.refuse(delivery, b"\0".join(values.values()), fault)
    return None


def dead_letters(service: str, out: Outbox, *, ts: int) -> list[Message]:
    """What `out` refused, as messages for the dead-letter stream."""
    return [
        DeadLetter(
            ts=ts,
            service=service,
            stream=delivery.stream,
            entry_id=delivery.entry_id,
            reason=error.reason,
            error=str(error),
            payload=base64.b64encode(payload[:_DEAD_PAYLOAD_MAX]).decode(),
            truncated=len(payload) > _DEAD_PAYLOAD_MAX,
        )
        for delivery, payload, error in out.dead
    ]
