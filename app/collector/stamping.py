"""When a row was received: by the wall clock, or modelled from event time. Both put the clock rows where they belong.

No row after the clock row of time t has `ts_recv` ≤ t: whoever reads it knows everything up to t.
"""

from collections.abc import Callable
from typing import Final, Protocol

from app.core.clock import NS_PER_S
from app.market.schema import CLOCK
from app.venues.row_buffer import RowBuffer, tail

_CLOCK_TAIL: Final = tail(0, CLOCK, 0, 0)
#: A longer silence (two recordings in one tape) is not filled with clock rows.
MAX_SILENCE_NS: Final = 3600 * NS_PER_S
#: A tape that begins this much before what the stream already holds is not its continuation.
_REPLAYED_NS: Final = 10 * NS_PER_S
_NEVER: Final = 2**62


class RowClock(Protocol):
    """What a recorder stamps with.

    `last` is the `ts_recv` that no later row may go below. `replayed` is set if the feed turned out to be no
    continuation of what was recorded before, and nothing of it is stamped.
    """

    last: int
    replayed: bool

    def stamp(self, ts_event: int) -> int:
        """See `RowSink.stamp`."""

    def tick(self) -> bool:
        """The clock interval has passed on the wall; True if a clock row was put."""

    def finish(self) -> None:
        """The feed has ended for good."""


class WallClock:
    """`ts_recv` = max(last, now). Its clock rows come from `tick`, so that they come in silence, too.

    A wall clock that is set back does not take `ts_recv` with it: time stands still until it has caught up.
    """

    def __init__(self, buffer: RowBuffer, now: Callable[[], int], *, last: int = 0) -> None:
        self._buffer = buffer
        self._now = now
        self.last = last
        self.replayed = False

    def stamp(self, ts_event: int) -> int:
        """See `RowSink.stamp`."""
        now = self._now()
        if now > self.last:
            self.last = now
        return self.last

    def tick(self) -> bool:
        """Put a clock row of now."""
        now = self.stamp(0)
        self._buffer.put(now, now, 0.0, 0.0, _CLOCK_TAIL)
        self.last = now + 1
        return True

    def finish(self) -> None:
        """A live feed has no end."""


class EventClock:
    """`ts_recv` = max(last, ts_event + `delay_ns`), and a clock row at every multiple of `interval_ns` passed.

    Rows are a function of the messages alone. With `stop_after_ns`, the first message whose `ts_recv` is later than
    the first one's by more than that, and everything after it, is discarded; a clock row at exactly that time is the
    last row, and `on_end` is called.
    """

    def __init__(
        self,
        buffer: RowBuffer,
        *,
        delay_ns: int,
        interval_ns: int,
        stop_after_ns: int | None = None,
        last: int = 0,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        self._buffer = buffer
        self._delay = delay_ns
        self._interval = interval_ns
        self._stop_after = stop_after_ns
        self._on_end = on_end
        self._next = last // interval_ns * interval_ns + interval_ns if last else 0
        self._end = _NEVER
        self._begun = False
        self._ended = False
        self.last = last
        self.replayed = False

    def stamp(self, ts_event: int) -> int:
        """See `RowSink.stamp`."""
        if self._ended:
            return 0
        if not ts_event:
            return self.last
        ts = max(self.last, ts_event + self._delay)
        if not self._begun and not self._begin(ts_event, ts):
            return 0
        if ts > self._end:
            self._finish_at(self._end)
            return 0
        if self._next < ts:
            self._pass(ts)
        self.last = ts
        return ts

    def tick(self) -> bool:
        """Time passes in the messages only."""
        return False

    def finish(self) -> None:
        """The tape is over: its last row is a clock row of its last time."""
        if self._begun and not self._ended:
            self._finish_at(self.last)

    def _begin(self, ts_event: int, ts: int) -> bool:
        if ts_event + self._delay < self.last - _REPLAYED_NS:
            self._ended = self.replayed = True
            self._on_end()
            return False
        self._begun = True
        self._next = self._next or -(-ts // self._interval) * self._interval
        if self._stop_after is not None:
            self._end = ts + self._stop_after
        return True

    def _pass(self, ts: int) -> None:
        """Put the clock rows of all multiples before `ts` that are still to come."""
        if ts - self.last > MAX_SILENCE_NS:
            self._put(self._next)
            self._next = -(-ts // self._interval) * self._interval
        while self._next < ts:
            self._put(self._next)
            self._next += self._interval

    def _finish_at(self, ts: int) -> None:
        self._pass(ts)
        self._put(ts)
        self.last = ts
        self._ended = True
        self._on_end()

    def _put(self, ts: int) -> None:
        self._buffer.put(ts, ts, 0.0, 0.0, _CLOCK_TAIL)
