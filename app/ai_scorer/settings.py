"""The `ai_scorer` section of the configuration."""

from pathlib import Path

from pydantic import Field

from app.core.config import Section


class ShadowSettings(Section):
    """Scoring by the shadow slot beside the active one."""

    enabled: bool = True
    use_threshold_from_meta: bool = True
    tau_entry: float | None = Field(default=None, ge=0, le=1)
    tau_hold: float | None = Field(default=None, ge=0, le=1)


class ScorerSettings(Section):
    """Which bundle scores. Thresholds given here override the bundle's own."""

    registry: Path = Path("models/registry")
    tau_entry: float | None = Field(default=None, ge=0, le=1)
    tau_hold: float | None = Field(default=None, ge=0, le=1)
    shadow: ShadowSettings = ShadowSettings()
