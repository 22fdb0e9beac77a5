"""The `signal_engine` section of the configuration."""

from pydantic import Field

from app.core.config import Section


class SignalEngineSettings(Section):
    """The book and feature kernel."""

    book_ticks: int = Field(default=65_536, description="width of the dense book per side; a power of two")
    max_pending_rows: int = Field(default=200_000, ge=1000, description="rows held while waiting for the executor")
