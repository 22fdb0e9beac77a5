"""A book as the rows that make it."""

import numpy as np

from app.market.book import Book
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, SNAPSHOT, Rows, empty

_ALL = 1 << 20


def snapshot_rows(book: Book, *, ts_event: int, ts_recv: int, flags: int = 0) -> Rows:
    """A venue message that clears the book and sets all its levels; no rows if there are none.

    All rows are flagged SNAPSHOT and `flags`.
    """
    bids, asks = book.levels(_ALL)
    if not bids and not asks:
        return empty()
    rows = empty(1 + len(bids) + len(asks))
    rows["ts_event"], rows["ts_recv"] = ts_event, ts_recv
    rows["instrument"], rows["flags"] = book.instrument.id, SNAPSHOT | flags
    rows["kind"], rows["kind"][0] = DEPTH_SET, DEPTH_CLEAR
    rows["flags"][-1] |= LAST
    rows["side"][1 : 1 + len(bids)], rows["side"][1 + len(bids) :] = 1, -1
    rows["px"][1:] = [book.price(tick) for tick, _ in (*bids, *asks)]
    rows["qty"][1:] = np.array([quantity for _, quantity in (*bids, *asks)])
    return rows
