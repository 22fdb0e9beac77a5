"""Scores of fill predictions, with intervals from a bootstrap over blocks of time.

accuracy: share of orders for which (probability ≥ 1/2) is what happened. Brier: mean of (probability − outcome)².
log time error: median of |ln(predicted / true time to fill)| over orders that were really filled and that the model
fills too, sooner or later (`timed`); times under a millisecond count as one. exact: share of these without error;
early: how many the model fills before the real fill.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_MS
from app.sim.fills.curve import Flags
from app.sim.fills.flow import I64
from app.sim.fills.models import Day, Prediction
from app.sim.fills.race import F64
from app.sim.fills.truth import NEVER

FLOOR_NS: Final = NS_PER_MS


class Outcome(NamedTuple):
    """One prediction beside the truth, one entry an order; `error` is NaN where no time can be compared."""

    filled: Flags
    probability: F64
    error: F64
    early: Flags
    block: I64

    def of(self, chosen: Flags) -> "Outcome":
        """The same for some of the orders."""
        return _outcome(column[chosen] for column in self)


def _outcome(columns: Iterable[npt.NDArray[Any]]) -> Outcome:
    return Outcome(*columns)


def outcome(day: Day, prediction: Prediction, block: I64) -> Outcome:
    """Compare with the truth; `block` says to which block of time each order belongs."""
    truth, filled = day.truth, day.truth.was_filled()
    both = filled & (prediction.row != NEVER)
    error = np.full(len(filled), np.nan)
    came = day.ts[truth.came[both]]
    actual = np.maximum(day.ts[truth.filled[both]] - came, FLOOR_NS)
    predicted = np.maximum(day.ts[prediction.row[both]] - came, FLOOR_NS)
    error[both] = np.abs(np.log(predicted / actual))
    return Outcome(filled, prediction.probability, error, filled & (prediction.row < truth.filled), block)


def joined(outcomes: list[Outcome]) -> Outcome:
    """Outcomes of several days; their blocks stay apart."""
    offsets = np.cumsum([0, *(int(one.block.max(initial=-1)) + 1 for one in outcomes)])
    moved = [one._replace(block=one.block + offset) for one, offset in zip(outcomes, offsets[:-1], strict=True)]
    return _outcome(np.concatenate(columns) for columns in zip(*moved, strict=True))


def score(one: Outcome) -> dict[str, Any]:
    """All figures of one model; None for those that no order could tell."""
    said = one.probability >= 0.5
    timed = one.error[np.isfinite(one.error)]
    any_orders = len(said) > 0
    return {
        "accuracy": float((said == one.filled).mean()) if any_orders else None,
        "brier": float(np.mean((one.probability - one.filled) ** 2)) if any_orders else None,
        "log_time_error": float(np.median(timed)) if len(timed) else None,
        "log_time_error_mean": float(timed.mean()) if len(timed) else None,
        "false_fills": int((said & ~one.filled).sum()),
        "missed_fills": int((~said & one.filled).sum()),
        "exact": float((timed == 0).mean()) if len(timed) else None,
        "early": int(one.early.sum()),
        "timed": len(timed),
    }


def intervals(one: Outcome, rounds: int, seed: int) -> dict[str, list[float | None]]:
    """95 % intervals of accuracy, Brier and log time error from `rounds` resamples of whole blocks."""
    draws = np.random.default_rng(seed)
    count = _blocks(one)
    if count < 2:
        return {}
    right = (one.probability >= 0.5) == one.filled
    sums = [np.bincount(one.block, column, count) for column in (np.ones(len(right)), right, _square(one))]
    order = np.argsort(one.error)[: int(np.isfinite(one.error).sum())]
    figures: list[list[float]] = []
    for _ in range(rounds):
        times = np.bincount(draws.integers(0, count, count), minlength=count)
        size, hits, squares = (float(times @ column) for column in sums)
        if size:
            median = _weighted_median(one.error[order], times[one.block[order]])
            figures.append([hits / size, squares / size, median])
    names = ("accuracy", "brier", "log_time_error")
    return {name: _interval(np.array(column)) for name, column in zip(names, zip(*figures, strict=True), strict=True)}


def gain(one: Outcome, other: Outcome, rounds: int, seed: int) -> list[float | None]:
    """95 % interval of how much lower the Brier score of `one` is than that of `other`, for the same orders."""
    draws = np.random.default_rng(seed)
    count = _blocks(one)
    if count < 2:
        return [None, None]
    sizes = np.bincount(one.block, minlength=count)
    gained = np.bincount(one.block, _square(other) - _square(one), count)
    times = np.array([np.bincount(draws.integers(0, count, count), minlength=count) for _ in range(rounds)])
    drawn = times @ sizes
    return _interval((times @ gained)[drawn > 0] / drawn[drawn > 0])


def _blocks(one: Outcome) -> int:
    return int(one.block.max(initial=-1)) + 1


def _square(one: Outcome) -> F64:
    return np.asarray((one.probability - one.filled) ** 2, np.float64)


def _interval(values: F64) -> list[float | None]:
    values = values[np.isfinite(values)]
    return [float(value) for value in np.quantile(values, [0.025, 0.975])] if len(values) else [None, None]


def _weighted_median(ordered: F64, weights: I64) -> float:
    total = np.cumsum(weights)
    if not len(total) or total[-1] == 0:
        return float("nan")
    return float(ordered[np.searchsorted(total, total[-1] / 2)])
