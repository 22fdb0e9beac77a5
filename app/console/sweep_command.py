"""`python -m app sweep`: many replays, and a report that says how much of the best one is luck."""

import sys
import time
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from app.console.bar import left_text, make_bar
from app.console.board import Unbreakable, View
from app.console.guard import guarded
from app.console.interrupts import Interrupts
from app.console.lines import Lines
from app.console.runs import short, utc_text
from app.console.sweep_options import SweepOptions
from app.console.sweep_plan import SweepPlan, make_sweep_plan
from app.console.versions import all_versions
from app.core.process import EXIT_FAILED, EXIT_OK
from app.replay.build_facts import code_digest
from app.replay.replay import starting_cash
from app.replay.sweep import SweepProgress, sweep
from app.replay.sweep_files import PAGE, write_sweep
from app.replay.usable_cpus import usable_cpus
from app.report.sweep_data import TaskResult
from app.report.sweep_page import settings_text, verdict
from app.report.sweep_report import SweepFacts, SweepReport, measure_sweep

_TOLD = 5


def sweep_command(options: SweepOptions, *, as_json: bool = False) -> int:
    """Sweep, and return the exit code: 0 all is done, 1 a replay failed or was not done, 2 it was misconfigured.

    With `as_json` the report goes to standard output, and all else to standard error.
    """
    view = Unbreakable(Lines(sys.stderr if as_json else sys.stdout))
    return guarded(
        lambda: _sweep(options, view, as_json=as_json),
        view,
        interrupted="ended at once, without a report; what is done is kept",
    )


def _sweep(options: SweepOptions, view: View, *, as_json: bool) -> int:
    began, clock = datetime.now(UTC), time.perf_counter()
    plan = make_sweep_plan(options, view)
    view.check("points", f"{len(plan.points):,} of {', '.join(plan.keys)}, all valid")
    names = [stretch.name for stretch in plan.stretches]
    view.check("archive", f"{short(plan.archive)}, {', '.join(plan.base.shard.symbols)}, {_told_of(names, options.by)}")
    where = _where(options)
    view.check("workers", where)
    results, interrupted = _run(plan, options, view, as_json=as_json)
    facts = _facts(plan, options, where, began, interrupted=interrupted, seconds=time.perf_counter() - clock)
    report = measure_sweep(facts, [point.given for point in plan.points], results)
    write_sweep(options.report, report, results)
    code = _conclude(report, options, view)
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    return code


def _run(plan: SweepPlan, options: SweepOptions, view: View, *, as_json: bool) -> tuple[list[TaskResult], bool]:
    bar = make_bar(sys.stderr if as_json else sys.stdout)
    with Interrupts() as interrupts:
        try:
            results = sweep(
                plan.points,
                plan.stretches,
                plan.archive,
                venue=plan.venue,
                directory=options.report,
                jobs=options.jobs,
                ray=options.ray,
                on_progress=lambda progress: bar.update(progress.done / progress.total, *_texts(progress)),
                stop=lambda: interrupts.asked,
            )
        finally:
            bar.close()
    return results, interrupts.asked


def _texts(progress: SweepProgress) -> tuple[str, ...]:
    """What is done, in full and in fewer words."""
    done = f"{progress.done:,} of {progress.total:,} replays"
    failed = f", {progress.failed:,} failed" if progress.failed else ""
    again = f", {progress.again:,} of them before" if progress.again else ""
    left = left_text(progress.left_s)
    return f"{done}{again}{failed}{left}", f"{done}{failed}{left}", done


def _facts(
    plan: SweepPlan, options: SweepOptions, where: str, began: datetime, *, interrupted: bool, seconds: float
) -> SweepFacts:
    return SweepFacts(
        archive=plan.archive.resolve().name,
        venue=plan.venue,
        symbols=list(plan.base.shard.symbols),
        by=options.by,
        spans={stretch.name: stretch.span for stretch in plan.stretches},
        keys=plan.keys,
        where=where,
        started=utc_text(began),
        duration_s=round(seconds, 3),
        interrupted=interrupted,
        starting_cash=str(sum(starting_cash(plan.base).values(), Decimal(0))),
        models=plan.models,
        versions={**all_versions(), "code": code_digest()[:12]},
        options=options.given(),
    )


def _conclude(report: SweepReport, options: SweepOptions, view: View) -> int:
    done = [task for task in report.tasks if task.figures is not None]
    again = sum(task.again for task in done)
    before = f", {again:,} of them by an earlier call" if again else ""
    total = len(report.points) * len(report.facts.spans)
    mark = "ok" if len(done) == total else "warn"
    view.check(
        "sweep", f"{len(done):,} of {total:,} replays done{before}, in {report.facts.duration_s:.1f} s", mark=mark
    )
    for task in report.failed[:_TOLD]:
        settings = settings_text(report.point(task.point))
        view.check("failed", f"{task.stretch} with {settings}: {task.error}: {task.text}", mark="fail")
    if len(report.failed) > _TOLD:
        view.check("failed", f"{len(report.failed) - _TOLD:,} more; the report has all", mark="fail")
    if report.undone:
        view.check("interrupted", "the same command goes on with what is left", mark="warn")
    _tell_best(report, view)
    view.check("report", f"in {short(options.report)}, {PAGE} to read")
    return EXIT_OK if len(done) == total else EXIT_FAILED


def _tell_best(report: SweepReport, view: View) -> None:
    best = report.best
    if best is None:
        view.check("best", "no point has a result for every stretch", mark="warn")
        return
    pnl, trades = best.figures["pnl"] or 0, best.figures["closed_trades"]
    ratio = "" if best.sharpe is None else f", Sharpe {best.sharpe:,.2f} a year"
    view.check("best", f"point {best.number}, {settings_text(best)}: PnL {pnl:+,.4f} of {trades:,} trades{ratio}")
    view.check("luck", f"is it more than luck? {verdict(report)}")


def _where(options: SweepOptions) -> str:
    if options.ray is not None:
        return f"Ray at {options.ray}" + (f", {options.jobs} at a time" if options.jobs else "")
    jobs = options.jobs or usable_cpus()
    return f"{jobs} {'process' if jobs == 1 else 'processes'} of this machine"


def _told_of(names: list[str], by: str) -> str:
    if by == "whole":
        return "in one piece"
    return f"{len(names):,} {by}s: {names[0]} to {names[-1]}" if names[1:] else f"one {by}: {names[0]}"
