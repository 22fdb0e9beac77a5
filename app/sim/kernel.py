"""The compiled loop over event rows: two views of the market, and everything that can happen to an order."""

# mypy: no-warn-return-any

import numpy as np
import numpy.typing as npt

from app.market.book import BEST_ASK, BEST_BID, NONE, TICK_SIZE, book_row, tick_of, two_sided
from app.market.compiled import inlined, kernel
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, FUNDING, LAST, MARK, TRADE, VENUE_ONLY, VIEW_ONLY
from app.market.words import META, PX, QTY, TS_EVENT, TS_RECV, flags_of, instrument_of, kind_of, side_of
from app.sim.layout import (
    DUE,
    END,
    EVENTS,
    FUNDING_DUE,
    FUNDING_TS,
    LOT,
    MARK_PX,
    MID2,
    NEVER,
    NOW,
    ORDERS,
    RATE,
    TAKEN,
    VENUE,
    VIEW,
    W_POSITION,
    W_SIDE,
    W_SLOT,
    W_TICK,
    WATCHED,
    WATCHES,
)
from app.sim.matching import concerns, match_row
from app.sim.taking import emit, forget_taken, lots_of

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

NS_PER_S = 1_000_000_000


@kernel
def next_funding(facts: I64, head: I64) -> None:
    """Find the next funding time of any instrument."""
    due = NEVER
    for slot in range(len(facts)):
        due = min(due, facts[slot, FUNDING_TS])
    head[DUE] = due


@kernel
def _fund(facts: I64, head: I64, events: I64) -> None:
    """A funding time has come: say so for each instrument it concerns, once."""
    for slot in range(len(facts)):
        if facts[slot, FUNDING_TS] == head[DUE]:
            facts[slot, FUNDING_TS] = NEVER
            emit(events, head, FUNDING_DUE, slot, 0, NONE, 0)
    next_funding(facts, head)


@kernel
def _note(facts: I64, rates: F64, head: I64, slot: int, kind: int, px: float, qty: float, now: int) -> None:
    """Remember what MARK and FUNDING rows say. A funding time that has passed was dealt with when it came."""
    if kind == MARK:
        rates[slot, MARK_PX] = px
    elif qty * NS_PER_S < NEVER and np.int64(qty) * NS_PER_S > now:
        rates[slot, RATE] = px
        facts[slot, FUNDING_TS] = np.int64(qty) * NS_PER_S
        next_funding(facts, head)


@inlined
def _at_venue(
    ints: I64,
    floats: F64,
    row: int,
    slot: int,
    states: I64,
    sizes: F64,
    facts: I64,
    rates: F64,
    head: I64,
    orders: I64,
    queue: F64,
    held: I64,
    taken: I64,
    events: I64,
    model: int,
) -> None:
    meta = ints[row, META]
    kind, side, flags = kind_of(meta), side_of(meta), flags_of(meta)
    if flags & VIEW_ONLY:
        return
    px, qty = floats[row, PX], floats[row, QTY]
    state, size = states[0, slot], sizes[0, slot]
    book_row(state, size, kind, side, px, qty, flags)
    if kind in (MARK, FUNDING):
        _note(facts, rates, head, slot, kind, px, qty, head[NOW])
    if flags & LAST and two_sided(state):
        facts[slot, MID2] = state[BEST_BID] + state[BEST_ASK]
    if head[ORDERS] == 0 and head[TAKEN] == 0:
        return
    tick = tick_of(px, size[TICK_SIZE]) if kind in (DEPTH_SET, TRADE) else NONE
    if tick == NONE and kind in (DEPTH_SET, TRADE):
        # A price no tick stands for: the book counted it, and to orders it says nothing but that time passes.
        kind = CLOCK
    if head[TAKEN] > 0 and kind in (DEPTH_SET, DEPTH_CLEAR):
        forget_taken(taken, head, slot, side, tick)
    if concerns(orders, head, state, slot, kind, side, tick, flags):
        lots = lots_of(qty, rates[slot, LOT])
        ts = ints[row, TS_EVENT]
        match_row(orders, queue, held, events, head, state, size, rates[slot], taken, slot, kind, side, tick, lots, ts,
                  flags, model)  # fmt: skip


@inlined
def _in_view(ints: I64, floats: F64, row: int, slot: int, states: I64, sizes: F64, head: I64, watches: I64,
             events: I64) -> None:  # fmt: skip
    meta = ints[row, META]
    flags = flags_of(meta)
    if flags & VENUE_ONLY:
        return
    state = states[1, slot]
    book_row(state, sizes[1, slot], kind_of(meta), side_of(meta), floats[row, PX], floats[row, QTY], flags)
    if flags & LAST:
        for i in range(head[WATCHES]):
            watch = watches[i]
            if watch[W_SLOT] == slot and crossed(state, watch[W_SIDE], watch[W_TICK]):
                emit(events, head, WATCHED, watch[W_POSITION], 0, watch[W_TICK], 0)


@kernel
def crossed(state: I64, side: int, tick: int) -> bool:
    """True if the best bid (side +1) is at `tick` or below, or the best ask (side -1) at `tick` or above."""
    best = state[BEST_BID] if side > 0 else state[BEST_ASK]
    return best != NONE and (best - tick) * side <= 0


@inlined
def _run_venue(
    ints: I64,
    floats: F64,
    keys: I64,
    order: I64,
    heads: I64,
    until: int,
    slots: I64,
    states: I64,
    sizes: F64,
    facts: I64,
    rates: F64,
    head: I64,
    orders: I64,
    queue: F64,
    held: I64,
    taken: I64,
    events: I64,
    model: int,
) -> None:
    """The venue's rows up to `until`, or to the first thing that happens or is due."""
    while heads[VENUE] < heads[END] and head[EVENTS] == 0:
        row = order[heads[VENUE]]
        now = keys[row]
        if now > until or now >= head[DUE]:
            return
        heads[VENUE] += 1
        head[NOW] = now
        slot = slots[instrument_of(ints[row, META])]
        if slot >= 0:
            _at_venue(ints, floats, row, slot, states, sizes, facts, rates, head, orders, queue, held, taken, events,
                      model)  # fmt: skip


@inlined
def _run_view(
    ints: I64,
    floats: F64,
    heads: I64,
    until: int,
    slots: I64,
    states: I64,
    sizes: F64,
    head: I64,
    watches: I64,
    events: I64,
) -> None:
    """The view's rows up to `until`, or to the first thing that happens or is due."""
    while heads[VIEW] < heads[END] and head[EVENTS] == 0:
        row = heads[VIEW]
        now = ints[row, TS_RECV]
        if now > until or now >= head[DUE]:
            return
        heads[VIEW] += 1
        head[NOW] = now
        slot = slots[instrument_of(ints[row, META])]
        if slot >= 0:
            _in_view(ints, floats, row, slot, states, sizes, head, watches, events)


@kernel
def advance(
    ints: I64,
    floats: F64,
    keys: I64,
    order: I64,
    heads: I64,
    until: int,
    view_until: int,
    slots: I64,
    states: I64,
    sizes: F64,
    facts: I64,
    rates: F64,
    head: I64,
    orders: I64,
    queue: F64,
    held: I64,
    taken: I64,
    watches: I64,
    events: I64,
    model: int,
) -> int:
    """Run the venue's rows up to `until` and the view's up to `view_until` (inclusive), in order of time.

    `ints`, `floats`: the tape's rows (n, 5) as words; `keys`: their venue times; `order`: row indices in venue
    order; `heads`: the tape's heads. `slots` maps instrument ids to slots (-1: not ours). `states` and `sizes` are
    (2, slots, …) books: [0] the venue's, [1] the strategy's view. Requires view_until ≤ until.

    At equal times funding comes first, then the venue's rows, then the view's. Stops behind the first row (or
    funding time) at which something happened, with `head[NOW]` at its time, and returns how many `events` say what.
    Returns 0 when both limits are reached.
    """
    head[EVENTS] = 0
    while head[EVENTS] == 0:
        at_venue = keys[order[heads[VENUE]]] if heads[VENUE] < heads[END] else NEVER
        in_view = ints[heads[VIEW], TS_RECV] if heads[VIEW] < heads[END] else NEVER
        if head[DUE] <= min(at_venue, in_view, until):
            head[NOW] = head[DUE]
            _fund(facts, head, events)
        elif at_venue <= min(in_view, until):
            _run_venue(ints, floats, keys, order, heads, min(in_view, until), slots, states, sizes, facts, rates, head,
                       orders, queue, held, taken, events, model)  # fmt: skip
        elif in_view < at_venue and in_view <= view_until:
            _run_view(ints, floats, heads, min(at_venue - 1, view_until), slots, states, sizes, head, watches, events)
        else:
            return 0
    return head[EVENTS]
