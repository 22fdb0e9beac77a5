"""The `signal_engine` section of the configuration."""

from typing import Literal

from pydantic import Field

from app.core.config import Section


class SignalEngineSettings(Section):
    """The book and feature kernel."""

    book_ticks: int = Field(default=65_536, description="width of the dense book per side; a power of two")
    evaluate: Literal["on_demand", "every_message"] = Field(
        default="on_demand",
        description="compute features as far as a trigger or a hold asks for them, or all of them at the end of every "
        "venue message: the same signals, at the highest cost a strategy can have",
    )
    max_pending_rows: int = Field(default=200_000, ge=1000, description="rows held while waiting for the executor")
