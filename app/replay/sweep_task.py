"""One replay of a sweep: what it depends on, and what a worker does with it."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from app.core.errors import Misconfigured
from app.registry.manifest import read_manifest
from app.replay.build_facts import code_digest
from app.replay.fan_call import only_errors
from app.replay.replay import run, starting_cash
from app.replay.stretches import Stretch
from app.report.facts import RunFacts
from app.report.run_report import measure
from app.report.sweep_data import TaskFigures, task_figures
from app.settings import ROOT, Settings, resolve
from app.settings_digest import config_digest
from app.store.inventory import list_parts
from app.store.layout import CLOCK_SYMBOL, read_sidecar, symbols_in

#: Of the kept results: another one, and they are all computed anew.
_LAYOUT: Final = "1"

Identity = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One point over one stretch. `identity` has what its result is a function of, `digest` is that in a word."""

    point: int
    settings: Settings
    archive: Path
    venue: str
    stretch: Stretch
    identity: Identity
    name: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()


def run_task(task: Task) -> TaskFigures:
    """Replay it; what a worker does.

    Raises:
        Misconfigured: what lies here is not what the sweep was planned with.
        Misconfigured, BadInput: as `app.replay.run`.
    """
    only_errors("sweep")
    _refuse_other(task)
    stretch, settings = task.stretch, task.settings
    result = run(
        settings, task.archive, venue=task.venue, start=stretch.start, end=stretch.end, recording=stretch.recording
    )
    facts = RunFacts(
        id=task.name,
        kind="replay",
        source=f"archive {task.archive.name}",
        clock=settings.collector.clock,
        symbols=list(settings.shard.symbols),
        config_digest=task.identity["settings"],
        starting_cash={name: str(cash) for name, cash in starting_cash(settings).items()},
        started="",
    )
    data = result.gathered.data(facts, {})
    report = measure(data, result.records)
    return task_figures(data, report, stretch.span, rows=result.rows, cpu_s=round(result.cpu_s, 3))


def settings_identity(settings: Settings) -> Identity:
    """All of a point that a result is a function of, each in a digest; the code, too.

    Raises:
        Misconfigured: the registry or a file that is named cannot be read.
    """
    return {
        "layout": _LAYOUT,
        "code": code_digest(),
        "settings": config_digest(settings),
        "models": _models(settings),
        "latencies": _latencies(settings),
    }


def rows_identity(archive: Path, venue: str, symbols: tuple[str, ...], stretch: Stretch) -> Identity:
    """All of a stretch that a result is a function of: its limits, and the rows up to its end.

    Those before it count too, since it begins with the books they left.

    Raises:
        Misconfigured, BadInput: there is no such symbol, or a sidecar cannot be read.
    """
    digest = hashlib.sha256()
    for symbol in (*symbols, CLOCK_SYMBOL):
        for first, line in _parts(archive, venue, symbol):
            if stretch.end is None or first < stretch.end:
                digest.update(line)
    limits = [venue, stretch.start, stretch.end, stretch.recording, *stretch.span]
    return {"stretch": json.dumps(limits), "rows": digest.hexdigest()}


def look_anew() -> None:
    """Forget what archives held when they were looked at before: they may have grown."""
    _parts.cache_clear()


def _models(settings: Settings) -> str:
    manifest = read_manifest(resolve(settings.ai_scorer.registry))
    held = [manifest.slots.active, manifest.slots.shadow if settings.ai_scorer.shadow.enabled else None]
    found = [None if name is None else [name, manifest.entry(name).hashes] for name in held]
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()


@cache
def _parts(archive: Path, venue: str, symbol: str) -> list[tuple[int, bytes]]:
    """Of each part its first ts_recv, and what tells its rows from others."""
    if symbol != CLOCK_SYMBOL and symbol not in symbols_in(archive, venue):
        there = ", ".join(symbols_in(archive, venue)) or "none"
        raise Misconfigured(f"archive {archive} has no {symbol} of venue {venue} (symbols there: {there})")
    found = []
    for path in list_parts(archive, venue, symbol):
        about = read_sidecar(path)
        line = [about.schema, symbol, about.recording, about.first_seq, about.last_seq, about.content_sha256]
        found.append((about.first_ts, json.dumps(line).encode() + b"\n"))
    return found


def _latencies(settings: Settings) -> str:
    path = settings.executor.paper.latency.measured_file
    if path is None:
        return ""
    try:
        return hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
    except OSError as error:
        raise Misconfigured(f"executor.paper.latency.measured_file {path} cannot be read ({error.strerror})") from None


def _refuse_other(task: Task) -> None:
    symbols = task.settings.shard.symbols
    here = settings_identity(task.settings) | rows_identity(task.archive, task.venue, symbols, task.stretch)
    differing = [name for name, what in task.identity.items() if here[name] != what]
    if differing:
        raise Misconfigured(
            f"not the same here as where the sweep was started: {', '.join(differing)}. Every node of a cluster needs "
            "the same archive, symbols file and models at the same paths; if something was changed in the meantime, "
            "start the sweep again"
        )
