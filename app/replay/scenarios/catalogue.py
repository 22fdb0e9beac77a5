"""What the scenarios are: `config/scenarios.yml`, and what a file of one's own lays over it."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from pydantic import Field, field_validator

from app.core.config import Section, read_layers, validate
from app.core.errors import Misconfigured
from app.settings import ROOT
from app.sim.hearing import LagSettings
from app.sim.settings import BurstSettings, SpikeSettings
from app.sim.shock_settings import ShockSettings

BASE: Final = "base"
CATALOGUE: Final = ROOT / "config" / "scenarios.yml"

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


class ScenarioSettings(Section):
    """What is different from the configuration. Without anything it is the configuration itself."""

    about: str = Field(min_length=1, description="what it stands for, in a sentence")
    one_way_ms: float | None = Field(default=None, ge=0, description="instead of the configured order and response_ms")
    factor: float = Field(default=1.0, ge=0, description="messages both ways take this many times as long")
    p99_over_median: float | None = Field(default=None, ge=1, description="a constant latency becomes lognormal")
    cancel_factor: float = Field(default=1.0, ge=1, description="cancellations take this many times as long again")
    decision_factor: float = Field(default=1.0, ge=0, description="executor.decision_ms times this")
    spikes: SpikeSettings | None = None
    bursts: BurstSettings | None = None
    lag: LagSettings | None = None
    shock: ShockSettings | None = None


class LadderSettings(Section):
    """The latencies at which the break-even is looked for: one way, the same both ways."""

    one_way_ms: tuple[float, ...] = Field(min_length=2)
    p99_over_median: float = Field(default=1.0, ge=1)

    @field_validator("one_way_ms")
    @classmethod
    def _rises(cls, rungs: tuple[float, ...]) -> tuple[float, ...]:
        if rungs[0] <= 0 or any(after <= before for before, after in pairwise(rungs)):
            raise ValueError(f"the rungs must be above 0 and rise, got {', '.join(f'{rung:g}' for rung in rungs)}")
        return rungs

    def scenario(self, rung: float) -> ScenarioSettings:
        """The scenario of one of the rungs."""
        return ScenarioSettings(
            about=f"{rung:g} ms each way", one_way_ms=rung, p99_over_median=self.p99_over_median
        )  # fmt: skip


class Catalogue(Section):
    """All scenarios by name, in the order in which they are reported."""

    ladder: LadderSettings
    scenarios: dict[str, ScenarioSettings]

    @field_validator("scenarios")
    @classmethod
    def _named(cls, scenarios: dict[str, ScenarioSettings]) -> dict[str, ScenarioSettings]:
        for name in scenarios:
            if not _NAME.fullmatch(name):
                raise ValueError(f"scenario name {name!r} must be lower-case letters, digits and _, a letter first")
        base = scenarios.get(BASE)
        if base is None or base != ScenarioSettings(about=base.about):
            raise ValueError(f"scenario {BASE!r} is the configuration itself; all it may have is about")
        return scenarios

    def chosen(self, names: Sequence[str]) -> dict[str, ScenarioSettings]:
        """The scenarios of these names, base first whether named or not; ``all`` means all.

        Raises:
            Misconfigured: there is none of that name.
        """
        for name in names:
            if name != "all" and name not in self.scenarios:
                raise Misconfigured(f"scenario {name!r} is not known; known: {', '.join(self.scenarios)}, or all")
        wanted = {BASE, *(self.scenarios if "all" in names else names)}
        return {name: scenario for name, scenario in self.scenarios.items() if name in wanted}


def read_catalogue(own: Path | None = None) -> Catalogue:
    """The catalogue, with the file `own` laid over it: it may change parameters and add scenarios.

    Raises:
        Misconfigured: with every fault found.
    """
    paths = [CATALOGUE] if own is None else [CATALOGUE, own]
    return validate(Catalogue, read_layers(paths), source=" + ".join(str(path) for path in paths))
