"""CPU a Bybit order book frame costs the collector, from the bytes of a websocket frame to event rows in a block.

Ours is the real decoder writing through the real recorder: parsing, the sequence check, bounds on every number, time
stamps, and blocks taken when they are full. The references work on the same frames in the same process:

* ccxt     ccxt.pro's own `Client.handle_text_or_binary_message` and `handle_order_book`, as its websocket calls them
* orjson   `orjson.loads`, a check of `u`, and the barest book: a dict and a bisected list of prices a side
* msgspec  the same book behind a typed msgspec decoder

They end with a book in Python, ours with rows, from which the compiled kernels of the services build theirs. Sockets,
Redis and the disk are in none of them. The frames are synthetic orderbook.50 deltas of 8.6 levels on average that keep
a window of 50 levels exact, and, where the recordings are at hand, those of a real session (200 levels a side). The
books they arrive at are compared.
"""

import asyncio
import time
from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec
import orjson
from ccxt.async_support.base.ws.client import Client
from ccxt.pro import bybit

from app.collector.service import Recorder
from app.collector.stamping import WallClock
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, from_block
from app.venues.bybit.decode import Decoder
from app.venues.row_buffer import RowBuffer
from benchmarks.common import arguments, cpu_of, emit, medians
from benchmarks.feed_frames import RECORDINGS, levels_of, recorded_frames, synthetic_frames

SYMBOL = "BTCUSDT"
BLOCK_ROWS = 4096

Sides = dict[int, dict[float, float]]


class Contestant(Protocol):
    """One way to take frames in; `run` is timed, the book is looked at afterwards."""

    def run(self, frames: Sequence[bytes]) -> None: ...

    def book(self) -> Sides: ...


class Ours:
    """The collector's decoder and recorder."""

    def __init__(self, depth: int) -> None:
        self._blocks: list[bytes] = []
        buffer = RowBuffer(2 * BLOCK_ROWS)
        self._recorder = Recorder(
            WallClock(buffer, time.time_ns),
            buffer,
            symbols=[SYMBOL],
            max_block_rows=BLOCK_ROWS,
            counts=self,
            on_rows=lambda: None,
            on_full=self._take,
        )
        self._decoder = Decoder({SYMBOL: 1}, depth, self._recorder)

    def run(self, frames: Sequence[bytes]) -> None:
        decode = self._decoder.decode
        for frame in frames:
            decode(frame)
        self._take()

    def book(self) -> Sides:
        sides: Sides = {1: {}, -1: {}}
        for row in from_block(b"".join(self._blocks)).tolist():
            _ts_event, _ts_recv, px, qty, _instrument, kind, side, _flags = row
            if kind == DEPTH_CLEAR:
                sides = {1: {}, -1: {}}
            elif kind == DEPTH_SET and qty:
                sides[side][px] = qty
            elif kind == DEPTH_SET:
                sides[side].pop(px, None)
        return sides

    def _take(self) -> None:
        self._blocks.append(self._recorder.take())

    # `Counts`: a benchmark in which frames are dropped would measure dropping.

    def dropped(self, reason: str, count: int) -> None:
        raise AssertionError(f"{count} frames dropped: {reason}")

    def clamped(self) -> None:
        raise AssertionError("a time was replaced")

    def gap(self, symbol: str) -> None:
        raise AssertionError(f"a gap in {symbol}")


class Ccxt:
    """ccxt.pro's Bybit client from where its websocket hands it a text."""

    market = "BTC/USDT:USDT"

    def __init__(self, _depth: int) -> None:
        self._exchange = bybit()
        self._exchange.set_markets([_ccxt_market(self._exchange)])
        nothing = lambda *_: None  # noqa: E731
        self._client = Client(
            "ws://127.0.0.1/v5/public/linear", self._exchange.handle_message, nothing, nothing, nothing
        )

    def run(self, frames: Sequence[bytes]) -> None:
        handle = self._client.handle_text_or_binary_message
        for frame in frames:
            handle(frame.decode())  # aiohttp does, before it calls

    def book(self) -> Sides:
        found = self._exchange.orderbooks[self.market]
        return {side: {px: qty for px, qty, *_ in found[name]} for side, name in ((1, "bids"), (-1, "asks"))}


def _ccxt_market(exchange: Any) -> Any:
    entry = {"symbol": SYMBOL, "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "BTC"}
    entry |= {"quoteCoin": "USDT", "settleCoin": "USDT", "launchTime": "0", "deliveryTime": "0"}
    entry |= {"leverageFilter": {}, "priceFilter": {"tickSize": "0.1"}, "lotSizeFilter": {"qtyStep": "0.001"}}
    return exchange.safe_market_structure(
        {
            "id": SYMBOL,
            "symbol": Ccxt.market,
            "base": "BTC",
            "quote": "USDT",
            "settle": "USDT",
            "type": "swap",
            "swap": True,
            "spot": False,
            "contract": True,
            "linear": True,
            "inverse": False,
            "info": entry,
        }
    )


class BareBook:
    """A dict of sizes and a sorted list of prices a side: the least that knows its best level."""

    def __init__(self) -> None:
        self.sizes: Sides = {1: {}, -1: {}}
        self.prices: dict[int, list[float]] = {1: [], -1: []}

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    def set(self, side: int, px: float, qty: float) -> None:
        sizes = self.sizes[side]
        if qty:
            if px not in sizes:
                insort(self.prices[side], px)
            sizes[px] = qty
        elif sizes.pop(px, None) is not None:
            prices = self.prices[side]
            del prices[bisect_left(prices, px)]


class OrjsonBare:
    """orjson into the bare book."""

    def __init__(self, _depth: int) -> None:
        self._book = BareBook()

    def run(self, frames: Sequence[bytes]) -> None:
        book, last = self._book, 0
        for frame in frames:
            message = orjson.loads(frame)
            data = message["data"]
            if message["type"] == "snapshot":
                book.clear()
            elif data["u"] != last + 1:
                raise AssertionError("a gap")
            last = data["u"]
            for px, qty in data["b"]:
                book.set(1, float(px), float(qty))
            for px, qty in data["a"]:
                book.set(-1, float(px), float(qty))

    def book(self) -> Sides:
        return self._book.sizes


class _Data(msgspec.Struct, gc=False):
    b: list[tuple[float, float]]
    a: list[tuple[float, float]]
    u: int


class _Frame(msgspec.Struct, gc=False):
    topic: str
    type: str
    ts: int
    data: _Data


class MsgspecBare:
    """msgspec into the bare book."""

    _decode = msgspec.json.Decoder(_Frame, strict=False).decode

    def __init__(self, _depth: int) -> None:
        self._book = BareBook()

    def run(self, frames: Sequence[bytes]) -> None:
        book, last, decode = self._book, 0, self._decode
        for frame in frames:
            message = decode(frame)
            data = message.data
            if message.type == "snapshot":
                book.clear()
            elif data.u != last + 1:
                raise AssertionError("a gap")
            last = data.u
            for px, qty in data.b:
                book.set(1, px, qty)
            for px, qty in data.a:
                book.set(-1, px, qty)

    def book(self) -> Sides:
        return self._book.sizes


CONTESTANTS: Mapping[str, Any] = {
    "per_message": Ours,
    "ccxt": Ccxt,
    "orjson_bare": OrjsonBare,
    "msgspec_bare": MsgspecBare,
}


def measure(frames: Sequence[bytes], depth: int, rounds: int, repeat: int) -> dict[str, float]:
    """Microseconds of CPU a message of each contestant, and ours as a share of the references'."""
    books = {}
    for name, make in CONTESTANTS.items():
        contestant = make(depth)
        contestant.run(frames)
        books[name] = contestant.book()
    if any(book != books["per_message"] for book in books.values()):
        raise AssertionError("the contestants do not arrive at the same book")

    def once(make: Any) -> float:
        contestants = [make(depth) for _ in range(repeat)]
        return sum(cpu_of(partial(contestant.run, frames)) for contestant in contestants) / repeat

    seconds = medians({name: partial(once, make) for name, make in CONTESTANTS.items()}, rounds)
    figures = {f"us_{name}": value / len(frames) * 1e6 for name, value in seconds.items()}
    ratios = {
        f"ratio_vs_{name}": seconds["per_message"] / seconds[name] for name in CONTESTANTS if name != "per_message"
    }
    return ratios | figures


async def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = arguments(__doc__ or "", argv)
    count, rounds = (4_000, 3) if options.quick else (20_000, 9)
    synthetic = synthetic_frames(count, depth=50, seed=7)
    figures: dict[str, Any] = measure(synthetic, 50, rounds, repeat=1)
    figures |= {"levels_per_message": levels_of(synthetic), "bytes_per_message": sum(map(len, synthetic)) / count}
    recorded = recorded_frames(SYMBOL, 200)
    if recorded:
        more = measure(recorded, 200, rounds, repeat=5)
        figures |= {f"recorded_{name}": value for name, value in more.items()}
        figures["recorded_levels_per_message"] = levels_of(recorded)
    notes = [
        "references: ccxt.pro's own handler; orjson or msgspec with a check of u and a dict/bisect book",
        "the references end with a book in Python, ours with event rows in a block",
        f"{count} synthetic frames, {rounds} rounds, medians of process CPU time",
        f"recorded frames: {len(recorded)}" if recorded else f"no recordings at {RECORDINGS}; set AVIARY_SHARED_DATA",
    ]
    emit("feed", figures, notes=notes, as_json=options.json)


if __name__ == "__main__":
    asyncio.run(main())  # ccxt's client wants a running loop
