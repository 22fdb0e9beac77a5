"""The events of a run on disk: one stream message a line, with the stream and entry it came from."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from app.core.errors import BadInput
from app.messages.base import Message
from app.messages.codec import decode_one


class _Line(msgspec.Struct, frozen=True):
    stream: str
    entry: str
    message: msgspec.Raw


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Line)


def event_line(stream: str, entry_id: str, message: Message) -> bytes:
    """The line that `read_events` reads back, newline included."""
    return _encoder.encode({"stream": stream, "entry": entry_id, "message": message}) + b"\n"


def read_events(path: Path) -> Iterator[Message]:
    """The messages in `path` in the order they were recorded.

    A last line without its newline is what a killed recorder leaves behind, and is passed over.

    Raises:
        BadInput: any other line cannot be read.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield decode_one(bytes(_decoder.decode(line).message))
            except (msgspec.MsgspecError, UnicodeDecodeError, BadInput) as error:
                raise BadInput(f"{path}, line {number}: {error}", reason="malformed") from None
