"""Kernels that keep what depends on the mid and on time: samples at grid points, and extremes by blocks."""

import math

import numpy as np
import numpy.typing as npt

from app.features.catalogue import BLOCK_NS, GRID_NS, MEAN_TAUS_NS, VOL_TAUS_NS
from app.features.layout import (
    BLOCKS,
    DAY_COS,
    DAY_SIN,
    GRID,
    HIGH,
    HIGHS,
    LOW,
    LOWS,
    MEAN_WEIGHTS,
    MEANS,
    MID,
    MIDS,
    MOVED_AT,
    PAST_HIGHS,
    PAST_LOWS,
    RING,
    SINCE,
    VARIANCE_WEIGHTS,
    VARIANCES,
)
from app.market.compiled import kernel

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

_GRID_S = GRID_NS * 1e-9
_POINTS = BLOCK_NS // GRID_NS
_VOL_DECAYS = tuple(math.exp(-GRID_NS / tau) for tau in VOL_TAUS_NS)
_MEAN_DECAYS = tuple(math.exp(-GRID_NS / tau) for tau in MEAN_TAUS_NS)
# Closed blocks within each window; the open one is the window's last.
_SHORT, _LONG = 9, 59
_DAY_S = 86_400
_RADIANS = 2.0 * math.pi / _DAY_S


@kernel
def _open_block(stats: F64, block: int) -> None:
    stats[HIGH] = stats[LOW] = stats[MID]
    angle = _RADIANS * float(block % _DAY_S)
    stats[DAY_SIN] = math.sin(angle)
    stats[DAY_COS] = math.cos(angle)


@kernel
def _begin(times: I64, stats: F64, ts: int) -> None:
    times[SINCE] = ts
    times[GRID] = (ts - 1) // GRID_NS
    stats[LOWS : LOWS + BLOCKS] = math.inf
    stats[PAST_LOWS] = stats[PAST_LOWS + 1] = math.inf
    _open_block(stats, (ts - 1) // BLOCK_NS)


@kernel
def _next_block(stats: F64, block: int) -> None:
    """Block `block` begins; its mid so far is the one that stands."""
    stats[HIGHS + ((block - 1) & (BLOCKS - 1))] = stats[HIGH]
    stats[LOWS + ((block - 1) & (BLOCKS - 1))] = stats[LOW]
    high, low = 0.0, math.inf
    for back in range(1, _LONG + 1):
        slot = (block - back) & (BLOCKS - 1)
        high, low = max(high, stats[HIGHS + slot]), min(low, stats[LOWS + slot])
        if back == _SHORT:
            stats[PAST_HIGHS], stats[PAST_LOWS] = high, low
    stats[PAST_HIGHS + 1], stats[PAST_LOWS + 1] = high, low
    _open_block(stats, block)


@kernel
def _sample(times: I64, stats: F64, point: int) -> None:
    if point > (times[SINCE] - 1) // GRID_NS + 1:
        change = stats[MID] / stats[MIDS + ((point - 1) & (RING - 1))] - 1.0
        for i in range(len(_VOL_DECAYS)):
            stats[VARIANCES + i] = stats[VARIANCES + i] * _VOL_DECAYS[i] + change * change
            stats[VARIANCE_WEIGHTS + i] = stats[VARIANCE_WEIGHTS + i] * _VOL_DECAYS[i] + _GRID_S
    for i in range(len(_MEAN_DECAYS)):
        stats[MEANS + i] = stats[MEANS + i] * _MEAN_DECAYS[i] + stats[MID]
        stats[MEAN_WEIGHTS + i] = stats[MEAN_WEIGHTS + i] * _MEAN_DECAYS[i] + 1.0
    stats[MIDS + (point & (RING - 1))] = stats[MID]
    times[GRID] = point
    if point % _POINTS == 0:
        _next_block(stats, point // _POINTS)


@kernel
def sample_mids(times: I64, stats: F64, ts: int) -> None:
    """Bring the grid up to the last point before `ts`. One step a point, so it does not matter how often it is done."""
    if times[SINCE] < 0:
        return
    last = (ts - 1) // GRID_NS
    while times[GRID] < last:
        _sample(times, stats, times[GRID] + 1)


@kernel
def follow_mid(times: I64, stats: F64, mid: float, ts: int) -> None:
    """The message that ends at `ts` leaves the mid at `mid` half ticks."""
    if times[SINCE] < 0:
        stats[MID] = mid
        _begin(times, stats, ts)
    elif mid != stats[MID]:
        stats[MID] = mid
        stats[HIGH], stats[LOW] = max(stats[HIGH], mid), min(stats[LOW], mid)
        times[MOVED_AT] = ts
