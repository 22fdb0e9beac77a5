"""Mark price, index price and funding of one symbol, written when they change."""

from math import isfinite, ulp

from app.core.clock import NS_PER_MS
from app.market.schema import FUNDING, INDEX, MARK, REPAIRED
from app.venues.bybit.frames import TickerFrame
from app.venues.market_data import MAX_AHEAD_NS, RowSink
from app.venues.row_buffer import tail

_MAX = 1e15
_Values = list[tuple[float, float, int]]  # price or rate, quantity, kind


class TickerTopic:
    """`tickers.{symbol}`: a snapshot, then what changed. A value that is no number is dropped; the old one stays.

    The venue's own text is compared, so that a value repeated costs little.
    """

    __slots__ = ("_funding", "_index", "_mark", "_next", "_rate", "_sink", "_tails", "topic")

    def __init__(self, symbol: str, instrument: int, sink: RowSink) -> None:
        self.topic = f"tickers.{symbol}"
        self._sink = sink
        self._mark = self._index = self._rate = self._next = ""
        self._funding = ("", "")
        self._tails = {
            (kind, flags): tail(instrument, kind, 0, flags)
            for kind in (MARK, INDEX, FUNDING)
            for flags in (0, REPAIRED)
        }

    def write(self, frame: TickerFrame) -> None:
        """Write what `frame` changes: `MARK`, `INDEX`, `FUNDING` rows, in that order."""
        data = frame.data
        values: _Values = []
        if data.markPrice and data.markPrice != self._mark and (px := self._price(data.markPrice)):
            self._mark = data.markPrice
            values.append((px, 0.0, MARK))
        if data.indexPrice and data.indexPrice != self._index and (px := self._price(data.indexPrice)):
            self._index = data.indexPrice
            values.append((px, 0.0, INDEX))
        if data.fundingRate or data.nextFundingTime:
            values += self._changed_funding(data.fundingRate, data.nextFundingTime)
        if values:
            self._write_rows(frame.ts * NS_PER_MS, values)

    def _write_rows(self, ts_event: int, values: _Values) -> None:
        ts_recv = self._sink.stamp(ts_event)
        if not ts_recv:
            return
        flags = 0
        if ts_event > ts_recv + MAX_AHEAD_NS:
            ts_event, flags = ts_recv, REPAIRED
            self._sink.clamped()
        for px, qty, kind in values:
            self._sink.buffer.put(ts_event, ts_recv, px, qty, self._tails[kind, flags])
        self._sink.buffer.end_message()
        self._sink.written()

    def _changed_funding(self, rate: str, next_ms: str) -> _Values:
        """The funding row, once both its parts are known and whenever either changes."""
        if rate and rate != self._rate and self._bounded(rate, -1.0, 1.0) is not None:
            self._rate = rate
        if next_ms and next_ms != self._next and self._bounded(next_ms, 0.0, 4.2e12) is not None:
            self._next = next_ms
        now = (self._rate, self._next)
        if now == self._funding or not (self._rate and self._next):
            return []
        self._funding = now
        return [(float(self._rate), float(self._next) // 1000, FUNDING)]

    def _price(self, text: str) -> float:
        """The price, or 0.0 if it is none."""
        return self._bounded(text, ulp(0.0), _MAX) or 0.0

    def _bounded(self, text: str, low: float, high: float) -> float | None:
        """The number in `text`, or None (counted) if it is none within the bounds."""
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if isfinite(value) and low <= value <= high:
            return value
        self._sink.dropped("bad_value")
        return None
