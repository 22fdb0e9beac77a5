"""Reads an archive through a child process, for a process that must not load the Parquet library.

The child, `python -m app.store.streaming --root DIR --venue V SYMBOL…`, writes to its standard output: a JSON line that
says whether the archive can be read, then for each block its number of rows (4 bytes, little-endian) and the rows, and
at the end a count of 0 and a JSON line that says whether all was well. It waits when nobody reads.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from app.core.errors import AviaryError, BadInput, Misconfigured
from app.market.rows import Rows, from_block
from app.market.schema import ROW_BYTES

_COUNT_BYTES = 4


class StreamedArchive:
    """The rows `app.store.archive.ArchiveReader` gives for `symbols` of `venue`, read by a child process.

    Raises:
        Misconfigured: the archive, venue or symbol does not exist.
        BadInput: while reading, what the reader itself would raise.
    """

    def __init__(self, root: Path, venue: str, symbols: Sequence[str]) -> None:
        self._command = [sys.executable, "-m", __name__, "--root", str(root), "--venue", venue, *symbols]
        self._child: subprocess.Popen[bytes] | None = self._begin()

    def __iter__(self) -> Iterator[Rows]:
        child, self._child = self._child or self._begin(), None
        assert child.stdout is not None
        try:
            while count := int.from_bytes(_exactly(child.stdout, _COUNT_BYTES), "little"):
                yield from_block(_exactly(child.stdout, count * ROW_BYTES))
            _raise_told(child.stdout)
        finally:
            _end(child)

    def close(self) -> None:
        """End the child, if it was started and never read."""
        if self._child is not None:
            _end(self._child)
            self._child = None

    def _begin(self) -> "subprocess.Popen[bytes]":
        child = subprocess.Popen(self._command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        assert child.stdout is not None
        try:
            _raise_told(child.stdout)
        except BaseException:
            _end(child)
            raise
        return child


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.stdout is not None:
        child.stdout.close()
    child.kill()
    child.wait()


def _exactly(source: IO[bytes], size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise BadInput("the process that reads the archive ended in the middle of it; see its log", reason="truncated")
    return data


def _raise_told(source: IO[bytes]) -> None:
    line = source.readline()
    if not line:
        raise BadInput("the process that reads the archive did not start; see its log", reason="no_reader")
    told = json.loads(line)
    if "misconfigured" in told:
        raise Misconfigured(told["misconfigured"])
    if "bad_input" in told:
        raise BadInput(told["bad_input"], reason=told["reason"])


def _tell(target: IO[bytes], error: AviaryError | None) -> None:
    told: dict[str, str] = {}
    if isinstance(error, BadInput):
        told = {"bad_input": str(error), "reason": error.reason}
    elif error is not None:
        told = {"misconfigured": str(error)}
    target.write(json.dumps(told).encode() + b"\n")
    target.flush()


def _serve(root: Path, venue: str, symbols: Sequence[str], target: IO[bytes]) -> None:
    import pyarrow as pa

    from app.store.archive import ArchiveReader

    # Arrow's own pool keeps what it has freed; with the system's this process stays at the size of a row group.
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        reader = ArchiveReader(root, venue, symbols)
    except AviaryError as error:
        _tell(target, error)
        return
    _tell(target, None)
    failure: AviaryError | None = None
    try:
        for rows in reader:
            if len(rows):
                target.write(len(rows).to_bytes(_COUNT_BYTES, "little"))
                target.write(rows.tobytes())
    except AviaryError as error:
        failure = error
    target.write(bytes(_COUNT_BYTES))
    _tell(target, failure)


def main() -> int:
    """The child."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--venue", required=True)
    parser.add_argument("symbols", nargs="+")
    options = parser.parse_args()
    try:
        _serve(options.root, options.venue, options.symbols, sys.stdout.buffer)
    except (BrokenPipeError, KeyboardInterrupt):
        # The reader has enough. The interpreter would report the pipe once more while closing it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())
