"""What reading an archive with repairs put right or left out, counted."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import msgspec

#: What each kind of repair is, in a few words; the order is that of reports.
KINDS: Final = {
    "missing_hour": "rows that no file has: the books are unknown behind them",
    "missing_part": "a file that is gone: the book is unknown behind it",
    "missing_sidecar": "a file without a sidecar of its own, read by what it says of itself",
    "misplaced": "a file in another's place, read as what it is",
    "repeated_part": "a file that is there twice, read once",
    "schema": "a wrong schema hash; the rows are provably of this layout",
    "changed_file": "a file that is not what was written; its rows are",
    "columns": "a file with other columns, read by those it should have",
    "unreadable": "rows that cannot be decoded, left out",
    "mixed_symbols": "rows of another instrument, left out",
    "foreign": "rows of another file, left out",
    "malformed": "rows that no market data can be, left out",
    "bad_time": "rows of an impossible time, left out",
    "backwards": "rows received before rows with a lower counter, left out",
    "shuffled": "rows out of order, put back in order",
    "duplicate": "rows that are there twice, read once",
    "unproven": "rows that are not what was recorded, left out",
    "lost": "rows that are not there any more",
    "no_book": "rows of a book that was unknown behind a gap, left out up to its next snapshot",
    "clock": "clock rows made anew",
}


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of repair of one file: how many rows, and the first of them, counted from 0 in that file.

    `file` is relative to the archive; of rows that no file has it is where the file would be.
    """

    kind: str
    file: str
    rows: int
    row: int = 0
    detail: str = ""


class Repairs:
    """Collects repairs. The same one of the same file is counted once, however often the file is read."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], Repair] = {}

    def __iter__(self) -> Iterator[Repair]:
        order = list(KINDS)
        return iter(sorted(self._found.values(), key=lambda repair: (order.index(repair.kind), repair.file)))

    def __len__(self) -> int:
        return len(self._found)

    def put(self, kind: str, file: str, rows: int, *, row: int = 0, detail: str = "") -> None:
        """Note a repair, in the place of an earlier one of this kind and file."""
        self._found[kind, file] = Repair(kind=kind, file=file, rows=rows, row=row, detail=detail)

    def forget(self, file: str) -> None:
        """Drop all that was noted of a file, which is not read after all."""
        self._found = {key: repair for key, repair in self._found.items() if key[1] != file}

    def rows(self) -> dict[str, int]:
        """Rows by kind."""
        counts: Counter[str] = Counter()
        for repair in self:
            counts[repair.kind] += repair.rows
        return dict(counts)
