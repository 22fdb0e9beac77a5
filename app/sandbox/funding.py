"""The funding rate of one symbol, and the times it was paid."""

from collections import deque
from typing import Final, NamedTuple

from app.market.instruments import Instrument

DEFAULT_RATE: Final = 0.0001
MAX_SETTLEMENTS: Final = 200  # what the venue's history endpoint gives at most


class Settlement(NamedTuple):
    """A funding time that has passed (venue ms), and the rate then in force."""

    ms: int
    rate: float


class Funding:
    """Rate and next time, from the flow where it tells them, else 0.0001 on the instrument's grid from 00:00 UTC."""

    def __init__(self, instrument: Instrument) -> None:
        self._interval_ms = instrument.funding_interval_min * 60_000
        self.rate = DEFAULT_RATE
        self.next_ms = 0
        self.settlements: deque[Settlement] = deque(maxlen=MAX_SETTLEMENTS)

    def begin(self, now_ms: int) -> None:
        """Put the next funding time on the grid after venue time `now_ms`."""
        self.next_ms = now_ms // self._interval_ms * self._interval_ms + self._interval_ms

    def announce(self, rate: float, next_ms: int | None) -> None:
        """The flow says what the rate is and, if its times are the venue's, when it is next paid."""
        self.rate = rate
        if next_ms:
            self.next_ms = next_ms

    def advance(self, now_ms: int) -> None:
        """Note every funding time up to venue time `now_ms`."""
        while self.next_ms <= now_ms:
            self.settlements.append(Settlement(self.next_ms, self.rate))
            self.next_ms += self._interval_ms
