"""The books as they were at a moment: what a replay that begins in the middle of an archive has to begin with."""

from collections.abc import Iterable, Mapping

from app.market.book import Book
from app.market.instruments import Instrument
from app.market.rows import Rows, concat
from app.market.snapshots import snapshot_rows


def opening(before: Iterable[Rows], instruments: Mapping[str, Instrument], at: int, *, book_ticks: int) -> Rows:
    """A snapshot message of each book, with ts_event and ts_recv `at` (ns), after the rows `before`.

    Without it a book would be made of whatever levels happen to change first, and its touch would be wrong for as
    long as a level that was there all the time stays unchanged. Books that were empty then are left out.
    """
    books = {instrument.id: Book(instrument, book_ticks) for instrument in instruments.values()}
    for rows in before:
        for book in books.values():
            book.advance(rows)
    return concat(snapshot_rows(book, ts_event=at, ts_recv=at) for book in books.values())
