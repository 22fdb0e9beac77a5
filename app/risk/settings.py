"""The `risk` and `warmup` sections of the configuration."""

from pydantic import Field

from app.core.config import Section


class WarmupSettings(Section):
    """No entry in the first seconds of event time, while book and features settle."""

    enabled: bool = True
    seconds: float = Field(default=10.0, ge=0)


class RiskSettings(Section):
    """Limits an entry must pass. Exits are never gated."""

    max_positions: int = Field(default=3, ge=1, description="per strategy, entries in flight included")
    daily_loss_cap_usd: float = Field(default=-200.0, lt=0, description="halts entries until the next UTC day")
    loss_streak_max: int = Field(default=10, ge=1)
    session_cooldown_minutes: float = Field(default=15.0, ge=0)
    max_pending_signals: int = Field(
        default=10_000, ge=100, description="signals held while waiting for the executor; then reading stops"
    )
