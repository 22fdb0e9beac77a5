"""The collector's core: what a feed delivers, stamped and cut into blocks. No I/O, no clock of its own."""

from collections.abc import Callable, Iterable
from typing import Protocol

from app.collector.stamping import RowClock
from app.market.schema import ROW_BYTES
from app.venues.row_buffer import RowBuffer


class Counts(Protocol):
    """Where the recorder reports what an operator must know of."""

    def dropped(self, reason: str, count: int) -> None:
        """Messages or rows that were not used."""

    def clamped(self) -> None:
        """A time that was replaced."""

    def gap(self, symbol: str) -> None:
        """Missed messages of a book."""


class Recorder:
    """`RowSink` of the feed. Whole messages collect in `buffer` until they are taken as a block.

    `on_rows` is called when the first row of a block is there, `on_full` when a block has to be taken at once. Blocks
    are cut between messages only.
    """

    def __init__(
        self,
        clock: RowClock,
        buffer: RowBuffer,
        *,
        symbols: Iterable[str],
        max_block_rows: int,
        counts: Counts,
        on_rows: Callable[[], None],
        on_full: Callable[[], None],
    ) -> None:
        self.buffer = buffer
        self.stamp = clock.stamp
        self.messages = 0
        self._clock = clock
        self._unsynced = set(symbols)
        self._full = max_block_rows * ROW_BYTES
        self._counts = counts
        self._on_rows = on_rows
        self._on_full = on_full
        self._announced = False

    @property
    def all_synced(self) -> bool:
        """True once a snapshot of every symbol's book has come."""
        return not self._unsynced

    def written(self) -> None:
        """See `RowSink.written`."""
        self.messages += 1
        if not self._announced or self.buffer.end >= self._full:
            self._announce()

    def tick(self) -> None:
        """The clock interval has passed on the wall."""
        if self._clock.tick():
            self._announce()

    def finish(self) -> None:
        """The feed has ended for good."""
        self._clock.finish()
        self._announce()

    def take(self) -> bytes:
        """Everything written since the last call."""
        self._announced = False
        return self.buffer.take()

    def dropped(self, reason: str, count: int = 1) -> None:
        """See `RowSink.dropped`."""
        self._counts.dropped(reason, count)

    def clamped(self) -> None:
        """See `RowSink.clamped`."""
        self._counts.clamped()

    def gap(self, symbol: str) -> None:
        """See `RowSink.gap`."""
        self._counts.gap(symbol)

    def synced(self, symbol: str) -> None:
        """See `RowSink.synced`."""
        self._unsynced.discard(symbol)

    def _announce(self) -> None:
        if self.buffer.end >= self._full:
            self._on_full()
        elif not self._announced and self.buffer.end:
            self._announced = True
            self._on_rows()
