"""The Bybit client over real sockets: subscribing, gaps, pings, and every way a connection can end."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.core.errors import Misconfigured
from app.market.rows import DEPTH_CLEAR, LAST, REPAIRED, SNAPSHOT
from app.venues.bybit.feed import BybitFeed
from app.venues.market_data import END_OF_TAPE, FeedEnd
from tests.venues.scripted import Peer, ScriptedVenue, acknowledge, eventually, scripted_venue
from tests.venues.sink import MemorySink, NaiveBook, delta, snapshot, ticker_frame, trade_frame

TOPIC = "orderbook.50.BTCUSDT"


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    async with scripted_venue() as venue:
        yield venue


@pytest.fixture
def sink() -> MemorySink:
    return MemorySink()


class Running:
    """A feed at work."""

    def __init__(self, venue: ScriptedVenue, sink: MemorySink, **options: Any) -> None:
        self.feed = BybitFeed(venue.url, {"BTCUSDT": 1}, depth=50, sink=sink, **{"patience_s": 5.0, **options})
        self.task: asyncio.Task[FeedEnd]

    async def __aenter__(self) -> "Running":
        self.task = asyncio.create_task(self.feed.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def end(self) -> FeedEnd:
        async with asyncio.timeout(5):
            return await self.task


class TestSubscribing:
    async def test_one_frame_with_all_topics_symbol_by_symbol(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        feed = BybitFeed(venue.url, {"BTCUSDT": 1, "ETHUSDT": 2}, depth=200, sink=sink)
        task = asyncio.create_task(feed.run())
        peer = await venue.peer()
        assert peer.asked("subscribe") == [
            [
                *("orderbook.200.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT"),
                *("orderbook.200.ETHUSDT", "publicTrade.ETHUSDT", "tickers.ETHUSDT"),
            ]
        ]
        feed.stop("enough")
        assert (await task).reason == "enough"

    async def test_messages_become_rows(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink):
            peer = await venue.peer()
            peer.send(snapshot(10), delta(11), trade_frame({}), ticker_frame(markPrice="5"))
            await eventually(lambda: sink.messages == 4)
        assert NaiveBook().apply(sink.rows()).sides == {1: {100.5: 9.0, 100.0: 2.0}, -1: {101.0: 3.0, 101.5: 4.0}}

    async def test_a_message_in_several_websocket_frames_is_one(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink):
            peer = await venue.peer()
            peer.send_in_parts(snapshot(10), 7)
            peer.send(delta(11))
            await eventually(lambda: sink.messages == 2)
        assert not sink.drops

    async def test_refused_subscription_ends_the_connection(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        venue.on_request = lambda peer, request: peer.reply(request, success=False, text="Invalid symbol :[BTCUSDT]")
        async with Running(venue, sink) as running:
            assert await running.end() == FeedEnd("subscribe_refused", "Invalid symbol :[BTCUSDT]")

    def test_more_topics_than_a_connection_may_have_is_misconfigured(self, sink: MemorySink) -> None:
        symbols = {f"LONGNAME{i}USDT": i for i in range(1, 400)}
        with pytest.raises(Misconfigured, match="399 symbols are more than one Bybit connection may subscribe to"):
            BybitFeed("ws://x/", symbols, depth=50, sink=sink)


class TestGaps:
    async def test_gap_subscribes_that_book_again_on_the_same_connection(
        self, venue: ScriptedVenue, sink: MemorySink
    ) -> None:
        def answer(peer: Peer, request: dict[str, Any]) -> None:
            acknowledge(peer, request)
            if request["op"] == "subscribe" and request["args"] == [TOPIC]:
                peer.send(snapshot(50))

        venue.on_request = answer
        async with Running(venue, sink):
            peer = await venue.peer()
            await asyncio.sleep(1.1)  # a book is not asked for again within a second
            peer.send(snapshot(10), delta(11), delta(13), delta(14))
            await eventually(lambda: sink.snapshots["BTCUSDT"] == 2)
            peer.send(delta(51))
            await eventually(lambda: sink.messages == 5)
        assert peer.asked("unsubscribe") == [[TOPIC]]
        assert len(venue.peers) == 1
        rows = sink.rows()
        clears = rows[rows["kind"] == DEPTH_CLEAR]
        assert list(clears["flags"]) == [SNAPSHOT, REPAIRED | LAST, SNAPSHOT | REPAIRED]
        assert sink.gaps == {"BTCUSDT": 1}
        assert NaiveBook().apply(rows).sides is not None

    async def test_a_book_that_breaks_again_at_once_is_not_asked_for_in_a_loop(
        self, venue: ScriptedVenue, sink: MemorySink
    ) -> None:
        def answer(peer: Peer, request: dict[str, Any]) -> None:
            acknowledge(peer, request)
            if request["op"] == "subscribe" and request["args"] == [TOPIC]:
                peer.send(snapshot(50), delta(60))

        venue.on_request = answer
        async with Running(venue, sink):
            peer = await venue.peer()
            peer.send(snapshot(10), delta(12))
            await asyncio.sleep(2.3)
        assert 2 <= len(peer.asked("unsubscribe")) <= 3
        assert sink.gaps["BTCUSDT"] == 1 + len(peer.asked("unsubscribe"))

    async def test_a_snapshot_that_does_not_come_ends_the_connection(
        self, venue: ScriptedVenue, sink: MemorySink
    ) -> None:
        async with Running(venue, sink, patience_s=1.2) as running:
            peer = await venue.peer()
            peer.send(snapshot(10))
            await asyncio.sleep(1.1)
            peer.send(delta(12))
            end = await running.end()
        assert end == FeedEnd("no_snapshot", "of orderbook.50.BTCUSDT within 1.2 s")

    async def test_the_first_snapshot_is_waited_for_as_long(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink, patience_s=0.3) as running:
            assert (await running.end()).reason == "no_snapshot"


class TestEnds:
    async def test_every_book_is_unknown_after_a_connection(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink) as running:
            peer = await venue.peer()
            peer.send(snapshot(10))
            await eventually(lambda: sink.messages)
            peer.cut()
            assert (await running.end()).reason == "disconnected"
        rows = sink.rows()
        assert (rows["kind"][-1], rows["flags"][-1]) == (DEPTH_CLEAR, REPAIRED | LAST)

    async def test_running_again_starts_from_a_fresh_snapshot(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink) as running:
            (await venue.peer()).send(snapshot(10))
            await eventually(lambda: sink.messages)
            venue.peers[0].close(1001, "restart")
            assert await running.end() == FeedEnd("closed", "by the venue with code 1001 restart")
            again = asyncio.create_task(running.feed.run())
            (await venue.peer(2)).send(delta(11), snapshot(30), delta(31))
            await eventually(lambda: sink.messages == 4)
            running.feed.stop("enough")
            await again
        assert sink.drops == {"before_snapshot": 1}
        assert not sink.gaps

    async def test_the_end_of_a_tape_is_told_by_its_words(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink) as running:
            peer = await venue.peer()
            peer.send(snapshot(10), delta(11))
            peer.close(1000, "end of tape")
            assert (await running.end()).reason == END_OF_TAPE
            rows = sink.rows()
            assert len(rows) == 6, "everything before the close was read, and nothing was added"
            again = asyncio.create_task(running.feed.run())
            await venue.peer(2)
            assert sink.rows()["kind"].tolist() == [DEPTH_CLEAR], "a feed that goes on after all"
            running.feed.stop("enough")
            await again

    async def test_closing_with_the_same_code_and_no_words_is_not_the_end(
        self, venue: ScriptedVenue, sink: MemorySink
    ) -> None:
        async with Running(venue, sink) as running:
            (await venue.peer()).close(1000)
            assert await running.end() == FeedEnd("closed", "by the venue with code 1000")

    async def test_nobody_there(self, sink: MemorySink) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            feed = BybitFeed(f"ws://127.0.0.1:{taken.getsockname()[1]}/", {"BTCUSDT": 1}, depth=50, sink=sink)
            end = await feed.run()
        assert end.reason == "unreachable"
        assert "ws://127.0.0.1" in end.detail

    @pytest.mark.parametrize(
        ("status", "headers", "reason", "after", "words"),
        [
            (429, {"Retry-After": "7"}, "http_429", 7.0, "answered 429"),
            (429, {"Retry-After": "soon"}, "http_429", 0.0, "answered 429"),
            (503, {}, "http_503", 0.0, "answered 503"),
            (404, {}, "http_404", 0.0, "is collector.ws_url right?"),
        ],
    )
    async def test_refused_handshake(
        self,
        venue: ScriptedVenue,
        sink: MemorySink,
        status: int,
        headers: dict[str, str],
        reason: str,
        after: float,
        words: str,
    ) -> None:
        venue.refuse = (status, headers)
        async with Running(venue, sink) as running:
            end = await running.end()
        assert (end.reason, end.retry_after_s) == (reason, after)
        assert words in end.detail

    async def test_a_server_that_never_answers_the_handshake(self, sink: MemorySink) -> None:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"ws://127.0.0.1:{silent.getsockname()[1]}/"
            feed = BybitFeed(url, {"BTCUSDT": 1}, depth=50, sink=sink, patience_s=0.3)
            assert (await feed.run()).reason == "unreachable"

    @pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws:///v5", "nonsense"])
    async def test_no_websocket_address_is_misconfigured(self, sink: MemorySink, url: str) -> None:
        feed = BybitFeed(url, {"BTCUSDT": 1}, depth=50, sink=sink)
        with pytest.raises(Misconfigured, match=r"collector\.ws_url .* is no websocket address"):
            await feed.run()

    async def test_a_sink_that_fails_is_no_end_of_a_connection(self, venue: ScriptedVenue) -> None:
        class FailingSink(MemorySink):
            def written(self) -> None:
                raise RuntimeError("a defect in the sink")

        async with Running(venue, FailingSink()) as running:
            (await venue.peer()).send(snapshot(10))
            with pytest.raises(RuntimeError, match="a defect in the sink"):
                await running.end()

    async def test_stopping_before_it_is_connected_counts(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink) as running:
            await asyncio.sleep(0)
            running.feed.stop("enough")
            assert (await running.end()).reason == "enough"


class TestPings:
    async def test_pings_keep_a_quiet_connection(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink, ping_s=0.4, patience_s=0.6) as running:
            peer = await venue.peer()
            peer.send(snapshot(10))
            await asyncio.sleep(2.0)
            assert not running.task.done()
            assert len(peer.asked("ping")) >= 2

    async def test_silence_even_after_pings_ends_the_connection(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        venue.on_request = lambda peer, request: None
        async with Running(venue, sink, ping_s=0.3, patience_s=0.5) as running:
            peer = await venue.peer()
            peer.send(snapshot(10))
            assert (await running.end()).reason == "no_pong"
            assert peer.asked("ping")


class TestPausing:
    async def test_a_paused_feed_reads_nothing_and_loses_nothing(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink, ping_s=0.2, patience_s=0.4) as running:
            peer = await venue.peer()
            peer.send(snapshot(10))
            await eventually(lambda: sink.messages == 1)
            running.feed.pause()
            await asyncio.sleep(0.05)
            before = sink.messages
            for u in range(11, 2011):
                peer.send(delta(u))
            await asyncio.sleep(1.5)  # far beyond all patience
            assert sink.messages == before
            running.feed.resume()
            await eventually(lambda: sink.messages == before + 2000)
        assert not sink.gaps

    async def test_a_feed_paused_before_it_connects_stays_paused(self, venue: ScriptedVenue, sink: MemorySink) -> None:
        async with Running(venue, sink) as running:
            running.feed.pause()
            peer = await venue.peer()
            await asyncio.sleep(0.1)
            peer.send(snapshot(10))
            await asyncio.sleep(0.2)
            assert sink.messages == 0
            running.feed.resume()
            await eventually(lambda: sink.messages == 1)
