"""Our features once more, from what hftbacktest shows a strategy: arrays of its depth, and the last trades.

So that the strategy run there does the work ours does. Written to be fast in numba: sums that decay by powers of one
exponential, a grid that is sampled once a step, and walks down the book only when a depth event came. hftbacktest does
not tell a strategy what kind of event woke it; here it is told, in its favour (`kinds`). It shows no mark prices and no
funding rates, so `basis`, `mark_known` and `funding` are the 0 they are where there are none.
"""

import math

import numpy as np
from numba import njit as _njit

from app.features.catalogue import (
    BLOCK_NS,
    BUCKET_TRADES,
    COUNT,
    GRID_NS,
    MEAN_TAUS_NS,
    NAMES,
    SINCE_MOST_NS,
    SIZE_MEMORY,
    TAUS_NS,
    VOL_TAUS_NS,
    index_of,
)

# A division by zero is infinite or NaN, and no exception in the middle of a run.
njit = _njit(error_model="numpy")

# What woke a strategy: a set of these.
DEPTH_CAME = 1
TRADES_CAME = 2
SNAPSHOT_CAME = 4

#: What hftbacktest shows nothing of.
NOT_SHOWN = ("basis", "mark_known", "funding")

_LEVELS = 5
_DEEP = 20
_SLOPE = 10
_WORST = -(1 << 62)
_RING = 64
_BUCKETS = 16
_SECOND = 1_000_000_000
_DAY = 86_400

# `ints`.
_SINCE, _GRID, _TRADED_AT, _MOVED_AT, _BOOK_AT, _FLOW_AT, _BUCKET, _COMPARABLE = range(8)
_TICKS = 8  # signed ticks of the five best bids, then asks: higher is better
INTS = _TICKS + 2 * _LEVELS

# `floats`.
_QTYS = 0
_OFI = _QTYS + 2 * _LEVELS
_DEEP_OFI = _OFI + 4
_FLOW = _DEEP_OFI + 4
_RATE = _FLOW + 4
_DEPLETED = _RATE + 2
_CANCELS = _DEPLETED + 1
_EITHER = _CANCELS + 1
_BOUGHT = _EITHER + 1  # since the levels last changed
_SOLD = _BOUGHT + 1
_VAR = _SOLD + 1
_VAR_W = _VAR + 4
_MEAN = _VAR_W + 4
_MEAN_W = _MEAN + 2
_MID = _MEAN_W + 2
_HIGH = _MID + 1
_LOW = _HIGH + 1
_PAST_HIGH = _LOW + 1
_PAST_LOW = _PAST_HIGH + 2
_SIN = _PAST_LOW + 2
_COS = _SIN + 1
_VOLUME = _COS + 1  # weighted, and the number of trades in it
_COUNT = _VOLUME + 1
_OPEN_BUY = _COUNT + 1
_OPEN_SELL = _OPEN_BUY + 1
_ONE_SIDED = _OPEN_SELL + 1  # of the closed buckets
_ALL_SIDED = _ONE_SIDED + 1
_WALKED = _ALL_SIDED + 1
_MIDS = _WALKED + 4
_HIGHS = _MIDS + _RING
_LOWS = _HIGHS + _RING
_ONES = _LOWS + _RING
_VOLUMES = _ONES + _BUCKETS
FLOATS = _VOLUMES + _BUCKETS

_VOL_DECAYS = tuple(math.exp(-GRID_NS / tau) for tau in VOL_TAUS_NS)
_MEAN_DECAYS = tuple(math.exp(-GRID_NS / tau) for tau in MEAN_TAUS_NS)
_GRID_S = GRID_NS * 1e-9
_LAGS = tuple(
    round(float(name[7:].rstrip("ms")) * (_SECOND // 1000 if name.endswith("ms") else _SECOND)) // GRID_NS
    for name in NAMES
    if name.startswith("return_")
)
_RATE_1 = 1e9 / TAUS_NS[1]
_RATE_5 = 1e9 / TAUS_NS[2]
_WEIGHTS = tuple(1.0 / i for i in range(1, _DEEP + 1))

SPREAD = index_of("spread_ticks")
IMBALANCE_5 = index_of("imbalance_5")
_MICRO, _IMBALANCE_1 = index_of("microprice_ticks"), index_of("imbalance_1")
_DEPTHS = index_of("imbalance_10")
_F_OFI, _F_DEEP_OFI, _F_DEPLETION = (
    index_of(f"{name}") for name in ("ofi_100ms", "multilevel_ofi_100ms", "queue_depletion_1s")
)
_F_FLOW, _F_RATE, _F_VPIN, _F_SINCE = (
    index_of(name) for name in ("trade_flow_100ms", "trade_rate_1s", "vpin", "since_trade")
)
_F_VOL, _F_RETURN, _F_TREND, _F_RANGE = (
    index_of(name) for name in ("realised_vol_1s", "return_100ms", "trend_10s", "range_10s")
)
_F_MOVED, _F_BASIS, _F_KNOWN, _F_FUNDING = (index_of(name) for name in ("since_move", "basis", "mark_known", "funding"))
_F_SIN, _F_COS = index_of("day_sin"), index_of("day_cos")


def new_state():
    """The (ints, floats, out) of a strategy that has seen nothing."""
    ints, floats = np.zeros(INTS, np.int64), np.zeros(FLOATS, np.float64)
    ints[_SINCE] = -1
    return ints, floats, np.full(COUNT, np.nan)


@njit
def forget(ints, floats):
    """Begin anew, as after a silence."""
    ints[:] = 0
    ints[_SINCE] = -1
    floats[:] = 0.0


@njit
def _decays(elapsed):
    """exp(−elapsed / τ) for 0.1, 1, 5 and 30 s."""
    slowest = math.exp(-elapsed / 3e10)
    p2 = slowest * slowest
    p6 = p2 * p2 * p2
    p12 = p6 * p6
    p30 = p12 * p12 * p6
    p60 = p30 * p30
    p150 = p60 * p60 * p30
    return p150 * p150, p30, p6, slowest


@njit
def _sample(ints, floats, point):
    if point > (ints[_SINCE] - 1) // GRID_NS + 1:
        change = floats[_MID] / floats[_MIDS + ((point - 1) & (_RING - 1))] - 1.0
        for i in range(4):
            floats[_VAR + i] = floats[_VAR + i] * _VOL_DECAYS[i] + change * change
            floats[_VAR_W + i] = floats[_VAR_W + i] * _VOL_DECAYS[i] + _GRID_S
    for i in range(2):
        floats[_MEAN + i] = floats[_MEAN + i] * _MEAN_DECAYS[i] + floats[_MID]
        floats[_MEAN_W + i] = floats[_MEAN_W + i] * _MEAN_DECAYS[i] + 1.0
    floats[_MIDS + (point & (_RING - 1))] = floats[_MID]
    ints[_GRID] = point
    if point % (BLOCK_NS // GRID_NS) == 0:
        _next_second(floats, point // (BLOCK_NS // GRID_NS))


@njit
def _next_second(floats, second):
    floats[_HIGHS + ((second - 1) & (_RING - 1))] = floats[_HIGH]
    floats[_LOWS + ((second - 1) & (_RING - 1))] = floats[_LOW]
    high, low = 0.0, math.inf
    for back in range(1, 60):
        at = (second - back) & (_RING - 1)
        high, low = max(high, floats[_HIGHS + at]), min(low, floats[_LOWS + at])
        if back == 9:
            floats[_PAST_HIGH], floats[_PAST_LOW] = high, low
    floats[_PAST_HIGH + 1], floats[_PAST_LOW + 1] = high, low
    _open_second(floats, second)


@njit
def _open_second(floats, second):
    floats[_HIGH] = floats[_LOW] = floats[_MID]
    angle = 2.0 * math.pi * (second % _DAY) / _DAY
    floats[_SIN], floats[_COS] = math.sin(angle), math.cos(angle)


@njit
def _on_trades(ints, floats, buy, sell, count, now):
    floats[_BOUGHT] += buy
    floats[_SOLD] += sell
    fastest, fast, slow, slowest = _decays(now - ints[_FLOW_AT])
    ints[_FLOW_AT] = ints[_TRADED_AT] = now
    flow = buy - sell
    floats[_FLOW] = floats[_FLOW] * fastest + flow
    floats[_FLOW + 1] = floats[_FLOW + 1] * fast + flow
    floats[_FLOW + 2] = floats[_FLOW + 2] * slow + flow
    floats[_FLOW + 3] = floats[_FLOW + 3] * slowest + flow
    floats[_RATE] = floats[_RATE] * fast + count
    floats[_RATE + 1] = floats[_RATE + 1] * slow + count
    floats[_VOLUME] = floats[_VOLUME] * SIZE_MEMORY + (buy + sell)
    floats[_COUNT] = floats[_COUNT] * SIZE_MEMORY + count
    floats[_OPEN_BUY] += buy
    floats[_OPEN_SELL] += sell
    if floats[_OPEN_BUY] + floats[_OPEN_SELL] >= BUCKET_TRADES * floats[_VOLUME] / floats[_COUNT]:
        at = ints[_BUCKET]
        floats[_ONES + at] = abs(floats[_OPEN_BUY] - floats[_OPEN_SELL])
        floats[_VOLUMES + at] = floats[_OPEN_BUY] + floats[_OPEN_SELL]
        ints[_BUCKET] = (at + 1) & (_BUCKETS - 1)
        floats[_OPEN_BUY] = floats[_OPEN_SELL] = floats[_ONE_SIDED] = floats[_ALL_SIDED] = 0.0
        for i in range(_BUCKETS):
            floats[_ONE_SIDED] += floats[_ONES + i]
            floats[_ALL_SIDED] += floats[_VOLUMES + i]


@njit
def _on_side(ints, floats, levels, low, best, side):
    """Take a side's five best levels; returns whether one changed, what they add to both OFI, what left the best."""
    first = 0 if side > 0 else _LEVELS
    changed = False
    touch = deep = removed = 0.0
    tick = best
    for i in range(_LEVELS):
        while 0 <= tick - low < len(levels) and levels[tick - low] <= 0.0:
            tick -= side
        signed, quantity = _WORST, 0.0
        if 0 <= tick - low < len(levels):
            signed, quantity = side * tick, levels[tick - low]
            tick -= side
        before, quantity_before = ints[_TICKS + first + i], floats[_QTYS + first + i]
        if signed == before and quantity == quantity_before:
            continue
        changed = True
        change = (quantity if signed >= before else 0.0) - (quantity_before if signed <= before else 0.0)
        deep += change / (i + 1)
        if i == 0:
            touch = change
            if signed < before:
                removed = quantity_before
            elif signed == before:
                removed = max(quantity_before - quantity, 0.0)
        ints[_TICKS + first + i], floats[_QTYS + first + i] = signed, quantity
    return changed, touch, deep, removed


@njit
def _on_depth(ints, floats, bids, asks, low, bid, ask, snapshot, now):
    bids_changed, up, deep_up, off_bid = _on_side(ints, floats, bids, low, bid, 1)
    asks_changed, down, deep_down, off_ask = _on_side(ints, floats, asks, low, ask, -1)
    _walk(floats, bids, asks, low, bid, ask)
    if not (bids_changed or asks_changed) and ints[_COMPARABLE]:
        return
    bought, sold = floats[_BOUGHT], floats[_SOLD]
    floats[_BOUGHT] = floats[_SOLD] = 0.0
    if ints[_COMPARABLE] and not snapshot:
        gone_bid, gone_ask = max(off_bid - sold, 0.0), max(off_ask - bought, 0.0)
        fastest, fast, slow, slowest = _decays(now - ints[_BOOK_AT])
        ints[_BOOK_AT] = now
        ofi, deep = up - down, deep_up - deep_down
        floats[_OFI] = floats[_OFI] * fastest + ofi
        floats[_OFI + 1] = floats[_OFI + 1] * fast + ofi
        floats[_OFI + 2] = floats[_OFI + 2] * slow + ofi
        floats[_OFI + 3] = floats[_OFI + 3] * slowest + ofi
        floats[_DEEP_OFI] = floats[_DEEP_OFI] * fastest + deep
        floats[_DEEP_OFI + 1] = floats[_DEEP_OFI + 1] * fast + deep
        floats[_DEEP_OFI + 2] = floats[_DEEP_OFI + 2] * slow + deep
        floats[_DEEP_OFI + 3] = floats[_DEEP_OFI + 3] * slowest + deep
        floats[_DEPLETED] = floats[_DEPLETED] * fast + (off_ask - off_bid)
        floats[_CANCELS] = floats[_CANCELS] * fast + (gone_ask - gone_bid)
        floats[_EITHER] = floats[_EITHER] * slow + (gone_ask + gone_bid)
    ints[_COMPARABLE] = 1
    mid = float(bid + ask)
    if ints[_SINCE] < 0:
        ints[_SINCE], ints[_GRID] = now, (now - 1) // GRID_NS
        floats[_MID] = mid
        floats[_LOWS : _LOWS + _RING] = math.inf
        floats[_PAST_LOW] = floats[_PAST_LOW + 1] = math.inf
        _open_second(floats, (now - 1) // BLOCK_NS)
    elif mid != floats[_MID]:
        floats[_MID] = mid
        floats[_HIGH], floats[_LOW] = max(floats[_HIGH], mid), min(floats[_LOW], mid)
        ints[_MOVED_AT] = now


@njit
def _walk_side(levels, low, best, side):
    sum_10 = sum_20 = plain = 0.0
    tick = last = best
    found = 0
    while found < _DEEP and 0 <= tick - low < len(levels):
        quantity = levels[tick - low]
        if quantity > 0.0:
            weighted = quantity * _WEIGHTS[found]
            sum_20 += weighted
            if found < _SLOPE:
                sum_10 += weighted
                plain += quantity
                last = tick
            found += 1
        tick -= side
    return sum_10, sum_20, plain / (1 + abs(last - best))


@njit
def _walk(floats, bids, asks, low, bid, ask):
    bid_10, bid_20, bid_slope = _walk_side(bids, low, bid, 1)
    ask_10, ask_20, ask_slope = _walk_side(asks, low, ask, -1)
    floats[_WALKED] = (bid_10 - ask_10) / (bid_10 + ask_10)
    floats[_WALKED + 1] = (bid_20 - ask_20) / (bid_20 + ask_20)
    floats[_WALKED + 2] = bid_slope + ask_slope
    floats[_WALKED + 3] = (bid_slope - ask_slope) / (bid_slope + ask_slope)


@njit
def observe(ints, floats, bids, asks, low, bid, ask, kinds, buy, sell, trades, now):
    """Take in what woke the strategy at `now`: events of `kinds`, and trades of that volume and number."""
    if ints[_SINCE] >= 0:
        last = (now - 1) // GRID_NS
        while ints[_GRID] < last:
            _sample(ints, floats, ints[_GRID] + 1)
    if trades > 0.0:
        _on_trades(ints, floats, buy, sell, trades, now)
    if kinds & DEPTH_CAME:
        if 0 <= bid - low < ask - low < len(asks):
            _on_depth(ints, floats, bids, asks, low, bid, ask, kinds & SNAPSHOT_CAME, now)
        else:
            ints[_COMPARABLE] = 0


@njit
def evaluate(ints, floats, out, now):
    """All features at `now`, ready or not, of a book with two sides."""
    bids = asks = 0.0
    for i in range(_LEVELS):
        bids += floats[_QTYS + i]
        asks += floats[_QTYS + _LEVELS + i]
    spread = float(-ints[_TICKS + _LEVELS] - ints[_TICKS])
    best_bid, best_ask = floats[_QTYS], floats[_QTYS + _LEVELS]
    one = (best_bid - best_ask) / (best_bid + best_ask)
    out[SPREAD], out[_MICRO], out[_IMBALANCE_1] = spread, 0.5 * spread * one, one
    out[IMBALANCE_5] = (bids - asks) / (bids + asks)
    for i in range(4):
        out[_DEPTHS + i] = floats[_WALKED + i]
    fastest, fast, slow, slowest = _decays(now - ints[_BOOK_AT])
    out[_F_OFI], out[_F_OFI + 1] = floats[_OFI] * fastest, floats[_OFI + 1] * fast
    out[_F_OFI + 2], out[_F_OFI + 3] = floats[_OFI + 2] * slow, floats[_OFI + 3] * slowest
    out[_F_DEEP_OFI], out[_F_DEEP_OFI + 1] = floats[_DEEP_OFI] * fastest, floats[_DEEP_OFI + 1] * fast
    out[_F_DEEP_OFI + 2], out[_F_DEEP_OFI + 3] = floats[_DEEP_OFI + 2] * slow, floats[_DEEP_OFI + 3] * slowest
    out[_F_DEPLETION], out[_F_DEPLETION + 1] = floats[_DEPLETED] * fast, floats[_CANCELS] * fast
    out[_F_DEPLETION + 2] = floats[_EITHER] * slow * _RATE_5
    fastest, fast, slow, slowest = _decays(now - ints[_FLOW_AT])
    out[_F_FLOW], out[_F_FLOW + 1] = floats[_FLOW] * fastest, floats[_FLOW + 1] * fast
    out[_F_FLOW + 2], out[_F_FLOW + 3] = floats[_FLOW + 2] * slow, floats[_FLOW + 3] * slowest
    out[_F_RATE], out[_F_RATE + 1] = floats[_RATE] * fast * _RATE_1, floats[_RATE + 1] * slow * _RATE_5
    volume = floats[_ALL_SIDED] + floats[_OPEN_BUY] + floats[_OPEN_SELL]
    one_sided = floats[_ONE_SIDED] + abs(floats[_OPEN_BUY] - floats[_OPEN_SELL])
    out[_F_VPIN] = one_sided / volume if volume > 0.0 else 0.0
    out[_F_SINCE] = 1e-9 * min(now - ints[_TRADED_AT], SINCE_MOST_NS)
    out[_F_MOVED] = 1e-9 * min(now - ints[_MOVED_AT], SINCE_MOST_NS)
    mid = floats[_MID]
    for i in range(4):
        weight = floats[_VAR_W + i]
        out[_F_VOL + i] = 1e4 * math.sqrt(floats[_VAR + i] / weight) if weight > 0.0 else math.nan
        point = now // GRID_NS - _LAGS[i]
        before = floats[_MIDS + (point & (_RING - 1))]
        out[_F_RETURN + i] = 1e4 * (mid / before - 1.0) if point <= ints[_GRID] and before != 0.0 else math.nan
    for i in range(2):
        out[_F_TREND + i] = 1e4 * (mid * floats[_MEAN_W + i] / floats[_MEAN + i] - 1.0)
        high, low = max(floats[_PAST_HIGH + i], floats[_HIGH]), min(floats[_PAST_LOW + i], floats[_LOW])
        out[_F_RANGE + 2 * i] = 0.5 * (high - low)
        out[_F_RANGE + 2 * i + 1] = 0.5 * ((mid - low) - (high - mid))
    out[_F_BASIS] = out[_F_KNOWN] = out[_F_FUNDING] = 0.0
    out[_F_SIN], out[_F_COS] = floats[_SIN], floats[_COS]
