"""Books from event rows, the slow way: with dictionaries."""

from collections.abc import Iterator
from pathlib import Path

from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, LAST, Rows, concat
from app.store.archive import ArchiveReader

Book = dict[int, dict[float, float]]


def archived(root: Path, venue: str, symbol: str) -> Rows:
    """All rows of a symbol but the clock's."""
    rows = concat(ArchiveReader(root, venue, [symbol]))
    market: Rows = rows[rows["kind"] != CLOCK]
    return market


def books(rows: Rows) -> Iterator[tuple[int, Book]]:
    """The book at the end of each venue message, and the place of the message's last row."""
    book: Book = {1: {}, -1: {}}
    columns = [rows[name].tolist() for name in ("kind", "side", "px", "qty", "flags")]
    for place, (kind, side, px, qty, flags) in enumerate(zip(*columns, strict=True)):
        if kind == DEPTH_CLEAR:
            book = {1: {}, -1: {}}
        elif kind == DEPTH_SET and qty:
            book[side][px] = qty
        elif kind == DEPTH_SET:
            del book[side][px]
        if flags & LAST:
            yield place, book
