"""The books as they were at a moment: what a replay that begins in the middle of an archive has to begin with."""

from collections.abc import Iterable, Mapping

import numpy as np

from app.market.book import Book
from app.market.instruments import Instrument
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, SNAPSHOT, Rows, concat, empty

_ALL = 1 << 20


def opening(before: Iterable[Rows], instruments: Mapping[str, Instrument], at: int, *, book_ticks: int) -> Rows:
    """A snapshot message of each book, with ts_event and ts_recv `at` (ns), after the rows `before`.

    Without it a book would be made of whatever levels happen to change first, and its touch would be wrong for as
    long as a level that was there all the time stays unchanged. Books that were empty then are left out.
    """
    books = {instrument.id: Book(instrument, book_ticks) for instrument in instruments.values()}
    for rows in before:
        for book in books.values():
            book.advance(rows)
    return concat(_snapshot(number, book, at) for number, book in books.items())


def _snapshot(instrument: int, book: Book, at: int) -> Rows:
    bids, asks = book.levels(_ALL)
    if not bids and not asks:
        return empty()
    rows = empty(1 + len(bids) + len(asks))
    rows["ts_event"] = rows["ts_recv"] = at
    rows["instrument"], rows["flags"] = instrument, SNAPSHOT
    rows["kind"], rows["kind"][0] = DEPTH_SET, DEPTH_CLEAR
    rows["flags"][-1] |= LAST
    rows["side"][1 : 1 + len(bids)], rows["side"][1 + len(bids) :] = 1, -1
    rows["px"][1:] = [book.price(tick) for tick, _ in (*bids, *asks)]
    rows["qty"][1:] = np.array([quantity for _, quantity in (*bids, *asks)])
    return rows
