"""The spool file: a header, frames of event rows, and a footer once it is closed.

    header   magic (8 bytes) | u32 length | u32 CRC-32 | JSON: schema, venue, shard, recording, start_seq, start_ns
    frame    u32 bytes of rows | u32 CRC-32 of what follows | u64 row counter of its first row | the rows
    footer   a frame of no rows, whose counter is that of the next row

All integers are little-endian. Rows are counted from the first one a shard ever recorded, so a frame also says where
in the recording it belongs. A file without a footer was being written when its process died.
"""

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from app.core.errors import BadInput
from app.market.schema import FIELDS, ROW_BYTES, check_schema

if TYPE_CHECKING:  # see spool.py
    from app.market.rows import Rows

MAGIC: Final = b"AVROWS1\n"
_PREFIX: Final = struct.Struct("<II")
_FRAME: Final = struct.Struct("<IIQ")
_SEQ: Final = struct.Struct("<Q")
_TIME: Final = struct.Struct("<q")
# Every field before it is 8 bytes wide.
_TS_RECV_AT: Final = 8 * [name for name, _ in FIELDS].index("ts_recv")
MAX_FRAME_ROWS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Header:
    """What a spool file says about itself. `start_seq` counts the shard's rows before it; `start_ns` is a ts_recv."""

    schema: str
    venue: str
    shard: str
    recording: str
    start_seq: int
    start_ns: int


@dataclass(frozen=True, slots=True)
class Scan:
    """How far a spool file can be trusted.

    `good` bytes of `size` are whole; `rows` rows lie in them, the last received at `last_ts_recv` (None if there
    are no rows). `closed` means that the footer is there. `islands` counts the bytes of whole frames after the first
    damage, which a mere interrupted write cannot leave.
    """

    header: Header
    rows: int
    good: int
    size: int
    last_ts_recv: int | None
    closed: bool
    islands: int

    @property
    def next_seq(self) -> int:
        """The row counter after this file."""
        return self.header.start_seq + self.rows


def pack_header(header: Header) -> bytes:
    """The bytes a spool file starts with."""
    body = json.dumps(asdict(header), separators=(",", ":")).encode()
    return MAGIC + _PREFIX.pack(len(body), zlib.crc32(body)) + body


def pack_frame(seq: int, payload: bytes) -> bytes:
    """The frame of `payload`, rows counted from `seq`; an empty payload makes the footer."""
    return _FRAME.pack(len(payload), zlib.crc32(payload, zlib.crc32(_SEQ.pack(seq))), seq) + payload


def read_header(file: BinaryIO, path: Path) -> Header:
    """Read the header of the open `file`.

    Raises:
        BadInput: it is not a spool file, or its header is cut short or damaged.
        SchemaMismatch: its rows have another layout.
    """
    prefix = file.read(len(MAGIC) + _PREFIX.size)
    if not prefix.startswith(MAGIC) or len(prefix) < len(MAGIC) + _PREFIX.size:
        raise BadInput(
            f"{path} is not a spool file: it starts with {prefix[:8]!r}, expected {MAGIC!r}; move it away",
            reason="magic",
        )
    length, crc = _PREFIX.unpack_from(prefix, len(MAGIC))
    body = file.read(length)
    if len(body) < length or zlib.crc32(body) != crc:
        raise BadInput(
            f"{path}: the header is damaged (its CRC-32 does not match); move the file away, its rows are lost",
            reason="header",
        )
    header = Header(**json.loads(body))
    check_schema(header.schema, where=str(path))
    return header


def payloads(view: mmap.mmap | bytes, at: int, seq: int) -> Iterator[tuple[int, int, int]]:
    """Yield (row counter, start, end) of each whole frame's rows from byte `at` on, the footer included.

    Stops at the first frame that is cut short, fails its checksum, or does not continue the count `seq`.
    """
    size = len(view)
    with memoryview(view) as window:
        while at + _FRAME.size <= size:
            length, crc, first = _FRAME.unpack_from(window, at)
            start, end = at + _FRAME.size, at + _FRAME.size + length
            if end > size or first != seq or length % ROW_BYTES:
                return
            with window[start - _SEQ.size : end] as body:
                if zlib.crc32(body) != crc:
                    return
            yield first, start, end
            if length == 0:
                return
            seq += length // ROW_BYTES
            at = end


def scan(path: Path) -> Scan:
    """Check `path` frame by frame. Raises what `read_header` raises."""
    with path.open("rb") as file:
        header = read_header(file, path)
        body_at, size = file.tell(), os.fstat(file.fileno()).st_size
        good, rows, closed, last = body_at, 0, False, None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            for _seq, start, end in payloads(view, body_at, header.start_seq):
                good, closed = end, start == end
                rows += (end - start) // ROW_BYTES
                if not closed:
                    last = _TIME.unpack_from(view, end - ROW_BYTES + _TS_RECV_AT)[0]
            islands = _islands(view, good, header.start_seq + rows) if good < size else 0
    return Scan(header, rows, good, size, last, closed, islands)


def _islands(view: mmap.mmap, at: int, seq: int) -> int:
    """Bytes of whole frames after a damaged one whose length can still be read."""
    if at + _FRAME.size > len(view):
        return 0
    length = _FRAME.unpack_from(view, at)[0]
    following = at + _FRAME.size + length
    found = payloads(view, following, seq + length // ROW_BYTES)
    return sum(_FRAME.size + end - start for _seq, start, end in found)


def read_spool(path: Path) -> Iterator["Rows"]:
    """Yield the rows of each frame of the spool file at `path`, in order, read-only.

    Raises:
        BadInput: after the last whole frame, if bytes follow it that are none; `recover` truncates them.
        SchemaMismatch: the rows have another layout.
    """
    from app.market.rows import from_block

    with path.open("rb") as file:
        header = read_header(file, path)
        good = body_at = file.tell()
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            for _seq, start, end in payloads(view, body_at, header.start_seq):
                good = end
                if end > start:
                    yield from_block(view[start:end])
    if good < size:
        raise BadInput(
            f"{path}: {size - good} bytes after byte {good} are not a whole frame; run recover before reading it",
            reason="torn_tail",
        )
