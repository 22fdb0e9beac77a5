"""Bybit v5 public frames to event rows."""

from collections.abc import Mapping
from typing import Final

import msgspec

from app.venues.bybit import frames
from app.venues.bybit.book import BookTopic
from app.venues.bybit.frames import UNDECODABLE, Reply, decode_book
from app.venues.bybit.ticker import TickerTopic
from app.venues.bybit.trades import TradeTopic, salvage
from app.venues.market_data import RowSink

_BOOK: Final = b'{"topic":"orderbook.'
_TRADE: Final = b'{"topic":"publicTrade.'
_TICKER: Final = b'{"topic":"tickers.'


class Decoder:
    """Turns the frames of one connection into rows in `sink`, checking each book's sequence.

    ==================  ==================================================================
    orderbook snapshot  DEPTH_CLEAR, then a DEPTH_SET a level, all flagged SNAPSHOT
    orderbook delta     a DEPTH_SET a level, bids first; quantity 0 removes the level
    publicTrade         a TRADE each, at its own time
    tickers             MARK, INDEX, FUNDING when they change
    ==================  ==================================================================

    The last row of each message is flagged LAST. Order book rows have the matching engine's time (`cts`), else the
    gateway's (`ts`). `lost` holds the book topics that need a snapshot: all at first, later those with a gap.
    """

    def __init__(self, instruments: Mapping[str, int], depth: int, sink: RowSink) -> None:
        self._sink = sink
        self.lost: set[str] = set()
        books = [BookTopic(symbol, number, depth, sink, self.lost) for symbol, number in instruments.items()]
        trades = [TradeTopic(symbol, number, sink) for symbol, number in instruments.items()]
        tickers = [TickerTopic(symbol, number, sink) for symbol, number in instruments.items()]
        self._books = {book.topic: book for book in books}
        self._trades = {trade.topic: trade for trade in trades}
        self._tickers = {ticker.topic: ticker for ticker in tickers}

    @property
    def topics(self) -> list[str]:
        """Everything to subscribe to: a symbol's book, trades and ticker, then the next symbol's."""
        return [topic for three in zip(self._books, self._trades, self._tickers, strict=True) for topic in three]

    def decode(self, frame: bytes) -> Reply | None:
        """Write the rows of `frame`, or return the venue's reply to an operation. Raises nothing, whatever comes."""
        # The venue writes the topic first; a look at the first bytes saves a second pass over the frame.
        if frame.startswith(_BOOK):
            self._on_book(frame)
        elif frame.startswith(_TRADE):
            self._on_trades(frame)
        elif frame.startswith(_TICKER):
            self._on_ticker(frame)
        else:
            return self._on_other(frame)
        return None

    def disconnected(self) -> None:
        """The connection is gone: every book is unknown until its next snapshot."""
        for book in self._books.values():
            book.forget()

    def _on_book(self, frame: bytes) -> None:
        try:
            message = decode_book(frame)
        except UNDECODABLE as error:
            self._on_bad_book(frame, error)
            return
        book = self._books.get(message.topic)
        if book is None:
            self._sink.dropped("unknown_topic")
        else:
            book.write(message)

    def _on_bad_book(self, frame: bytes, error: Exception) -> None:
        """A message that cannot be used is a missed one, if it still says which book it is of."""
        self._sink.dropped("bad_value" if isinstance(error, msgspec.ValidationError) else "malformed")
        try:
            book = self._books.get(frames.decode_reply(frame).topic)
        except UNDECODABLE:
            return  # the next update id will tell
        if book is not None:
            book.lose()

    def _on_trades(self, frame: bytes) -> None:
        try:
            message = frames.decode_trades(frame)
        except UNDECODABLE:
            salvaged = salvage(frame, self._sink)
            if salvaged is None:
                return
            message = salvaged
        trades = self._trades.get(message.topic)
        if trades is None:
            self._sink.dropped("unknown_topic")
        else:
            trades.write(message.data)

    def _on_ticker(self, frame: bytes) -> None:
        try:
            message = frames.decode_ticker(frame)
        except UNDECODABLE:
            self._sink.dropped("malformed")
            return
        ticker = self._tickers.get(message.topic)
        if ticker is None:
            self._sink.dropped("unknown_topic")
        else:
            ticker.write(message)

    def _on_other(self, frame: bytes) -> Reply | None:
        """A reply, or market data whose fields come in another order."""
        try:
            reply = frames.decode_reply(frame)
        except UNDECODABLE:
            self._sink.dropped("malformed")
            return None
        kind = reply.topic.partition(".")[0]
        if kind == "orderbook":
            self._on_book(frame)
        elif kind == "publicTrade":
            self._on_trades(frame)
        elif kind == "tickers":
            self._on_ticker(frame)
        elif reply.topic:
            self._sink.dropped("unknown_topic")
        else:
            return reply
        return None
