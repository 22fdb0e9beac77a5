"""The `collector` section of the configuration."""

from typing import Any, Literal

from pydantic import Field, model_validator

from app.core.config import Section

#: The venue that is decoded by hand; any other name is a ccxt.pro exchange.
BYBIT = "bybit_v5"


class CollectorSettings(Section):
    """Where market data comes from and how it is stamped.

    `clock` ``wall`` stamps `ts_recv` on arrival. ``event`` stamps it `ts_event` + `feed_delay_ms` and takes clock
    rows from event time, so that two runs of one tape are equal; it is for tapes and tests. A reconnect ends that: what
    was played meanwhile is missing, which `feed_reconnects_total` tells.
    """

    venue: str = BYBIT
    rest_url: str
    ws_url: str
    depth: Literal[1, 50, 200] = 50
    clock: Literal["wall", "event"] = "wall"
    feed_delay_ms: float = Field(default=5.0, ge=0)
    stop_after_s: float | None = Field(
        default=None, gt=0, description="end the feed after this much event time (event clock only)"
    )
    flush_ms: float = Field(default=1.0, ge=0, description="longest a row waits for company in a block")
    max_block_rows: int = Field(default=4096, ge=1, le=32_768)
    stale_after_s: float = Field(default=10.0, gt=0)
    reconnect_max_s: float = Field(default=30.0, gt=0)
    ccxt: dict[str, Any] = Field(default={}, description="arguments of the ccxt exchange, for venues other than Bybit")

    @model_validator(mode="after")
    def _end_needs_event_clock(self) -> "CollectorSettings":
        if self.stop_after_s is not None and self.clock != "event":
            raise ValueError("stop_after_s is measured in event time and needs clock: event")
        if self.clock == "event" and self.venue != BYBIT:
            # ccxt merges updates that come while the process is busy: which ones depends on the wall clock.
            raise ValueError(f"clock: event needs every message as it was sent, which only venue {BYBIT} delivers")
        return self
