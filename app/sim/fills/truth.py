"""What really became of every limit order that came during a day."""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from app.market.compiled import kernel
from app.sim.fills.flow import (
    DELETED,
    EXECUTED,
    FEED_LOTS,
    FEED_SIDE,
    FEED_TICK,
    HIDDEN,
    I64,
    KIND,
    L3,
    NEW,
    REDUCED,
    ROW,
    SHOWS,
    as_ints,
    distance_before,
    level_after,
)

#: `filled` of an order that never was.
NEVER: Final = np.iinfo(np.int64).max


class Truth(NamedTuple):
    """One entry an order, in order of arrival; `subject` has one a message.

    came, filled, end: rows of the arrival, of the first execution (NEVER if none) and of the end. An order whose end
    the file does not show (it left the visible window, or the day ended) ends where it was last known to rest.
    executed: lots. ahead: lots shown at its price when it came, without its own. distance: ticks from the touch.
    shown_end: whether the file shows its end. subject: the order a message is about, -1 if none of these; taken: the
    lots it takes off that order.
    """

    came: I64
    filled: I64
    end: I64
    side: I64
    tick: I64
    lots: I64
    executed: I64
    ahead: I64
    distance: I64
    shown_end: npt.NDArray[np.bool_]
    subject: I64
    taken: I64

    def was_filled(self) -> npt.NDArray[np.bool_]:
        """Whether at least one lot of the order was executed by its end."""
        return np.asarray(self.filled != NEVER)


def truth_of(l3: L3, feed: I64) -> Truth:
    """The fate of every order of `l3` that came at a visible level; ids used twice are left out."""
    shown = level_after(l3)
    came = _arrivals(l3, shown)
    subject = _subjects(l3, came)
    mine = subject >= 0
    order, kind, size = subject[mine], l3["type"][mine], as_ints(l3["size"][mine])
    rows = np.flatnonzero(mine)
    executed = np.bincount(order, np.where(kind == EXECUTED, size, 0), len(came)).astype(np.int64)
    reduced = np.bincount(order, np.where(kind == REDUCED, size, 0), len(came)).astype(np.int64)
    filled = np.full(len(came), NEVER)
    np.minimum.at(filled, order[kind == EXECUTED], rows[kind == EXECUTED])
    last = came.copy()
    np.maximum.at(last, order, rows)
    lots = as_ints(l3["size"][came])
    ended = executed + reduced >= lots
    ended[order[kind == DELETED]] = True
    side, tick = as_ints(l3["direction"][came]), as_ints(l3["price_ticks"][came])
    end = np.where(ended, last, len(l3) - 1)
    _last_known(feed, as_ints(np.flatnonzero(~ended)), came, side, tick, last, end, np.full(len(came), -1))
    taken = np.where(mine & (l3["type"] != NEW), l3["size"], 0).astype(np.int64)
    ahead, distance = shown[came] - lots, distance_before(l3)[came]
    return Truth(came, filled, end, side, tick, lots, executed, ahead, distance, ended, subject, taken)


def _arrivals(l3: L3, shown: I64) -> I64:
    rows = np.flatnonzero(l3["type"] == NEW)
    _, first, uses = np.unique(l3["order_id"][rows], return_index=True, return_counts=True)
    rows = np.sort(rows[first[uses == 1]])
    return as_ints(rows[shown[rows] >= l3["size"][rows]])


def _subjects(l3: L3, came: I64) -> I64:
    """The order each message is about; -1 for others and for those of no visible order."""
    subject = np.full(len(l3), -1, np.int64)
    if not len(came):
        return subject
    ids = l3["order_id"][came]
    by_id = np.argsort(ids, kind="stable")
    at = by_id[np.minimum(np.searchsorted(ids[by_id], l3["order_id"]), len(came) - 1)]
    known = (ids[at] == l3["order_id"]) & np.isin(l3["type"], (NEW, REDUCED, DELETED, EXECUTED))
    known &= np.arange(len(l3)) >= came[at]
    subject[known] = at[known]
    return subject


@kernel
def _last_known(
    feed: I64, open_orders: I64, came: I64, side: I64, tick: I64, last: I64, end: I64, following: I64
) -> None:
    """Set `end` of orders without an end to where their level was emptied or left the window after all they did.

    `following` chains the orders that still wait; the chain is short, since windows move often.
    """
    head, coming = -1, 0
    for k in range(len(feed)):
        if feed[k, KIND] != HIDDEN and not (feed[k, KIND] == SHOWS and feed[k, FEED_LOTS] == 0):
            continue
        while coming < len(open_orders) and came[open_orders[coming]] < feed[k, ROW]:
            j = open_orders[coming]
            following[j] = head
            head = j
            coming += 1
        before, j = -1, head
        while j >= 0:
            after = following[j]
            if side[j] == feed[k, FEED_SIDE] and tick[j] == feed[k, FEED_TICK] and last[j] < feed[k, ROW]:
                end[j] = feed[k, ROW]
                if before < 0:
                    head = after
                else:
                    following[before] = after
            else:
                before = j
            j = after
