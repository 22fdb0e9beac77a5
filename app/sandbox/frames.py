"""The venue's public websocket frames: their fields, in the venue's order, and their bytes.

Source: Bybit v5 documentation, "Websocket Stream / Public", and a recorded session.
"""

from collections.abc import Iterable

import msgspec

from app.sandbox.book import Level
from app.sandbox.market import Market, Trade
from app.sandbox.notation import Notation

encode = msgspec.json.Encoder().encode


class BookData(msgspec.Struct):
    """Levels are [price, quantity]; quantity "0" deletes."""

    s: str
    b: list[tuple[str, str]]
    a: list[tuple[str, str]]
    u: int
    seq: int


class BookFrame(msgspec.Struct):
    """`ts` is when it was sent, `cts` when the matching engine made the change; venue ms."""

    topic: str
    type: str
    ts: int
    data: BookData
    cts: int


class TradeData(msgspec.Struct):
    """`T` venue ms, `S` the aggressor's side, `L` the tick direction."""

    T: int
    s: str
    S: str
    v: str
    p: str
    L: str
    i: str
    seq: int
    BT: bool = False
    RPI: bool = False


class TradeFrame(msgspec.Struct):
    """Trades, oldest first."""

    topic: str
    type: str
    ts: int
    data: list[TradeData]


class TickerFrame(msgspec.Struct):
    """A snapshot has every field known, a delta the symbol and what changed."""

    topic: str
    type: str
    data: dict[str, str]
    cs: int
    ts: int


class Reply(msgspec.Struct):
    """The answer to a client's frame; `req_id` is the client's, as a string."""

    success: bool
    ret_msg: str
    conn_id: str
    req_id: str
    op: str


def levels(write: Notation, side: Iterable[Level]) -> list[tuple[str, str]]:
    """Levels as the venue writes them."""
    return [(write.price(ticks), write.quantity(lots)) for ticks, lots in side]


def trade_data(market: Market, trade: Trade) -> TradeData:
    """A trade of `market` as the venue writes it."""
    return TradeData(
        T=market.timeline.ms(trade.when_ns),
        s=market.symbol,
        S="Buy" if trade.side > 0 else "Sell",
        v=market.notation.quantity(trade.lots),
        p=market.notation.price(trade.ticks),
        L=trade.direction,
        i=trade.id,
        seq=trade.seq,
    )
