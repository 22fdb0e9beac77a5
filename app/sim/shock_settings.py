"""What a shock is, and when shocks come."""

from typing import Literal

from pydantic import Field, model_validator

from app.core.clock import NS_PER_MS, NS_PER_S
from app.core.config import Section
from app.core.errors import Misconfigured
from app.sim.draws import uniform
from app.sim.settings import SpellSettings

_FUNDING_MS = 2000


class ShockSettings(Section):
    """A rough moment, and how often it comes. Everything in it happens at the same time, over `lasts_ms`.

    A price that moves by `move_bps` takes `move_ms` to get there, stays for `lasts_ms`, and takes `back_ms` to come
    back; what else there is in a shock lasts from its beginning until the price starts to come back.
    """

    every_s: float = Field(gt=0, description="one shock in each so long part of the run, at a moment drawn in it")
    lasts_ms: int = Field(gt=0)
    direction: Literal["up", "down", "either"] = "either"
    move_bps: float = Field(default=0.0, ge=0, lt=10_000, description="all prices move by this")
    move_ms: int = Field(default=0, ge=0)
    back_ms: int = Field(default=0, ge=0)
    steps: int = Field(default=10, ge=1, le=1000, description="of a move that takes time, each way")
    depth_factor: float = Field(default=1.0, gt=0, description="of all quantities shown and traded")
    withdraw_bps: float = Field(default=0.0, ge=0, lt=10_000, description="nothing is shown this close to the mid")
    sweep_bps: float = Field(default=0.0, ge=0, lt=10_000, description="one side trades away this far from the touch")
    feed: Literal["on", "late", "lost"] = "on"
    line: Literal["up", "down"] = "up"
    slow_factor: float = Field(default=1.0, ge=1, description="messages both ways take this many times as long")
    refused: float = Field(default=0.0, ge=0, le=1, description="share of arriving orders that the venue rejects")
    funding_rate: float = Field(default=0.0, ge=0, lt=1, description="exchanged once; up: longs pay")

    @model_validator(mode="after")
    def _is_one(self) -> "ShockSettings":
        if not (self.moves_market or self.feed != "on" or self.spell_wanted):
            raise ValueError(
                "a shock in which nothing happens; give it move_bps, depth_factor, withdraw_bps, sweep_bps, feed, "
                "line, slow_factor, refused or funding_rate"
            )
        if self.funding_rate and self.move_ms + self.lasts_ms < _FUNDING_MS:
            raise ValueError(f"funding times are whole seconds: with funding_rate, lasts_ms must be {_FUNDING_MS} or "
                             f"more, not {self.lasts_ms}")  # fmt: skip
        return self

    @property
    def moves_market(self) -> bool:
        """Whether rows of the market change."""
        return bool(self.move_bps or self.depth_factor != 1 or self.withdraw_bps or self.sweep_bps or self.funding_rate)

    @property
    def spell_wanted(self) -> bool:
        """Whether orders and answers meet trouble of their own."""
        return self.line == "down" or self.slow_factor != 1 or self.refused > 0

    @property
    def height_ns(self) -> int:
        """How long it is at its height, the way there included."""
        return (self.move_ms + self.lasts_ms) * NS_PER_MS

    @property
    def total_ns(self) -> int:
        """From its beginning until everything is as before."""
        return self.height_ns + self.back_ms * NS_PER_MS

    def spell(self, start: int) -> SpellSettings:
        """The trouble of orders in the shock that begins at `start`."""
        return SpellSettings(
            start=start,
            end=start + self.height_ns,
            factor=self.slow_factor,
            down=self.line == "down",
            refused=self.refused,
        )


def moments(shock: ShockSettings, span: tuple[int, int], *, seed: int) -> list[int]:
    """When shocks begin within `span` (ns): the span is cut into equal parts, and each has one at an even draw in it.

    Under one seed, scenarios with shocks as many as long have them at the same moments. Each shock is over before its
    part is. Where `every_s` is shorter than a shock, there are as many as fit.

    Raises:
        Misconfigured: not even one fits.
    """
    length = span[1] - span[0]
    fit = length // shock.total_ns
    if fit < 1:
        raise Misconfigured(
            f"a shock of {shock.total_ns / NS_PER_S:g} s does not fit into {length / NS_PER_S:g} s of market; give "
            "more of it, or a shorter shock"
        )
    count = max(1, min(fit, int(length / (shock.every_s * NS_PER_S))))
    part = length // count
    free = part - shock.total_ns
    return [span[0] + n * part + int(uniform(seed, "moment", n) * free) for n in range(count)]


def direction(shock: ShockSettings, number: int, *, seed: int) -> int:
    """+1 or −1: which way shock `number` goes."""
    match shock.direction:
        case "up":
            return 1
        case "down":
            return -1
        case "either":
            return 1 if uniform(seed, "direction", number) < 0.5 else -1
