"""Where the live decoder writes when its frames come from a recording."""

import numpy as np

from app.importers.report import Tally
from app.market.rows import EVENT, REPAIRED
from app.venues.row_buffer import RowBuffer


class RecordingSink:
    """A `RowSink` whose time is that of the record being decoded, and whose counts go to the import's report.

    Set `now` (corrected ns) and `where` (`file:line`) before each frame.
    """

    def __init__(self, refused: Tally, repaired: Tally) -> None:
        self.buffer = RowBuffer(65_536)
        self.now = 0
        self.where = ""
        self.gaps = 0
        self.snapshots: set[str] = set()
        self._refused, self._repaired = refused, repaired

    def too_late(self, first: int) -> None:
        """The rows from `first` on are of a line that came too late: their time is that of the line before."""
        self._repaired.add("too_late", self.where)
        if self.buffer.rows > first:
            rows = np.frombuffer(self.buffer.data, EVENT, self.buffer.rows - first, first * EVENT.itemsize)
            rows["flags"] |= REPAIRED

    def stamp(self, ts_event: int) -> int:
        """See `RowSink`."""
        return self.now

    def written(self) -> None:
        """See `RowSink`."""

    def dropped(self, reason: str, count: int = 1) -> None:
        """See `RowSink`."""
        self._refused.add(reason, self.where, count)

    def clamped(self) -> None:
        """See `RowSink`."""
        self._repaired.add("event_after_arrival", self.where)

    def gap(self, symbol: str) -> None:
        """See `RowSink`."""
        self.gaps += 1
        self._repaired.add("book_cleared_at_gap", self.where)

    def synced(self, symbol: str) -> None:
        """See `RowSink`."""
        self.snapshots.add(symbol)
