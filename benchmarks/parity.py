"""Do real processes and a replay of what they recorded give the same orders, fills, trades and PnL?

Two sessions of real processes with a real Redis, through `python -m app up`, each replayed by `python -m app replay
--run` from its own archive under its own configuration, and compared record by record:

* `wall`: the market at its own speed, rows stamped by the wall clock as they arrive: a live paper session;
* `event`: the market as fast as it is read, rows stamped by event time. In the long form this one is run twice, so that
  processes are compared with processes as well.

`differences` counts records that only one side has, over all comparisons, and has to be 0; so has `late_orders`. So
that even a short session has many records, thresholds and cooldowns are lower here than by default. A session without
any record compares nothing, and the exit code is 1. One that has records and no closed trade agrees as far as it goes:
`warnings` says how far that is. Not looked at: a real venue (docs/live-vs-paper.md).

    python -m benchmarks.parity [--quick] [--json] [--tape PATH]
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from app.report.compare import compare_records
from app.report.facts import RECORDS
from benchmarks.common import arguments, emit

_EAGER = [
    part
    for setting in (
        "warmup.seconds=1", "ai_scorer.tau_entry=0.01", "risk.loss_streak_max=100000", "risk.max_positions=10",
        "risk.daily_loss_cap_usd=-100000", "strategies.scalper.exits.max_hold_ms=1000",
        "strategies.scalper.trigger.cooldown_ms=200",
    )
    for part in ("--set", setting)
]  # fmt: skip
_LIMIT_S = 1800

Figures = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments(
        __doc__ or "",
        argv,
        tape={"type": Path, "help": "a recording or an archive instead of the synthetic market"},
        seconds={"type": int, "help": "length of the wall session (14 with --quick, else 120)"},
    )
    market = ["--tape", str(options.tape)] if options.tape else ["--seed", "3"]
    wall_s = options.seconds or (14 if options.quick else 120)
    event_s, times = (120, 1) if options.quick else (900, 2)
    by_wall = [*market, "--for", str(wall_s), "--clock", "wall"]
    by_event = [*market, "--for", str(event_s), "--clock", "event", "--speed", "0"]
    # A session by the wall clock mostly waits. In the short form the other goes on beside it: results must not depend
    # on that, but the replay's rate does, so the long form has the machine to itself.
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2 if options.quick else 1) as pool:
        wall = pool.submit(_wall, Path(folder) / "wall", by_wall)
        event = pool.submit(_event, Path(folder), by_event, times)
        parts = {"wall": wall.result(), "event": event.result()}
    figures: Figures = {name: sum(part[name] for part in parts.values()) for name in ("differences", "late_orders")}
    failures, warnings = verdict(parts)
    figures |= {"records": sum(part["records"] for part in parts.values()), "failures": failures, "warnings": warnings}
    figures |= parts
    emit("parity", figures, notes=[_note(name, part) for name, part in parts.items()], as_json=options.json)
    for text in (*failures, *warnings):
        print(text, file=sys.stderr)
    return int(bool(failures))


def verdict(parts: Mapping[str, Figures]) -> tuple[list[str], list[str]]:
    """Why the exit code is 1, and what 0 would not say by itself; the figures of the sessions by name."""
    failures, warnings = [], []
    for name, part in parts.items():
        if part["differences"]:
            failures.append(f"{name}: {part['differences']} differences where there may be none")
        if part["late_orders"]:
            orders = "1 order" if part["late_orders"] == 1 else f"{part['late_orders']} orders"
            failures.append(f"{name}: {orders} came late, and none may")
        if not part["records"]:
            failures.append(
                f"{name}: nothing was compared, since the session has no record of an order; make it longer with "
                "--seconds, or take another --tape"
            )
        elif not part["closed_trades"]:
            what = f"{part['records']} records of {part['orders']} orders and {part['fills']} fills"
            warnings.append(
                f"{name}: no trade was closed, so this says nothing about exits, trades and PnL: only {what} were "
                "compared; make it longer with --seconds, or take another --tape"
            )
    return failures, warnings


def _wall(runs: Path, arguments: Sequence[str]) -> Figures:
    run, report = _session(runs, arguments)
    return _figures(report, _replayed(run), 0)


def _event(folder: Path, arguments: Sequence[str], times: int) -> Figures:
    sessions = [_session(folder / f"event{n}", arguments) for n in range(times)]
    (run, report), *others = sessions
    between = sum(compare_records(_records(run), _records(other)).differences for other, _ in others)
    return _figures(report, _replayed(run), between)


def _records(run: Path) -> list[bytes]:
    return (run / RECORDS).read_bytes().splitlines()


def _session(runs: Path, arguments: Sequence[str]) -> tuple[Path, Figures]:
    """The directory and the report of a session of real processes."""
    report = _app("up", "--runs", str(runs), "--json", *arguments, *_EAGER)
    return next(runs.iterdir()), report


def _replayed(run: Path) -> Figures:
    return _app("replay", "--run", str(run), "--json")


def _app(*arguments: str) -> Figures:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AVIARY_")}
    done = subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        capture_output=True, text=True, env=environment, timeout=_LIMIT_S, check=False,
    )  # fmt: skip
    try:
        found: Figures = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"`app {arguments[0]}` ended with {done.returncode}:\n{done.stderr}") from None
    return found


def _figures(live: Figures, replayed: Figures, between_runs: int) -> Figures:
    compared = replayed["replay"]["compared"]
    unequal = sum(
        live[name] != replayed[name] for name in ("pnl", "fees", "funding", "closed_trades", "fills", "orders")
    )
    return {
        "differences": compared["differences"] + between_runs + unequal,
        "late_orders": live["late_orders"] + replayed["late_orders"],
        "records": live["records"],
        "by_type": compared["by_type"],
        "orders": live["orders"],
        "fills": live["fills"],
        "closed_trades": live["closed_trades"],
        "pnl_live": live["pnl"],
        "pnl_replay": replayed["pnl"],
        "digest_live": live["records_digest"],
        "digest_replay": replayed["records_digest"],
        "books_balance": live["books_balance"] and replayed["books_balance"],
        "rows": replayed["replay"]["rows"],
        "replay_cpu_s": replayed["replay"]["cpu_s"],
        "replay_rows_per_cpu_s": replayed["replay"]["rows_per_cpu_s"],
        "live_s": live["run"]["duration_s"],
        "source": live["run"]["source"],
    }


def _note(name: str, part: Figures) -> str:
    return (
        f"{name}: {part['source']}, {part['live_s']:.0f} s live, {part['replay_cpu_s']:.2f} s of CPU replayed; "
        f"{part['orders']} orders, {part['fills']} fills, {part['closed_trades']} trades, PnL {part['pnl_live']}"
    )


if __name__ == "__main__":
    sys.exit(main())
