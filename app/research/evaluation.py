"""How good scores are, and how sure of that one can be."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from app.research.labels import F64, I64, Flags

Measure = Callable[[F64, Flags], float]


def pr_auc(score: F64, label: Flags) -> float:
    """Average precision: sum over thresholds of (R(n) - R(n-1)) P(n), ties taken together. NaN without positives."""
    if not label.any():
        return float("nan")
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    hits = np.cumsum(label[order])[ends]
    precision, recall = hits / (ends + 1), hits / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def brier(score: F64, label: Flags) -> float:
    """mean((score - label)²): 0 is perfect, p (1 - p) what always saying the base rate p gets."""
    return float(np.mean((score - label) ** 2))


def base_rate(score: F64, label: Flags) -> float:
    """Share of positives; what PR-AUC and precision are by chance."""
    return float(label.mean())


def precision_at(tau: float) -> Measure:
    """A measure: share of positives among scores ≥ `tau`; NaN if there are none."""

    def measure(score: F64, label: Flags) -> float:
        chosen = label[score >= tau]
        return float(chosen.mean()) if len(chosen) else float("nan")

    return measure


def share_at(tau: float) -> Measure:
    """A measure: share of scores ≥ `tau`."""

    def measure(score: F64, label: Flags) -> float:
        return float(np.mean(score >= tau))

    return measure


def interval(
    measure: Measure, score: F64, label: Flags, ts: I64, *, block_ns: int, seed: int, draws: int = 500
) -> tuple[float, float]:
    """95 % bootstrap interval of `measure`, drawing whole blocks of `block_ns` of time.

    Neighbouring samples share most of their outcome, so drawing them one by one would promise far too much.
    Künsch (1989), The jackknife and the bootstrap for general stationary observations, Annals of Statistics 17(3).
    """
    rng = np.random.default_rng(seed)
    blocks = [np.flatnonzero(ts // block_ns == block) for block in np.unique(ts // block_ns)]
    found: list[float] = []
    for _ in range(draws):
        drawn: npt.NDArray[np.int64] = np.concatenate([blocks[i] for i in rng.integers(len(blocks), size=len(blocks))])
        found.append(measure(score[drawn], label[drawn]))
    low, high = np.nanquantile(found, (0.025, 0.975))
    return float(low), float(high)
