"""Against figures worked out by hand."""

import math
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from app.core.clock import NS_PER_S
from app.report.measures import EquityCurve
from app.report.performance import (
    DAY_S,
    YEAR_S,
    calmar,
    choose_period,
    entry_slippage,
    expectancy,
    expectancy_bps,
    exposure,
    fees_by_liquidity,
    longest_drawdown,
    max_drawdown_share,
    perform,
    period_returns,
    profit_factor,
    sharpe,
    sortino,
)
from tests.report.factory import T0, fill, trade


def curve(*values: int, every_s: int = 1, start: int = 100) -> EquityCurve:
    return EquityCurve(
        Decimal(start), [T0 + n * every_s * NS_PER_S for n in range(len(values))], [Decimal(value) for value in values]
    )


def test_trades() -> None:
    # PnL after fees of 0.07 each: 1.93, -1.07, 0.93.
    trades = [trade(1, "100", "102"), trade(2, "100", "99"), trade(3, "100", "101")]
    assert profit_factor(trades) == pytest.approx(2.86 / 1.07)
    assert expectancy(trades) == pytest.approx(1.79 / 3)
    assert expectancy_bps(trades) == pytest.approx(1.79 / 300 * 10_000)
    assert profit_factor(trades[:1]) is None
    assert profit_factor([]) is expectancy([]) is expectancy_bps([]) is None


def test_the_period_is_the_longest_that_fits_thirty_times() -> None:
    assert choose_period(1799) is None
    assert choose_period(1800) == 60
    assert choose_period(30 * 3600 - 1) == 60
    assert choose_period(30 * 3600) == 3600
    assert choose_period(30 * DAY_S) == DAY_S


def test_returns_are_of_whole_periods_with_the_starting_cash_before_the_first_mark() -> None:
    marked = EquityCurve(Decimal(100), [T0 + 90 * NS_PER_S, T0 + 130 * NS_PER_S], [Decimal(110), Decimal(99)])
    found = period_returns(marked, (T0, T0 + 200 * NS_PER_S), 60)
    assert found == pytest.approx([0.0, 0.1, -0.1])
    assert period_returns(EquityCurve(Decimal(0), [], []), (T0, T0 + 200 * NS_PER_S), 60) == []


def test_sharpe_and_sortino() -> None:
    returns = [0.01, -0.01, 0.02] * 10
    mean = 0.02 / 3
    assert sharpe(returns, 365) == pytest.approx(mean / float(np.std(returns, ddof=1)) * math.sqrt(365))
    assert sortino(returns, 365) == pytest.approx(mean / math.sqrt(1e-4 / 3) * math.sqrt(365))
    assert sharpe(returns[:29], 365) is sortino(returns[:29], 365) is None
    assert sharpe([0.0] * 30, 365) is sortino([0.0] * 30, 365) is None
    assert sortino([0.01] * 30, 365) is None
    # Their mean differs from each of them in the last bit.
    assert sharpe([0.1] * 41, 365) is None


def test_drawdown_as_a_share_and_how_long_it_lasted() -> None:
    values = curve(100, 120, 90, 110, 120, 130, 129, 128)
    assert max_drawdown_share(values) == pytest.approx(0.25)
    # From the peak at 1 s until it was reached again at 4 s; the one that is still open is shorter.
    assert longest_drawdown(values) == 3 * NS_PER_S
    assert longest_drawdown(curve(99, 98, 97)) == 2 * NS_PER_S
    assert longest_drawdown(curve(100, 101, 101, 102)) == 0
    assert longest_drawdown(EquityCurve(Decimal(0), [], [])) == 0


def test_calmar_needs_thirty_days() -> None:
    year = curve(100, 90, 110, every_s=YEAR_S // 2)
    span = (T0, T0 + YEAR_S * NS_PER_S)
    assert calmar(year, span) == pytest.approx(0.1 / 0.1)
    assert calmar(year, (T0, T0 + 29 * DAY_S * NS_PER_S)) is None
    assert calmar(curve(100, 110), span) is None
    assert calmar(curve(100, 90, start=0), span) is None


def test_exposure_counts_time_once_and_open_positions_to_the_end() -> None:
    # Open from 10 to 30, from 20 to 40, and from 90 to the end at 100: 40 of 100.
    fills = [fill(10, "1"), fill(20, "1"), fill(90, "1"), fill(30, "1", leg="exit")]
    trades = [
        msgspec.structs.replace(trade(30, "1", "1"), signal_id="s10"),
        msgspec.structs.replace(trade(40, "1", "1"), signal_id="s20"),
    ]
    assert exposure(fills, trades, (T0, T0 + 100)) == pytest.approx(0.4)
    assert exposure([], [], (T0, T0 + 100)) == 0
    assert exposure([], [], (0, 0)) is None


def test_costs() -> None:
    fills = [fill(1, "100"), fill(1, "101", leg="exit", fee="0.05"), fill(2, "100.2")]
    assert fees_by_liquidity(fills) == {"maker": Decimal("0.04"), "taker": Decimal("0.05")}
    # Bought at 100 with the mid at 100.05, and at 100.2 with the mid at 100.1; exits do not count.
    quotes = {"s1": (100.0, 100.1), "s2": (100.0, 100.2)}
    assert entry_slippage(fills, quotes) == Decimal("0.05")
    assert entry_slippage(fills, {}) == 0


def test_a_run_without_anything_has_no_figures_and_raises_nothing() -> None:
    found = perform([], EquityCurve(Decimal(0), [], []), (0, 0), quotes={}, order_ends={})
    assert found.sharpe is found.calmar is found.exposure is found.cancel_to_fill is found.profit_factor is None
    long = perform([], EquityCurve(Decimal(0), [], []), (T0, T0 + 3600 * NS_PER_S), quotes={}, order_ends={})
    assert (long.period_s, long.periods, long.sharpe) == (60, 0, None)
