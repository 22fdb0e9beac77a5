"""Mean and spread of recent scores."""

from math import nan, sqrt
from typing import Final

MEMORY: Final = 1000


class Distribution:
    """Mean and standard deviation, exactly over the first `MEMORY` scores, exponentially forgetting afterwards.

    With a = 1 / min(n, MEMORY) and d = x - mean: mean += a d, var = (1 - a) (var + a d²). NaN before the first score.
    Finch (2009), Incremental calculation of weighted mean and variance.
    """

    def __init__(self) -> None:
        self._count = 0
        self._mean = 0.0
        self._variance = 0.0

    def update(self, score: float) -> None:
        """One more score."""
        self._count += 1
        weight = 1.0 / min(self._count, MEMORY)
        away = score - self._mean
        self._mean += weight * away
        self._variance = (1.0 - weight) * (self._variance + weight * away * away)

    def mean(self) -> float:
        return self._mean if self._count else nan

    def std(self) -> float:
        return sqrt(self._variance) if self._count else nan
