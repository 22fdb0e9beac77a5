"""What can be taken from the other side, and what each account has taken from it already."""

# mypy: no-warn-return-any

import numpy as np
import numpy.typing as npt

from app.market.book import BEST_ASK, BEST_BID, NONE, level_qty, next_level
from app.market.compiled import kernel
from app.sim.arrays import move_row
from app.sim.layout import (
    E_KIND,
    E_LOTS,
    E_MAKER,
    E_SUBJECT,
    E_TICK,
    EVENTS,
    FILLED,
    LOT,
    T_ACCOUNT,
    T_LOTS,
    T_SIDE,
    T_SLOT,
    T_TICK,
    TAKEN,
)

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

MOST_LOTS = 2.0**53


@kernel
def lots_of(qty: float, lot: float) -> int:
    """The lots nearest to a quantity, at most 2⁵³: beyond, neighbours cannot be told apart."""
    return int(min(np.rint(qty / lot), MOST_LOTS))


@kernel
def emit(events: I64, head: I64, kind: int, subject: int, lots: int, tick: int, maker: int) -> None:
    """Write one event; the caller has made sure that there is room."""
    at = head[EVENTS]
    events[at, E_KIND] = kind
    events[at, E_SUBJECT] = subject
    events[at, E_LOTS] = lots
    events[at, E_TICK] = tick
    events[at, E_MAKER] = maker
    head[EVENTS] = at + 1


@kernel
def taken_at(taken: I64, head: I64, account: int, slot: int, side: int, tick: int) -> int:
    """Index of what `account` took from a level, -1 if nothing."""
    for i in range(head[TAKEN]):
        if (
            taken[i, T_ACCOUNT] == account
            and taken[i, T_SLOT] == slot
            and taken[i, T_SIDE] == side
            and taken[i, T_TICK] == tick
        ):
            return i
    return -1


@kernel
def facing(state: I64, qty: F64, rates: F64, taken: I64, head: I64, slot: int, side: int, account: int) -> int:
    """The best price on the other side at which something is left for `account`, NONE if nothing is."""
    tick = state[BEST_ASK] if side > 0 else state[BEST_BID]
    while tick != NONE and head[TAKEN] > 0:
        at = taken_at(taken, head, account, slot, -side, tick)
        if at < 0 or taken[at, T_LOTS] < lots_of(level_qty(state, qty, -side, tick), rates[LOT]):
            break
        tick = next_level(state, -side, tick)
    return tick


@kernel
def forget_taken(taken: I64, head: I64, slot: int, side: int, tick: int) -> None:
    """A level (or with tick NONE a whole side, with side 0 both) was sent anew: what we took there is in it now."""
    kept = 0
    for i in range(head[TAKEN]):
        told = taken[i, T_SLOT] == slot and side != -taken[i, T_SIDE] and (tick == NONE or taken[i, T_TICK] == tick)
        if not told:
            if kept != i:
                move_row(taken, i, kept)
            kept += 1
    head[TAKEN] = kept


@kernel
def _remember(taken: I64, head: I64, at: int, account: int, slot: int, side: int, tick: int, lots: int) -> None:
    if at >= 0:
        taken[at, T_LOTS] += lots
        return
    if head[TAKEN] == len(taken):
        # Bounded memory: the oldest memory goes. It belongs to a level not updated through a thousand others.
        for i in range(1, len(taken)):
            move_row(taken, i, i - 1)
        head[TAKEN] -= 1
    new = head[TAKEN]
    taken[new, T_ACCOUNT] = account
    taken[new, T_SLOT] = slot
    taken[new, T_SIDE] = side
    taken[new, T_TICK] = tick
    taken[new, T_LOTS] = lots
    head[TAKEN] = new + 1


@kernel
def sweep(
    state: I64,
    qty: F64,
    rates: F64,
    taken: I64,
    head: I64,
    held: I64,
    events: I64,
    slot: int,
    side: int,
    limit: int,
    lots: int,
    position: int,
    account: int,
) -> int:
    """Take up to `lots` from the other side, best level first, no worse than tick `limit` (NONE: any price).

    What this account took from a level before, and the venue has not updated since, is gone. Writes one event a
    level and stops early when `events` is full. Returns the lots that are left.
    """
    head[EVENTS] = 0
    tick = state[BEST_ASK] if side > 0 else state[BEST_BID]
    while lots > 0 and tick != NONE and (limit == NONE or (limit - tick) * side >= 0) and head[EVENTS] < len(events):
        at = taken_at(taken, head, account, slot, -side, tick)
        before = taken[at, T_LOTS] if at >= 0 else 0
        here = min(lots, lots_of(level_qty(state, qty, -side, tick), rates[LOT]) - before)
        if here > 0:
            lots -= here
            held[position] += side * here
            _remember(taken, head, at, account, slot, -side, tick, here)
            emit(events, head, FILLED, NONE, here, tick, 0)
        tick = next_level(state, -side, tick)
    return lots
