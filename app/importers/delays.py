"""The distribution of delays over any number of rows, in bounded memory."""

from typing import Final

import numpy as np

from app.core.clock import NS_PER_MS
from app.market.rows import CLOCK, DEPTH_CLEAR, Rows

_STEP_NS: Final = NS_PER_MS // 10
_LOW: Final = -10_000 * NS_PER_MS
_BINS: Final = 700_000  # up to a minute; later ones count as a minute


class Delays:
    """Counts ts_recv − ts_event of market data rows, to 0.1 ms."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)

    def update(self, rows: Rows) -> None:
        """Take the next rows."""
        of_market = rows[(rows["kind"] != CLOCK) & (rows["kind"] != DEPTH_CLEAR)]
        bins = (of_market["ts_recv"] - of_market["ts_event"] - _LOW) // _STEP_NS
        np.add.at(self._counts, np.clip(bins, 0, _BINS - 1), 1)

    def get(self, share: float) -> float:
        """The delay in ms that `share` of the rows do not exceed; NaN before there are rows."""
        total = int(self._counts.sum())
        if not total:
            return float("nan")
        at = int(np.searchsorted(np.cumsum(self._counts), share * total))
        return (at * _STEP_NS + _LOW) / NS_PER_MS
