"""A core that is given only what reached us, where a scenario tells that from what happened at the venue."""

from collections.abc import Collection, Mapping, Sequence

from app.bus.types import Core, Delivery, Outbox
from app.market.rows import VENUE_ONLY, from_block, to_block


class Received:
    """`core` without the rows flagged VENUE_ONLY."""

    def __init__(self, core: Core) -> None:
        self.inputs: Sequence[str] = core.inputs
        self._core = core

    def advance(self, delivery: Delivery, out: Outbox) -> None:
        """Hand on an entry, or what is left of it."""
        if not delivery.block:
            self._core.advance(delivery, out)
            return
        rows = from_block(delivery.block)
        seen = rows["flags"] & VENUE_ONLY == 0
        if seen.all():
            self._core.advance(delivery, out)
        elif seen.any():
            self._core.advance(delivery._replace(block=to_block(rows[seen])), out)

    def paused(self) -> Collection[str]:
        """The core's."""
        return self._core.paused()

    def snapshot(self) -> bytes:
        """The core's."""
        return self._core.snapshot()

    def restore(self, blob: bytes) -> None:
        """The core's."""
        self._core.restore(blob)


def for_two_markets(cores: Mapping[str, Core]) -> dict[str, Core]:
    """`cores` with those that decide by the market given only what reached us; the executor tells by itself."""
    return {name: Received(core) if name == "signal_engine" else core for name, core in cores.items()}
