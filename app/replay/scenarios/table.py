"""The report for people, in plain text."""

from collections.abc import Iterator

from app.replay.scenarios.catalogue import BASE
from app.replay.scenarios.report import Report, ScenarioReport
from app.replay.scenarios.statistics import Difference, Distribution

_NONE = "-"
_HEAD = ("scenario", "runs", "PnL", "5 % … 95 %", "worst 5 %", "less base", "95 %", "bps a trade", "drawdown", "fills",
         "exit bps", "trades")  # fmt: skip


def table(report: Report) -> str:
    """A line a scenario, the ladder, and what went wrong. PnL and all that is not an interval is a median."""
    lines = [_HEAD, *(_row(name, scenario) for name, scenario in report.scenarios.items())]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    told = ["  ".join(cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in
                      enumerate(zip(line, widths, strict=True))) for line in lines]  # fmt: skip
    return "\n".join([*told, *_ladder(report), *_remarks(report)])


def _row(name: str, scenario: ScenarioReport) -> tuple[str, ...]:
    metrics, pnl = scenario.metrics, scenario.metrics["pnl"]
    gap = scenario.against_base.get("pnl")
    return (
        name,
        f"{scenario.runs}" if scenario.runs == scenario.planned else f"{scenario.runs}/{scenario.planned}",
        _median(pnl, ".2f"),
        _NONE if pnl is None else f"{pnl.q05:.2f} … {pnl.q95:.2f}",
        _NONE if pnl is None or pnl.shortfall_5 is None else f"{pnl.shortfall_5:.2f}",
        _NONE if gap is None else f"{gap.mean:+.2f}",
        _interval(gap),
        _median(metrics["pnl_per_trade_bps"], ".2f"),
        _median(metrics["max_drawdown"], ".2f"),
        _median(metrics["fill_rate"], ".1%"),
        _median(metrics["exit_slippage_bps"], ".2f"),
        _median(metrics["trades"], ".0f"),
    )


def _median(found: Distribution | None, form: str) -> str:
    return _NONE if found is None else format(found.q50, form)


def _interval(gap: Difference | None) -> str:
    return _NONE if gap is None or gap.low is None or gap.high is None else f"{gap.low:+.2f} … {gap.high:+.2f}"


def _ladder(report: Report) -> Iterator[str]:
    if report.ladder is None:
        return
    yield ""
    rungs = [f"{rung.one_way_ms:g} ms {_median(rung.pnl, '.2f')}" for rung in report.ladder.rungs]
    yield f"median PnL by latency each way: {', '.join(rungs)}"
    if report.ladder.break_even is not None:
        yield report.ladder.break_even.told


def _remarks(report: Report) -> Iterator[str]:
    base = report.scenarios[BASE].metrics["pnl_per_trade_bps"]
    if base is not None and base.q50 < 0:
        yield "base loses on its trades, so whatever makes it trade less looks better: compare basis points a trade"
    if not report.complete:
        yield f"not complete: {report.done} of {report.planned} runs done, {len(report.failures)} of them failed"
    for failure in report.failures[:3]:
        yield f"failed {failure['only']}: {failure['error'].partition(chr(10))[0]}"
    for failure in report.books["failed"][:3]:
        yield f"the books of {failure['only']} do not balance: {'; '.join(failure['differences'])}"
