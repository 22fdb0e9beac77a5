"""The `executor` section of the configuration."""

from pydantic import Field

from app.core.config import Section
from app.sim.settings import SimSettings


class ExecutorSettings(Section):
    """The executor and its paper venue."""

    decision_ms: float = Field(default=2.0, ge=0, description="modelled time from a signal's ts to its order leaving")
    max_pending_rows: int = Field(default=200_000, ge=1000)
    equity_every_ms: int = Field(default=1000, ge=100)
    book_ticks: int = Field(default=65_536, ge=64, description="width of the venue's dense book a side")
    paper: SimSettings = SimSettings()
