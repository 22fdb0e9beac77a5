"""What is looked at before anything is started, each with a line that says how it is."""

import asyncio
from contextlib import ExitStack
from pathlib import Path

from app.bus.server import RedisServer
from app.console.board import View
from app.console.models import check_models
from app.console.options import UpOptions
from app.console.plan import Plan, Tape, make_plan
from app.console.redis_check import inspect_redis
from app.console.runs import short
from app.console.tape import open_tape_apart
from app.core.errors import AviaryError, Misconfigured
from app.core.logging import mask
from app.settings import config_paths, resolve
from app.settings_digest import config_digest

TAPES = Path("data/tapes")


def prepare(options: UpOptions, run: Path, view: View, held: ExitStack) -> Plan:
    """Work out the run and check what it needs. Its ports are held until `held` is closed.

    Raises:
        Misconfigured: something does not fit or is missing.
        BadInput: the tape cannot be read.
    """
    tape = None if options.tape is None else open_tape(options.tape, view)
    plan = make_plan(options, run, tape, held)
    files = ", ".join(path.name for path in config_paths(options.config, options.overlays))
    view.check("configuration", f"{files}, digest {config_digest(plan.settings)[:12]}")
    view.check(
        "market", f"{plan.source}, {', '.join(plan.settings.shard.symbols)}, {plan.settings.collector.clock} clock"
    )
    models = check_models(plan.settings)
    view.check("model", ", ".join(f"{model} ({slot})" for slot, model in models.items()) + ", hashes verified")
    moved = [f"{name} {port.wanted} is taken, using {port.taken}" for name, port in plan.ports.items() if port.moved]
    used = sorted(port.taken for port in plan.ports.values())
    view.check("ports", "; ".join(moved) or ", ".join(map(str, used)), mark="warn" if moved else "ok")
    return plan


def start_redis(plan: Plan, run: Path, view: View) -> RedisServer | None:
    """The run's own server, started; None if the configuration names one, which is then checked.

    Raises:
        Misconfigured: there is none to start, or the one that is named is not fit.
        Retryable: it cannot be reached.
    """
    redis = RedisServer(run / "redis") if plan.own_redis else None
    if redis is None:
        url = plan.settings.bus.redis_url.get_secret_value()
        _check_redis(plan, url, f"as configured, {mask(url)}", view)
        return None
    redis.start()
    try:
        _check_redis(plan, redis.url, f"its own on port {redis.port}, append-only", view)
    except AviaryError:
        redis.stop()
        raise
    return redis


def _check_redis(plan: Plan, url: str, where: str, view: View) -> None:
    state = asyncio.run(inspect_redis(url, plan.settings.shard.id))
    if faults := list(state.faults()):
        raise Misconfigured(f"Redis: {'; '.join(faults)}")
    for warning in state.warnings():
        view.check("redis", warning, mark="warn")
    if state.entries:
        view.check(
            "redis",
            f"shard {plan.settings.shard.id!r} has {state.entries:,} entries of an earlier run, which goes on; "
            "for a fresh one set another shard.id or empty the database",
            mark="warn",
        )
    view.check("redis", f"{state.version}, {where}")


def open_tape(path: Path, view: View) -> Tape:
    """The archive at `path`, or that of the recording there, imported on first use.

    Raises:
        Misconfigured: there is nothing to read.
        BadInput: the recording is damaged.
    """
    told = 0.0

    def tell(share: float) -> None:
        nonlocal told
        if share - told >= 0.2:
            told = share
            view.check("tape", f"importing {path.name}, {share:.0%}", mark="wait")

    tape = open_tape_apart(path, resolve(TAPES), tell)
    view.check("tape", f"{short(tape.root)}, {', '.join(tape.symbols)}")
    return tape
