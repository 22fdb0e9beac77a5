"""The calibrated fill model: how likely an order was filled, given which of four models say so.

The four are nested. Whenever a later one says filled, so do all before it:

0. none: the price never traded
1. TOUCH: it traded, but even if all that was cancelled was ahead of us, there still is somebody
2. OPTIMISTIC: filled if all that was cancelled was ahead of us
3. PROPORTIONAL: filled if what was cancelled lay ahead and behind in equal shares
4. RISK_AVERSE: filled if nothing that was cancelled was ahead of us

The rung an order has reached says where it stands between what is certain and what is possible. The curve is the
share of orders on each rung that were really filled, smoothed by one order of each kind (Laplace) and made to rise
with the rungs (pool adjacent violators). It deliberately does not look at how long an order has rested or how long
ago the last trade was: both would betray why the real order ended.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.errors import Misconfigured
from app.sim.fills.flow import I64
from app.sim.fills.race import F64, TOUCH
from app.sim.fills.truth import NEVER
from app.sim.queue import OPTIMISTIC, PROPORTIONAL, RISK_AVERSE

Flags = npt.NDArray[np.bool_]

LADDER: Final = (TOUCH, OPTIMISTIC, PROPORTIONAL, RISK_AVERSE)
RUNGS: Final = len(LADDER) + 1


@dataclass(frozen=True)
class FillCurve:
    """Probability of being filled on each rung; `orders` and `filled` are what it was fitted to."""

    probability: tuple[float, ...]
    orders: tuple[int, ...]
    filled: tuple[int, ...]

    def at(self, rungs: I64) -> F64:
        """Probability for each of `rungs`."""
        return np.array(self.probability)[rungs]

    def fill_rows(self, ladder_rows: I64) -> I64:
        """Row at which the probability reaches one half, NEVER if it does not; `ladder_rows` as for `rungs_at`."""
        likely = [rung for rung in range(1, RUNGS) if self.probability[rung] >= 0.5]
        if not likely:
            return np.full(ladder_rows.shape[1], NEVER)
        return np.asarray(ladder_rows[likely[0] - 1 :].min(axis=0), np.int64)

    def to_json(self) -> str:
        """The curve as a JSON document that `load_curve` reads."""
        return json.dumps(
            {"schema": 1, "ladder": "touch optimistic proportional risk_averse", **asdict(self)}, indent=1
        )


def rungs_at(ladder_rows: I64, row: I64) -> I64:
    """The rung each order has reached by `row`; `ladder_rows` has the fill rows of LADDER, shape (4, orders)."""
    return np.asarray((ladder_rows <= row).sum(axis=0), np.int64)


def fit_curve(rungs: I64, filled: Flags) -> FillCurve:
    """The curve for orders that ended on `rungs` and were `filled` or not.

    Raises:
        Misconfigured: there is no order, or none that was filled.
    """
    if not filled.any():
        raise Misconfigured(
            f"{len(filled)} orders, none of them filled: a fill curve cannot be fitted; give it more history"
        )
    orders = np.bincount(rungs, minlength=RUNGS)
    hits = np.bincount(rungs[filled], minlength=RUNGS)
    shares = [(hit + 1) / (count + 2) for hit, count in zip(hits.tolist(), orders.tolist(), strict=True)]
    rising = _rising(shares, [count + 2 for count in orders.tolist()])
    return FillCurve(tuple(rising), tuple(orders.tolist()), tuple(hits.tolist()))


def load_curve(path: Path) -> FillCurve:
    """Read a curve that `FillCurve.to_json` wrote.

    Raises:
        Misconfigured: the file is missing or holds no curve of five probabilities.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        curve = FillCurve(*(tuple(content[name]) for name in ("probability", "orders", "filled")))
        good = len(curve.probability) == RUNGS and all(0.0 <= p <= 1.0 for p in curve.probability)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Misconfigured(
            f"fill curve {path} cannot be read ({error}); write one with scripts/calibrate_fill_model.py"
        ) from None
    if not good:
        raise Misconfigured(
            f"fill curve {path}: expected {RUNGS} probabilities in [0, 1], got {list(curve.probability)}; write it "
            "anew with scripts/calibrate_fill_model.py"
        )
    return curve


def _rising(values: Sequence[float], weights: Sequence[int]) -> list[float]:
    """The rising sequence nearest to `values` in weighted squares (pool adjacent violators)."""
    pools: list[tuple[float, int, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (low, low_weight, low_count), (high, high_weight, high_count) = pools[-2:]
            total = low_weight + high_weight
            pools[-2:] = [((low * low_weight + high * high_weight) / total, total, low_count + high_count)]
    return [value for value, _, count in pools for _ in range(count)]
