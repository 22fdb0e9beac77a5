"""Minute bars of the last 24 hours, larger bars made from them, and the 24-hour figures of the ticker."""

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

#: Width in ms of the intervals the venue's kline endpoint names and 24 hours of minutes can answer.
INTERVALS: Final = {
    **{str(minutes): minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720)},
    "D": DAY_MS,
}


@dataclass(slots=True)
class Bar:
    """Prices in ticks, volume in lots, turnover in ticks × lots: sums stay exact."""

    start_ms: int
    open: int
    high: int
    low: int
    close: int
    lots: int = 0
    tick_lots: int = 0

    def add(self, other: "Bar") -> None:
        """Take in what came after."""
        self.high = max(self.high, other.high)
        self.low = min(self.low, other.low)
        self.close = other.close
        self.lots += other.lots
        self.tick_lots += other.tick_lots


class Candles:
    """Collects trades; at most 24 hours of minutes are kept."""

    def __init__(self) -> None:
        self._minutes: deque[Bar] = deque()
        self._day: Bar | None = None
        self._hour_ago = 0

    def add(self, ms: int, ticks: int, lots: int) -> None:
        """Take in a trade at venue time `ms`; one that comes late counts in the latest minute."""
        start = ms // MINUTE_MS * MINUTE_MS
        trade = Bar(start, ticks, ticks, ticks, ticks, lots, ticks * lots)
        if self._minutes and start <= self._minutes[-1].start_ms:
            self._minutes[-1].add(trade)
        else:
            self._begin_minute(trade)
        if self._day is not None:
            self._day.add(trade)

    def day(self) -> Bar | None:
        """The last 24 hours as one bar, to the minute; None before the first trade."""
        return self._day

    def hour_ago(self) -> int:
        """Price in ticks an hour ago, or of the first trade if that is more recent; 0 before it."""
        return self._hour_ago

    def bars(self, width_ms: int, until_ms: int) -> list[Bar]:
        """Bars of `width_ms`, oldest first, up to the one venue time `until_ms` lies in.

        A bar without a trade repeats the close before it, as the venue's do.
        """
        bars: list[Bar] = []
        for minute in self._minutes:
            start = minute.start_ms // width_ms * width_ms
            _repeat_close(bars, width_ms, start)
            if bars and bars[-1].start_ms == start:
                bars[-1].add(minute)
            else:
                bars.append(replace(minute, start_ms=start))
        _repeat_close(bars, width_ms, until_ms // width_ms * width_ms + width_ms)
        return bars

    def _begin_minute(self, bar: Bar) -> None:
        self._minutes.append(bar)
        while self._minutes[0].start_ms <= bar.start_ms - DAY_MS:
            self._minutes.popleft()
        # Every minute, from scratch: what has fallen out of the 24 hours may have been their high or low.
        first, *rest = list(self._minutes)[:-1] or [replace(bar, lots=0, tick_lots=0)]
        self._day = replace(first)
        for minute in rest:
            self._day.add(minute)
        self._hour_ago = next(m.open for m in self._minutes if m.start_ms >= bar.start_ms - HOUR_MS)


def _repeat_close(bars: list[Bar], width_ms: int, before_ms: int) -> None:
    while bars and bars[-1].start_ms + width_ms < before_ms:
        close = bars[-1].close
        bars.append(Bar(bars[-1].start_ms + width_ms, close, close, close, close))
