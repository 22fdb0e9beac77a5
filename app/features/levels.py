"""Kernels that compare the best levels of the book with those before, and keep what each change adds."""

# mypy: no-warn-return-any

import math

import numpy as np
import numpy.typing as npt

from app.features.decay import decays
from app.features.layout import (
    BOOK_DECAYED_TO,
    CANCELLED,
    CANCELLED_EITHER,
    COMPARABLE,
    DEPLETED,
    LEVEL_QTYS,
    LEVEL_TICKS,
    LEVELS,
    MULTILEVEL_OFI,
    NEAR_ASK,
    NEAR_BID,
    OFI,
    RESYNC,
    TRADED_BUY,
    TRADED_SELL,
)
from app.market.book import ASK_LEVELS, BEST_ASK, BEST_BID, BID_LEVELS, TICK_SIZE, level_slot, next_level
from app.market.compiled import kernel

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

# The signed tick of a level that is not there: worse than any.
WORST = -(1 << 62)


@kernel
def _change(tick: int, quantity: float, tick_before: int, quantity_before: float) -> float:
    """What one level adds to its side's pressure, ticks signed so that higher is better."""
    change = 0.0
    if tick >= tick_before:
        change += quantity
    if tick <= tick_before:
        change -= quantity_before
    return change


@kernel
def _removed(tick: int, quantity: float, tick_before: int, quantity_before: float) -> float:
    """What left the best level: all of it if the price got worse."""
    if tick < tick_before:
        return quantity_before
    return max(quantity_before - quantity, 0.0) if tick == tick_before else 0.0


@kernel
def _follow_side(state: I64, qty: F64, times: I64, stats: F64, side: int) -> tuple[bool, float, float, float]:
    """Keep a side's best levels.

    Returns whether one differs from before, what they add to `ofi` and `multilevel_ofi`, and what left the best.
    """
    first = 0 if side > 0 else LEVELS
    tick = state[BEST_BID] if side > 0 else state[BEST_ASK]
    count = min(LEVELS, state[BID_LEVELS] if side > 0 else state[ASK_LEVELS])
    changed = False
    best = deep = removed = 0.0
    for i in range(LEVELS):
        at = first + i
        signed, quantity = WORST, 0.0
        if i < count:
            if i > 0:
                tick = next_level(state, side, tick)
            signed, quantity = side * tick, qty[level_slot(state, side, tick)]
        tick_before, quantity_before = times[LEVEL_TICKS + at], stats[LEVEL_QTYS + at]
        if signed == tick_before and quantity == quantity_before:
            continue
        changed = True
        change = _change(signed, quantity, tick_before, quantity_before)
        deep += change / (i + 1)
        if i == 0:
            best = change
            removed = _removed(signed, quantity, tick_before, quantity_before)
        times[LEVEL_TICKS + at] = signed
        stats[LEVEL_QTYS + at] = quantity
    return changed, best, deep, removed


@kernel
def _set_near(qty: F64, times: I64, stats: F64) -> None:
    """Where the levels kept end, and a tick more: prices are rounded to ticks."""
    bid, ask = times[LEVEL_TICKS + LEVELS - 1], times[LEVEL_TICKS + 2 * LEVELS - 1]
    stats[NEAR_BID] = float(bid - 1) * qty[TICK_SIZE] if bid != WORST else 0.0
    stats[NEAR_ASK] = float(1 - ask) * qty[TICK_SIZE] if ask != WORST else math.inf


@kernel
def compare_books(state: I64, qty: F64, times: I64, stats: F64, ts: int) -> None:
    """The best levels of the book, two-sided, may have changed with the message that ends at `ts`."""
    bids_changed, bid, deep_bid, removed_bid = _follow_side(state, qty, times, stats, 1)
    asks_changed, ask, deep_ask, removed_ask = _follow_side(state, qty, times, stats, -1)
    if times[COMPARABLE] and not (bids_changed or asks_changed):
        return
    _set_near(qty, times, stats)
    bought, sold = stats[TRADED_BUY], stats[TRADED_SELL]
    stats[TRADED_BUY] = stats[TRADED_SELL] = 0.0
    if not times[COMPARABLE] or times[RESYNC]:
        return
    cancelled_bid, cancelled_ask = max(removed_bid - sold, 0.0), max(removed_ask - bought, 0.0)
    fastest, fast, slow, slowest = decays(ts - times[BOOK_DECAYED_TO])
    times[BOOK_DECAYED_TO] = ts
    ofi, deep = bid - ask, deep_bid - deep_ask
    stats[OFI] = stats[OFI] * fastest + ofi
    stats[OFI + 1] = stats[OFI + 1] * fast + ofi
    stats[OFI + 2] = stats[OFI + 2] * slow + ofi
    stats[OFI + 3] = stats[OFI + 3] * slowest + ofi
    stats[MULTILEVEL_OFI] = stats[MULTILEVEL_OFI] * fastest + deep
    stats[MULTILEVEL_OFI + 1] = stats[MULTILEVEL_OFI + 1] * fast + deep
    stats[MULTILEVEL_OFI + 2] = stats[MULTILEVEL_OFI + 2] * slow + deep
    stats[MULTILEVEL_OFI + 3] = stats[MULTILEVEL_OFI + 3] * slowest + deep
    stats[DEPLETED] = stats[DEPLETED] * fast + (removed_ask - removed_bid)
    stats[CANCELLED] = stats[CANCELLED] * fast + (cancelled_ask - cancelled_bid)
    stats[CANCELLED_EITHER] = stats[CANCELLED_EITHER] * slow + (cancelled_ask + cancelled_bid)
