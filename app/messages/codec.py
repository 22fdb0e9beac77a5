"""Messages to bytes and back.

One stream entry carries many messages as one JSON array, so an operator can read a stream with `redis-cli`
while the cost of an entry is paid once per batch.
"""

from collections.abc import Sequence
from typing import cast

import msgspec

from app.core.errors import BadInput, SchemaMismatch
from app.messages.base import Message
from app.messages.control import Control, DeadLetter
from app.messages.execution import ClosedTrade, Equity, Fill, FundingPaid, OrderUpdate
from app.messages.signals import ApprovedSignal, Dropped, Mark, ScoredSignal, Signal

AnyMessage = (
    Signal
    | ScoredSignal
    | ApprovedSignal
    | Dropped
    | Mark
    | OrderUpdate
    | Fill
    | FundingPaid
    | ClosedTrade
    | Equity
    | Control
    | DeadLetter
)

_encoder = msgspec.json.Encoder()
_batch_decoder = msgspec.json.Decoder(list[AnyMessage])
_one_decoder: msgspec.json.Decoder[AnyMessage] = msgspec.json.Decoder(AnyMessage)
_raw_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def encode(messages: Sequence[Message]) -> bytes:
    """A JSON array of `messages`."""
    return _encoder.encode(messages)


def decode(payload: bytes) -> tuple[list[Message], list[tuple[bytes, BadInput]]]:
    """Decode an entry; what is wrong in it does not take the rest along.

    Returns the good messages in order, and each bad one's bytes with the reason. A payload that is not a JSON
    array at all comes back as one bad message.
    """
    try:
        messages = _batch_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _salvage(payload)
    for message in messages:
        if message.v != message.VERSION:
            return _salvage(payload)
    # The list is fresh and nobody else's.
    return cast(list[Message], messages), []


def _salvage(payload: bytes) -> tuple[list[Message], list[tuple[bytes, BadInput]]]:
    try:
        parts = [bytes(raw) for raw in _raw_decoder.decode(payload)]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return [], [(payload, BadInput(f"stream entry is not a JSON array of messages: {error}", reason="malformed"))]
    good: list[Message] = []
    bad: list[tuple[bytes, BadInput]] = []
    for part in parts:
        try:
            good.append(decode_one(part))
        except BadInput as error:
            bad.append((part, error))
    return good, bad


def decode_one(payload: bytes) -> Message:
    """Decode a single message object.

    Raises:
        BadInput: not JSON, an unknown type, or a field missing or of the wrong type.
        SchemaMismatch: a version newer than this program knows.
    """
    try:
        message = _one_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadInput(f"message cannot be decoded: {error}", reason="malformed") from error
    # Older versions stay readable by the evolution rules; a newer one may mean something else.
    if not 1 <= message.v <= message.VERSION:
        raise SchemaMismatch(
            f"message type {type(message).__struct_config__.tag!r} has version {message.v}, "
            f"this program knows 1 to {message.VERSION}; upgrade the reader before the writer",
            reason="unknown_version",
        )
    return message
