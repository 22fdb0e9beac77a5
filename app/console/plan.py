"""From options and configuration to what a run is: its settings, its processes, and the environment they get."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from app.console.options import UpOptions
from app.console.ports import Port, choose_ports, reachable
from app.core.errors import Misconfigured
from app.market.instruments import read_instruments
from app.settings import Settings, environment_assignments, load_settings, resolve
from app.store.settings import ArchiveSettings

#: In the order of the data; intake first.
PIPELINE = ("collector", "signal_engine", "ai_scorer", "risk", "executor")
#: The sandbox's own port, beside that of its metrics.
EXCHANGE = "exchange"
_DEFAULT_REDIS = "redis://127.0.0.1:6379/0"


@dataclass(frozen=True, slots=True)
class Tape:
    """An archive to replay, and the symbols in it."""

    root: Path
    symbols: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """One run, worked out.

    `assignments` are the settings laid over the configuration files, `settings` the result. `wall_limit_s` ends the
    run by the wall clock; with the event clock the collector ends its feed itself.
    """

    options: UpOptions
    settings: Settings
    assignments: tuple[str, ...]
    services: tuple[str, ...]
    ports: Mapping[str, Port]
    source: str
    own_redis: bool
    wall_limit_s: float | None

    @property
    def event_clock(self) -> bool:
        return self.settings.collector.clock == "event"

    def metrics_url(self, service: str) -> str:
        """Where `service` tells its metrics."""
        return f"http://{reachable(self.settings.metrics.host)}:{self.ports[service].taken}/metrics"

    @property
    def exchange_url(self) -> str | None:
        """Where the sandbox answers, if there is one."""
        return self.settings.collector.rest_url if EXCHANGE in self.ports else None

    def environment(self, redis_url: str) -> dict[str, str]:
        """The environment of every process of the run."""
        lines = (*self.assignments, _line("bus.redis_url", redis_url))
        env = {**os.environ, "AVIARY_SET": "\n".join(lines), "REDIS_URL": redis_url}
        if self.options.config is not None:
            env["AVIARY_CONFIG"] = str(self.options.config)
        if self.options.overlays is not None:
            env["AVIARY_OVERLAYS"] = ",".join(self.options.overlays)
        return env


def make_plan(options: UpOptions, run: Path, tape: Tape | None, held: ExitStack) -> Plan:
    """Work out the run in directory `run`; `tape` is the archive that `options.tape` was opened as.

    Its ports are the run's until `held` is closed.

    Raises:
        Misconfigured: options exclude each other, or the settings they lead to are not valid.
    """
    options.check()
    given = environment_assignments()
    # Settings of the environment and of --set are looked at first for what they imply. In the result what was said
    # more specifically wins: environment, then options, then --set, then the ports that were really free.
    base = load_settings(options.config, options.overlays, [*given, *options.assignments])
    if base.exchange.mode != "paper":
        raise Misconfigured(
            f"exchange.mode is {base.exchange.mode!r}, and `up` starts paper runs only; set EXCHANGE_MODE=paper"
        )
    event = _wants_event_clock(options, base)
    implied = [*_market(options, base, tape), *_clock(options, event=event), *_archive(base, run)]
    services = PIPELINE if options.live else ("sandbox", *PIPELINE)
    ports = _ports(base, services, held)
    assignments = (*given, *implied, *options.assignments, *_addresses(base, ports))
    settings = load_settings(options.config, options.overlays, assignments)
    instruments = read_instruments(resolve(settings.symbols_file))
    for symbol in settings.shard.symbols:
        instruments[symbol]
    return Plan(
        options=options,
        settings=settings,
        assignments=assignments,
        services=services,
        ports=ports,
        source=_describe(settings, options),
        own_redis=not names_redis(settings),
        wall_limit_s=None if event else options.for_s,
    )


def names_redis(settings: Settings) -> bool:
    """Whether a person said which Redis to use; else a run brings its own."""
    return bool(os.environ.get("REDIS_URL")) or settings.bus.redis_url.get_secret_value() != _DEFAULT_REDIS


def _wants_event_clock(options: UpOptions, base: Settings) -> bool:
    if options.clock is not None:
        return options.clock == "event"
    return base.collector.clock == "event" or options.speed not in (None, 1.0) or base.sandbox.speed != 1.0


def _market(options: UpOptions, base: Settings, tape: Tape | None) -> list[str]:
    """Where the market comes from, and which symbols there are."""
    if options.live:
        return []
    found = [] if options.seed is None else [_line("sandbox.seed", options.seed)]
    if tape is not None:
        found += [_line("sandbox.flow", "tape"), _line("sandbox.tape", str(tape.root.resolve()))]
        found += [_line("sandbox.symbols", tape.symbols), *symbol_assignments(base, tape.symbols)]
    elif not set(base.shard.symbols) <= set(base.sandbox.symbols):
        found.append(_line("sandbox.symbols", base.shard.symbols))
    return found


def symbol_assignments(base: Settings, symbols: Sequence[str]) -> list[str]:
    """Settings that make `symbols` the shard's: a strategy keeps those it shares with them, else it gets them all."""
    found = [_line("shard.symbols", symbols)]
    for name, strategy in base.enabled_strategies.items():
        shared = [symbol for symbol in strategy.symbols if symbol in symbols]
        found.append(_line(f"strategies.{name}.symbols", shared or symbols))
    return found


def _clock(options: UpOptions, *, event: bool) -> list[str]:
    found = [_line("collector.clock", "event" if event else "wall")]
    if not options.live:
        # Equal runs need equal times; a market beside the wall clock needs the present.
        found.append(_line("sandbox.time", "original" if event else "now"))
        if options.speed is not None:
            found.append(_line("sandbox.speed", options.speed))
    if event and options.for_s is not None:
        found.append(_line("collector.stop_after_s", options.for_s))
    return found


def _archive(base: Settings, run: Path) -> list[str]:
    """The run keeps its own archive, unless a person said where archives go."""
    default = base.archive.root == ArchiveSettings.model_fields["root"].default
    return [_line("archive.root", str((run / "archive").resolve()))] if default else []


def _ports(base: Settings, services: Sequence[str], held: ExitStack) -> dict[str, Port]:
    ports = choose_ports(base.metrics.host, {name: base.metrics.port_of(name) for name in services}, held)
    if "sandbox" in services:
        ports |= choose_ports(base.sandbox.host, {EXCHANGE: base.sandbox.port}, held)
    return ports


def _addresses(base: Settings, ports: Mapping[str, Port]) -> list[str]:
    found = [_line(f"metrics.{name}", port.taken) for name, port in ports.items() if name != EXCHANGE]
    if EXCHANGE in ports:
        host = f"{reachable(base.sandbox.host)}:{ports[EXCHANGE].taken}"
        found += [
            _line("sandbox.port", ports[EXCHANGE].taken),
            _line("collector.rest_url", f"http://{host}"),
            _line("collector.ws_url", f"ws://{host}/v5/public/linear"),
        ]
    return found


def _describe(settings: Settings, options: UpOptions) -> str:
    if options.live:
        return "Bybit's live public feed"
    if settings.sandbox.flow == "tape":
        return f"recorded tape {Path(options.tape or settings.sandbox.tape or '').name}"
    return f"synthetic market, seed {settings.sandbox.seed}"


def _line(key: str, value: object) -> str:
    """A setting as AVIARY_SET has it: the value quoted, so that nothing in it is taken for syntax."""
    return f"{key}={json.dumps(value).replace('${', '$${')}"
