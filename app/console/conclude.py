"""The end of a run: its report, what it comes to in a few lines, and the exit code."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from app.console.board import View
from app.console.lines import signed
from app.console.runs import short
from app.core.errors import AviaryError, Misconfigured
from app.core.process import EXIT_FAILED, EXIT_MISCONFIGURED, EXIT_OK
from app.report.facts import PAGE, REPORT
from app.report.run_report import RunReport
from app.report.write import write_report

if TYPE_CHECKING:  # a replay needs but `summarise`, and would load all that runs processes: 0.2 s
    from app.console.session import Ending


def conclude(run: Path, ending: "Ending", view: View) -> int:
    """Write the report, unless nothing ever ran; return the exit code."""
    code = EXIT_OK if ending.error is None else EXIT_FAILED
    if isinstance(ending.error, Misconfigured):
        code = EXIT_MISCONFIGURED
    if ending.error is not None:
        view.check("run", str(ending.error), mark="fail")
        if not ending.was_ready:
            return code
    else:
        view.check("run", f"ended by {ending.by} after {ending.duration_s:.0f} s")
    try:
        report = write_report(run)
    except AviaryError as error:
        view.check("report", str(error), mark="fail")
        return code or EXIT_FAILED
    summarise(report, f"{short(run / PAGE)} and {REPORT}", view)
    if code == EXIT_OK:
        # Everything in it was handled and is recorded; after a failure it may still be wanted.
        shutil.rmtree(run / "redis", ignore_errors=True)
    return code or (EXIT_OK if report.books_balance else EXIT_FAILED)


def summarise(report: RunReport, where: str, view: View) -> None:
    """What a report comes to; `where` says where it is."""
    view.check(
        "trading",
        f"{report.candidates:,} signals, {report.approved:,} approved, {report.orders:,} orders, "
        f"{report.fills:,} fills, {report.closed_trades:,} trades, PnL after fees {signed(report.pnl)}",
    )
    if report.books_balance:
        view.check("books", "balance: cash, positions and fees agree to the last digit")
    else:
        view.check("books", f"do not balance: {'; '.join(report.books_differences[:3])}", mark="fail")
    view.check("records", f"{report.records:,}, digest {report.records_digest[:16]}")
    view.check("report", where)
