"""What moves the synthetic market and is not shown: volatility regimes, pressure, and the price it is on its way to."""

import math
from random import Random
from typing import Final, NamedTuple


class Regime(NamedTuple):
    """How lively it is. `volatility` in basis points per √s, `rate` in base arrivals per s, `mean_s` its duration."""

    volatility: float
    rate: float
    mean_s: float


CALM: Final = Regime(volatility=0.3, rate=14.0, mean_s=40.0)
NORMAL: Final = Regime(volatility=0.7, rate=28.0, mean_s=50.0)
STORM: Final = Regime(volatility=2.2, rate=60.0, mean_s=8.0)

#: Pressure builds up within about this long, s, and the price starts to follow this much later than that begins.
BUILD_UP_S: Final = 0.3
LEAD_S: Final = 0.5
BASIS_POINT: Final = 1e-4


class Episode(NamedTuple):
    """A stretch of one-sided pressure. Half of them mean it: price follows. The others are only for show."""

    side: int
    starts: float
    ends: float
    drift: float  # basis points per s, 0 if it is only for show


class Latent:
    """The hidden state at `now` (s). `price` is in ticks; `pressure` in [-1, 1], positive when buyers press.

    `conviction` is the pressure that is meant: it shows in who trades, while `pressure` shows in the queues.
    """

    def __init__(self, random: Random, price: float) -> None:
        self._random = random
        self.now = 0.0
        self.price = price
        self.regime = NORMAL
        self.pressure = 0.0
        self._regime_ends = random.expovariate(1 / NORMAL.mean_s)
        self._episode = self._next_episode(0.0)

    @property
    def conviction(self) -> float:
        """The part of the pressure that price follows."""
        return self.pressure if self._episode.drift else 0.0

    def advance(self, dt: float) -> None:
        """Let `dt` seconds pass."""
        self.now += dt
        if self.now >= self._regime_ends:
            self._switch_regime()
        episode = self._episode
        if self.now >= episode.ends:
            episode = self._episode = self._next_episode(self.now)
        on = episode.starts <= self.now
        self.pressure += (episode.side * on - self.pressure) * (1 - math.exp(-dt / BUILD_UP_S))
        drift = episode.side * episode.drift * (episode.starts + LEAD_S <= self.now)
        noise = self.regime.volatility * math.sqrt(dt) * self._random.gauss(0.0, 1.0)
        self.price *= 1 + (drift * dt + noise) * BASIS_POINT

    def push(self, ticks: float) -> None:
        """A large trade has told the market something: the price is elsewhere now."""
        self.price += ticks

    def _switch_regime(self) -> None:
        if self.regime is NORMAL:
            self.regime = STORM if self._random.random() < 0.4 else CALM
        else:
            self.regime = NORMAL
        self._regime_ends = self.now + self._random.expovariate(1 / self.regime.mean_s)

    def _next_episode(self, after: float) -> Episode:
        random = self._random
        starts = after + random.expovariate(1 / 10.0)
        ends = starts + min(3.0 + random.expovariate(1 / 5.0), 20.0)
        drift = random.uniform(1.5, 3.5) if random.random() < 0.5 else 0.0
        return Episode(1 if random.random() < 0.5 else -1, starts, ends, drift)
