"""Order-level messages, and what someone who sees only L2 and trades makes of them.

An `L3` array is structured as `app.importers.lobster.l3.l3_dtype` says: `ts`, `type`, `order_id`, `size`,
`price_ticks`, `direction` of the resting order, and `ask_ticks`, `ask_size`, `bid_ticks`, `bid_size` after the message.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.market.compiled import kernel

L3 = npt.NDArray[np.void]
I64 = npt.NDArray[np.int64]

# Values of `type` that concern orders in the visible book.
NEW: Final = 1
REDUCED: Final = 2
DELETED: Final = 3
EXECUTED: Final = 4

#: `*_ticks` of a level that nobody occupies.
EMPTY: Final = -1

# A row of the feed: the only thing a fill model is shown.
ROW: Final = 0  # index of the message that caused it
KIND: Final = 1
FEED_SIDE: Final = 2  # of the book (+1 bids); of a trade: the side that was resting
FEED_TICK: Final = 3
FEED_LOTS: Final = 4
FEED: Final = 5

TRADED: Final = 1  # lots traded at a price
SHOWS: Final = 2  # a level shows lots, 0 if it is empty
HIDDEN: Final = 3  # a level left the visible window
BEST: Final = 4  # the best price of the other side: resting orders of FEED_SIDE at it or beyond are crossed


def feed_of(l3: L3) -> I64:
    """Trades and level changes of `l3` in their order, shape (n, FEED); a message's trade comes before its changes.

    Executions of hidden orders are left out: they take nothing from the visible queue.
    """
    book = [np.ascontiguousarray(l3[name]) for name in ("bid_ticks", "bid_size", "ask_ticks", "ask_size")]
    trades = np.column_stack([l3["type"] == EXECUTED, l3["direction"], l3["price_ticks"], l3["size"]]).astype(np.int64)
    nowhere = np.zeros((0, FEED), np.int64)
    feed = np.empty((_write(nowhere, trades, *book), FEED), np.int64)
    _write(feed, trades, *book)
    return feed


def level_after(l3: L3) -> I64:
    """Lots that the level of each message's price and side shows after it; -1 if it is outside the window."""
    out = np.full(len(l3), -1, np.int64)
    for side, name in ((1, "bid"), (-1, "ask")):
        at = l3[f"{name}_ticks"] == l3["price_ticks"][:, None]
        mine = at.any(axis=1) & (l3["direction"] == side)
        out[mine] = (at * l3[f"{name}_size"]).sum(axis=1)[mine]
    return out


def distance_before(l3: L3) -> I64:
    """Ticks from the best price of the message's own side just before it; 0 at it, better than it, or without one."""
    out = np.zeros(len(l3), np.int64)
    for side, name in ((1, "bid"), (-1, "ask")):
        best = np.concatenate([[EMPTY], l3[f"{name}_ticks"][:-1, 0]])
        mine = (l3["direction"] == side) & (best != EMPTY)
        out[mine] = np.maximum(0, side * (best - l3["price_ticks"]))[mine]
    return out


@kernel
def _emit(feed: I64, at: int, row: int, kind: int, side: int, tick: int, lots: int) -> int:
    if at < len(feed):
        feed[at, ROW] = row
        feed[at, KIND] = kind
        feed[at, FEED_SIDE] = side
        feed[at, FEED_TICK] = tick
        feed[at, FEED_LOTS] = lots
    return at + 1


@kernel
def _find(ticks: I64, row: int, tick: int) -> int:
    for level in range(ticks.shape[1]):
        if ticks[row, level] == tick:
            return level
    return -1


@kernel
def _changes(feed: I64, at: int, row: int, side: int, ticks: I64, lots: I64) -> int:
    """Write how one side of the book differs from the row before."""
    worst = ticks[row, ticks.shape[1] - 1]
    for level in range(ticks.shape[1]):
        tick = ticks[row - 1, level] if row > 0 else EMPTY
        if tick != EMPTY and _find(ticks, row, tick) < 0:
            # Levels further out are visible, or fewer than fit: then this one is empty, else it left the window.
            empty = worst == EMPTY or (tick - worst) * side > 0
            at = _emit(feed, at, row, SHOWS if empty else HIDDEN, side, tick, 0)
    for level in range(ticks.shape[1]):
        tick = ticks[row, level]
        if tick != EMPTY:
            before = _find(ticks, row - 1, tick) if row > 0 else -1
            if before < 0 or lots[row - 1, before] != lots[row, level]:
                at = _emit(feed, at, row, SHOWS, side, tick, lots[row, level])
    best = ticks[row, 0]
    if best != EMPTY and (row == 0 or best != ticks[row - 1, 0]):
        at = _emit(feed, at, row, BEST, -side, best, 0)
    return at


@kernel
def _write(feed: I64, trades: I64, bid_ticks: I64, bid_lots: I64, ask_ticks: I64, ask_lots: I64) -> int:
    """Write as much of the feed as has room; returns how long it is."""
    at = 0
    for row in range(len(trades)):
        if trades[row, 0] == 1:
            at = _emit(feed, at, row, TRADED, trades[row, 1], trades[row, 2], trades[row, 3])
        at = _changes(feed, at, row, 1, bid_ticks, bid_lots)
        at = _changes(feed, at, row, -1, ask_ticks, ask_lots)
    return at


def as_ints(values: Any) -> I64:
    """`values` as contiguous int64."""
    return np.ascontiguousarray(values, np.int64)
