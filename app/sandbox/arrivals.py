"""When things happen: arrivals that come in clusters."""

import math
from random import Random


class Arrivals:
    """A Hawkes process with an exponential kernel: λ(t) = μ + Σ nβ·exp(-β(t - tᵢ)) over past arrivals tᵢ.

    Args:
        branching: n, the arrivals each arrival causes on average, in [0, 1); the mean rate is μ / (1 - n).
        decay: β, per second.

    Source: Hawkes (1971); simulated by thinning, Ogata (1981).
    """

    def __init__(self, random: Random, *, branching: float, decay: float) -> None:
        self._random = random
        self._jump = branching * decay
        self._decay = decay
        self._excitement = 0.0

    def wait(self, base: float) -> float:
        """Seconds to the next arrival when μ is `base` (per second, > 0)."""
        random, waited = self._random, 0.0
        while True:
            bound = base + self._excitement
            step = -math.log(1.0 - random.random()) / bound
            waited += step
            self._excitement *= math.exp(-self._decay * step)
            if random.random() * bound <= base + self._excitement:
                self._excitement += self._jump
                return waited
