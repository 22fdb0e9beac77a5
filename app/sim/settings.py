"""The simulator's part of the configuration: fees, latency, queue."""

from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from app.core.config import Section


class FeeSettings(Section):
    """Share of notional paid; a negative rate is a rebate."""

    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.00055")


class LatencySettings(Section):
    """Delay of an order to the venue and of its answer back, in event time."""

    model: Literal["constant", "measured"] = "constant"
    order_ms: float = Field(default=5.0, ge=0)
    response_ms: float = Field(default=5.0, ge=0)
    measured_file: Path | None = Field(default=None, description="JSON with order_ms and response_ms samples")
    seed: int = 0

    @model_validator(mode="after")
    def _measured_needs_a_file(self) -> "LatencySettings":
        if self.model == "measured" and self.measured_file is None:
            raise ValueError("latency model 'measured' needs measured_file")
        return self


class SimSettings(Section):
    """The paper venue."""

    fees: FeeSettings = FeeSettings()
    latency: LatencySettings = LatencySettings()
    queue: Literal["risk_averse", "proportional", "power_2", "power_3", "log"] = "power_3"
