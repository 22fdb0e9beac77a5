"""The shapes of Bybit v5 public frames, decoded and checked in one pass.

Prices and sizes are strings on the wire; `strict=False` reads them as floats, and the bounds refuse NaN, infinities,
zero and negative prices, and times outside 2001 to 2100 (whose nanoseconds would not fit a row) in the same pass.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

_MAX: Final = 1e15
Price = Annotated[float, Meta(gt=0, le=_MAX)]
Quantity = Annotated[float, Meta(ge=0, le=_MAX)]
Millis = Annotated[int, Meta(ge=1_000_000_000_000, le=4_102_444_800_000)]
#: The venue shows at most 1000 levels a side and sends at most 1024 trades a message.
Levels = Annotated[list[tuple[Price, Quantity]], Meta(max_length=2000)]


class BookData(msgspec.Struct, gc=False):
    """Levels a side, quantity 0 for a removed one, and the update id, which grows by one a message."""

    b: Levels
    a: Levels
    u: Annotated[int, Meta(ge=0)]


class BookFrame(msgspec.Struct, gc=False):
    """`orderbook.{depth}.{symbol}`. `cts` is the matching engine's time, `ts` the gateway's."""

    topic: str
    type: Literal["snapshot", "delta"]
    ts: Millis
    data: BookData
    cts: Millis = 0


class Trade(msgspec.Struct, gc=False):
    """One public trade; `BT` marks a block trade, which never met the book."""

    T: Millis
    S: Literal["Buy", "Sell"]
    v: Annotated[float, Meta(gt=0, le=_MAX)]
    p: Price
    BT: bool = False


class TradeFrame(msgspec.Struct, gc=False):
    """`publicTrade.{symbol}`."""

    topic: str
    data: Annotated[list[Trade], Meta(max_length=2000)]


class RawTradeFrame(msgspec.Struct, gc=False):
    """The same, for finding the good trades beside a bad one."""

    topic: str
    data: Annotated[list[msgspec.Raw], Meta(max_length=2000)]


class TickerData(msgspec.Struct, gc=False):
    """What changed, as the venue wrote it; "" where it has no value."""

    markPrice: str = ""
    indexPrice: str = ""
    fundingRate: str = ""
    nextFundingTime: str = ""


class TickerFrame(msgspec.Struct, gc=False):
    """`tickers.{symbol}`."""

    topic: str
    ts: Millis
    data: TickerData


class Reply(msgspec.Struct, gc=False):
    """Anything that may not be market data: a topic if it is, else the answer to an operation."""

    topic: str = ""
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""


#: What decoding bytes from outside may raise; the last comes from brackets nested thousands deep.
UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

decode_book: Final = msgspec.json.Decoder(BookFrame, strict=False).decode
decode_trades: Final = msgspec.json.Decoder(TradeFrame, strict=False).decode
decode_raw_trades: Final = msgspec.json.Decoder(RawTradeFrame, strict=False).decode
decode_trade: Final = msgspec.json.Decoder(Trade, strict=False).decode
decode_ticker: Final = msgspec.json.Decoder(TickerFrame, strict=False).decode
decode_reply: Final = msgspec.json.Decoder(Reply, strict=False).decode
