"""The usual figures of a strategy as a page shows them, each with what it is."""

from collections.abc import Iterator
from decimal import Decimal

from app.report.performance import ENOUGH
from app.report.run_report import RunReport

_NAMES = {86_400: "days", 3600: "hours", 60: "minutes"}


def performance_rows(report: RunReport) -> Iterator[tuple[str, str]]:
    """Name and figure, for people."""
    figures = report.performance
    yield "Change of equity", _equity(report)
    yield "Profit factor", _profit_factor(report)
    yield "Expectancy a trade", _expectancy(report)
    yield "Sharpe, Sortino", _ratios(report)
    yield "Calmar", number(figures.calmar, f"it needs {ENOUGH} days of market and a drawdown")
    yield "Max drawdown", f"{figures.max_drawdown_share:.3%} of its peak; longest {figures.longest_drawdown_s:,.0f} s"
    yield "Exposure", "n/a" if figures.exposure is None else f"{figures.exposure:.1%} of the time"
    yield "Fill rate", _fill_rate(report)
    yield "Orders cancelled per filled", number(figures.cancel_to_fill, "no order was filled")
    fees = ", ".join(f"{amount:,.4f} as {kind}" for kind, amount in figures.fees_by_liquidity.items())
    yield "Fees", fees
    yield "Funding", _flow(report.funding)
    yield "Entry slippage", f"{_flow(figures.entry_slippage)}, against the mid that entries were decided at"


def number(value: float | None, why_not: str) -> str:
    """Two digits, and never a zero for what is not; without a value, why there is none."""
    if value is None:
        return f"n/a: {why_not}"
    return f"{value:,.2f}" if value == 0 or abs(value) >= 0.005 else f"{value:.1g}"


def _equity(report: RunReport) -> str:
    if report.equity_change is None:
        return "n/a: no account was marked"
    held = report.open_positions
    still = f"; {held} {'position' if held == 1 else 'positions'} still open" if held else ""
    return f"{report.equity_change:+,.4f}, open positions at their mark{still}"


def _profit_factor(report: RunReport) -> str:
    return number(report.performance.profit_factor, "no trade lost" if report.closed_trades else "no trade was closed")


def _expectancy(report: RunReport) -> str:
    figures = report.performance
    if figures.expectancy is None or figures.expectancy_bps is None:
        return "n/a: no trade was closed"
    return f"{figures.expectancy:+,.4f} ({figures.expectancy_bps:+,.2f} bps of what was entered)"


def _ratios(report: RunReport) -> str:
    figures = report.performance
    if figures.period_s is None:
        return f"n/a: they need at least {ENOUGH} minutes of market"
    if not figures.periods:
        return "n/a: there was no equity above 0 throughout to relate its changes to"
    if figures.sharpe is None:
        return f"n/a: equity did not vary over {figures.periods} {_NAMES[figures.period_s]}"
    sortino = number(figures.sortino, "no return was negative")
    over = f"{figures.periods} {_NAMES[figures.period_s]}"
    return f"{figures.sharpe:,.2f}, {sortino} (of {over}, scaled to a year of 365 days; riskless rate 0)"


def _fill_rate(report: RunReport) -> str:
    if report.fill_rate is None:
        return "n/a: no entry order was sent"
    return f"{report.fill_rate:.1%} of {report.entry_orders:,} entry orders, at least in part"


def _flow(amount: Decimal) -> str:
    return f"{abs(amount):,.4f} {'earned' if amount < 0 else 'paid'}"
