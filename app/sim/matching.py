"""What happens to resting orders when a row arrives."""

# mypy: no-warn-return-any

import numpy as np
import numpy.typing as npt

from app.market.book import BEST_ASK, BEST_BID, NONE, level_qty, next_level
from app.market.compiled import inlined, kernel
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, TRADE
from app.sim.arrays import move_row
from app.sim.layout import (
    ACCOUNT,
    ARRIVED,
    DARK,
    EVENTS,
    FILLED,
    HANDLE,
    HANDLES,
    HIT,
    LEFT,
    LOT,
    ORDERS,
    POSITION,
    REDUCE,
    REDUCED,
    SIDE,
    SLOT,
    TICK,
)
from app.sim.queue import join, shown_now, traded
from app.sim.taking import emit, facing, lots_of

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@kernel
def reducible(held: I64, position: int, side: int) -> int:
    """The most lots an order of `side` can take off a position."""
    return max(0, -side * held[position])


@kernel
def _execute(orders: I64, held: I64, events: I64, head: I64, j: int, lots: int) -> None:
    """Fill resting order `j` with up to `lots` at its own price, never past zero if it is reduce-only."""
    order = orders[j]
    lots = min(lots, order[LEFT])
    if order[REDUCE]:
        lots = min(lots, reducible(held, order[POSITION], order[SIDE]))
    if lots <= 0:
        return
    order[LEFT] -= lots
    order[HIT] += lots
    held[order[POSITION]] += order[SIDE] * lots
    emit(events, head, FILLED, order[HANDLE], lots, order[TICK], 1)


@kernel
def trim(orders: I64, held: I64, events: I64, head: I64, position: int) -> None:
    """Shrink the resting reduce-only orders of a position to what is left of it; the venue cancels emptied ones."""
    for j in range(head[ORDERS]):
        order = orders[j]
        if order[POSITION] == position and order[REDUCE] and order[LEFT] > 0:
            excess = order[LEFT] - reducible(held, position, order[SIDE])
            if excess > 0:
                order[LEFT] -= excess
                if order[LEFT] == 0:
                    emit(events, head, REDUCED, order[HANDLE], excess, order[TICK], 1)


@kernel
def drop_finished(orders: I64, queue: F64, head: I64) -> None:
    """Take out orders with nothing left; the others keep their order of arrival."""
    kept = 0
    for j in range(head[ORDERS]):
        if orders[j, LEFT] > 0:
            if kept != j:
                move_row(orders, j, kept)
                move_row(queue, j, kept)
            kept += 1
    head[ORDERS] = kept


@kernel
def _own_before(orders: I64, j: int) -> int:
    """Lots of this row's trade that went to earlier orders of the same account at the same price."""
    mine, used = orders[j], 0
    for i in range(j):
        other = orders[i]
        if (
            other[ACCOUNT] == mine[ACCOUNT]
            and other[SLOT] == mine[SLOT]
            and other[SIDE] == mine[SIDE]
            and other[TICK] == mine[TICK]
        ):
            used += other[HIT]
    return used


@kernel
def _on_trade(orders: I64, queue: F64, j: int, aggressor: int, tick: int, lots: int, ts: int) -> int:
    """Lots order `j` gets from a trade."""
    order = orders[j]
    if ts < order[ARRIVED]:
        return 0
    if (order[TICK] - tick) * order[SIDE] > 0:
        return order[LEFT]
    if order[TICK] != tick or aggressor == order[SIDE]:
        return 0
    return traded(order, queue[j], lots, min(lots, _own_before(orders, j)), ts)


@kernel
def _on_depth(order: I64, queue: F64, kind: int, side: int, tick: int, lots: int, ts: int, model: int) -> None:
    if kind == DEPTH_CLEAR:
        if side != -order[SIDE]:
            order[DARK] = 1
    elif side == order[SIDE] and tick == order[TICK]:
        if lots > 0:
            shown_now(order, queue, lots, ts, model)
        else:
            order[DARK] = 1


@kernel
def _settle_level(order: I64, queue: F64, state: I64, qty: F64, ts: int, model: int) -> None:
    """The book is consistent: what does it mean that the order's level is not visible?"""
    tick, side = order[TICK], order[SIDE]
    if order[DARK] and level_qty(state, qty, side, tick) == 0.0 and next_level(state, side, tick) != NONE:
        # Levels further out are visible, so this one is empty and nobody is ahead.
        order[DARK] = 0
        shown_now(order, queue, 0, ts, model)


@kernel
def _crossed(order: I64, state: I64, qty: F64, rates: F64, taken: I64, head: I64) -> bool:
    opposite = facing(state, qty, rates, taken, head, order[SLOT], order[SIDE], order[ACCOUNT])
    return opposite != NONE and (order[TICK] - opposite) * order[SIDE] >= 0


@inlined
def concerns(orders: I64, head: I64, state: I64, slot: int, kind: int, side: int, tick: int, flags: int) -> bool:
    """Whether a row can do anything to a resting order; nearly none can, and `match_row` is dear."""
    for j in range(head[ORDERS]):
        if orders[j, SLOT] == slot:
            own = orders[j, SIDE]
            beyond = (orders[j, TICK] - tick) * own
            level = kind == DEPTH_SET and beyond == 0 and side == own
            if level or kind == DEPTH_CLEAR or (kind == TRADE and beyond >= 0):
                return True
            # What was taken from the other side can only make it recede.
            opposite = state[BEST_ASK] if own > 0 else state[BEST_BID]
            crossed = opposite != NONE and (orders[j, TICK] - opposite) * own >= 0
            if flags & LAST and (crossed or orders[j, DARK]):
                return True
    return False


@kernel
def match_row(
    orders: I64,
    queue: F64,
    held: I64,
    events: I64,
    head: I64,
    state: I64,
    qty: F64,
    rates: F64,
    taken: I64,
    slot: int,
    kind: int,
    side: int,
    tick: int,
    lots: int,
    ts: int,
    flags: int,
    model: int,
) -> None:
    """Let a row, already applied to the book, act on the resting orders of its instrument.

    A resting order is filled, at its own price, in these cases and no other:

    1. a trade by the opposite aggressor prints at its price, and more trades than is ahead of it in the queue: with
       the lots beyond, less those that went to earlier orders of the same account (partial fills are possible);
    2. a trade prints beyond its price: with all that is left;
    3. at the end of a venue message, the opposite best price (of what its account has not taken) is at its price or
       beyond: with all that is left.

    A trade that happened before the order arrived does nothing. Accounts do not see each other's orders.
    """
    for j in range(head[ORDERS]):
        orders[j, HIT] = 0
    for j in range(head[ORDERS]):
        if orders[j, SLOT] != slot:
            continue
        if kind == TRADE:
            _execute(orders, held, events, head, j, _on_trade(orders, queue, j, side, tick, lots, ts))
        elif kind in (DEPTH_SET, DEPTH_CLEAR):
            _on_depth(orders[j], queue[j], kind, side, tick, lots, ts, model)
        if flags & LAST:
            _settle_level(orders[j], queue[j], state, qty, ts, model)
            if _crossed(orders[j], state, qty, rates, taken, head):
                _execute(orders, held, events, head, j, orders[j, LEFT])
    fills = head[EVENTS]
    if fills > 0:
        for j in range(head[ORDERS]):
            if orders[j, HIT] > 0:
                trim(orders, held, events, head, orders[j, POSITION])
        drop_finished(orders, queue, head)


@kernel
def rest(
    state: I64,
    qty: F64,
    rates: F64,
    orders: I64,
    queue: F64,
    head: I64,
    slot: int,
    side: int,
    tick: int,
    lots: int,
    position: int,
    account: int,
    reduce_only: int,
    now: int,
) -> int:
    """Let an order that does not cross rest from `now` on; returns its handle. The caller has made sure of room."""
    at, handle = head[ORDERS], head[HANDLES]
    order = orders[at]
    order[HIT] = 0
    order[HANDLE] = handle
    order[SLOT] = slot
    order[SIDE] = side
    order[TICK] = tick
    order[LEFT] = lots
    order[POSITION] = position
    order[ACCOUNT] = account
    order[REDUCE] = reduce_only
    order[ARRIVED] = now
    shown = lots_of(level_qty(state, qty, side, tick), rates[LOT])
    visible = shown > 0 or next_level(state, side, tick) != NONE
    join(order, queue[at], shown, visible, now)
    head[ORDERS] = at + 1
    head[HANDLES] = handle + 1
    return handle
