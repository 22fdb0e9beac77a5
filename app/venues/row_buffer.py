"""Event rows packed straight into one preallocated buffer, without an object or an array per row."""

import struct
from typing import Final

from app.market.schema import LAST, ROW_BYTES

#: A row whose times and whose identity were packed beforehand: 16 bytes of times, price, quantity, 8 bytes of tail.
LEVEL: Final = struct.Struct("<16sdd8s")
#: `ts_event` and `ts_recv`, the first 16 bytes of a row.
TIMES: Final = struct.Struct("<qq")
#: A row with its own times: `ts_event`, `ts_recv`, price, quantity, tail.
ROW: Final = struct.Struct("<qqdd8s")
_TAIL: Final = struct.Struct("<HBbI")

assert LEVEL.size == ROW.size == ROW_BYTES


def tail(instrument: int, kind: int, side: int, flags: int) -> bytes:
    """The last 8 bytes of a row: what it is about."""
    return _TAIL.pack(instrument, kind, side, flags)


class RowBuffer:
    """Packed rows, `end` bytes of `data`.

    A writer calls `reserve`, packs rows at `end` and moves `end`. Measured for a delta of 8.6 levels, decoding
    included: one `LEVEL.pack_into` a row 1.9 µs, packing all eight fields a row 2.2, one format for the whole
    message 2.3, numpy columns 4.3.
    """

    __slots__ = ("data", "end")

    def __init__(self, rows: int) -> None:
        self.data = bytearray(rows * ROW_BYTES)
        self.end = 0

    @property
    def rows(self) -> int:
        """Rows in the buffer."""
        return self.end // ROW_BYTES

    def reserve(self, rows: int) -> None:
        """Make sure that `rows` more fit."""
        missing = self.end + rows * ROW_BYTES - len(self.data)
        if missing > 0:
            self.data.extend(bytes(missing))

    def put(self, ts_event: int, ts_recv: int, px: float, qty: float, row_tail: bytes) -> None:
        """Append one row."""
        self.reserve(1)
        ROW.pack_into(self.data, self.end, ts_event, ts_recv, px, qty, row_tail)
        self.end += ROW_BYTES

    def end_message(self) -> None:
        """Flag the row written last as the last of its venue message."""
        self.data[self.end - 4] |= LAST  # the lowest byte of the little-endian flags

    def take(self) -> bytes:
        """All rows; the buffer is empty afterwards."""
        block = bytes(memoryview(self.data)[: self.end])
        self.end = 0
        return block
