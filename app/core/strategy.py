"""What a strategy is: an entry in the configuration, read by signal engine, risk and executor alike."""

from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from app.core.config import Section


class Condition(Section):
    """A bound on one feature; every bound given must hold for the trigger to fire."""

    feature: str
    min: float | None = None
    max: float | None = None
    abs_min: float | None = Field(default=None, ge=0)
    abs_max: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _bounded(self) -> "Condition":
        if self.min is None and self.max is None and self.abs_min is None and self.abs_max is None:
            raise ValueError(f"condition on {self.feature!r} bounds nothing; give min, max, abs_min or abs_max")
        return self


class TriggerSettings(Section):
    """When an entry candidate is raised: all conditions hold, all features are ready, the cooldown is over."""

    side_feature: str
    conditions: tuple[Condition, ...] = ()
    cooldown_ms: int = Field(default=1000, ge=0)


class EntrySettings(Section):
    """How an approved entry is worked: a passive limit order at the best price, cancelled after `ttl_ms`."""

    ttl_ms: int = Field(default=3000, gt=0)


class ExitSettings(Section):
    """How a position is left. Distances are in basis points of the entry price."""

    stop_loss_bps: float = Field(gt=0)
    take_profit_bps: float = Field(gt=0)
    max_hold_ms: int = Field(gt=0)
    hold_every_ms: int = Field(default=500, gt=0, description="interval of hold evaluations while open")
    hold_grace_ms: int = Field(default=2000, ge=0, description="no tau_hold exit before this age")


class CapitalSettings(Section):
    """The paper account of the strategy and the size of one position, in quote currency."""

    starting_cash: Decimal = Field(gt=0)
    max_notional: Decimal = Field(gt=0)


class StrategySettings(Section):
    """One strategy."""

    enabled: bool = True
    symbols: tuple[str, ...] = Field(min_length=1)
    trigger: TriggerSettings
    entry: EntrySettings = EntrySettings()
    exits: ExitSettings
    capital: CapitalSettings
    model_slot: Literal["active"] = "active"
