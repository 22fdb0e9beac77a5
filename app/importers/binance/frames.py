"""The shapes of Binance USDⓈ-M frames as recorders keep them, decoded and checked in one pass.

Prices and quantities are strings on the wire; `strict=False` reads them as floats, and the bounds refuse NaN,
infinities and what is no price. Source: the venue's documentation of its combined market streams.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

_MAX: Final = 1e15
Price = Annotated[float, Meta(gt=0, le=_MAX)]
Quantity = Annotated[float, Meta(ge=0, le=_MAX)]
#: 2001 to 2100: as nanoseconds they fit a row.
Millis = Annotated[int, Meta(ge=1_000_000_000_000, le=4_102_444_800_000)]
UpdateId = Annotated[int, Meta(ge=0, le=2**62)]
Levels = list[tuple[Price, Quantity]]


class Depth(msgspec.Struct, gc=False, tag_field="e", tag="depthUpdate"):
    """A difference of the book: it holds the updates `U` to `u` and follows the one that ended at `pu`."""

    T: Millis
    s: str
    U: UpdateId
    u: UpdateId
    pu: UpdateId
    b: Levels
    a: Levels


class Quote(msgspec.Struct, gc=False, tag_field="e", tag="bookTicker"):
    """Best bid `b` × `B` and ask `a` × `A` as of update `u`."""

    T: Millis
    s: str
    u: UpdateId
    b: Price
    B: Quantity
    a: Price
    A: Quantity


class Trade(msgspec.Struct, gc=False, tag_field="e", tag="trade"):
    """A trade; `m`: the buyer was the maker. `X` other than MARKET never met the book (insurance fund, ADL)."""

    T: Millis
    s: str
    t: UpdateId
    p: Annotated[float, Meta(ge=0, le=_MAX)]
    q: Quantity
    m: bool
    X: str = "MARKET"


class MarkPrice(msgspec.Struct, gc=False, tag_field="e", tag="markPriceUpdate"):
    """Mark price `p`, index price `i`, funding rate `r` and the next funding time `T`; `E` is when."""

    E: Millis
    s: str
    p: Price
    i: Price
    r: Annotated[float, Meta(ge=-1, le=1)]
    T: Millis


class Frame(msgspec.Struct, gc=False):
    """A line: an event of a combined stream in `data`, or the body of a REST depth snapshot at its top."""

    data: Depth | Quote | Trade | MarkPrice | None = None
    lastUpdateId: UpdateId | None = None
    T: Millis = 0
    bids: Levels = []
    asks: Levels = []


class _Event(msgspec.Struct, gc=False):
    e: str = ""


class _Loose(msgspec.Struct, gc=False):
    data: _Event | None = None


#: What decoding bytes from outside may raise; the last comes from brackets nested thousands deep.
UNDECODABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
KNOWN: Final = frozenset({"depthUpdate", "bookTicker", "trade", "markPriceUpdate"})

decode_frame: Final = msgspec.json.Decoder(Frame, strict=False).decode
_decode_loose: Final = msgspec.json.Decoder(_Loose).decode


def why_not(body: bytes) -> str:
    """The reason that `body` is no frame: `malformed`, `other_event` (not a fault), or `bad_value`."""
    try:
        loose = _decode_loose(body)
    except UNDECODABLE:
        return "malformed"
    return "other_event" if loose.data is not None and loose.data.e not in KNOWN else "bad_value"
