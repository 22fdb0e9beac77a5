"""A line that is calm or slow by turns, so that consecutive messages are slow together.

A two-state Markov chain in continuous time, and yet a function of time alone: each epoch begins anew, in the burst with
the probability lasts / (every + lasts) that the chain has in the long run, and its turns are drawn by number.
"""

from math import log

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_S
from app.sim.draws import uniform
from app.sim.settings import BurstSettings

I64 = npt.NDArray[np.int64]

_EPOCH = 600 * NS_PER_S
_KEPT = 64


class Bursts:
    """When the line is slow. One seed, one history: of all that ask with it, all are slow at the same time."""

    def __init__(self, settings: BurstSettings, *, seed: int) -> None:
        self._means = (settings.every_s * NS_PER_S, settings.lasts_s * NS_PER_S)
        self._seed = seed
        self._epochs: dict[int, tuple[bool, I64]] = {}

    def active(self, ts: int) -> bool:
        """Whether the line is slow at `ts` (ns)."""
        begins, turns = self._epoch(ts // _EPOCH)
        return begins ^ bool(np.searchsorted(turns, ts, side="right") & 1)

    def active_many(self, times: I64) -> npt.NDArray[np.bool_]:
        """The same for many."""
        found = np.zeros(len(times), np.bool_)
        numbers = times // _EPOCH
        for number in np.unique(numbers).tolist():
            begins, turns = self._epoch(number)
            here = numbers == number
            found[here] = begins ^ (np.searchsorted(turns, times[here], side="right") & 1).astype(np.bool_)
        return found

    def _epoch(self, number: int) -> tuple[bool, I64]:
        """Whether it begins within a burst, and the times at which that turns."""
        known = self._epochs.get(number)
        if known is None:
            if len(self._epochs) == _KEPT:
                self._epochs.clear()
            known = self._epochs[number] = self._draw(number)
        return known

    def _draw(self, number: int) -> tuple[bool, I64]:
        calm, burst = self._means
        begins = slow = uniform(self._seed, "burst", number) < burst / (calm + burst)
        ts, end, turns = float(number * _EPOCH), float((number + 1) * _EPOCH), list[int]()
        while True:
            ts -= log(uniform(self._seed, "turn", number, len(turns))) * self._means[slow]
            if ts >= end:
                return begins, np.array(turns, np.int64)
            turns.append(round(ts))
            slow = not slow
