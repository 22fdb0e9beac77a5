"""The collector between a scripted venue and a real Redis: outages, restarts, ends; archive and stream agree."""

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis

from app.bus.server import RedisServer
from app.core.errors import BadInput, Misconfigured
from app.market.rows import CLOCK, DEPTH_CLEAR, LAST, MARK, REPAIRED, SNAPSHOT, faults, from_block
from app.sandbox.synthetic import SyntheticFlow
from tests.collector.rig import (
    STREAM,
    archive_rows,
    check_recv,
    collecting,
    parquet_files,
    stream_rows,
    with_snapshots,
    without_clock,
)
from tests.sandbox import builders
from tests.venues.scripted import Peer, ScriptedVenue, acknowledge, eventually, scripted_venue
from tests.venues.sink import T0, NaiveBook, delta, snapshot, ticker_frame, trade_frame


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    async with scripted_venue() as venue:
        venue.on_request = with_snapshots()
        yield venue


class TestWallClock:
    async def test_archive_and_stream_hold_the_same_rows(
        self, venue: ScriptedVenue, redis_url: str, tmp_path: Path
    ) -> None:
        async with collecting(redis_url, venue.url, tmp_path) as collector:
            await collector.ready()
            peer = await venue.peer()
            for u in range(11, 200):
                peer.send(delta(u), trade_frame({}))
                await asyncio.sleep(0.001)
            await collector.until(lambda: collector.value("feed_messages_total") == 1 + 2 * 189)
            await collector.until(lambda: collector.value("collector_backlog_rows") == 0)
            kept = archive_rows(tmp_path)
            rows = stream_rows(redis_url)
            assert rows.tobytes()[: kept.nbytes] == kept.tobytes()[: rows.nbytes]
            assert len(without_clock(rows)) == 5 + 2 * 189
            check_recv(rows)
            assert collector.value("feed_rows_total") >= len(kept)
            assert collector.value("feed_last_message_timestamp_seconds") > 1.7e9
            assert collector.value("collector_blocks_total") < 2 * 189, "rows travel in company"

    async def test_ready_once_every_book_is_published(
        self, venue: ScriptedVenue, redis_url: str, tmp_path: Path
    ) -> None:
        venue.on_request = acknowledge
        async with collecting(redis_url, venue.url, tmp_path, symbols=("BTCUSDT", "ETHUSDT")) as collector:
            peer = await venue.peer()
            peer.send(snapshot(10))
            await collector.until(lambda: len(without_clock(stream_rows(redis_url))) == 5)
            assert not collector.is_ready
            peer.send(snapshot(10, symbol="ETHUSDT"))
            await collector.ready()
            assert len(without_clock(stream_rows(redis_url))) == 10

    async def test_clock_rows_pass_in_silence_and_without_a_venue(self, redis_url: str, tmp_path: Path) -> None:
        async with collecting(redis_url, "ws://127.0.0.1:1/", tmp_path) as collector:
            await collector.until(lambda: len(stream_rows(redis_url)) >= 8)
            assert collector.value("feed_reconnects_total", reason="unreachable") >= 1
        rows = stream_rows(redis_url)
        assert set(rows["kind"]) == {CLOCK}
        span_ms = (rows["ts_recv"][-1] - rows["ts_recv"][0]) / 1e6
        assert len(rows) <= span_ms / 100 + 2, "every 100 ms, and missed ones are not made up for"
        assert np.all(np.diff(rows["ts_recv"]) > 0)

    async def test_reconnects_when_the_feed_is_cut_or_silent(
        self, venue: ScriptedVenue, redis_url: str, tmp_path: Path
    ) -> None:
        async with collecting(redis_url, venue.url, tmp_path, stale_after_s=0.4) as collector:
            (await venue.peer()).cut()
            (await venue.peer(2)).close(1000)
            await venue.peer(3)  # sends its snapshot, and nothing more
            await venue.peer(4)
            reasons = {
                r: collector.value("feed_reconnects_total", reason=r) for r in ("disconnected", "closed", "stale")
            }
            assert reasons == {"disconnected": 1, "closed": 1, "stale": 1}
            await collector.until(lambda: np.count_nonzero(stream_rows(redis_url)["flags"] & LAST) >= 7)
        rows = stream_rows(redis_url)
        flags = rows["flags"][rows["kind"] == DEPTH_CLEAR].tolist()
        unknown, again = REPAIRED | LAST, SNAPSHOT | REPAIRED
        assert flags[:7] == [SNAPSHOT, unknown, again, unknown, again, unknown, again]

    async def test_a_gap_is_counted_and_healed(self, venue: ScriptedVenue, redis_url: str, tmp_path: Path) -> None:
        async with collecting(redis_url, venue.url, tmp_path) as collector:
            await collector.ready()
            peer = await venue.peer()
            assert collector.value("feed_gaps_total", symbol="BTCUSDT") == 0
            await asyncio.sleep(1.0)
            peer.send(delta(11), delta(13))
            await eventually(lambda: len(peer.asked("subscribe")) == 2)
            await collector.until(lambda: collector.value("feed_gaps_total", symbol="BTCUSDT") == 1)
            assert len(venue.peers) == 1

    async def test_refusals_are_waited_out(self, venue: ScriptedVenue, redis_url: str, tmp_path: Path) -> None:
        venue.refuse = (429, {})
        async with collecting(redis_url, venue.url, tmp_path) as collector:
            await collector.until(lambda: collector.value("feed_reconnects_total", reason="http_429") >= 2)
            venue.refuse = None
            await collector.ready()


class TestRedisOutage:
    async def test_nothing_is_missing_after_an_outage(
        self, venue: ScriptedVenue, redis_server: RedisServer, tmp_path: Path
    ) -> None:
        async with collecting(redis_server.url, venue.url, tmp_path, max_backlog_rows=500) as collector:
            await collector.ready()
            peer = await venue.peer()
            peer.send(*(delta(u) for u in range(11, 100)))
            await collector.until(lambda: collector.value("collector_backlog_rows") == 0)
            redis_server.stop(kill=True)
            for u in range(100, 3000):
                peer.send(delta(u))
                if u % 50 == 0:
                    await asyncio.sleep(0.002)
            await collector.until(lambda: collector.value("feed_messages_total") == 2990)
            await collector.until(lambda: collector.value("collector_backlog_rows") > 2000)
            assert collector.value("feed_paused") == 0, "the venue does not wait for our Redis"
            redis_server.start()
            await collector.until(lambda: collector.value("collector_backlog_rows") == 0)
            rows, kept = stream_rows(redis_server.url), archive_rows(tmp_path)
            assert rows.tobytes()[: kept.nbytes] == kept.tobytes()[: rows.nbytes]
            assert len(without_clock(rows)) == 5 + 2989
            assert collector.value("collector_stream_hole_rows_total") == 0

    async def test_a_redis_that_comes_back_empty_is_given_this_runs_rows_again(
        self, venue: ScriptedVenue, tmp_path: Path
    ) -> None:
        with RedisServer(tmp_path / "redis", appendonly=False) as server:
            async with collecting(server.url, venue.url, tmp_path / "archive") as collector:
                await collector.ready()
                peer = await venue.peer()
                peer.send(*(delta(u) for u in range(11, 300)))
                await collector.until(lambda: collector.value("feed_messages_total") == 290)
                await collector.until(lambda: collector.value("collector_backlog_rows") == 0)
                server.stop(kill=True)
                server.start()
                peer.send(delta(300))
                await collector.until(lambda: collector.value("feed_messages_total") == 291)
                await collector.until(lambda: len(without_clock(stream_rows(server.url))) == 5 + 290)
                rows, kept = stream_rows(server.url), archive_rows(tmp_path / "archive")
                assert rows.tobytes()[: kept.nbytes] == kept.tobytes()[: rows.nbytes]
                assert len(venue.peers) == 1, "its books are whole, so the feed goes on"

    async def test_without_an_archive_the_feed_waits_for_redis(
        self, venue: ScriptedVenue, redis_server: RedisServer
    ) -> None:
        async with collecting(redis_server.url, venue.url, None, max_backlog_rows=500) as collector:
            await collector.ready()
            peer = await venue.peer()
            redis_server.stop(kill=True)
            peer.send(*(delta(u) for u in range(11, 2000)))
            await collector.until(lambda: collector.value("feed_paused") == 1)
            redis_server.start()
            await collector.until(lambda: collector.value("feed_messages_total") == 1990)
            await collector.until(lambda: collector.value("collector_backlog_rows") == 0)
            assert collector.value("feed_paused") == 0
        assert len(without_clock(stream_rows(redis_server.url))) == 5 + 1989

    async def test_stopping_without_redis_leaves_the_rest_to_the_next_start(
        self, venue: ScriptedVenue, redis_server: RedisServer, tmp_path: Path
    ) -> None:
        async with collecting(redis_server.url, venue.url, tmp_path) as collector:
            await collector.ready()
            redis_server.stop()
            (await venue.peer()).send(*(delta(u) for u in range(11, 100)))
            await collector.until(lambda: collector.value("feed_messages_total") == 90)
            await collector.stop()
        kept = archive_rows(tmp_path)
        assert len(without_clock(kept)) == 5 + 89
        redis_server.start()
        async with collecting(redis_server.url, venue.url, tmp_path) as collector:
            await collector.ready()
        rows = stream_rows(redis_server.url)
        assert rows.tobytes()[: kept.nbytes] == kept.tobytes()
        check_recv(rows)
        following = without_clock(rows[len(kept) :])
        assert following["kind"][0] == DEPTH_CLEAR
        assert following["flags"][0] == REPAIRED | LAST, "books of the run before are unknown until the snapshot"


class TestRestarts:
    async def test_counters_and_times_go_on(self, venue: ScriptedVenue, redis_url: str, tmp_path: Path) -> None:
        for _ in range(3):
            async with collecting(redis_url, venue.url, tmp_path) as collector:
                await collector.ready()
        check_recv(stream_rows(redis_url))
        assert parquet_files(tmp_path), "what is published is sealed"

    async def test_an_empty_stream_begins_a_new_recording(
        self, venue: ScriptedVenue, redis_url: str, tmp_path: Path
    ) -> None:
        async with collecting(redis_url, venue.url, tmp_path) as collector:
            await collector.ready()
            first = collector.archive
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
        async with collecting(redis_url, venue.url, tmp_path) as collector:
            await collector.ready()
            second = collector.archive
            assert first is not None
            assert second is not None
            await collector.until(lambda: len(stream_rows(redis_url)) > 8)
            kept = archive_rows(tmp_path)[first.spool.count :]
            rows = stream_rows(redis_url)
            shared = min(len(kept), len(rows))
            assert rows[:shared].tobytes() == kept[:shared].tobytes()
            assert second.spool.recovered.count == first.spool.count
        with redis.Redis.from_url(redis_url) as client:
            counter = int(client.xrange(STREAM, count=1)[0][1][b"n"])
        assert counter > first.spool.count, "counters go on all the same"

    async def test_a_second_collector_of_the_shard_is_refused(
        self, venue: ScriptedVenue, redis_url: str, tmp_path: Path
    ) -> None:
        async with collecting(redis_url, venue.url, tmp_path) as collector:
            await collector.ready()
            async with collecting(redis_url, venue.url, tmp_path) as second:
                with pytest.raises(Misconfigured, match="another process records shard 'test'"):
                    await second.task

    async def test_rows_that_cannot_be_kept_end_the_collector(
        self, venue: ScriptedVenue, redis_url: str, tmp_path: Path
    ) -> None:
        async with collecting(redis_url, venue.url, tmp_path) as collector:
            await collector.ready()
            assert collector.archive is not None
            collector.archive.spool.close()
            with pytest.raises(BadInput, match="spool of shard 'test' is closed"):
                await asyncio.wait_for(collector.task, 10)

    async def test_a_full_disk_holds_rows_back_until_there_is_room(
        self, venue: ScriptedVenue, redis_url: str, tmp_path: Path
    ) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        async with collecting(redis_url, venue.url, tmp_path) as collector:
            await collector.ready()
            peer = await venue.peer()
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
            try:
                for u in range(11, 6000):
                    peer.send(delta(u))
                    if u % 100 == 0:
                        await asyncio.sleep(0.001)
                await collector.until(lambda: collector.value("collector_archive_failures_total") >= 1)
                await collector.until(lambda: collector.value("feed_paused") == 1)
                await asyncio.sleep(1.2)
                assert collector.value("collector_archive_failures_total") <= 5, "tried now and then, not in a loop"
                assert len(stream_rows(redis_url)) < 100_000 / 40, "nothing is published that is not kept"
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            await collector.until(lambda: collector.value("feed_messages_total") == 5990)
            await collector.until(lambda: collector.value("collector_backlog_rows") == 0)
            rows, kept = stream_rows(redis_url), archive_rows(tmp_path)
            assert rows.tobytes()[: kept.nbytes] == kept.tobytes()[: rows.nbytes]
            assert len(without_clock(rows)) == 5 + 5989


def tape() -> list[bytes]:
    """A few seconds of market, in event time."""
    frames = [snapshot(10), trade_frame({"T": T0 + 20})]
    frames += [delta(u, [("100.5", str(u)), ("99", "1")], cts=T0 + 7 * u, ts=T0 + 7 * u) for u in range(11, 500)]
    frames += [ticker_frame(markPrice="5", ts=T0 + 3600), delta(500, ts=T0 + 3700, cts=T0 + 3700)]
    return frames


class TestEventClock:
    async def play(
        self, redis_url: str, archive: Path | None, *, burst: int, max_block_rows: int = 4096, **options: Any
    ) -> bytes:
        """The stream's bytes after a tape that is sent `burst` frames at a time."""
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
        frames = tape()

        def play(peer: Peer, request: dict[str, Any]) -> None:
            acknowledge(peer, request)
            if request["op"] == "subscribe":
                playing.append(asyncio.create_task(send(peer)))

        async def send(peer: Peer) -> None:
            for at in range(0, len(frames), burst):
                if not peer.connected:
                    return
                peer.send(*frames[at : at + burst])
                await asyncio.sleep(0.001)
            peer.close(1000, "end of tape")

        playing: list[asyncio.Task[None]] = []
        async with scripted_venue() as venue:
            venue.on_request = play
            async with collecting(
                redis_url, venue.url, archive, clock="event", max_block_rows=max_block_rows, **options
            ) as collector:
                await collector.until(lambda: collector.value("collector_feed_finished") == 1)
                assert collector.is_ready
                assert not collector.task.done(), "it idles until it is told to stop"
                assert len(venue.peers) == 1
            await asyncio.gather(*playing)
        return stream_rows(redis_url).tobytes()

    async def test_rows_are_a_function_of_the_tape(self, redis_url: str, tmp_path: Path) -> None:
        first = await self.play(redis_url, tmp_path, burst=1, flush_ms=0.0)
        second = await self.play(redis_url, None, burst=70, max_block_rows=16, flush_ms=20.0)
        third = await self.play(redis_url, None, burst=1000)
        assert first == second == third
        rows = from_block(first)
        check_recv(rows)
        assert rows["kind"][-1] == CLOCK
        assert rows["ts_recv"][-1] == rows["ts_recv"][-2]
        assert rows["kind"].tolist().count(CLOCK) == 37 + 1
        assert np.all(rows["ts_recv"] < (T0 + 10_000) * 1_000_000), "no wall clock in it"

    async def test_stops_after_the_time_given(self, redis_url: str, tmp_path: Path) -> None:
        whole = from_block(await self.play(redis_url, None, burst=10))
        first = await self.play(redis_url, tmp_path, burst=1, stop_after_s=1.5)
        second = await self.play(redis_url, None, burst=200, stop_after_s=1.5)
        assert first == second
        rows = from_block(first)
        end = int(rows["ts_recv"][0]) + 1_500_000_000
        assert (rows["kind"][-1], int(rows["ts_recv"][-1])) == (CLOCK, end)
        assert rows[:-1].tobytes() == whole[whole["ts_recv"] <= end].tobytes()

    async def test_the_same_tape_again_into_the_same_stream_is_refused(
        self, venue: ScriptedVenue, redis_url: str, tmp_path: Path
    ) -> None:
        def play(peer: Peer, request: dict[str, Any]) -> None:
            acknowledge(peer, request)
            if request["op"] == "subscribe":
                late = [ticker_frame(markPrice="7", ts=T0 + 60_000)] if len(venue.peers) == 1 else []
                peer.send(snapshot(10), *late)

        venue.on_request = play
        async with collecting(redis_url, venue.url, tmp_path, clock="event") as collector:
            await collector.until(lambda: MARK in stream_rows(redis_url)["kind"])
        async with collecting(redis_url, venue.url, tmp_path, clock="event") as collector:
            with pytest.raises(Misconfigured, match=r"the tape begins before the end of stream md:\{test\}"):
                await asyncio.wait_for(collector.task, 10)

    async def test_a_tape_is_held_while_rows_wait(self, redis_server: RedisServer, tmp_path: Path) -> None:
        async with scripted_venue() as venue:
            venue.on_request = with_snapshots()
            async with collecting(
                redis_server.url, venue.url, tmp_path, clock="event", max_backlog_rows=300
            ) as collector:
                await collector.ready()
                redis_server.stop()
                peer = await venue.peer()
                for u in range(11, 20_000):
                    peer.send(delta(u))
                    if u % 100 == 0:
                        await asyncio.sleep(0)
                await collector.until(lambda: collector.value("feed_paused") == 1)
                await asyncio.sleep(0.1)
                held = collector.value("collector_backlog_rows")
                await asyncio.sleep(0.2)
                assert collector.value("collector_backlog_rows") == held < 19_000
                redis_server.start()
                await collector.until(lambda: collector.value("feed_messages_total") == 19_990)
                await collector.until(lambda: collector.value("collector_backlog_rows") == 0)
            assert len(without_clock(stream_rows(redis_server.url))) == 5 + 19_989


class TestWithSandbox:
    """The local exchange in place of the scripted venue."""

    async def play(self, redis_url: str, archive: Path | None, seed: int) -> bytes:
        with redis.Redis.from_url(redis_url) as client:
            client.flushdb()
        async with builders.running(SyntheticFlow(builders.BTC, seed), speed=0.0) as wire:
            url = wire.url.replace("http", "ws") + builders.PUBLIC
            options = {"clock": "event", "rest_url": wire.url, "stop_after_s": 20.0}
            async with collecting(redis_url, url, archive, **options) as collector:
                await collector.until(lambda: collector.value("collector_feed_finished") == 1)
                assert collector.value("exchange_reference_mismatch_total", symbol="BTCUSDT") == 0
                assert collector.value("feed_gaps_total", symbol="BTCUSDT") == 0
        return stream_rows(redis_url).tobytes()

    async def test_equal_markets_give_equal_streams(self, redis_url: str, tmp_path: Path) -> None:
        first = await self.play(redis_url, tmp_path, seed=3)
        assert first == await self.play(redis_url, None, seed=3)
        assert first != await self.play(redis_url, None, seed=4)
        rows = from_block(first)
        assert archive_rows(tmp_path).tobytes() == first
        assert not faults(rows).any()
        clocks = rows["ts_recv"][rows["kind"] == CLOCK]
        assert np.all(np.diff(clocks)[:-1] == 100_000_000)
        assert rows["ts_recv"][-1] - rows["ts_recv"][0] == 20_000_000_000

    @pytest.mark.parametrize(
        ("fault", "gaps", "drops", "connections"),
        [
            ({"kind": "drop"}, 1, {}, 1),
            ({"kind": "duplicate"}, 0, {"duplicate": 1}, 1),
            ({"kind": "restart"}, 0, {}, 1),
            ({"kind": "close", "code": 1000}, 0, {}, 2),
            ({"kind": "close", "code": 1006}, 0, {}, 2),
        ],
        ids=lambda value: " ".join(map(str, value.values())) if isinstance(value, dict) else None,
    )
    async def test_faults_of_the_venue_are_counted_and_healed(
        self,
        redis_url: str,
        tmp_path: Path,
        fault: dict[str, Any],
        gaps: int,
        drops: dict[str, int],
        connections: int,
    ) -> None:
        flow = SyntheticFlow(builders.BTC, 3)
        async with builders.running(flow, speed=1.0, follows_wall=True) as wire:
            url = wire.url.replace("http", "ws") + builders.PUBLIC
            async with collecting(redis_url, url, tmp_path, rest_url=wire.url) as collector:
                await collector.ready()
                await asyncio.sleep(1.0)
                await wire.fault(**fault)
                await asyncio.sleep(1.5)
                assert collector.value("feed_gaps_total", symbol="BTCUSDT") == gaps
                for reason, count in drops.items():
                    assert collector.value("feed_dropped_total", reason=reason) == count
                await collector.until(lambda: collector.value("collector_backlog_rows") == 0)
        rows = stream_rows(redis_url)
        assert not faults(rows).any()
        check_recv(rows)
        book = NaiveBook().apply(rows)  # raises if a level is written to an unknown book
        assert book.sides is not None
        assert max(book.sides[1]) < min(book.sides[-1])
        unknown = (rows["kind"] == DEPTH_CLEAR) & (rows["flags"] == REPAIRED | LAST)
        assert np.count_nonzero(unknown) == gaps + connections - 1
