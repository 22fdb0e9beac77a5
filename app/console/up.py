"""`python -m app up`: a paper run on this machine, from the checklist to the report."""

import asyncio
import os
import sys
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import msgspec

from app.bus.server import RedisServer
from app.console.board import Unbreakable, View
from app.console.checklist import prepare, start_redis
from app.console.conclude import conclude
from app.console.lines import Lines
from app.console.models import check_models
from app.console.options import UpOptions
from app.console.plan import Plan
from app.console.run_config import save_config
from app.console.runs import new_run, save_facts, short, utc_text
from app.console.session import Ending, Session
from app.console.versions import all_versions
from app.core.errors import AviaryError, Misconfigured
from app.core.logging import configure_logging
from app.core.process import EXIT_FAILED, EXIT_MISCONFIGURED
from app.report.facts import REPORT, RunFacts
from app.settings import resolve
from app.settings_digest import config_digest


def up(options: UpOptions, *, as_json: bool = False) -> int:
    """Run, and return the exit code: 0 it ended well and the books balance, 1 it did not, 2 it was misconfigured.

    With `as_json` the report goes to standard output and everything else to standard error.
    """
    view = _view(sys.stderr if as_json else sys.stdout)
    try:
        options.check()
        run = new_run(resolve(options.runs), datetime.now(UTC))
    except Misconfigured as error:
        view.check("options", str(error), mark="fail")
        return EXIT_MISCONFIGURED
    with ExitStack() as held:
        code = _run(options, run, view, held)
    if as_json and (run / REPORT).exists():
        sys.stdout.write((run / REPORT).read_text(encoding="utf-8"))
    with suppress(OSError):
        run.rmdir()  # only if nothing came of it
    return code


def _run(options: UpOptions, run: Path, view: View, held: ExitStack) -> int:
    redis: RedisServer | None = None
    try:
        plan = prepare(options, run, view, held)
        facts = _facts(plan, run)
        save_config(run, plan.settings)
        redis = start_redis(plan, run, view)
        with (run / "launcher.log").open("a", encoding="utf-8") as log:
            configure_logging("launcher", level=plan.settings.logging.level, format="json", file=log)
            ending = asyncio.run(_drive(plan, run, redis, view, facts))
    except Misconfigured as error:
        view.check("misconfigured", str(error), mark="fail")
        return EXIT_MISCONFIGURED
    except AviaryError as error:
        view.check("failed", str(error), mark="fail")
        return EXIT_FAILED
    except (asyncio.CancelledError, KeyboardInterrupt):
        view.note(f"ended at once, without a report; what was recorded is in {short(run)}")
        return EXIT_FAILED
    finally:
        if redis is not None:
            redis.stop()
    return conclude(run, ending, view)


def _view(out: TextIO) -> View:
    if out.isatty():
        with suppress(ImportError):
            from app.console.screen import Screen

            return Unbreakable(Screen(out))
    return Unbreakable(Lines(out))


async def _drive(plan: Plan, run: Path, redis: RedisServer | None, view: View, facts: RunFacts) -> Ending:
    """Run, keeping the facts of the run up to date."""
    session = Session(plan, run, redis, view)

    def keep(known: RunFacts) -> None:
        save_facts(run, msgspec.structs.replace(known, services=session.facts()))

    ending = await session.run(on_change=lambda: keep(facts))
    keep(_ended(facts, ending))
    return ending


def _facts(plan: Plan, run: Path) -> RunFacts:
    settings = plan.settings
    sandbox = None if plan.options.live else settings.sandbox
    return RunFacts(
        id=run.name,
        kind="paper",
        source=plan.source,
        clock=settings.collector.clock,
        symbols=list(settings.shard.symbols),
        config_digest=config_digest(settings),
        starting_cash={name: str(s.capital.starting_cash) for name, s in settings.enabled_strategies.items()},
        started=utc_text(datetime.now(UTC)),
        tape=str(plan.options.tape or "") or str((sandbox and sandbox.tape) or ""),
        seed=sandbox.seed if sandbox and sandbox.flow == "synthetic" else None,
        speed=sandbox.speed if sandbox else 1.0,
        models=check_models(settings),
        versions=all_versions(),
        options=plan.options.given(),
        pid=os.getpid(),
    )


def _ended(facts: RunFacts, ending: Ending) -> RunFacts:
    return msgspec.structs.replace(
        facts,
        ended=utc_text(datetime.now(UTC)),
        duration_s=round(ending.duration_s, 3),
        ended_by=ending.by,
        failure=str(ending.error or ""),
    )
