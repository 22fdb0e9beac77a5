"""The usual figures of a strategy as a page shows them, each with what it is."""

from collections.abc import Iterator

from app.report.run_report import RunReport

_NAMES = {86_400: "days", 3600: "hours", 60: "minutes"}


def performance_rows(report: RunReport) -> Iterator[tuple[str, str]]:
    """Name and figure, for people."""
    figures = report.performance
    yield "Profit factor", _number(figures.profit_factor)
    yield "Expectancy a trade", f"{_number(figures.expectancy, '+.4f')} ({_number(figures.expectancy_bps, '+.2f')} bps)"
    yield "Sharpe, Sortino, Calmar", _ratios(report)
    yield "Max drawdown", f"{figures.max_drawdown_share:.3%} of its peak; longest {figures.longest_drawdown_s:,.0f} s"
    yield "Exposure", "n/a" if figures.exposure is None else f"{figures.exposure:.1%} of the time"
    yield "Orders cancelled per filled", _number(figures.cancel_to_fill)
    fees = ", ".join(f"{amount:,.4f} as {kind}" for kind, amount in figures.fees_by_liquidity.items())
    yield "Costs", f"fees {fees}; funding {report.funding:,.4f}; entries against the mid {figures.entry_slippage:+,.4f}"


def _ratios(report: RunReport) -> str:
    figures = report.performance
    if figures.period_s is None:
        return "n/a: they need at least 30 minutes of market"
    values = ", ".join(_number(value) for value in (figures.sharpe, figures.sortino, figures.calmar))
    return f"{values} (of {figures.periods} {_NAMES[figures.period_s]}, scaled to a year)"


def _number(value: float | None, form: str = ".2f") -> str:
    return "n/a" if value is None else format(value, form)
