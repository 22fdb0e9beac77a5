"""Kernels that decide whether a watch fires."""

# mypy: no-warn-return-any

import math

import numpy as np
import numpy.typing as npt

from app.features.evaluate import GROUP_OF, all_finite, all_warm, blank_cold, compute
from app.features.layout import (
    B_ABS_MAX,
    B_ABS_MIN,
    B_FEATURE,
    B_MAX,
    B_MIN,
    W_BOUNDS,
    W_BOUNDS_END,
    W_COOLDOWN,
    W_FIRED,
    W_SIDE_FEATURE,
)
from app.market.book import two_sided
from app.market.compiled import kernel

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

_GROUP_COUNT = max(GROUP_OF) + 1
#: The bit set of all groups.
ALL_DONE = (1 << _GROUP_COUNT) - 1


@kernel
def _need(feature: int, done: int, state: I64, qty: F64, times: I64, stats: F64, ts: int, out: F64) -> int:
    """Compute the group of `feature` unless it is in the bit set `done`; return the new set."""
    group = GROUP_OF[feature]
    if not done & (1 << group):
        compute(group, state, qty, times, stats, ts, out)
    return done | (1 << group)


@kernel
def _within(bounds: F64, condition: int, value: float) -> bool:
    size = abs(value)
    above = value >= bounds[condition, B_MIN] and size >= bounds[condition, B_ABS_MIN]
    return above and value <= bounds[condition, B_MAX] and size <= bounds[condition, B_ABS_MAX]


@kernel
def compute_rest(done: int, state: I64, qty: F64, times: I64, stats: F64, ts: int, out: F64) -> None:
    """Compute the groups that are not in the bit set `done`."""
    for group in range(_GROUP_COUNT):
        if not done & (1 << group):
            compute(group, state, qty, times, stats, ts, out)


@kernel
def every(state: I64, qty: F64, times: I64, stats: F64, ts: int, out: F64) -> None:
    """All features, ready or not: NaN where not."""
    if two_sided(state):
        compute_rest(0, state, qty, times, stats, ts, out)
        blank_cold(times, ts, out)
    else:
        out[:] = math.nan


@kernel
def fires(
    watches: I64, watch: int, bounds: F64, done: int, state: I64, qty: F64, times: I64, stats: F64, ts: int, out: F64
) -> int:
    """The side of the candidate `watch` raises at `ts`, or 0; with all features in `out` if there is one.

    `done` is the bit set of the groups that are in `out` already.

    At most one candidate a watch and ts, whatever the cooldown: a candidate's id is made of them.
    """
    if ts - watches[watch, W_FIRED] < max(watches[watch, W_COOLDOWN], 1):
        return 0
    if not all_warm(times, ts) or not two_sided(state):
        return 0
    for condition in range(watches[watch, W_BOUNDS], watches[watch, W_BOUNDS_END]):
        feature = int(bounds[condition, B_FEATURE])
        done = _need(feature, done, state, qty, times, stats, ts, out)
        if not _within(bounds, condition, out[feature]):
            return 0
    chosen = watches[watch, W_SIDE_FEATURE]
    done = _need(chosen, done, state, qty, times, stats, ts, out)
    # A NaN is on neither side.
    side = int(out[chosen] > 0.0) - int(out[chosen] < 0.0)
    if side == 0:
        return 0
    compute_rest(done, state, qty, times, stats, ts, out)
    return side if all_finite(out) else 0
