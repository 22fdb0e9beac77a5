"""What every `Feed` promises, checked with each of them over real sockets.

The Bybit client talks to a scripted server, the ccxt adapter (as ccxt's own Bybit client) to the sandbox.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import numpy as np
import pytest

from app.market.rows import DEPTH_CLEAR, LAST, MARK, REPAIRED, SNAPSHOT, TRADE, Rows, faults
from app.sandbox.flow import ScriptedFlow
from app.venues.bybit.feed import BybitFeed
from app.venues.ccxt_feed import CcxtFeed
from app.venues.market_data import Feed, FeedEnd
from tests.sandbox import builders
from tests.sandbox.builders import Wire, running
from tests.venues.loopback import ccxt_options
from tests.venues.scripted import Peer, ScriptedVenue, acknowledge, eventually, scripted_venue
from tests.venues.sink import MemorySink, NaiveBook, delta, snapshot, ticker_frame, trade_frame

SYMBOLS = {"BTCUSDT": 1}
#: The book at the end, the trades, and the mark price, whoever plays the market.
BOOK = {1: {59999.9: 0.011, 59999.7: 0.03}, -1: {60000.1: 0.01, 60000.2: 0.02}}
TRADES = [(1, 60000.1, 0.002), (-1, 59999.9, 0.004)]
MARK_PX = 60000.5


class Market(Protocol):
    """A venue that plays the market above to whoever subscribes."""

    def feed(self, sink: MemorySink) -> Feed: ...

    async def cut(self) -> None:
        """Break all connections without a word."""


class ScriptedMarket:
    def __init__(self, venue: ScriptedVenue) -> None:
        self._venue = venue
        venue.on_request = self._play

    def feed(self, sink: MemorySink) -> Feed:
        return BybitFeed(self._venue.url, SYMBOLS, depth=50, sink=sink)

    async def cut(self) -> None:
        self._venue.peers[-1].cut()

    def _play(self, peer: Peer, request: dict[str, Any]) -> None:
        acknowledge(peer, request)
        if request["op"] == "subscribe":
            asks = [("60000.1", "0.01"), ("60000.2", "0.02")]
            peer.send(
                snapshot(
                    data={"s": "BTCUSDT", "b": [["59999.9", "0.01"], ["59999.8", "0.02"]], "a": asks, "u": 10, "seq": 1}
                ),
                ticker_frame(markPrice=str(MARK_PX)),
                delta(11, [("59999.8", "0"), ("59999.7", "0.03")]),
                trade_frame({"S": "Buy", "p": "60000.1", "v": "0.002"}, {"S": "Sell", "p": "59999.9", "v": "0.004"}),
                delta(12, [("59999.9", "0.011")]),
            )


@asynccontextmanager
async def scripted_market() -> AsyncIterator[Market]:
    async with scripted_venue() as venue:
        yield ScriptedMarket(venue)


class SandboxMarket:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def feed(self, sink: MemorySink) -> Feed:
        return CcxtFeed("bybit", SYMBOLS, depth=50, sink=sink, options=ccxt_options(self._wire.url))

    async def cut(self) -> None:
        await self._wire.fault(kind="close", code=1006)


@asynccontextmanager
async def sandbox_market() -> AsyncIterator[Market]:
    flow = ScriptedFlow(
        [
            builders.snapshot(0, levels=2),
            builders.message(10, [(MARK, 0, 600_005, 0)]),
            builders.depth(1000, (1, 599_998, 0), (1, 599_997, 30)),
            builders.message(1100, [(TRADE, 1, 600_001, 2), (TRADE, -1, 599_999, 4)]),
            builders.depth(1200, (1, 599_999, 11)),
            builders.depth(3_600_000, (1, 599_999, 12)),
        ]
    )
    async with running(flow, speed=1.0) as wire:
        yield SandboxMarket(wire)


@asynccontextmanager
async def at_work(feed: Feed) -> AsyncIterator["asyncio.Task[FeedEnd]"]:
    task = asyncio.create_task(feed.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def trades_of(rows: Rows) -> list[tuple[int, float, float]]:
    return [(int(row["side"]), float(row["px"]), float(row["qty"])) for row in rows if row["kind"] == TRADE]


class Collected:
    """The rows of a sink so far, at every look."""

    def __init__(self, sink: MemorySink) -> None:
        self._sink = sink
        self._parts: list[Rows] = []

    def look(self) -> Rows:
        self._parts.append(self._sink.rows())
        return np.concatenate(self._parts)

    def holds(self, test: Callable[[Rows], bool]) -> Callable[[], bool]:
        return lambda: test(self.look())


def complete(rows: Rows) -> bool:
    """Everything the market plays has arrived."""
    marks = [float(row["px"]) for row in rows if row["kind"] == MARK]
    return NaiveBook().apply(rows).sides == BOOK and trades_of(rows) == TRADES and marks[:1] == [MARK_PX]


@pytest.fixture(params=[scripted_market, sandbox_market], ids=["bybit_v5", "ccxt"])
async def market(request: pytest.FixtureRequest) -> AsyncIterator[Market]:
    if request.param is sandbox_market:
        pytest.importorskip("ccxt", reason="the ccxt extra is not installed")
    async with request.param() as market:
        yield market


class TestFeedContract:
    async def test_rows_add_up_to_the_market(self, market: Market) -> None:
        sink = MemorySink()
        rows = Collected(sink)
        async with at_work(market.feed(sink)):
            await eventually(rows.holds(complete), within_s=20)
        found = rows.look()
        assert not faults(found).any()
        assert found["kind"][0] == DEPTH_CLEAR or found["kind"][0] == MARK
        first_book = found[found["kind"] == DEPTH_CLEAR][0]
        assert first_book["flags"] & SNAPSHOT
        assert sink.snapshots == {"BTCUSDT": 1}
        assert set(found["instrument"]) == {1}
        assert np.count_nonzero(found["flags"] & LAST) == sink.messages
        assert found["flags"][-1] & LAST
        assert not sink.drops

    async def test_stop_ends_with_the_reason_given_and_leaves_the_book_unknown(self, market: Market) -> None:
        sink = MemorySink()
        rows = Collected(sink)
        feed = market.feed(sink)
        async with at_work(feed) as task:
            await eventually(lambda: sink.snapshots, within_s=20)
            feed.stop("enough")
            async with asyncio.timeout(10):
                assert (await task).reason == "enough"
        last = rows.look()[-1]
        assert (last["kind"], last["flags"]) == (DEPTH_CLEAR, REPAIRED | LAST)

    async def test_a_broken_connection_ends_the_run_and_the_next_one_starts_from_a_snapshot(
        self, market: Market
    ) -> None:
        sink = MemorySink()
        rows = Collected(sink)
        feed = market.feed(sink)
        async with at_work(feed) as task:
            await eventually(lambda: sink.snapshots, within_s=20)
            await market.cut()
            async with asyncio.timeout(20):
                end = await task
        assert end.reason == "disconnected"
        assert NaiveBook().apply(rows.look()).sides is None
        async with at_work(feed):
            await eventually(lambda: sink.snapshots["BTCUSDT"] == 2, within_s=20)
            await eventually(rows.holds(lambda found: NaiveBook().apply(found).sides == BOOK), within_s=20)

    async def test_a_paused_feed_writes_nothing_until_it_is_resumed(self, market: Market) -> None:
        sink = MemorySink()
        rows = Collected(sink)
        feed = market.feed(sink)
        feed.pause()
        async with at_work(feed):
            await asyncio.sleep(0.5)
            assert sink.messages == 0
            feed.resume()
            await eventually(rows.holds(lambda found: NaiveBook().apply(found).sides == BOOK), within_s=20)
