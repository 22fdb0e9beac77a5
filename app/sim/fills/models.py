"""A day's orders, what became of them, and what every fill model says became of them."""

from typing import Final, NamedTuple

import numpy as np

from app.sim.fills.curve import LADDER, FillCurve, rungs_at
from app.sim.fills.flow import I64, L3, as_ints, feed_of
from app.sim.fills.race import F64, THROUGH, TOUCH, race
from app.sim.fills.truth import Truth, truth_of
from app.sim.queue import LOG, OPTIMISTIC, POWER, PROPORTIONAL, RISK_AVERSE

#: Models that say yes or no, by name.
MODELS: Final = {
    "touch": TOUCH,
    "optimistic": OPTIMISTIC,
    "power_3": 3 * POWER,
    "power_2": 2 * POWER,
    "proportional": PROPORTIONAL,
    "log": LOG,
    "risk_averse": RISK_AVERSE,
    "trade_through": THROUGH,
}


class Prediction(NamedTuple):
    """What one model says of each order: P(filled by its end), and the row of the fill, NEVER without one."""

    probability: F64
    row: I64


class Day(NamedTuple):
    """Orders of one file; `rows` has the fill row by model and order, as MODELS are ordered."""

    ts: I64
    truth: Truth
    rows: I64

    @property
    def ladder(self) -> I64:
        """Fill rows of the models of LADDER."""
        codes = list(MODELS.values())
        return self.rows[[codes.index(model) for model in LADDER]]

    def rungs(self) -> I64:
        """The rung of the ladder each order had reached when its real one ended."""
        return rungs_at(self.ladder, self.truth.end)

    def by_rule(self) -> dict[str, Prediction]:
        """The predictions of MODELS."""
        return {
            name: Prediction((row <= self.truth.end).astype(np.float64), row)
            for name, row in zip(MODELS, self.rows, strict=True)
        }

    def by_curve(self, curve: FillCurve) -> Prediction:
        """The prediction of a calibrated model."""
        return Prediction(curve.at(self.rungs()), curve.fill_rows(self.ladder))


def day_of(l3: L3) -> Day:
    """Follow every order of `l3`, the real ones and the virtual ones in their places."""
    feed = feed_of(l3)
    truth = truth_of(l3, feed)
    return Day(as_ints(l3["ts"]), truth, race(feed, truth, tuple(MODELS.values())))
