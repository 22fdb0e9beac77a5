"""`python -m app replay`: an archive, or a run, through the same cores in one process, and a report."""

import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from app.console.bar import left_text, make_bar
from app.console.board import Unbreakable, View
from app.console.conclude import summarise
from app.console.guard import guarded
from app.console.interrupts import Interrupts
from app.console.lines import Lines, signed
from app.console.replay_options import ReplayOptions
from app.console.replay_plan import ReplayPlan, make_replay_plan
from app.console.runs import short, utc_text
from app.console.versions import all_versions
from app.core.errors import Misconfigured
from app.core.logging import configure_logging
from app.core.process import EXIT_FAILED, EXIT_OK
from app.replay import Progress, ReplayResult, run
from app.replay.equity_file import EQUITY, write_equity
from app.replay.replay import starting_cash
from app.replay.trades_file import TRADES, write_trades
from app.report.compare import Comparison, compare_records
from app.report.facts import FACTS, PAGE, RECORDS, REPORT, RepairFacts, RunFacts
from app.report.run_report import RunReport, measure
from app.report.write import write_data
from app.settings_digest import config_digest
from app.store.repairs import KINDS

_LOG = "replay.log"
_REPAIRS_TOLD = 20


def replay_command(options: ReplayOptions, *, as_json: bool = False) -> int:
    """Replay, and return the exit code: 0 it went through and all agrees, 1 it did not, 2 it was misconfigured.

    With `as_json` the report goes to standard output, with an object `replay` added, and all else to standard error.
    """
    view = Unbreakable(Lines(sys.stderr if as_json else sys.stdout))
    return guarded(lambda: _replay(options, view, as_json=as_json), view, interrupted="ended at once, without a report")


def _replay(options: ReplayOptions, view: View, *, as_json: bool) -> int:
    _refuse_a_session(options.report)
    plan = make_replay_plan(options, view)
    # Before anything is written: the report has a file of that name too.
    recorded = None if options.run is None else (options.run / RECORDS).read_bytes().splitlines()
    began = datetime.now(UTC)
    if options.report is not None:
        _make(options.report)
    _log_to(options.report)
    view.check("configuration", f"digest {config_digest(plan.settings)[:12]}")
    view.check("archive", f"{short(plan.archive)}, {', '.join(plan.settings.shard.symbols)}")
    result = _run(plan, options, as_json=as_json)
    facts = _facts(plan, options, result, began)
    report = _report(result, facts, options.report)
    compared = None if recorded is None else compare_records(recorded, result.records)
    code = _conclude(result, report, compared, options, view)
    if as_json:
        print(json.dumps(_as_tree(result, report, compared, options), indent=2))
    return code


def _run(plan: ReplayPlan, options: ReplayOptions, *, as_json: bool) -> ReplayResult:
    bar, began = make_bar(sys.stderr if as_json else sys.stdout), time.monotonic()
    with Interrupts() as interrupts:
        try:
            return run(
                plan.settings,
                plan.archive,
                venue=plan.venue,
                start=options.start,
                end=options.end,
                recording=options.recording,
                repair=options.repair,
                on_progress=lambda progress: bar.update(
                    progress.share, *progress_texts(progress, time.monotonic() - began)
                ),
                stop=lambda: interrupts.asked,
            )
        finally:
            bar.close()


def progress_texts(progress: Progress, elapsed_s: float = 0.0) -> tuple[str, ...]:
    """What a replay has come to, in full and in fewer words."""
    # Before that, how long it takes to begin with would be taken for its pace.
    left = left_text(elapsed_s * (1 / progress.share - 1) if elapsed_s and progress.share > 0.02 else None)
    tally = progress.tally
    rows, trades = f"{progress.rows:,} rows", f"{tally.closed_trades:,} trades, PnL {signed(tally.pnl)}"
    full = f"{rows}, {tally.candidates:,} signals, {tally.fills.total():,} fills, {trades}"
    return f"{full}{left}", f"{rows}, {trades}{left}", f"{rows}, {trades}", trades, rows


def _refuse_a_session(directory: Path | None) -> None:
    """Its report, page and records would be replaced by the replay's."""
    if directory is not None and (directory / FACTS).exists():
        raise Misconfigured(
            f"--report {directory} is the directory of a run (it has a {FACTS}), whose own {REPORT}, {PAGE} and "
            f"{RECORDS} the replay would replace; name another directory with --report"
        )


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"report directory {directory} cannot be made ({error.strerror}); set --report") from None


def _log_to(directory: Path | None) -> None:
    # The cores say as much as in a run, which has a file for each process; on a terminal that would hide the rest.
    if directory is None:
        configure_logging("replay", level="error", file=sys.stderr)
    else:
        configure_logging("replay", format="json", file=(directory / _LOG).open("w", encoding="utf-8"))


def _facts(plan: ReplayPlan, options: ReplayOptions, result: ReplayResult, began: datetime) -> RunFacts:
    settings = plan.settings
    return RunFacts(
        id=plan.of.id if plan.of else plan.archive.resolve().name,
        kind="replay",
        source=plan.of.source if plan.of else f"archive {plan.archive.resolve().name}",
        clock=settings.collector.clock,
        symbols=list(settings.shard.symbols),
        config_digest=config_digest(settings),
        starting_cash={name: str(cash) for name, cash in starting_cash(settings).items()},
        started=utc_text(began),
        ended=utc_text(datetime.now(UTC)),
        duration_s=round(result.wall_s, 3),
        ended_by="interrupt" if result.interrupted else "end of the archive" if options.end is None else "--to",
        tape=str(plan.archive),
        seed=plan.of.seed if plan.of else None,
        speed=0.0,
        models=plan.models,
        versions=all_versions(),
        options=options.given(),
        pid=os.getpid(),
        rows=result.rows,
        cpu_s=round(result.cpu_s, 3),
        repairs=[RepairFacts(meaning=KINDS[found.kind], **msgspec.structs.asdict(found)) for found in result.repairs],
    )


def _report(result: ReplayResult, facts: RunFacts, directory: Path | None) -> RunReport:
    data = result.gathered.data(facts, {})
    if directory is None:
        return measure(data, result.records)
    report = write_data(directory, data)
    write_trades(directory / TRADES, result.trades)
    write_equity(directory / EQUITY, result.gathered.money, result.gathered.span)
    return report


def _conclude(
    result: ReplayResult, report: RunReport, compared: Comparison | None, options: ReplayOptions, view: View
) -> int:
    how = "interrupted, and stopped" if result.interrupted else "done"
    view.check(
        "replay",
        f"{how} after {result.rows:,} rows in {result.wall_s:.2f} s, {result.rows_per_cpu_s:,.0f} rows per CPU second",
        mark="warn" if result.interrupted else "ok",
    )
    _tell_repairs(result, view)
    where = f"in {short(options.report)}" if options.report else "not written; name a directory with --report"
    summarise(report, where, view)
    failed = result.interrupted or not report.books_balance
    if compared is not None:
        failed |= _tell(compared, _why_not_equal(result, options), view)
    return EXIT_FAILED if failed else EXIT_OK


def _tell_repairs(result: ReplayResult, view: View) -> None:
    for found in result.repairs[:_REPAIRS_TOLD]:
        text = f"{found.file}: {found.rows:,} × {KINDS[found.kind]} (from row {found.row})"
        view.check("repaired", text, mark="warn")
    if len(result.repairs) > _REPAIRS_TOLD:
        view.check("repaired", f"and {len(result.repairs) - _REPAIRS_TOLD} more, in the report", mark="warn")


def _why_not_equal(result: ReplayResult, options: ReplayOptions) -> list[str]:
    """What makes a replay of a run something else than the run."""
    interrupt = ["the interrupt"] if result.interrupted else []
    return [*options.narrowed, *interrupt, *(["the repairs of its archive"] if result.repairs else [])]


def _tell(compared: Comparison, reasons: list[str], view: View) -> bool:
    """Say how the replay compares with the run; True if they differ and should not."""
    if compared.equal:
        view.check("run", f"equal: all {compared.first:,} records are those of the run, byte for byte")
        return False
    counts = ", ".join(f"{number} {name}" for name, number in compared.by_type.items())
    text = (
        f"{compared.differences:,} records differ ({counts}): {compared.first:,} in the run, {compared.second:,} here"
    )
    if reasons:
        view.check("run", f"{text}, because of {', '.join(reasons)}")
        return False
    view.check("run", text, mark="fail")
    for name, lines in (("only the run", compared.only_first), ("only this", compared.only_second)):
        for line in lines:
            view.note(f"{name} has {line}")
    return True


def _as_tree(
    result: ReplayResult, report: RunReport, compared: Comparison | None, options: ReplayOptions
) -> dict[str, Any]:
    tree: dict[str, Any] = msgspec.to_builtins(report)
    tree["replay"] = {
        "rows": result.rows,
        "cpu_s": result.cpu_s,
        "wall_s": result.wall_s,
        "rows_per_cpu_s": result.rows_per_cpu_s if result.cpu_s else None,
        "interrupted": result.interrupted,
        "compared": None if compared is None else {"equal": compared.equal, **msgspec.to_builtins(compared)},
        "changed": options.narrowed,
    }
    return tree
