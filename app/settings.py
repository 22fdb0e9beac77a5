"""The whole configuration, and where it is read from."""

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from app.ai_scorer.settings import ScorerSettings
from app.bus.settings import BusSettings
from app.collector.settings import CollectorSettings
from app.core.config import Section, read_layers, validate
from app.core.strategy import StrategySettings
from app.executor.settings import ExecutorSettings
from app.risk.settings import RiskSettings, WarmupSettings
from app.sandbox.settings import SandboxSettings
from app.signal_engine.settings import SignalEngineSettings
from app.store.settings import ArchiveSettings

ROOT = Path(__file__).resolve().parent.parent


class ExchangeSettings(Section):
    """Which venue orders go to, and the rules every order obeys."""

    mode: Literal["paper", "real"] = "paper"
    venue: str = "bybit_v5"
    maker_only: bool = True
    reduce_only: bool = True
    post_only: bool = True


class ShardSettings(Section):
    """The shard this set of services runs, and its symbols."""

    id: str = Field(default="main", pattern=r"^[A-Za-z0-9_-]+$")
    symbols: tuple[str, ...] = Field(min_length=1)


class PipelineSettings(Section):
    """Event-time rules all services share (see docs/architecture.md, "Time")."""

    clock_interval_ms: int = Field(default=100, ge=10)
    reorder_hold_ms: int = Field(default=200, ge=0, description="rows wait this long to be put in venue order")
    feedback_delay_ms: int = Field(default=1000, ge=1, description="a fill or trade is known to others after this")

    @model_validator(mode="after")
    def _feedback_outlasts_hold(self) -> "PipelineSettings":
        # The executor is always one hold and one clock row behind; without slack the signal engine would wait for it.
        if self.feedback_delay_ms <= self.reorder_hold_ms + 2 * self.clock_interval_ms:
            raise ValueError(
                f"feedback_delay_ms ({self.feedback_delay_ms}) must be above reorder_hold_ms "
                f"({self.reorder_hold_ms}) + 2 × clock_interval_ms ({self.clock_interval_ms})"
            )
        return self


class MetricsSettings(Section):
    """Prometheus port of each process; 0 takes a free one."""

    host: str = "127.0.0.1"
    collector: int = Field(default=9101, ge=0, le=65535)
    signal_engine: int = Field(default=9102, ge=0, le=65535)
    ai_scorer: int = Field(default=9103, ge=0, le=65535)
    risk: int = Field(default=9104, ge=0, le=65535)
    executor: int = Field(default=9105, ge=0, le=65535)
    sandbox: int = Field(default=9106, ge=0, le=65535)

    def port_of(self, service: str) -> int:
        """The port of `service`."""
        return int(getattr(self, service))


class LoggingSettings(Section):
    """Structured logs on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Settings(Section):
    """Everything in config/app.yml."""

    exchange: ExchangeSettings
    shard: ShardSettings
    symbols_file: Path
    pipeline: PipelineSettings
    bus: BusSettings
    collector: CollectorSettings
    archive: ArchiveSettings
    signal_engine: SignalEngineSettings
    ai_scorer: ScorerSettings
    warmup: WarmupSettings
    risk: RiskSettings
    executor: ExecutorSettings
    strategies: dict[str, StrategySettings] = Field(min_length=1)
    sandbox: SandboxSettings
    metrics: MetricsSettings
    logging: LoggingSettings

    @model_validator(mode="after")
    def _symbols_belong_to_the_shard(self) -> "Settings":
        for name, strategy in self.enabled_strategies.items():
            foreign = set(strategy.symbols) - set(self.shard.symbols)
            if foreign:
                raise ValueError(
                    f"strategies.{name}.symbols has {', '.join(sorted(foreign))}, which shard.symbols does not"
                )
        return self

    @cached_property
    def enabled_strategies(self) -> dict[str, StrategySettings]:
        """The strategies that are switched on, by name."""
        return {name: strategy for name, strategy in self.strategies.items() if strategy.enabled}


def config_paths(config: Path | None = None, overlays: Iterable[str] | None = None) -> list[Path]:
    """The files that make up the configuration, in order.

    `config` defaults to `AVIARY_CONFIG`, then to `config/app.yml`; `overlays` (names in config/overlays, or paths)
    to the comma-separated `AVIARY_OVERLAYS`.
    """
    base = config or Path(os.environ.get("AVIARY_CONFIG") or ROOT / "config" / "app.yml")
    names = os.environ.get("AVIARY_OVERLAYS", "").split(",") if overlays is None else list(overlays)
    return [base, *(_overlay(name.strip()) for name in names if name.strip())]


def _overlay(name: str) -> Path:
    is_path = "/" in name or name.endswith((".yml", ".yaml"))
    return Path(name) if is_path else ROOT / "config" / "overlays" / f"{name}.yml"


def load_settings(
    config: Path | None = None,
    overlays: Iterable[str] | None = None,
    assignments: Iterable[str] | None = None,
) -> Settings:
    """Read the configuration; `assignments` default to the newline-separated `AVIARY_SET`.

    Relative paths inside it are taken from the project's root, whatever the working directory.

    Raises:
        Misconfigured: with every fault found.
    """
    paths = config_paths(config, overlays)
    if assignments is None:
        assignments = environment_assignments()
    given = list(assignments)
    tree = read_layers(paths, given)
    return validate(Settings, tree, source=" + ".join(str(path) for path in paths), assignments=given)


def environment_assignments() -> list[str]:
    """The settings in the newline-separated `AVIARY_SET`."""
    return [line for line in os.environ.get("AVIARY_SET", "").splitlines() if line.strip()]


def resolve(path: Path) -> Path:
    """`path` as given if absolute, else under the project's root."""
    return path if path.is_absolute() else ROOT / path
