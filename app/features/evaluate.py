"""Kernels that compute features from the book and the statistics. Each writes its group's columns.

Features are in four groups by what they cost. A trigger computes the groups its conditions need, cheapest first. They
read only, but for one thing: what a walk down the book found is kept until the book changes.
"""

# mypy: no-warn-return-any

import math

import numpy as np
import numpy.typing as npt

from app.features.catalogue import (
    COUNT,
    FEATURES,
    GRID_NS,
    MARK_AGE_NS,
    NAMES,
    SINCE_MOST_NS,
    TAUS_NS,
    VOL_TAUS_NS,
    WARM_UPS_NS,
    index_of,
)
from app.features.decay import decays
from app.features.layout import (
    BOOK_DECAYED_TO,
    BUCKET_BUY,
    BUCKET_SELL,
    CANCELLED,
    CANCELLED_EITHER,
    DAY_COS,
    DAY_SIN,
    DEPLETED,
    DEPTH,
    DEPTH_KNOWN,
    FLOW,
    FUNDING_RATE,
    GRID,
    HIGH,
    LEVEL_QTYS,
    LEVEL_TICKS,
    LEVELS,
    LOW,
    MARK_PX,
    MARKED_AT,
    MEAN_WEIGHTS,
    MEANS,
    MID,
    MIDS,
    MOVED_AT,
    MULTILEVEL_OFI,
    OFI,
    PAST_HIGHS,
    PAST_LOWS,
    PAST_ONE_SIDED,
    PAST_VOLUME,
    RING,
    SINCE,
    TRADED_AT,
    TRADES,
    TRADES_DECAYED_TO,
    VARIANCE_WEIGHTS,
    VARIANCES,
)
from app.market.book import ASK_LEVELS, BID_LEVELS, TICK_SIZE, level_slot, next_level
from app.market.compiled import inlined, kernel

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

TOUCH, TIMED, SUMS, DEEP = range(4)
_SUMMED = ("ofi_", "multilevel_ofi_", "queue_", "cancel_", "trade_", "vpin")
_GROUPS = (
    ("spread_ticks", "microprice_ticks", "imbalance_1", "imbalance_5"),
    tuple(
        name
        for name in NAMES
        if name.startswith(("realised_", "return_", "trend_", "range_", "position_", "since_", "day_"))
        or name in ("basis", "mark_known", "funding")
    ),
    tuple(name for name in NAMES if name.startswith(_SUMMED)),
    ("imbalance_10", "imbalance_20", "depth_slope", "depth_slope_skew"),
)
GROUP_OF = tuple(next(g for g, names in enumerate(_GROUPS) if name in names) for name in NAMES)
ALL_WARM_NS = max(WARM_UPS_NS)

_SPREAD = index_of("spread_ticks")
_MICROPRICE = index_of("microprice_ticks")
_IMBALANCE_1 = index_of("imbalance_1")
_IMBALANCE_5 = index_of("imbalance_5")
_IMBALANCE_10 = index_of("imbalance_10")
_IMBALANCE_20 = index_of("imbalance_20")
_SLOPE = index_of("depth_slope")
_SLOPE_SKEW = index_of("depth_slope_skew")
# The first of a family; the others follow it.
_OFI = index_of("ofi_100ms")
_MULTILEVEL_OFI = index_of("multilevel_ofi_100ms")
_DEPLETION = index_of("queue_depletion_1s")
_CANCELS = index_of("queue_cancels_1s")
_CANCEL_RATE = index_of("cancel_rate_5s")
_FLOW = index_of("trade_flow_100ms")
_TRADE_RATE = index_of("trade_rate_1s")
_VPIN = index_of("vpin")
_SINCE_TRADE = index_of("since_trade")
_VOL = index_of("realised_vol_1s")
_RETURN = index_of("return_100ms")
_TREND = index_of("trend_10s")
_RANGE = index_of("range_10s")
_SINCE_MOVE = index_of("since_move")
_BASIS = index_of("basis")
_MARK_KNOWN = index_of("mark_known")
_FUNDING = index_of("funding")
_DAY_SIN = index_of("day_sin")
_DAY_COS = index_of("day_cos")

_VOLS = len(VOL_TAUS_NS)
_LAGS = tuple(f.window_ns // GRID_NS for f in FEATURES if f.name.startswith("return_"))
_RATE_1S = 1.0 / (TAUS_NS[1] * 1e-9)
_RATE_5S = 1.0 / (TAUS_NS[2] * 1e-9)
_WEIGHTS = tuple(1.0 / i for i in range(1, 21))
_SLOPE_LEVELS = 10
_DEEP_LEVELS = 20


@inlined
def _touch(times: I64, stats: F64, out: F64) -> None:
    spread = -times[LEVEL_TICKS + LEVELS] - times[LEVEL_TICKS]
    bids = asks = 0.0
    for i in range(LEVELS):
        bids += stats[LEVEL_QTYS + i]
        asks += stats[LEVEL_QTYS + LEVELS + i]
    bid_qty, ask_qty = stats[LEVEL_QTYS], stats[LEVEL_QTYS + LEVELS]
    imbalance = (bid_qty - ask_qty) / (bid_qty + ask_qty)
    out[_SPREAD] = float(spread)
    # (bid qa + ask qb) / (qa + qb) - (bid + ask) / 2, without the cancellation between large ticks.
    out[_MICROPRICE] = 0.5 * float(spread) * imbalance
    out[_IMBALANCE_1] = imbalance
    out[_IMBALANCE_5] = (bids - asks) / (bids + asks)


@inlined
def _sums(times: I64, stats: F64, ts: int, out: F64) -> None:
    fastest, fast, slow, slowest = decays(ts - times[BOOK_DECAYED_TO])
    out[_OFI] = stats[OFI] * fastest
    out[_OFI + 1] = stats[OFI + 1] * fast
    out[_OFI + 2] = stats[OFI + 2] * slow
    out[_OFI + 3] = stats[OFI + 3] * slowest
    out[_MULTILEVEL_OFI] = stats[MULTILEVEL_OFI] * fastest
    out[_MULTILEVEL_OFI + 1] = stats[MULTILEVEL_OFI + 1] * fast
    out[_MULTILEVEL_OFI + 2] = stats[MULTILEVEL_OFI + 2] * slow
    out[_MULTILEVEL_OFI + 3] = stats[MULTILEVEL_OFI + 3] * slowest
    out[_DEPLETION] = stats[DEPLETED] * fast
    out[_CANCELS] = stats[CANCELLED] * fast
    out[_CANCEL_RATE] = stats[CANCELLED_EITHER] * slow * _RATE_5S


@inlined
def _trade_sums(times: I64, stats: F64, ts: int, out: F64) -> None:
    fastest, fast, slow, slowest = decays(ts - times[TRADES_DECAYED_TO])
    out[_FLOW] = stats[FLOW] * fastest
    out[_FLOW + 1] = stats[FLOW + 1] * fast
    out[_FLOW + 2] = stats[FLOW + 2] * slow
    out[_FLOW + 3] = stats[FLOW + 3] * slowest
    out[_TRADE_RATE] = stats[TRADES] * fast * _RATE_1S
    out[_TRADE_RATE + 1] = stats[TRADES + 1] * slow * _RATE_5S
    volume = stats[PAST_VOLUME] + stats[BUCKET_BUY] + stats[BUCKET_SELL]
    one_sided = stats[PAST_ONE_SIDED] + abs(stats[BUCKET_BUY] - stats[BUCKET_SELL])
    out[_VPIN] = one_sided / volume if volume > 0.0 else 0.0


@inlined
def _returns(times: I64, stats: F64, ts: int, out: F64) -> None:
    for i in range(len(_LAGS)):
        point = ts // GRID_NS - _LAGS[i]
        before = stats[MIDS + (point & (RING - 1))]
        # Slots not yet sampled hold no mid of this run; readiness rules such a point out, and NaN would show it.
        known = point <= times[GRID] and before != 0.0
        out[_RETURN + i] = 1e4 * (stats[MID] / before - 1.0) if known else math.nan


@inlined
def _gridded(times: I64, stats: F64, ts: int, out: F64) -> None:
    for i in range(_VOLS):
        weight = stats[VARIANCE_WEIGHTS + i]
        out[_VOL + i] = 1e4 * math.sqrt(stats[VARIANCES + i] / weight) if weight > 0.0 else math.nan
    _returns(times, stats, ts, out)
    mid = stats[MID]
    for i in range(2):
        out[_TREND + i] = 1e4 * (mid * stats[MEAN_WEIGHTS + i] / stats[MEANS + i] - 1.0)
        # In half ticks, so that half of a difference is in ticks.
        high, low = max(stats[PAST_HIGHS + i], stats[HIGH]), min(stats[PAST_LOWS + i], stats[LOW])
        out[_RANGE + 2 * i] = 0.5 * (high - low)
        out[_RANGE + 2 * i + 1] = 0.5 * ((mid - low) - (high - mid))


@inlined
def _timed(qty: F64, times: I64, stats: F64, ts: int, out: F64) -> None:
    _gridded(times, stats, ts, out)
    out[_SINCE_TRADE] = 1e-9 * float(min(ts - times[TRADED_AT], SINCE_MOST_NS))
    out[_SINCE_MOVE] = 1e-9 * float(min(ts - times[MOVED_AT], SINCE_MOST_NS))
    known = stats[MARK_PX] > 0.0 and ts - times[MARKED_AT] <= MARK_AGE_NS
    out[_MARK_KNOWN] = 1.0 if known else 0.0
    out[_BASIS] = 1e4 * (stats[MARK_PX] / (0.5 * stats[MID] * qty[TICK_SIZE]) - 1.0) if known else 0.0
    out[_FUNDING] = 1e4 * stats[FUNDING_RATE]
    out[_DAY_SIN] = stats[DAY_SIN]
    out[_DAY_COS] = stats[DAY_COS]


@kernel
def _walk(state: I64, qty: F64, times: I64, stats: F64, side: int) -> tuple[float, float, float]:
    """Weighted sums over 10 and 20 levels of a side, and its slope; the first levels are kept with the statistics."""
    first = 0 if side > 0 else LEVELS
    best = side * times[LEVEL_TICKS + first]
    count = min(_DEEP_LEVELS, state[BID_LEVELS] if side > 0 else state[ASK_LEVELS])
    sum_10 = sum_20 = plain = 0.0
    tick = tenth = best
    for i in range(count):
        if i < LEVELS:
            tick, quantity = side * times[LEVEL_TICKS + first + i], stats[LEVEL_QTYS + first + i]
        else:
            tick = next_level(state, side, tick)
            quantity = qty[level_slot(state, side, tick)]
        weighted = quantity * _WEIGHTS[i]
        sum_20 += weighted
        if i < _SLOPE_LEVELS:
            sum_10 += weighted
            plain += quantity
            tenth = tick
    return sum_10, sum_20, plain / float(1 + abs(tenth - best))


@inlined
def _deep(state: I64, qty: F64, times: I64, stats: F64, out: F64) -> None:
    if not times[DEPTH_KNOWN]:
        bid_10, bid_20, bid_slope = _walk(state, qty, times, stats, 1)
        ask_10, ask_20, ask_slope = _walk(state, qty, times, stats, -1)
        stats[DEPTH] = (bid_10 - ask_10) / (bid_10 + ask_10)
        stats[DEPTH + 1] = (bid_20 - ask_20) / (bid_20 + ask_20)
        stats[DEPTH + 2] = bid_slope + ask_slope
        stats[DEPTH + 3] = (bid_slope - ask_slope) / (bid_slope + ask_slope)
        times[DEPTH_KNOWN] = 1
    out[_IMBALANCE_10] = stats[DEPTH]
    out[_IMBALANCE_20] = stats[DEPTH + 1]
    out[_SLOPE] = stats[DEPTH + 2]
    out[_SLOPE_SKEW] = stats[DEPTH + 3]


@inlined
def compute(group: int, state: I64, qty: F64, times: I64, stats: F64, ts: int, out: F64) -> None:
    """Write the columns of `group` at `ts`. The book must be two-sided, as when a message ended, the grid sampled."""
    if group == TOUCH:
        _touch(times, stats, out)
    elif group == TIMED:
        _timed(qty, times, stats, ts, out)
    elif group == SUMS:
        _sums(times, stats, ts, out)
        _trade_sums(times, stats, ts, out)
    else:
        _deep(state, qty, times, stats, out)


@kernel
def all_warm(times: I64, ts: int) -> bool:
    """True if every feature has seen enough."""
    return times[SINCE] >= 0 and ts - times[SINCE] >= ALL_WARM_NS


@kernel
def blank_cold(times: I64, ts: int, out: F64) -> None:
    """Replace the columns that have not seen enough by NaN."""
    if all_warm(times, ts):
        return
    for i in range(COUNT):
        if times[SINCE] < 0 or ts - times[SINCE] < WARM_UPS_NS[i]:
            out[i] = math.nan


@kernel
def all_finite(out: F64) -> bool:
    """True if no column is NaN or infinite."""
    for i in range(COUNT):  # noqa: SIM110 (kernels have no generators)
        if not math.isfinite(out[i]):
            return False
    return True
