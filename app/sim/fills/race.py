"""Virtual orders in the places of real ones, moved along by each fill model on the same feed.

A virtual order joins when its real one came, behind what the level showed without it. From then on the feed is as if
the real one were not there: its lots are not in what the level shows, its cancellations are not seen. Its executions
are seen as trades, since in its place they would have been ours: a model that has us in front by then fills us, one
that does not lets the trade take what it believes to be ahead.

Models are those of `app.sim.queue`, run by that module's own code, and two that know no queue: TOUCH fills at the
first trade at the price, THROUGH only when one prints beyond it. Every model fills an order when the price trades
through it or the other side's best price reaches it. Filled means: the first lot.

A model goes on after the real order was filled, so that it can be late. It stops where the real order ended unfilled.
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from app.market.compiled import kernel
from app.sim.fills.flow import BEST, FEED_LOTS, FEED_SIDE, FEED_TICK, I64, KIND, ROW, SHOWS, TRADED
from app.sim.fills.truth import NEVER, Truth
from app.sim.layout import DARK, ORDER, QUEUE
from app.sim.queue import join, shown_now, traded

F64 = npt.NDArray[np.float64]

TOUCH: Final = -1
THROUGH: Final = -2

_ASKS: Final = 0
_BIDS: Final = 1
_PARKED: Final = 2  # added to the side: chains of orders that only wait for the market to go through their price


class _Orders(NamedTuple):
    """What the kernel knows of the real orders; `left` is what each still has in its level."""

    came: I64
    filled: I64
    end: I64
    side: I64
    rank: I64
    ahead: I64
    left: I64


class _Lanes(NamedTuple):
    """The state of every virtual order under every model, and the orders at each price as chains."""

    models: I64
    state: I64  # (models, orders, ORDER)
    queue: F64  # (models, orders, QUEUE)
    filled: I64  # (models, orders)
    chains: I64  # (4, prices): the newest order at a price
    following: I64  # the order before it at the same price


def race(feed: I64, truth: Truth, models: tuple[int, ...]) -> I64:
    """Row at which each model fills each order, NEVER if it does not; shape (models, orders).

    `models` are codes of `app.sim.queue`, TOUCH and THROUGH.
    """
    count, prices = len(truth.came), np.unique(truth.tick)
    rank = np.searchsorted(prices, truth.tick).astype(np.int64)
    orders = _Orders(truth.came, truth.filled, truth.end, truth.side, rank, truth.ahead, truth.lots.copy())
    lanes = _Lanes(
        np.array(models, np.int64),
        np.zeros((len(models), count, ORDER), np.int64),
        np.zeros((len(models), count, QUEUE)),
        np.full((len(models), count), NEVER),
        np.full((4, len(prices) + 1), -1, np.int64),
        np.full(count, -1, np.int64),
    )
    _race(feed, truth.subject, truth.taken, prices, orders, lanes)
    return lanes.filled


@kernel
def _bisect(prices: I64, tick: int, after_equal: bool) -> int:
    """How many prices are below `tick` (or at it, if `after_equal`)."""
    low, high = 0, len(prices)
    while low < high:
        middle = (low + high) // 2
        if prices[middle] < tick or (after_equal and prices[middle] == tick):
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _over(orders: _Orders, lanes: _Lanes, j: int, row: int) -> bool:
    """Nothing at its price matters to it any more: it ended unfilled, or it ended and no queue model has it waiting."""
    if row <= orders.end[j]:
        return False
    waiting = 0
    for lane in range(len(lanes.models)):
        waiting += lanes.filled[lane, j] == NEVER and lanes.models[lane] != THROUGH
    return waiting == 0 or orders.filled[j] == NEVER


@kernel
def _act(what: I64, j: int, orders: _Orders, lanes: _Lanes) -> None:
    """Let a row of the feed, at the order's price, act on it under every model."""
    row, lots = what[ROW], what[FEED_LOTS]
    for lane in range(len(lanes.models)):
        model, order, queue = lanes.models[lane], lanes.state[lane, j], lanes.queue[lane, j]
        if model == THROUGH or lanes.filled[lane, j] != NEVER:
            continue
        if what[KIND] == TRADED:
            # Times are positions in the feed: a trade comes before the change of the level it causes.
            if model == TOUCH or traded(order, queue, lots, 0, 2 * row) > 0:
                lanes.filled[lane, j] = row
        elif model == TOUCH:
            continue
        elif what[KIND] == SHOWS:
            shown_now(order, queue, max(0, lots - orders.left[j]), 2 * row + 1, model)
        else:
            order[DARK] = 1


@kernel
def _at_price(what: I64, side: int, rank: int, orders: _Orders, lanes: _Lanes) -> None:
    """Let a row of the feed act on all orders at one price, and let go of those that are over."""
    before, j = -1, lanes.chains[side, rank]
    while j >= 0:
        after = lanes.following[j]
        if _over(orders, lanes, j, what[ROW]):
            if before < 0:
                lanes.chains[side, rank] = after
            else:
                lanes.following[before] = after
            if orders.filled[j] != NEVER:
                lanes.following[j] = lanes.chains[side + _PARKED, rank]
                lanes.chains[side + _PARKED, rank] = j
        else:
            _act(what, j, orders, lanes)
            before = j
        j = after


@kernel
def _through(row: int, side: int, first: int, last: int, orders: _Orders, lanes: _Lanes) -> None:
    """The market went through the prices of ranks first … last - 1: every order there is filled."""
    for rank in range(first, last):
        for chain in (side, side + _PARKED):
            j = lanes.chains[chain, rank]
            while j >= 0:
                if row <= orders.end[j] or orders.filled[j] != NEVER:
                    for lane in range(len(lanes.models)):
                        lanes.filled[lane, j] = min(lanes.filled[lane, j], row)
                j = lanes.following[j]
            lanes.chains[chain, rank] = -1


@kernel
def _join(j: int, orders: _Orders, lanes: _Lanes) -> int:
    """Put an order behind what its level shows; returns its side's index."""
    for lane in range(len(lanes.models)):
        join(lanes.state[lane, j], lanes.queue[lane, j], orders.ahead[j], True, 2 * orders.came[j] + 2)
    side = _BIDS if orders.side[j] > 0 else _ASKS
    lanes.following[j] = lanes.chains[side, orders.rank[j]]
    lanes.chains[side, orders.rank[j]] = j
    return side


@kernel
def _race(feed: I64, subject: I64, taken: I64, prices: I64, orders: _Orders, lanes: _Lanes) -> None:
    coming, handled = 0, 0
    # The outermost ranks with orders, the only ones a market on its way there can go through.
    highest, lowest = -1, len(prices)
    for k in range(len(feed)):
        what = feed[k]
        row, kind, tick = what[ROW], what[KIND], what[FEED_TICK]
        while coming < len(orders.came) and orders.came[coming] < row:
            if _join(coming, orders, lanes) == _BIDS:
                highest = max(highest, orders.rank[coming])
            else:
                lowest = min(lowest, orders.rank[coming])
            coming += 1
        # What a level shows after this message is without what the real order took out of it by this message.
        while handled <= row:
            if subject[handled] >= 0:
                orders.left[subject[handled]] -= taken[handled]
            handled += 1
        if kind in (TRADED, BEST):
            # A trade fills what is strictly better than its price, the other side's best also what is at it.
            if what[FEED_SIDE] > 0:
                reach = _bisect(prices, tick, kind == TRADED)
                _through(row, _BIDS, reach, highest + 1, orders, lanes)
                highest = min(highest, reach - 1)
            else:
                reach = _bisect(prices, tick, kind == BEST)
                _through(row, _ASKS, lowest, reach, orders, lanes)
                lowest = max(lowest, reach)
        if kind != BEST:
            rank = _bisect(prices, tick, False)
            if rank < len(prices) and prices[rank] == tick:
                _at_price(what, _BIDS if what[FEED_SIDE] > 0 else _ASKS, rank, orders, lanes)
