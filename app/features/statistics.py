"""Kernels that keep an instrument's statistics: what each event row and the passing of time do to them.

What changes with the book is in `levels`, what changes with trades in `flow`, what changes with time alone in `grid`.
"""

# mypy: no-warn-return-any

import math

import numpy as np
import numpy.typing as npt

from app.features.catalogue import GAP_NS
from app.features.flow import end_of_trades
from app.features.grid import follow_mid, sample_mids
from app.features.layout import (
    CHANGED,
    COMPARABLE,
    DEPTH_KNOWN,
    FUNDING_RATE,
    GENERATION,
    LAST_TS,
    MARK_PX,
    MARKED_AT,
    MESSAGE_BUY,
    MESSAGE_SELL,
    MESSAGE_TRADES,
    NEAR_ASK,
    NEAR_BID,
    RESYNC,
    RUNNING,
    SINCE,
)
from app.features.levels import compare_books
from app.market.book import BEST_ASK, BEST_BID, book_row, two_sided
from app.market.compiled import inlined, kernel
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, FUNDING, LAST, LOST, MARK, SNAPSHOT, TRADE

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@kernel
def restart(times: I64, stats: F64, generation: int) -> None:
    """Forget everything but the generation."""
    times[:] = 0
    times[SINCE] = -1
    times[CHANGED] = 1
    times[GENERATION] = generation
    stats[:] = 0.0


@kernel
def pass_time(plan: I64, ts: int) -> None:
    """A row at `ts` is next: after a gap, everything restarts."""
    if plan[LAST_TS] >= 0 and ts - plan[LAST_TS] > GAP_NS:
        plan[RUNNING] += 1
    plan[LAST_TS] = ts


@kernel
def _end_of_change(state: I64, qty: F64, times: I64, stats: F64, ts: int) -> None:
    """The message that ends at `ts` may have changed the best levels."""
    if two_sided(state):
        compare_books(state, qty, times, stats, ts)
        follow_mid(times, stats, float(state[BEST_BID] + state[BEST_ASK]), ts)
        times[COMPARABLE] = 1
    else:
        times[COMPARABLE] = 0
        stats[NEAR_BID], stats[NEAR_ASK] = 0.0, math.inf
    times[CHANGED] = 0


@kernel
def _end_message(state: I64, qty: F64, times: I64, stats: F64, ts: int) -> None:
    sample_mids(times, stats, ts)
    if stats[MESSAGE_TRADES] != 0.0:
        end_of_trades(times, stats, ts)
    if times[CHANGED]:
        _end_of_change(state, qty, times, stats, ts)
    times[RESYNC] = 0


@inlined
def observe(
    state: I64,
    qty: F64,
    times: I64,
    stats: F64,
    plan: I64,
    ts: int,
    kind: int,
    side: int,
    px: float,
    quantity: float,
    flags: int,
) -> None:
    """Apply one event row of this instrument to its book and its statistics."""
    if times[GENERATION] != plan[RUNNING]:
        restart(times, stats, plan[RUNNING])
    book_row(state, qty, kind, side, px, quantity, flags)
    if kind == DEPTH_SET:
        times[DEPTH_KNOWN] = 0
        # Most rows are further from the touch, and what compares books would add nothing for them.
        if px >= stats[NEAR_BID] if side > 0 else px <= stats[NEAR_ASK]:
            times[CHANGED] = 1
    elif kind == DEPTH_CLEAR:
        if flags & LOST:
            restart(times, stats, plan[RUNNING])
        times[DEPTH_KNOWN] = 0
        times[CHANGED] = 1
    elif kind == TRADE:
        stats[MESSAGE_BUY if side > 0 else MESSAGE_SELL] += quantity
        stats[MESSAGE_TRADES] += 1.0
    elif kind == MARK:
        stats[MARK_PX] = px
        times[MARKED_AT] = ts
    elif kind == FUNDING:
        stats[FUNDING_RATE] = px
    if kind == DEPTH_CLEAR or flags & SNAPSHOT:
        times[RESYNC] = 1
    if flags & LAST:
        _end_message(state, qty, times, stats, ts)


@kernel
def observe_clock(times: I64, stats: F64, plan: I64, ts: int) -> None:
    """Nothing but time has passed for this instrument."""
    if times[GENERATION] != plan[RUNNING]:
        restart(times, stats, plan[RUNNING])
    sample_mids(times, stats, ts)
