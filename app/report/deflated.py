"""How much of the best of several Sharpe ratios is luck.

All of it is per period, not scaled to a year: SR = mean(r) / std(r) with n − 1 over T returns of equal periods, γ₃
their skewness and γ₄ their kurtosis (3 for normal ones). Φ is the normal distribution.

    PSR(SR*) = Φ( (SR − SR*) · √(T − 1) / √(1 − γ₃ · SR + (γ₄ − 1) / 4 · SR²) )
    SR₀      = √V · ((1 − γ) · Φ⁻¹(1 − 1/N) + γ · Φ⁻¹(1 − 1/(N · e)))          γ = 0.5772… (Euler, Mascheroni)
    DSR      = PSR(SR₀)
    MinTRL   = 1 + (1 − γ₃ · SR + (γ₄ − 1) / 4 · SR²) · (Φ⁻¹(0.95) / SR)²

PSR is how sure one may be, after T returns, that the true ratio is above SR*. SR₀ is the highest ratio to expect of N
independent trials without any skill, V the variance of their ratios. DSR is how sure one may be that the chosen ratio
is above that. MinTRL is how many returns it takes for PSR(0) to reach 0.95.

The points of a sweep are anything but independent. What they have in common lifts or lowers all of them and makes no
choice between them; so N is the number of independent trials whose *differences* are as many as theirs. With C the
correlation of their returns, D = C less its means by row and column (what is left of it between the points), and p the
eigenvalues of D as shares of their sum,

    N = 1 + exp(−Σ p · ln p)

which is n for n independent points, and for n points with the same correlation to one another; k for k groups of equal
points; and 1 for points that are all the same. V is the variance of the ratios found, or what chance alone makes of
such points, trace(D) / (n − 1) / T, if that is more: of few points the former says little.

Sources: Bailey and López de Prado, "The Sharpe Ratio Efficient Frontier" (2012): PSR, MinTRL; "The Deflated Sharpe
Ratio" (2014): SR₀, DSR; exp(−Σ p · ln p) is the effective rank of Roy and Vetterli (2007). That trials be counted as
independent ones is the paper's wish, and this way to fulfil it our own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
import numpy.typing as npt

from app.report.performance import ENOUGH

SURE: Final = 0.95
EULER: Final = 0.5772156649015329
_NORMAL: Final = NormalDist()
_ROUNDING: Final = 1e-9

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Record:
    """A track record: its Sharpe ratio per period, and what says how sure that is."""

    sharpe: float
    returns: int
    skewness: float
    kurtosis: float

    def probabilistic(self, benchmark: float = 0.0) -> float:
        """PSR(benchmark): from 0 to 1."""
        spread = self._spread
        distance = (self.sharpe - benchmark) * math.sqrt(self.returns - 1)
        if spread == 0:
            return 0.5 + 0.5 * ((distance > 0) - (distance < 0))
        return _NORMAL.cdf(distance / math.sqrt(spread))

    def least_returns(self) -> float | None:
        """MinTRL, in returns; None for a ratio of 0 or below, which no length of record makes sure of."""
        if self.sharpe <= 0:
            return None
        return 1 + self._spread * (_NORMAL.inv_cdf(SURE) / self.sharpe) ** 2

    @property
    def _spread(self) -> float:
        # Never below 0, since kurtosis ≥ skewness² + 1; rounding alone could take it there.
        return max(0.0, 1 - self.skewness * self.sharpe + (self.kurtosis - 1) / 4 * self.sharpe**2)


@dataclass(frozen=True, slots=True)
class Luck:
    """What choosing among several records does to the best of them.

    `trials` is N and `variance` is V of the module's text; `expected_best` is SR₀, per period.
    """

    trials: float
    variance: float
    expected_best: float

    def deflated(self, record: Record) -> float:
        """DSR: from 0 to 1."""
        return record.probabilistic(self.expected_best)


def track_record(returns: Sequence[float]) -> Record | None:
    """The record of `returns`; None if fewer than 30 of them differ from 0.

    Time without a position adds returns of 0. They count, but by themselves they are evidence of nothing.
    """
    values = np.asarray(returns, dtype=np.float64)
    if np.count_nonzero(values) < ENOUGH or not np.isfinite(values).all():
        return None
    away = values - values.mean()
    variance = float(np.mean(away**2))
    # Returns that are all alike differ in their last bit from their own mean.
    if math.sqrt(variance) <= _ROUNDING * abs(float(values.mean())):
        return None
    n = len(values)
    return Record(
        sharpe=float(values.mean()) / math.sqrt(variance * n / (n - 1)),
        returns=n,
        skewness=float(np.mean(away**3)) / variance**1.5,
        kurtosis=float(np.mean(away**4)) / variance**2,
    )


def luck_among(returns: Sequence[Sequence[float]]) -> Luck:
    """What the best of several points owes to being the best, from their returns over the same periods.

    Each needs a `track_record`; with one point, or with points that are all the same, that is nothing.
    """
    if len(returns) < 2:
        return Luck(float(len(returns)), 0.0, 0.0)
    series = np.asarray(returns, dtype=np.float64)
    n, length = series.shape
    between = _between(np.corrcoef(series).astype(np.float64))
    trials = _trials(between)
    ratios = series.mean(axis=1) / series.std(axis=1, ddof=1)
    variance = max(float(ratios.var(ddof=1)), float(np.trace(between)) / (n - 1) / length)
    return Luck(trials, variance, expected_best(trials, variance))


def expected_best(trials: float, variance: float) -> float:
    """SR₀ of `trials` (1 or more, whole or not) whose ratios have this variance; 0 for one."""
    if trials <= 1:
        return 0.0
    first, second = (_NORMAL.inv_cdf(1 - 1 / of) for of in (trials, trials * math.e))
    # The formula is for many trials, and falls below 0 where there is hardly more than one.
    return math.sqrt(variance) * max(0.0, (1 - EULER) * first + EULER * second)


def _between(correlation: Floats) -> Floats:
    rows = correlation - correlation.mean(axis=0, keepdims=True)
    between: Floats = rows - rows.mean(axis=1, keepdims=True)
    return between


def _trials(between: Floats) -> float:
    # Points that are the same differ by rounding alone.
    if float(np.trace(between)) < 1e-9 * len(between):
        return 1.0
    values = np.linalg.eigvalsh(between)
    shares = values[values > 0] / values[values > 0].sum()
    return 1 + math.exp(-float(np.sum(shares * np.log(shares))))
