"""What a topic sends and when: one object a topic, the same for all its subscribers.

A feed works on event time alone, so its frames are a function of the flow. It is switched on by its first
subscriber; every later one gets a snapshot of what was last published, and goes on with the others from there.
"""

from collections.abc import Iterable
from typing import Final, Protocol

from app.core.clock import NS_PER_S
from app.sandbox import ticker
from app.sandbox.book import Level, Window
from app.sandbox.frames import BookData, BookFrame, TickerFrame, TradeFrame, encode, levels, trade_data
from app.sandbox.market import Market
from app.sandbox.timeline import grid_after
from app.sandbox.topics import BOOK_INTERVALS, TICKER_INTERVAL, Topic

#: u = 1 is the venue's word for "I have restarted", so counting begins above it.
FIRST_U: Final = 2
REPEAT_AFTER_NS: Final = 3 * NS_PER_S
MAX_TRADES_A_FRAME: Final = 1024


class Feed(Protocol):
    """One topic's frames."""

    def start(self, tick: int) -> None:
        """The first subscriber is there at event time `tick`."""

    def snapshot(self, tick: int) -> list[bytes]:
        """What a new subscriber is sent first."""

    def advance(self, tick: int) -> list[bytes]:
        """The frames due at `tick`, a point of the grid."""

    def due(self, tick: int) -> int | None:
        """The next point of the grid after `tick` at which there is something to send even if nothing happens."""

    def restart(self, tick: int) -> list[bytes]:
        """Count anew, as after a restart of the venue, and say so."""


class _WindowFeed:
    """What the order book topics share: the best levels as last published, and the numbers that went with them."""

    def __init__(self, topic: Topic, market: Market) -> None:
        self._topic = str(topic)
        self._market = market
        self._window = Window(market.book, topic.depth)
        self._interval = BOOK_INTERVALS[topic.depth]
        self._version = -1
        self._u = FIRST_U - 1
        self._seq = self._cts = 0

    def start(self, tick: int) -> None:
        """Look at the book as it is."""
        self._look()
        self._u += 1

    def snapshot(self, tick: int) -> list[bytes]:
        """The window as last published."""
        return [self._frame("snapshot", self._window.bids.items(), self._window.asks.items(), tick)]

    def restart(self, tick: int) -> list[bytes]:
        """A snapshot with u = 1."""
        self._u = 0
        self.start(tick)
        return self.snapshot(tick)

    def _stale(self) -> bool:
        return self._version != self._market.book.version

    def _look(self) -> tuple[list[Level], list[Level]]:
        self._version = self._market.book.version
        self._seq = self._market.seq
        self._cts = self._market.book_ms
        return self._window.advance()

    def _frame(self, kind: str, bids: Iterable[Level], asks: Iterable[Level], tick: int) -> bytes:
        write = self._market.notation
        data = BookData(self._market.symbol, levels(write, bids), levels(write, asks), self._u, self._seq)
        return encode(BookFrame(self._topic, kind, self._market.timeline.ms(tick), data, self._cts))


class BookFeed(_WindowFeed):
    """Orderbook 50 and 200: a snapshot, then every 20 or 100 ms what has changed in the window, `u` + 1 each."""

    def advance(self, tick: int) -> list[bytes]:
        """A delta, if this is a time to push and the window has changed."""
        if tick % self._interval or not self._stale():
            return []
        bids, asks = self._look()
        if not bids and not asks:
            return []
        self._u += 1
        return [self._frame("delta", bids, asks, tick)]

    def due(self, tick: int) -> int | None:
        """The next push, if the book has changed since the last."""
        return grid_after(tick, self._interval) if self._stale() else None


class BestFeed(_WindowFeed):
    """Orderbook 1: snapshots only, and the same again after 3 s without a change."""

    def __init__(self, topic: Topic, market: Market) -> None:
        super().__init__(topic, market)
        self._sent = 0

    def start(self, tick: int) -> None:
        """Look at the book as it is."""
        super().start(tick)
        self._sent = tick

    def advance(self, tick: int) -> list[bytes]:
        """A new snapshot if the best levels have changed, the old one (same `u`) if it is 3 s old."""
        changed = self._stale() and any(self._look())
        if not changed and tick - self._sent < REPEAT_AFTER_NS:
            return []
        self._u += changed
        self._sent = tick
        return self.snapshot(tick)

    def due(self, tick: int) -> int | None:
        """When the last snapshot will be 3 s old."""
        return self._sent + REPEAT_AFTER_NS


class TradeFeed:
    """publicTrade: the trades since the last step of the grid, at most 1024 a frame. There is no snapshot."""

    def __init__(self, topic: Topic, market: Market) -> None:
        self._topic = str(topic)
        self._market = market

    def start(self, tick: int) -> None:
        """Nothing to prepare."""

    def snapshot(self, tick: int) -> list[bytes]:
        """Past trades are not repeated."""
        return []

    def advance(self, tick: int) -> list[bytes]:
        """All fresh trades."""
        fresh, ts = self._market.fresh, self._market.timeline.ms(tick)
        parts = (fresh[i : i + MAX_TRADES_A_FRAME] for i in range(0, len(fresh), MAX_TRADES_A_FRAME))
        return [
            encode(TradeFrame(self._topic, "snapshot", ts, [trade_data(self._market, trade) for trade in part]))
            for part in parts
        ]

    def due(self, tick: int) -> int | None:
        """A trade is sent at the step it is applied at; nothing waits."""
        return None

    def restart(self, tick: int) -> list[bytes]:
        """There is nothing to count anew."""
        return []


class TickerFeed:
    """tickers: a snapshot, then every 100 ms the fields that have changed."""

    def __init__(self, topic: Topic, market: Market) -> None:
        self._topic = str(topic)
        self._market = market
        self._told: ticker.Fields = {}

    def start(self, tick: int) -> None:
        """Take the fields as they are."""
        self._told = ticker.fields(self._market)

    def snapshot(self, tick: int) -> list[bytes]:
        """All known fields as last published."""
        return [self._frame("snapshot", ticker.known(self._told), tick)]

    def advance(self, tick: int) -> list[bytes]:
        """The changed fields."""
        if tick % TICKER_INTERVAL:
            return []
        before, self._told = self._told, ticker.fields(self._market)
        delta = ticker.changed(before, self._told)
        return [self._frame("delta", delta, tick)] if delta else []

    def due(self, tick: int) -> int | None:
        """The exchange stops at every 100 ms anyway."""
        return None

    def restart(self, tick: int) -> list[bytes]:
        """A new snapshot."""
        self.start(tick)
        return self.snapshot(tick)

    def _frame(self, kind: str, told: ticker.Fields, tick: int) -> bytes:
        return encode(TickerFrame(self._topic, kind, told, self._market.seq, self._market.timeline.ms(tick)))


def make_feed(topic: Topic, market: Market) -> Feed:
    """The feed of `topic`."""
    match topic.kind, topic.depth:
        case "orderbook", 1:
            return BestFeed(topic, market)
        case "orderbook", _:
            return BookFeed(topic, market)
        case "publicTrade", _:
            return TradeFeed(topic, market)
        case _:
            return TickerFeed(topic, market)
