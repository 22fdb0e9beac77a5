"""The lines of a recorded Bybit v5 session: `{"t": …, "conn": …, "ts": …, "data": …}`."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from app.core.clock import NS_PER_MS, NS_PER_US

_Seconds = Annotated[float, Meta(gt=1e9, lt=4.1e9)]
Millis = Annotated[int, Meta(ge=1_000_000_000_000, le=4_102_444_800_000)]


class Record(msgspec.Struct, gc=False):
    """One event of the recorder: a connection opened, a frame sent or received, an HTTP answer, the file's header.

    `ts` is the recorder's clock in seconds. A double holds it to the microsecond only.
    """

    t: Literal["header", "http", "connect", "send", "recv", "close"]
    conn: str = ""
    ts: _Seconds = 1e9 + 1
    addr: str = ""
    data: str = ""

    @property
    def local_ns(self) -> int:
        """The recorder's time in ns."""
        return round(self.ts * 1e6) * NS_PER_US


class _Peek(msgspec.Struct, gc=False):
    """What of a frame tells its topic and time; `cts` is the matching engine's time, `ts` the gateway's."""

    topic: str = ""
    ts: Millis = 0
    cts: Millis = 0


#: What decoding bytes from outside may raise.
UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

decode_record: Final = msgspec.json.Decoder(Record).decode
_peek: Final = msgspec.json.Decoder(_Peek).decode


def topic_and_time(frame: bytes) -> tuple[str, int]:
    """A frame's topic and the venue's time in ns; empty and 0 if it has none."""
    try:
        peeked = _peek(frame)
    except UNDECODABLE:
        return "", 0
    return peeked.topic, (peeked.cts or peeked.ts) * NS_PER_MS
