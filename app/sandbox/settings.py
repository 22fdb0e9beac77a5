"""The `sandbox` section of the configuration."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from app.core.config import Section


class SandboxSettings(Section):
    """The local exchange.

    `speed` 0 runs as fast as the slowest subscriber reads. `time` ``now`` moves a tape's or the model's times to the
    present; ``original`` keeps them, which two equal runs need.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=18080, ge=0, le=65535)
    flow: Literal["synthetic", "tape"] = "synthetic"
    tape: Path | None = None
    speed: float = Field(default=1.0, ge=0)
    time: Literal["now", "original"] = "now"
    seed: int = 7
    symbols: tuple[str, ...] = ("BTCUSDT",)

    @model_validator(mode="after")
    def _consistent(self) -> "SandboxSettings":
        if self.flow == "tape" and self.tape is None:
            raise ValueError("flow 'tape' needs `tape`, the path of an archive")
        if self.time == "now" and self.speed != 1.0:
            raise ValueError("time 'now' needs speed 1: at any other speed the venue's clock leaves the present")
        return self
