"""Clock rows between a recording's rows, as the collector puts them there while it records."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_S
from app.market.rows import CLOCK, Rows, empty

MAX_SILENCE: Final = 3600 * NS_PER_S


class ClockRows:
    """Adds a CLOCK row at every multiple of `interval` ns of ts_recv, after the rows of that time.

    The first is at or after the first row, the last at or after the last. A pause longer than an hour (two days'
    files in one import) gets none; `silences` counts those.
    """

    def __init__(self, interval: int) -> None:
        self._interval = interval
        self._next = -1
        self._last = -1
        self.silences = 0

    def between(self, blocks: Iterable[Rows]) -> Iterator[Rows]:
        """Yield the blocks, whose ts_recv do not decrease from one to the next, with clock rows in between."""
        for rows in blocks:
            if not len(rows):
                continue
            ts = rows["ts_recv"]
            before = np.concatenate((ts[:1] if self._last < 0 else [self._last], ts[:-1]))
            start = 0
            for pause in np.flatnonzero(ts - before > MAX_SILENCE):
                self.silences += 1
                if pause > start:
                    yield self._with_clock(rows[start:pause])
                yield self._closing()
                start = int(pause)
            yield self._with_clock(rows[start:])
        if self._next >= 0:
            yield self._closing()

    def _closing(self) -> Rows:
        """The clock row that ends the time of the last row."""
        due, self._next = self._next, -1
        return _clock(np.array([due], np.int64))

    def _with_clock(self, rows: Rows) -> Rows:
        ts = rows["ts_recv"]
        first, self._last = int(ts[0]), int(ts[-1])
        if self._next < 0:
            self._next = -(-first // self._interval) * self._interval
        # The time of the last row is not over: more rows of it may come with the next block.
        times = np.arange(self._next, self._last, self._interval)
        if not len(times):
            return rows
        self._next = int(times[-1]) + self._interval
        return np.insert(rows, np.searchsorted(ts, times, side="right"), _clock(times))


def _clock(times: npt.NDArray[np.int64]) -> Rows:
    rows = empty(len(times))
    rows["ts_event"] = rows["ts_recv"] = times
    rows["kind"] = CLOCK
    return rows
