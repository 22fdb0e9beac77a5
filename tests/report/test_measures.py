import math
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.report.measures import equity_curve, markouts
from tests.report.factory import CASH, STRATEGY, T0, equity, trade


def test_accounts_add_up_and_count_with_their_cash_before_their_first_mark() -> None:
    marks = [
        equity(2, "10020"),
        equity(1, "10010"),
        equity(2, "4990", strategy="other"),
        equity(3, "4980", strategy="other"),
    ]
    curve = equity_curve(marks, {STRATEGY: CASH, "other": Decimal(5000)})
    assert curve.start == Decimal(15_000)
    assert curve.equity == [Decimal(15_010), Decimal(15_010), Decimal(15_000)]
    assert [(ts - T0) // 10**9 for ts in curve.ts] == [1, 2, 3]


def test_the_last_mark_holds_until_the_end() -> None:
    curve = equity_curve([equity(1, "9990")], {STRATEGY: CASH}, until=T0 + 60 * 10**9)
    assert curve.equity == [Decimal(9990), Decimal(9990)]
    assert curve.ts[-1] == T0 + 60 * 10**9
    assert equity_curve([], {STRATEGY: CASH}, until=T0).ts == []


def test_a_loss_from_the_very_start_is_drawdown() -> None:
    curve = equity_curve([equity(1, "9990"), equity(2, "10005"), equity(3, "9995")], {STRATEGY: CASH})
    assert curve.drawdown() == [Decimal(-10), Decimal(0), Decimal(-10)]


@given(st.lists(st.integers(5_000, 15_000), min_size=1, max_size=50))
def test_drawdown_is_the_distance_to_the_running_maximum(values: list[int]) -> None:
    curve = equity_curve([equity(n, str(value)) for n, value in enumerate(values)], {STRATEGY: CASH})
    naive = [Decimal(v - max([int(CASH), *values[: i + 1]])) for i, v in enumerate(values)]
    assert curve.drawdown() == naive


def test_markouts_are_means_with_their_standard_errors_shortest_horizon_first() -> None:
    values = [1.0, -2.0, 4.0]
    trades = [trade(n, "100", "101", markouts={"1000": v, "100": 1.0}) for n, v in enumerate(values)]
    trades.append(trade(9, "100", "101", markouts={"100": 3.0}))
    found = markouts(trades)
    assert list(found) == ["100", "1000"]
    assert (found["100"].n, found["1000"].n) == (4, 3)
    assert math.isclose(found["1000"].mean, float(np.mean(values)))
    assert found["1000"].stderr is not None
    assert math.isclose(found["1000"].stderr, float(np.std(values, ddof=1) / math.sqrt(3)))


def test_one_trade_has_no_standard_error() -> None:
    assert markouts([trade(1, "100", "101", markouts={"100": 1.0})])["100"].stderr is None
