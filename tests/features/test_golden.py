"""Values that data and models were made with. One that changes here is another feature under the same hash."""

import numpy as np
import pytest

from app.core.clock import NS_PER_MS
from app.features.catalogue import KERNEL_VERSION, NAMES, SCHEMA
from app.features.engine import FeatureEngine, Watch
from app.market.rows import CLOCK, DEPTH_SET, EVENT, FUNDING, LAST, MARK, TRADE, Rows
from tests.market.builders import Row, instrument, row

T0 = 1_700_000_000 * 1_000 * NS_PER_MS
GOLDEN = {
    "spread_ticks": 2.0,
    "microprice_ticks": 0.023709902370990226,
    "imbalance_1": 0.023709902370990226,
    "imbalance_5": 0.054888190722602155,
    "imbalance_10": 0.05950171240288107,
    "imbalance_20": 0.06169735883769479,
    "depth_slope": 7.639166666666666,
    "depth_slope_skew": 0.22417366641213046,
    "ofi_100ms": 47.0659526824458,
    "ofi_1s": 309.7289953081712,
    "ofi_5s": 1573.5132389773996,
    "ofi_30s": 7022.155354863342,
    "multilevel_ofi_100ms": 95.88146798936168,
    "multilevel_ofi_1s": 715.9331350759825,
    "multilevel_ofi_5s": 3591.667668883991,
    "multilevel_ofi_30s": 15698.913705356372,
    "queue_depletion_1s": 149.30287651356443,
    "queue_cancels_1s": 138.2632807066183,
    "cancel_rate_5s": 187.75694552148258,
    "trade_flow_100ms": 1.900274460683292,
    "trade_flow_1s": 11.179118279051309,
    "trade_flow_5s": 51.478875744436706,
    "trade_flow_30s": 221.96202381122274,
    "trade_rate_1s": 13.839582747474086,
    "trade_rate_5s": 13.429121707306411,
    "vpin": 0.705505107832009,
    "since_trade": 0.0,
    "realised_vol_1s": 58.3135267871165,
    "realised_vol_5s": 57.381759478195654,
    "realised_vol_10s": 55.33992218665526,
    "realised_vol_30s": 50.98274631082873,
    "return_100ms": -4.987531172069293,
    "return_500ms": -6.981150892589882,
    "return_1s": 8.990110878033253,
    "return_5s": 14.992503748125774,
    "trend_10s": 6.224006677804095,
    "trend_30s": 6.679655578165633,
    "range_10s": 40.0,
    "position_10s": 12.0,
    "range_60s": 46.0,
    "position_60s": 14.0,
    "since_move": 0.0,
    "basis": 2.994011976047428,
    "mark_known": 1.0,
    "funding": 1.0,
    "day_sin": -0.4462628933932237,
    "day_cos": 0.8949019108149833,
}


def golden_tape() -> Rows:
    """Forty seconds of a market by arithmetic alone: no generator whose numbers a library might change."""
    found: list[Row] = []
    for n in range(1600):
        ts, mid = T0 + n * 25 * NS_PER_MS, 10_000 + (n * n // 700) % 37 - (n // 90) % 11
        if n % 4 == 0:
            found.append((ts, ts, 0.0, 0.0, 0, CLOCK, 0, LAST))
        for side in (1, -1):
            for level in range(1, 8 if n % 50 else 26):
                gone = (n * 13 + level * 7 + side) % 5 == 0 and level > 1
                qty = 0.0 if gone else (1 + (n * level * 31 + 17 * side) % 997) / 100
                found.append(row(DEPTH_SET, side, (mid - side * level) / 10, qty, 0, ts=ts))
            for crossed in range(40):
                found.append(row(DEPTH_SET, side, (mid + side * crossed) / 10, 0.0, 0, ts=ts))
        if n % 3 == 0:
            found.append(row(TRADE, 1 if n % 7 else -1, mid / 10, (1 + n * 29 % 211) / 100, 0, ts=ts))
        if n % 400 == 0:
            found.append(row(MARK, 0, (mid + 3) / 10, 0.0, 0, ts=ts))
            found.append(row(FUNDING, 0, 0.0001, 0.0, 0, ts=ts))
        found[-1] = (*found[-1][:7], LAST)
    return np.array(found, EVENT)


def test_values_are_those_of_this_kernel_version() -> None:
    """If it fails on purpose: raise `KERNEL_VERSION`, and make models and data anew."""
    assert (KERNEL_VERSION, SCHEMA) == (2, "903780dc3fa0cc5b")
    _ints, values = FeatureEngine([instrument()], [Watch("every", 1)], book_ticks=1024).table(golden_tape())
    assert dict(zip(NAMES, values[-1].tolist(), strict=True)) == pytest.approx(GOLDEN, rel=1e-9, abs=1e-12)
