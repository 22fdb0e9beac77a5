"""The kernel of the signal side: a block of rows in one call, and what they cause out of it."""

# mypy: no-warn-return-any

import numpy as np
import numpy.typing as npt

from app.features.evaluate import all_finite, all_warm
from app.features.layout import (
    EVERY,
    EVERY_MESSAGE,
    FIRST_WATCH,
    FOUND,
    H_DUE,
    H_EVERY,
    H_SLOT,
    HOLD_DUE,
    MOST_PER_ROW,
    NEXT_HOLD,
    NO_HOLD,
    O_ASK,
    O_BID,
    O_INDEX,
    O_KIND,
    O_SIDE,
    O_TS,
    O_TS_EVENT,
    SILENCE,
    TIME_PASSED,
    TOLD,
    W_FIRED,
    W_SIDE_FEATURE,
    WATCH_FIRED,
)
from app.features.statistics import observe, observe_clock, pass_time
from app.features.trigger import ALL_DONE, compute_rest, every, fires
from app.market.book import BEST_ASK, BEST_BID, OPEN, two_sided
from app.market.compiled import inlined, kernel
from app.market.rows import CLOCK, LAST
from app.market.words import META, PX, QTY, TS_EVENT, TS_RECV, flags_of, instrument_of, kind_of, side_of

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@kernel
def _write(plan: I64, out: I64, kind: int, index: int, ints: I64, row: int, side: int, state: I64) -> None:
    found = plan[FOUND]
    out[found, O_KIND] = kind
    out[found, O_INDEX] = index
    out[found, O_TS] = ints[row, TS_RECV]
    out[found, O_TS_EVENT] = ints[row, TS_EVENT]
    out[found, O_SIDE] = side
    out[found, O_BID] = state[BEST_BID]
    out[found, O_ASK] = state[BEST_ASK]
    plan[FOUND] = found + 1


@inlined
def _entries(
    books: I64,
    levels: F64,
    times: I64,
    stats: F64,
    plan: I64,
    watches: I64,
    bounds: F64,
    ints: I64,
    row: int,
    slot: int,
    out_ints: I64,
    out_floats: F64,
) -> None:
    """Try the watches on the instrument whose message ends at `row`."""
    ts = ints[row, TS_RECV]
    state, qty, own_times, own_stats = books[slot], levels[slot], times[slot], stats[slot]
    done = 0
    if plan[EVERY_MESSAGE] and two_sided(state):
        compute_rest(0, state, qty, own_times, own_stats, ts, out_floats[plan[FOUND]])
        done = ALL_DONE
    for watch in range(plan[FIRST_WATCH + slot], plan[FIRST_WATCH + slot + 1]):
        out = out_floats[plan[FOUND]]
        if watches[watch, W_SIDE_FEATURE] == EVERY:
            every(state, qty, own_times, own_stats, ts, out)
            _write(plan, out_ints, WATCH_FIRED, watch, ints, row, 0, state)
            done = 0
        else:
            side = fires(watches, watch, bounds, done, state, qty, own_times, own_stats, ts, out)
            if side != 0:
                watches[watch, W_FIRED] = ts
                _write(plan, out_ints, WATCH_FIRED, watch, ints, row, side, state)
                # The next one is written to a row of its own.
                done = 0


@kernel
def _due_holds(
    books: I64,
    levels: F64,
    times: I64,
    stats: F64,
    plan: I64,
    holds: I64,
    ints: I64,
    row: int,
    only: int,
    out_ints: I64,
    out_floats: F64,
) -> None:
    """Evaluate the holds that are due, of the instrument in slot `only` or of all (-1). One not ready stays due."""
    ts = ints[row, TS_RECV]
    plan[NEXT_HOLD] = NO_HOLD
    for hold in range(len(holds)):
        slot = holds[hold, H_SLOT]
        if holds[hold, H_DUE] <= ts and (only < 0 or only == slot):
            state, out = books[slot], out_floats[plan[FOUND]]
            if state[OPEN] == 0 and two_sided(state) and all_warm(times[slot], ts):
                compute_rest(0, state, levels[slot], times[slot], stats[slot], ts, out)
                if all_finite(out):
                    _write(plan, out_ints, HOLD_DUE, hold, ints, row, 0, state)
                    late = ts - holds[hold, H_DUE]
                    holds[hold, H_DUE] += holds[hold, H_EVERY] * (1 + late // holds[hold, H_EVERY])
        plan[NEXT_HOLD] = min(plan[NEXT_HOLD], holds[hold, H_DUE])


@kernel
def silent(plan: I64, ts: int) -> bool:
    """True if so much time has passed by a row at `ts` that it is reported even without a clock row."""
    return ts - plan[TOLD] > plan[SILENCE]


@kernel
def _tell_time(plan: I64, out_ints: I64, clock: bool, ints: I64, row: int, state: I64) -> None:
    """Report that all rows before this one's ts are handled: other rows of that ts may follow, earlier ones not."""
    ts = ints[row, TS_RECV]
    if plan[TOLD] < 0:
        plan[TOLD] = ts - 1
    elif ts - 1 > plan[TOLD] and (clock or silent(plan, ts)):
        _write(plan, out_ints, TIME_PASSED, 0, ints, row, 0, state)
        plan[TOLD] = ts - 1


@kernel
def run(
    books: I64,
    levels: F64,
    times: I64,
    stats: F64,
    plan: I64,
    ids: I64,
    watches: I64,
    bounds: F64,
    holds: I64,
    ints: I64,
    floats: F64,
    start: int,
    stop: int,
    until: int,
    out_ints: I64,
    out_floats: F64,
) -> int:
    """Handle rows start … stop - 1 whose `ts_recv` is below `until`; return the first row not handled.

    `books` (n, state_size), `levels` (n, qty_size), `times` (n, TIMES) and `stats` (n, STATS) are the instruments'
    state. What fired is written to `out_ints` and `out_floats` in order, `plan[FOUND]` rows; the call ends early when
    there might not be room for what one more row can cause. The rows have passed `sift`.
    """
    plan[FOUND] = 0
    room = len(out_ints) - plan[MOST_PER_ROW]
    for row in range(start, stop):
        ts = ints[row, TS_RECV]
        if ts >= until or plan[FOUND] > room:
            return row
        pass_time(plan, ts)
        meta = ints[row, META]
        kind = kind_of(meta)
        _tell_time(plan, out_ints, kind == CLOCK, ints, row, books[0])
        if kind == CLOCK:
            for slot in range(len(books)):
                observe_clock(times[slot], stats[slot], plan, ts)
            if ts >= plan[NEXT_HOLD]:
                _due_holds(books, levels, times, stats, plan, holds, ints, row, -1, out_ints, out_floats)
            continue
        slot = ids[instrument_of(meta)]
        flags = flags_of(meta)
        px, quantity = floats[row, PX], floats[row, QTY]
        observe(books[slot], levels[slot], times[slot], stats[slot], plan, ts, kind, side_of(meta), px, quantity, flags)
        if flags & LAST:
            _entries(books, levels, times, stats, plan, watches, bounds, ints, row, slot, out_ints, out_floats)
            if ts >= plan[NEXT_HOLD]:
                _due_holds(books, levels, times, stats, plan, holds, ints, row, slot, out_ints, out_floats)
    return stop
