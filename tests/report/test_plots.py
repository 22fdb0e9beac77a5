"""Plots of long runs are as small as those of short ones, and say what they show."""

import re
from decimal import Decimal

import msgspec
import pytest

from app.core.clock import NS_PER_S
from app.report.measures import EquityCurve, Markout
from app.report.plots import drawdown_plot, equity_plot, markout_plot, trade_plot
from tests.report.factory import T0, trade


def curve(seconds: int, every_s: int = 1) -> EquityCurve:
    times = [T0 + s * NS_PER_S for s in range(0, seconds, every_s)]
    return EquityCurve(Decimal(100), times, [Decimal(100 + (7 * n) % 13 - n % 5) for n in range(len(times))])


TRADES = [trade(n, "100", "101" if n % 3 else "99") for n in range(2000)]


def test_a_long_run_has_small_plots() -> None:
    long = curve(40_000)
    trades = [msgspec.structs.replace(one, ts=T0 + n * NS_PER_S) for n, one in enumerate(TRADES)]
    assert len(equity_plot(long, trades)) < 300_000
    assert len(drawdown_plot(long)) < 700_000
    assert len(trade_plot(trades)) < 200_000


@pytest.mark.parametrize(
    ("seconds", "unit"),
    [(179, "seconds"), (182, "minutes"), (3 * 3600 + 60, "hours"), (3 * 86_400 + 600, "days")],
)
def test_time_is_told_in_a_unit_that_suits_the_run(seconds: int, unit: str) -> None:
    for svg in (equity_plot(curve(seconds, 60 if seconds > 999 else 1), []), drawdown_plot(curve(seconds, 60))):
        assert f"{unit} (event time)" in svg


@pytest.mark.parametrize(
    ("count", "title"),
    [(1, "each trade"), (300, "each trade"), (600, "every 2 trades"), (700, "every 2 or 3 trades")],
)
def test_the_trade_plot_says_how_many_trades_a_bar_is(count: int, title: str) -> None:
    assert f'aria-label="PnL of {title} after fees"' in trade_plot(TRADES[:count])


@pytest.mark.parametrize("count", [1, 2, 3, 12])
def test_trades_are_counted_in_whole_numbers(count: int) -> None:
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", trade_plot([trade(n, "100", "99") for n in range(count)]))
    assert "−0.2" in texts  # they lost: whatever is above 0 belongs to the other axis
    above = [text for text in texts if re.fullmatch(r"[0-9.]+", text) and float(text) > 0]
    assert above
    assert all(text.isdecimal() for text in above)


def test_a_single_trade_has_no_interval() -> None:
    several, single = (markout_plot({"100": Markout(n, -0.4, stderr)}) for n, stderr in ((3, 0.1), (1, None)))
    assert several.count("<use") > single.count("<use")
