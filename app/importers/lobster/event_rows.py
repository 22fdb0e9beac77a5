"""LOBSTER messages as event rows."""

from typing import Final

import numpy as np
import numpy.typing as npt

from app.importers.lobster.changes import Ints, changes
from app.importers.lobster.l3 import EXECUTION, HIDDEN, L3, PER_DOLLAR, PER_TICK
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, REPAIRED, SNAPSHOT, TRADE, Rows, empty

#: Order of rows within a message: the trade, what it and others took away, what is there now. So the book is at no
#: row crossed.
_TRADE: Final = 0
_CLEAR: Final = 1
_GONE: Final = 2
_SET: Final = 3


def event_rows(messages: L3, before: L3, instrument: int, repaired: npt.NDArray[np.bool_]) -> Rows:
    """The rows of `messages`; `before` is the message ahead of them, or empty at a day's start.

    `repaired` is true for the messages whose time was changed. ts_recv is ts_event: there is no other.
    A message that neither trades nor changes the book within the file's depth gives none. A day starts with a
    snapshot: the book after its first message.
    """
    book, trades = _book(messages, before), _trades(messages)
    clear = _clear(messages, before)
    rows: Rows = np.concatenate((trades[0], clear[0], book[0]))
    message = np.concatenate((trades[1], clear[1], book[1]))
    rank = np.concatenate((np.full(len(trades[0]), _TRADE), np.full(len(clear[0]), _CLEAR), book[2]))
    order = np.lexsort((rank, message))
    rows, message, rank = rows[order], message[order], rank[order]
    rows["ts_event"] = rows["ts_recv"] = messages["ts"][message]
    rows["instrument"] = instrument
    rows["flags"] = np.where(repaired[message], REPAIRED, 0)
    _flag(rows, message, rank, snapshot=not len(before))
    return rows


def _flag(rows: Rows, message: Ints, rank: Ints, *, snapshot: bool) -> None:
    last = np.ones(len(rows), np.bool_)
    last[:-1] = message[1:] != message[:-1]
    if snapshot:
        of_it = (message == 0) & (rank != _TRADE)
        rows["flags"][of_it] |= SNAPSHOT
        last |= (message == 0) & (rank == _TRADE)  # its own message, so that the snapshot is whole
    rows["flags"][last] |= LAST


def _book(messages: L3, before: L3) -> tuple[Rows, Ints, Ints]:
    changed = changes(messages, before)
    rows = empty(len(changed.message))
    rows["kind"], rows["side"] = DEPTH_SET, changed.side
    rows["px"], rows["qty"] = changed.ticks / (PER_DOLLAR / PER_TICK), changed.size
    return rows, changed.message, np.where(changed.size > 0, _SET, _GONE)


def _trades(messages: L3) -> tuple[Rows, Ints]:
    at = np.flatnonzero((messages["type"] == EXECUTION) | (messages["type"] == HIDDEN))
    rows, of_it = empty(len(at)), messages[at]
    rows["kind"], rows["side"] = TRADE, -of_it["direction"]
    rows["px"], rows["qty"] = of_it["price"] / PER_DOLLAR, of_it["size"]
    return rows, at


def _clear(messages: L3, before: L3) -> tuple[Rows, Ints]:
    rows = empty(0 if len(before) else 1)
    rows["kind"] = DEPTH_CLEAR
    return rows, np.zeros(len(rows), np.int64)
