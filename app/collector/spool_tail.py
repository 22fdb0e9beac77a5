"""Reading rows back from a spool that is still being written."""

import mmap
from pathlib import Path

from app.market.schema import ROW_BYTES
from app.store.frames import payloads, read_header


class SpoolTail:
    """The rows in the spool files of `directory`, by their counter.

    One `read` after another goes on where the last one ended, without checking again what lies before.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: tuple[int, Path] | None = None  # counter of its first row, path
        self._offset = 0
        self._row = -1  # counter of the row at `_offset`

    def read(self, first: int, rows: int) -> tuple[int, list[bytes]]:
        """Row `first` and following, `rows` of them or a few more, in the blocks they were appended in.

        Returns the counter of the first row found, too. It is above `first` if rows are in no spool file any more
        (sealed, or lost); without any row from there on it is `first` + `rows`.
        """
        if self._row != first:
            self._seek(first)
        found: list[tuple[int, bytes]] = []
        while self._file is not None and rows > 0:
            frames = self._frames(self._file[1], first, rows)
            found += frames
            rows -= sum(len(block) for _, block in frames) // ROW_BYTES
            if rows > 0 and not self._next_file():
                break
        if not found:
            return first + rows, []
        return found[0][0], [block for _, block in found]

    def _files(self) -> list[tuple[int, Path]]:
        found = []
        for path in self._directory.glob("*.rows"):
            try:
                with path.open("rb") as file:
                    found.append((read_header(file, path).start_seq, path))
            except FileNotFoundError:
                continue  # sealed just now
        return sorted(found)

    def _seek(self, first: int) -> None:
        """Go to the file that has row `first`, or to the first one after it."""
        files = self._files()
        before = [file for file in files if file[0] <= first]
        self._enter(before[-1] if before else files[0] if files else None)

    def _next_file(self) -> bool:
        """Go on to the file after this one, if there is one."""
        assert self._file is not None
        after = [file for file in self._files() if file > self._file]
        if not after:
            return False
        self._enter(after[0])
        return True

    def _enter(self, file: tuple[int, Path] | None) -> None:
        self._file = file
        self._offset = 0
        self._row = file[0] if file else -1

    def _frames(self, path: Path, first: int, rows: int) -> list[tuple[int, bytes]]:
        """The (counter of its first row, rows) of each frame, until `rows` are there or the file has no more."""
        found: list[tuple[int, bytes]] = []
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return found  # sealed just now
        with file:
            if not self._offset:
                read_header(file, path)
                self._offset = file.tell()
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
                for row, start, end in payloads(view, self._offset, self._row):
                    if rows <= 0 or start == end:
                        break
                    self._offset, self._row = end, row + (end - start) // ROW_BYTES
                    if self._row > first:
                        start += max(0, first - row) * ROW_BYTES
                        found.append((max(first, row), view[start:end]))
                        rows -= (end - start) // ROW_BYTES
        return found
