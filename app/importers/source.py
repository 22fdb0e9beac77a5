"""Recordings as lines: plain, gzip or Zstandard, told by their first bytes, in memory that does not grow with them."""

import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa

from app.core.errors import BadInput, Misconfigured

OnBytes = Callable[[int], None]

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_READ: Final = 1 << 19
_TEXT: Final = 1 << 22
# A read that meets the end of a truncated file gives nothing, so it had better not be long.
_ZSTD_TEXT: Final = 1 << 16


class Source:
    """A recording's lines. `truncated` becomes true if the file ends before its compression says it should."""

    def __init__(self, path: Path, on_bytes: OnBytes | None = None) -> None:
        self.path = path
        self.truncated = False
        self._on_bytes = on_bytes or (lambda _count: None)

    def blocks(self) -> Iterator[list[bytes]]:
        """Yield the lines, some megabytes of them at a time, without their ends.

        Raises:
            Misconfigured: the file does not exist or may not be read.
            BadInput: its compressed data are damaged.
        """
        rest = b""
        for text in self._text():
            lines = (rest + text).split(b"\n")
            rest = lines.pop()
            yield lines
        if rest:
            yield [rest]

    def _text(self) -> Iterator[bytes]:
        try:
            with self.path.open("rb") as file:
                magic = file.read(4)
        except OSError as error:
            raise Misconfigured(f"recording {self.path} cannot be read: {error.strerror}") from None
        if magic.startswith(_GZIP):
            return self._gzip()
        return self._zstd() if magic.startswith(_ZSTD) else self._plain()

    def _plain(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            while data := file.read(_TEXT):
                self._on_bytes(len(data))
                yield data

    def _gzip(self) -> Iterator[bytes]:
        stream = zlib.decompressobj(wbits=31)
        with self.path.open("rb") as file:
            while data := file.read(_READ):
                self._on_bytes(len(data))
                while data:
                    if stream.eof:  # files of several members are concatenated gzip files
                        if not data.strip(b"\0"):
                            return
                        stream = zlib.decompressobj(wbits=31)
                    try:
                        yield stream.decompress(data, _TEXT)
                    except zlib.error as error:
                        raise self._damaged(file.tell(), str(error)) from None
                    data = stream.unconsumed_tail or stream.unused_data
        yield stream.flush()
        self.truncated = not stream.eof

    def _zstd(self) -> Iterator[bytes]:
        with pa.OSFile(str(self.path), "rb") as file:
            done = 0
            try:
                with pa.CompressedInputStream(file, "zstd") as stream:
                    while data := stream.read(_ZSTD_TEXT):
                        self._on_bytes(file.tell() - done)
                        done = file.tell()
                        yield data
            except OSError as error:
                if "runcated" not in str(error):
                    raise self._damaged(done, str(error)) from None
                self.truncated = True

    def _damaged(self, at: int, detail: str) -> BadInput:
        return BadInput(
            f"recording {self.path}: compressed data are damaged before byte {at} ({detail}); get another copy",
            reason="damaged",
        )
