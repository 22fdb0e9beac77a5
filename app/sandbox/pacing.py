"""How fast event time runs."""

import asyncio

from app.core.clock import NS_PER_S
from app.sandbox.counts import Counts


class Pacing:
    """Event time runs `speed` times as fast as the wall clock; 0: as fast as the slowest subscriber reads.

    At 0 nothing moves while nobody is subscribed: a tape would be over before a client that lost its connection is
    back. At any other speed the market goes on, as a market does.
    """

    def __init__(self, speed: float, wanted: asyncio.Event, counts: Counts) -> None:
        self._speed = speed
        self._wanted = wanted
        self._counts = counts
        self._event_ns = 0
        self._time = 0.0

    def begin(self, event_ns: int) -> None:
        """Event time `event_ns` is now."""
        self._event_ns = event_ns
        self._time = asyncio.get_running_loop().time()

    async def until(self, event_ns: int) -> None:
        """Wait until it is event time `event_ns`; always lets others run."""
        if self._speed == 0:
            await self._wanted.wait()
            await asyncio.sleep(0)
            return
        due = self._time + (event_ns - self._event_ns) / NS_PER_S / self._speed
        delay = due - asyncio.get_running_loop().time()
        self._counts.lag_s = max(0.0, -delay)
        await asyncio.sleep(max(0.0, delay))
