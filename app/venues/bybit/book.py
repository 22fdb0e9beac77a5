"""One symbol's order book topic: its sequence, and its messages as rows."""

from typing import Final

from app.core.clock import NS_PER_MS
from app.market.schema import DEPTH_CLEAR, DEPTH_SET, LAST, REPAIRED, ROW_BYTES, SNAPSHOT
from app.venues.bybit.frames import BookFrame
from app.venues.market_data import MAX_AHEAD_NS, RowSink, put_unknown
from app.venues.row_buffer import LEVEL, TIMES, tail

_UNKNOWN: Final = -2  # no update id continues it


class BookTopic:
    """`orderbook.{depth}.{symbol}`: a snapshot, then deltas whose update ids grow by exactly one.

    Sizes are absolute, so a message out of sequence cannot be used, and one missed makes the book unknown until the
    next snapshot, whose rows are then flagged REPAIRED. While it is unknown the topic is in `lost`, which all books
    of a connection share.
    """

    __slots__ = (
        "_buffer",
        "_clears",
        "_depth",
        "_instrument",
        "_lost",
        "_repairing",
        "_sink",
        "_tails",
        "_u",
        "symbol",
        "topic",
    )

    def __init__(self, symbol: str, instrument: int, depth: int, sink: RowSink, lost: set[str]) -> None:
        self.symbol = symbol
        self.topic = f"orderbook.{depth}.{symbol}"
        self._instrument = instrument
        self._depth = depth
        self._sink = sink
        self._buffer = sink.buffer
        self._lost = lost
        self._u = _UNKNOWN
        self._repairing = False
        flags = (0, REPAIRED, SNAPSHOT, SNAPSHOT | REPAIRED)
        self._tails = {f: (tail(instrument, DEPTH_SET, 1, f), tail(instrument, DEPTH_SET, -1, f)) for f in flags}
        self._clears = {f: tail(instrument, DEPTH_CLEAR, 0, f) for f in flags}
        lost.add(self.topic)

    def write(self, message: BookFrame) -> None:
        """Write the rows of `message` if it continues what is known."""
        u = message.data.u
        if u == self._u + 1 and message.type == "delta":
            self._u = u
            if message.data.b or message.data.a:
                self._write_levels(message, 0)
        elif message.type == "snapshot" or u == 1:  # u 1: the venue has restarted, this replaces the book
            self._on_snapshot(message)
        elif self._u == _UNKNOWN:
            self._sink.dropped("before_snapshot")
        elif u <= self._u:
            self._sink.dropped("duplicate")
        else:
            self.lose((message.cts or message.ts) * NS_PER_MS)

    def lose(self, ts_event: int = 0) -> None:
        """A message was missed, as noticed at `ts_event` (0: now)."""
        if self._u != _UNKNOWN:
            self._sink.gap(self.symbol)
            self.forget(ts_event)

    def forget(self, ts_event: int = 0) -> None:
        """The book is unknown from `ts_event` (0: now) on."""
        if self._u != _UNKNOWN:
            self._u = _UNKNOWN
            self._repairing = True
            self._lost.add(self.topic)
            put_unknown(self._sink, self._instrument, ts_event)

    def _on_snapshot(self, message: BookFrame) -> None:
        if self._depth == 1 and message.data.u == self._u:
            return  # a depth of one level is sent again after 3 s without change
        self._u = message.data.u
        self._lost.discard(self.topic)
        flags, self._repairing = SNAPSHOT | REPAIRED if self._repairing else SNAPSHOT, False
        self._write_levels(message, flags)
        self._sink.synced(self.symbol)

    def _write_levels(self, message: BookFrame, flags: int) -> None:
        ts_event = (message.cts or message.ts) * NS_PER_MS
        ts_recv = self._sink.stamp(ts_event)
        if not ts_recv:
            return
        if ts_event > ts_recv + MAX_AHEAD_NS:
            ts_event, flags = ts_recv, flags | REPAIRED
            self._sink.clamped()
        times = TIMES.pack(ts_event, ts_recv)
        bids, asks = message.data.b, message.data.a
        buffer = self._buffer
        data, at, pack = buffer.data, buffer.end, LEVEL.pack_into
        if at + (1 + len(bids) + len(asks)) * ROW_BYTES > len(data):
            buffer.reserve(1 + len(bids) + len(asks))
        if flags & SNAPSHOT:
            pack(data, at, times, 0.0, 0.0, self._clears[flags])
            at += ROW_BYTES
        bid_tail, ask_tail = self._tails[flags]
        for px, qty in bids:
            pack(data, at, times, px, qty, bid_tail)
            at += ROW_BYTES
        for px, qty in asks:
            pack(data, at, times, px, qty, ask_tail)
            at += ROW_BYTES
        data[at - 4] |= LAST  # the lowest byte of the little-endian flags
        buffer.end = at
        self._sink.written()
