"""Public trades of one symbol as rows."""

from collections.abc import Sequence

from app.core.clock import NS_PER_MS
from app.market.schema import REPAIRED, TRADE
from app.venues.bybit import frames
from app.venues.bybit.frames import UNDECODABLE, Trade, TradeFrame
from app.venues.market_data import MAX_AHEAD_NS, RowSink
from app.venues.row_buffer import tail


class TradeTopic:
    """`publicTrade.{symbol}`: each trade a TRADE row of its own time.

    Block trades are left out: they never met the book.
    """

    __slots__ = ("_sink", "_tails", "topic")

    def __init__(self, symbol: str, instrument: int, sink: RowSink) -> None:
        self.topic = f"publicTrade.{symbol}"
        self._sink = sink
        self._tails = {
            (name, late): tail(instrument, TRADE, side, REPAIRED if late else 0)
            for name, side in (("Buy", 1), ("Sell", -1))
            for late in (False, True)
        }

    def write(self, trades: Sequence[Trade]) -> None:
        """Write the rows of one message."""
        on_book = [trade for trade in trades if not trade.BT]
        if len(on_book) < len(trades):
            self._sink.dropped("block_trade", len(trades) - len(on_book))
        if not on_book:
            return
        # All of a message was known at once, so it is stamped by its latest trade.
        ts_recv = self._sink.stamp(max(trade.T for trade in on_book) * NS_PER_MS)
        if not ts_recv:
            return
        latest = ts_recv + MAX_AHEAD_NS
        buffer = self._sink.buffer
        for trade in on_book:
            ts_event = trade.T * NS_PER_MS
            late = ts_event > latest
            if late:
                ts_event = ts_recv
                self._sink.clamped()
            buffer.put(ts_event, ts_recv, trade.p, trade.v, self._tails[trade.S, late])
        buffer.end_message()
        self._sink.written()


def salvage(frame: bytes, sink: RowSink) -> TradeFrame | None:
    """A frame without the trades in it that cannot be used (counted); None if it is no frame at all."""
    try:
        message = frames.decode_raw_trades(frame)
    except UNDECODABLE:
        sink.dropped("malformed")
        return None
    good = []
    for raw in message.data:
        try:
            good.append(frames.decode_trade(raw))
        except UNDECODABLE:
            sink.dropped("bad_value")
    return TradeFrame(message.topic, good)
