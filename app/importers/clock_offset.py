"""How wrong the recorder's clock was, told from the delays of the messages it recorded.

A message cannot arrive before it was sent. So the smallest delay (local time − exchange time) bounds the offset of
the recorder's clock, and as the fastest messages need next to no time, it is taken for the offset itself. Delays are
looked at a few thousand messages at a time; of each such window the smallest delay that is not alone counts, so that
a line with a wrong time does not move the result.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_MS, NS_PER_S
from app.importers.report import ClockReport

Times = npt.NDArray[np.int64]

#: A message that seems sent later than this (ns) after its arrival, or as long before it, has a wrong time.
EARLIEST: Final = -50 * NS_PER_MS
LATEST: Final = 600 * NS_PER_S

WINDOW: Final = 10_000
_COMPANY: Final = 100  # messages that must share a delay, give or take the next figure, for it to count
_COMPANY_WITHIN: Final = 10 * NS_PER_MS
_PLAUSIBLE: Final = 2 * NS_PER_S  # no feed is this slow at its fastest
_DRIFT_WORTH: Final = 20 * NS_PER_MS  # below it, a drifting clock and a changing route look the same


@dataclass(frozen=True, slots=True)
class ClockFix:
    """Corrected time = local − `base` − `slope` · (local − `origin`), in ns."""

    method: str
    base: int = 0
    slope: float = 0.0
    origin: int = 0
    drift_ppm: float = 0.0

    def apply(self, local: Times) -> Times:
        """The corrected times."""
        fixed: Times = local - self.base
        if self.slope:
            fixed -= (self.slope * (local - self.origin)).astype(np.int64)
        return fixed

    def at(self, local: int) -> int:
        """One corrected time."""
        return local - self.base - int(self.slope * (local - self.origin))

    def report(self) -> ClockReport:
        """What to tell people of it."""
        return ClockReport(method=self.method, offset_ms=-self.base / NS_PER_MS, drift_ppm=self.drift_ppm)


class OffsetEstimate:
    """Collects a file's delays with `update`; `get` gives the correction."""

    def __init__(self) -> None:
        self._at: list[int] = []
        self._floors: list[int] = []

    def update(self, local: Times, event: Times) -> None:
        """Take the next messages: the recorder's and the exchange's time of each, in ns."""
        for start in range(0, len(local), WINDOW):
            window = slice(start, start + WINDOW)
            self._floors.append(_floor(local[window] - event[window]))
            self._at.append(int(np.median(local[window])))

    def get(self) -> ClockFix:
        """The correction: none if the clock may have been right, else a constant, with a drift if there is one."""
        if not self._floors:
            return ClockFix("none: no message tells the exchange's time")
        at, floors = np.array(self._at, np.int64), np.array(self._floors, np.int64)
        slope = _theil_sen(at, floors)
        drift = slope * float(at.max() - at.min())
        if abs(drift) < _DRIFT_WORTH:
            return _constant(int(floors.min()), slope)
        origin = int(at[0])
        base = int((floors - slope * (at - origin)).min())
        method = "line under the smallest delays of local − exchange time"
        return ClockFix(method, base, slope, origin, slope * 1e6)


def _constant(floor: int, slope: float) -> ClockFix:
    if 0 <= floor <= _PLAUSIBLE:
        return ClockFix(f"none: the smallest delay, {floor / NS_PER_MS:.3f} ms, is possible", drift_ppm=slope * 1e6)
    return ClockFix("smallest delay (local − exchange time) that is not alone", floor, drift_ppm=slope * 1e6)


def _floor(delays: Times) -> int:
    """The smallest delay that has company."""
    ordered = np.sort(delays)
    company = min(_COMPANY, len(ordered) // 20)
    near = ordered[company:] - ordered[: len(ordered) - company] <= _COMPANY_WITHIN
    return int(ordered[int(np.argmax(near))]) if near.any() else int(np.median(ordered))


def _theil_sen(at: Times, floors: Times) -> float:
    """The median slope between any two windows; outliers among them do not matter."""
    if len(at) > 500:
        pick = np.linspace(0, len(at) - 1, 500).astype(int)
        at, floors = at[pick], floors[pick]
    first, second = np.triu_indices(len(at), 1)
    spans = (at[second] - at[first]).astype(float)
    apart = spans > 0
    if apart.sum() < 6:  # fewer than four windows
        return 0.0
    return float(np.median((floors[second] - floors[first])[apart] / spans[apart]))
