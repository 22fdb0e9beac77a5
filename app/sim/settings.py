"""The simulator's part of the configuration: fees, latency, queue, and spells of trouble."""

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from app.core.config import Section


class FeeSettings(Section):
    """Share of notional paid; a negative rate is a rebate."""

    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.00055")


class SpikeSettings(Section):
    """Now and then a message takes a lot longer: by `scale_ms` · u^(−1/alpha), Pareto, at most `most_ms`."""

    share: float = Field(ge=0, le=1, description="of all messages")
    scale_ms: float = Field(gt=0)
    alpha: float = Field(gt=0, description="the smaller, the longer the tail; below 1 it has no mean")
    most_ms: float = Field(default=5000.0, gt=0)


class BurstSettings(Section):
    """Times in which every message takes `factor` times as long: calm and burst alternate, both exponential."""

    every_s: float = Field(gt=0, description="mean length of the calm between two")
    lasts_s: float = Field(gt=0, description="mean length of one")
    factor: float = Field(ge=1)


class LatencySettings(Section):
    """Delay of an order to the venue and of its answer back, in event time."""

    model: Literal["constant", "measured", "lognormal"] = "constant"
    order_ms: float = Field(default=5.0, ge=0, description="of lognormal the median")
    response_ms: float = Field(default=5.0, ge=0, description="of lognormal the median")
    p99_over_median: float = Field(default=10.0, ge=1, description="of lognormal; 1 is a constant")
    measured_file: Path | None = Field(default=None, description="JSON with order_ms and response_ms samples")
    factor: float = Field(default=1.0, ge=0, description="every message takes this many times as long")
    cancel_factor: float = Field(default=1.0, ge=1, description="and a cancellation this many times as long as that")
    spikes: SpikeSettings | None = None
    bursts: BurstSettings | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _measured_needs_a_file(self) -> "LatencySettings":
        if self.model == "measured" and self.measured_file is None:
            raise ValueError("latency model 'measured' needs measured_file")
        return self


class SpellSettings(Section):
    """A time of trouble, `start` ≤ t < `end` in ns of event time since the epoch.

    Messages sent within it take `factor` times as long; while the line is `down` they wait for its end. Of the orders
    that reach the venue within it, the share `refused` is rejected.
    """

    start: int
    end: int
    factor: float = Field(default=1.0, ge=0)
    down: bool = False
    refused: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _has_a_length(self) -> "SpellSettings":
        if self.end <= self.start:
            raise ValueError(f"a spell must end after it starts; start is {self.start}, end is {self.end}")
        return self


class SimSettings(Section):
    """The paper venue."""

    fees: FeeSettings = FeeSettings()
    latency: LatencySettings = LatencySettings()
    queue: Literal["risk_averse", "proportional", "power_2", "power_3", "log"] = "power_3"
    spells: tuple[SpellSettings, ...] = Field(default=(), description="known incidents, in order of time")

    @model_validator(mode="after")
    def _one_spell_at_a_time(self) -> "SimSettings":
        for before, after in pairwise(self.spells):
            if after.start < before.end:
                raise ValueError(f"spells overlap or are out of order: one ends at {before.end}, the next starts at "
                                 f"{after.start}")  # fmt: skip
        return self
