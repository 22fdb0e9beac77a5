"""Distributions over the runs of a scenario, and differences from the base, run by run."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

import msgspec
import numpy as np

from app.sim.draws import derived_seed

#: At which end of its distribution a figure is bad; None where it is neither good nor bad.
Worse = Literal["low", "high"] | None

#: The figures of `Figures` that are reported as distributions.
METRICS: Final[dict[str, Worse]] = {
    "pnl": "low",
    "pnl_per_trade": "low",
    "pnl_per_trade_bps": "low",
    "max_drawdown": "high",
    "trades": None,
    "entries": None,
    "fill_rate": "low",
    "cancel_to_fill": "high",
    "entry_slippage_bps": "high",
    "exit_slippage_bps": "high",
    "markout_100_bps": "low",
    "markout_500_bps": "low",
    "markout_1000_bps": "low",
    "fees": "high",
    "funding": "high",
    "time_in_position_s": None,
    "late": "high",
}

_RESAMPLES: Final = 2000
_TAIL: Final = 0.05


class Distribution(msgspec.Struct, frozen=True):
    """Of `n` runs that have the figure. `sd` is None below two runs.

    Quantiles are interpolated linearly. `shortfall_5` is the mean of the worst ⌈n/20⌉ runs (expected shortfall at 5 %),
    None where neither end is the worse one.
    """

    n: int
    mean: float
    sd: float | None
    q05: float
    q25: float
    q50: float
    q75: float
    q95: float
    shortfall_5: float | None


class Difference(msgspec.Struct, frozen=True):
    """Scenario less base, of the `n` runs in which both have the figure.

    `low` and `high` bound the mean difference with 95 %: the percentile bootstrap over runs, 2000 resamples; None below
    two runs. `share_worse` is the share of runs in which the scenario is worse, None where neither direction is.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    share_worse: float | None


def distribution(values: Sequence[float], worse: Worse) -> Distribution | None:
    """None without a value."""
    if not values:
        return None
    ordered = np.sort(np.array(values, np.float64))
    n = len(ordered)
    # Of equal values the sum may be off in its last bit, and then so would be the mean.
    mean = float(np.clip(math.fsum(values) / n, ordered[0], ordered[-1]))
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)) if n > 1 else None
    tail = math.ceil(n * _TAIL)
    worst = None if worse is None else ordered[:tail] if worse == "low" else ordered[-tail:]
    shortfall = None if worst is None else math.fsum(worst.tolist()) / tail
    q05, q25, q50, q75, q95 = np.quantile(ordered, (0.05, 0.25, 0.5, 0.75, 0.95)).tolist()
    return Distribution(n, mean, sd, q05, q25, q50, q75, q95, shortfall)


def difference(pairs: Sequence[tuple[float, float]], worse: Worse, *, seed: int, name: str) -> Difference | None:
    """Of (scenario, base) pairs; None without one. The resamples are drawn by `seed` and `name`."""
    if not pairs:
        return None
    gaps = np.array([scenario - base for scenario, base in pairs], np.float64)
    n = len(gaps)
    low = high = share = None
    if n > 1:
        draws = np.random.default_rng(derived_seed(seed, "bootstrap", name)).integers(0, n, (_RESAMPLES, n))
        low, high = np.quantile(gaps[draws].mean(axis=1), (0.025, 0.975)).tolist()
    if worse is not None:
        share = float((gaps < 0 if worse == "low" else gaps > 0).mean())
    return Difference(n, math.fsum(gaps.tolist()) / n, low, high, share)


class BreakEven(msgspec.Struct, frozen=True):
    """Whether median PnL crosses zero on the ladder, and where: `one_way_ms` is interpolated in the logarithm.

    Only the first crossing from profit to loss counts; `told` says it in words.
    """

    one_way_ms: float | None
    told: str


def break_even(rungs: Sequence[tuple[float, float]]) -> BreakEven:
    """Of (one way in ms, median PnL), in ascending order."""
    for (fast, above), (slow, below) in pairwise(rungs):
        if above >= 0 > below:
            share = above / (above - below)
            at = math.exp(math.log(fast) + share * (math.log(slow) - math.log(fast)))
            return BreakEven(at, f"median PnL crosses zero at about {at:.3g} ms each way")
    low, high = f"{rungs[0][0]:g}", f"{rungs[-1][0]:g}"
    if all(median < 0 for _, median in rungs):
        return BreakEven(None, f"median PnL is a loss from {low} to {high} ms: none of these latencies saves it")
    if all(median >= 0 for _, median in rungs):
        return BreakEven(None, f"median PnL is no loss from {low} to {high} ms: no break-even up to there")
    return BreakEven(None, f"median PnL rises from loss to profit between {low} and {high} ms: no break-even in that")
