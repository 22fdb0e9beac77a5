"""Kernels that keep what trades add: signed flow, rate, and the volume buckets of VPIN."""

import numpy as np
import numpy.typing as npt

from app.features.catalogue import BUCKET_TRADES, SIZE_MEMORY
from app.features.decay import decays
from app.features.layout import (
    BUCKET_BUY,
    BUCKET_SELL,
    BUCKETS,
    FLOW,
    MESSAGE_BUY,
    MESSAGE_SELL,
    MESSAGE_TRADES,
    NEXT_BUCKET,
    ONE_SIDED,
    PAST_ONE_SIDED,
    PAST_VOLUME,
    SIZE_TRADES,
    SIZE_VOLUME,
    TRADED_AT,
    TRADED_BUY,
    TRADED_SELL,
    TRADES,
    TRADES_DECAYED_TO,
    VOLUMES,
)
from app.market.compiled import kernel

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@kernel
def _close_bucket(times: I64, stats: F64) -> None:
    slot = times[NEXT_BUCKET]
    stats[ONE_SIDED + slot] = abs(stats[BUCKET_BUY] - stats[BUCKET_SELL])
    stats[VOLUMES + slot] = stats[BUCKET_BUY] + stats[BUCKET_SELL]
    times[NEXT_BUCKET] = (slot + 1) & (BUCKETS - 1)
    stats[BUCKET_BUY] = stats[BUCKET_SELL] = 0.0
    # Added up anew each time: a running sum would keep the rounding errors of all that ever left it.
    one_sided = volume = 0.0
    for i in range(BUCKETS):
        one_sided += stats[ONE_SIDED + i]
        volume += stats[VOLUMES + i]
    stats[PAST_ONE_SIDED] = one_sided
    stats[PAST_VOLUME] = volume


@kernel
def _fill_bucket(times: I64, stats: F64, buy: float, sell: float, trades: float) -> None:
    stats[SIZE_VOLUME] = stats[SIZE_VOLUME] * SIZE_MEMORY + (buy + sell)
    stats[SIZE_TRADES] = stats[SIZE_TRADES] * SIZE_MEMORY + trades
    stats[BUCKET_BUY] += buy
    stats[BUCKET_SELL] += sell
    full = BUCKET_TRADES * stats[SIZE_VOLUME] / stats[SIZE_TRADES]
    if stats[BUCKET_BUY] + stats[BUCKET_SELL] >= full:
        _close_bucket(times, stats)


@kernel
def end_of_trades(times: I64, stats: F64, ts: int) -> None:
    """The message that ends at `ts` had trades."""
    buy, sell, trades = stats[MESSAGE_BUY], stats[MESSAGE_SELL], stats[MESSAGE_TRADES]
    stats[MESSAGE_BUY] = stats[MESSAGE_SELL] = stats[MESSAGE_TRADES] = 0.0
    stats[TRADED_BUY] += buy
    stats[TRADED_SELL] += sell
    fastest, fast, slow, slowest = decays(ts - times[TRADES_DECAYED_TO])
    times[TRADES_DECAYED_TO] = times[TRADED_AT] = ts
    flow = buy - sell
    stats[FLOW] = stats[FLOW] * fastest + flow
    stats[FLOW + 1] = stats[FLOW + 1] * fast + flow
    stats[FLOW + 2] = stats[FLOW + 2] * slow + flow
    stats[FLOW + 3] = stats[FLOW + 3] * slowest + flow
    stats[TRADES] = stats[TRADES] * fast + trades
    stats[TRADES + 1] = stats[TRADES + 1] * slow + trades
    _fill_bucket(times, stats, buy, sell, trades)
