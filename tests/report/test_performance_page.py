"""What stands on the page where a figure is, and where there is none."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.report.facts import PAGE
from app.report.performance import Performance
from app.report.performance_page import number, performance_rows
from app.report.run_report import RunReport
from app.report.write import write_report
from tests.report.factory import order, small_run
from tests.report.test_write import make_run


@pytest.fixture
def report(tmp_path: Path) -> RunReport:
    return write_report(make_run(tmp_path, small_run()))


def shown(report: RunReport, **figures: Any) -> dict[str, str]:
    performance: Performance = msgspec.structs.replace(report.performance, **figures)
    return dict(performance_rows(msgspec.structs.replace(report, performance=performance)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a: because"),
        (0.0, "0.00"),
        (0.00029, "0.0003"),
        (-0.0049, "-0.005"),
        (0.005, "0.01"),
        (1.5, "1.50"),
        (-3294.334, "-3,294.33"),
    ],
)
def test_numbers(value: float | None, text: str) -> None:
    assert number(value, "because") == text


def test_a_small_run(report: RunReport) -> None:
    assert shown(report) == {
        "Change of equity": "+0.9100, open positions at their mark; 1 position still open",
        "Profit factor": "n/a: no trade lost",
        "Expectancy a trade": "+0.9300 (+93.00 bps of what was entered)",
        "Sharpe, Sortino": "n/a: they need at least 30 minutes of market",
        "Calmar": "n/a: it needs 30 days of market and a drawdown",
        "Max drawdown": "0.000% of its peak; longest 1 s",
        "Exposure": "100.0% of the time",
        "Fill rate": "100.0% of 2 entry orders, at least in part",
        "Orders cancelled per filled": "0.00",
        "Fees": "0.0400 as maker, 0.0500 as taker",
        "Funding": "0.0000 paid",
        "Entry slippage": "0.9000 paid, against the mid that entries were decided at",
    }


def test_ratios_say_of_what_they_are_made(report: RunReport) -> None:
    def ratios(**figures: Any) -> str:
        return shown(report, period_s=60, **figures)["Sharpe, Sortino"]

    scaled = "(of 44 minutes, scaled to a year of 365 days; riskless rate 0)"
    assert ratios(periods=44, sharpe=-3294.33, sortino=-708.4) == f"-3,294.33, -708.40 {scaled}"
    assert ratios(periods=44, sharpe=1.0, sortino=None) == f"1.00, n/a: no return was negative {scaled}"
    assert ratios(periods=44, sharpe=None) == "n/a: equity did not vary over 44 minutes"
    assert ratios(periods=0, sharpe=None).startswith("n/a: there was no equity above 0")


def test_without_anything_each_figure_says_why_it_is_not_there(tmp_path: Path) -> None:
    found = shown(write_report(make_run(tmp_path, [])))
    assert found["Change of equity"] == "n/a: no account was marked"
    assert found["Profit factor"] == found["Expectancy a trade"] == "n/a: no trade was closed"
    assert found["Fill rate"] == "n/a: no entry order was sent"
    assert found["Orders cancelled per filled"] == "n/a: no order was filled"


def test_the_page_says_why_orders_ended_unfilled(tmp_path: Path) -> None:
    rejected = msgspec.structs.replace(order(7, "rejected"), reason="bad_signal")
    run = make_run(
        tmp_path, [*small_run(), order(7, "submitted"), rejected, order(8, "submitted"), order(8, "cancelled")]
    )
    report = write_report(run)
    assert report.order_end_reasons == {"entry rejected: bad_signal": 1, "entry cancelled: no reason given": 1}
    assert "<td>entry rejected: bad_signal</td><td>1</td>" in (run / PAGE).read_text()
