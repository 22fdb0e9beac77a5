"""The collector as the process it is: killed, without Redis, misconfigured; what it loads and what it weighs."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from app.bus.server import RedisServer
from app.market.rows import CLOCK, DEPTH_CLEAR, LAST, REPAIRED, SNAPSHOT
from app.sandbox.flow import ScriptedFlow
from tests.collector.rig import (
    ROOT,
    archive_rows,
    check_recv,
    real_collector,
    spool_files,
    stream_rows,
    with_snapshots,
    without_clock,
)
from tests.sandbox import builders
from tests.venues.scripted import Peer, ScriptedVenue, scripted_venue
from tests.venues.sink import delta

HEAVY = ("numpy", "numba", "llvmlite", "pyarrow", "pandas", "ccxt", "aiohttp", "scipy", "matplotlib", "onnxruntime")


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    async with scripted_venue() as venue:
        venue.on_request = with_snapshots()
        yield venue


async def trading(peer: Peer, first: int, count: int) -> None:
    for u in range(first, first + count):
        if not peer.connected:
            return
        peer.send(delta(u, [("100.5", str(u)), ("99.5", "2")]))
        if u % 20 == 0:
            await asyncio.sleep(0.005)


def test_it_loads_nothing_it_does_not_use() -> None:
    code = (
        "import sys, json, app.collector.main, app.venues.bybit.feed, app.venues.bybit.reference;"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    loaded = json.loads(subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, stdout=-1).stdout)
    assert not set(HEAVY) & set(loaded)
    assert "picows" in loaded


async def test_killed_at_any_moment_it_leaves_no_hole(
    venue: ScriptedVenue, redis_server: RedisServer, tmp_path: Path
) -> None:
    archive = tmp_path / "archive"
    for number in range(1, 4):
        async with real_collector(redis_server.url, venue.url, archive) as collector:
            peer = await venue.peer(number)
            await collector.ready()
            sending = asyncio.create_task(trading(peer, 1000 * (number - 1) + 11, 900))
            # Killed in full flow, and the last time right after Redis has gone: rows are kept that nobody has.
            if number == 3:
                redis_server.stop(kill=True)
                await sending
                await collector.until("collector_backlog_rows", 100)
            else:
                await collector.until("feed_messages_total", 300)
            await collector.kill()
            await sending
        if number == 3:
            assert len(stream_rows_of(redis_server)) < len(archive_rows(archive))
    async with real_collector(redis_server.url, venue.url, archive) as collector:
        await collector.ready()
        kept = archive_rows(archive)
        rows = stream_rows(redis_server.url)
        shared = min(len(kept), len(rows))
        assert shared > 3000
        assert rows[:shared].tobytes() == kept[:shared].tobytes()
        check_recv(rows)
        depth = rows[rows["kind"] == DEPTH_CLEAR]["flags"].tolist()
        assert depth == [SNAPSHOT, *[REPAIRED | LAST, SNAPSHOT] * 3], "each start says that it knows no book"
        assert await collector.terminate() == 0
    assert not spool_files(archive), "what is published is sealed on the way out"
    whole = archive_rows(archive)
    assert whole.tobytes() == stream_rows(redis_server.url).tobytes()


def stream_rows_of(server: RedisServer) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    server.start()
    return stream_rows(server.url)


async def test_weight_and_silence(venue: ScriptedVenue, redis_url: str, tmp_path: Path) -> None:
    async with real_collector(redis_url, venue.url, tmp_path / "archive") as collector:
        await collector.ready()
        await trading(await venue.peer(), 11, 4000)
        await collector.until("feed_messages_total", 4001)
        figures = collector.service.metrics()
        assert figures["process_resident_memory_bytes"] < 100e6
        before = len(stream_rows(redis_url))
        await asyncio.sleep(0.5)
        late = stream_rows(redis_url)[before:]
        assert 3 <= np.count_nonzero(late["kind"] == CLOCK) <= 7
        assert len(without_clock(late)) == 0
        assert await collector.terminate() == 0


async def test_it_waits_for_redis_at_the_start_and_can_be_stopped_meanwhile(
    venue: ScriptedVenue, redis_server: RedisServer, tmp_path: Path
) -> None:
    redis_server.stop()
    async with real_collector(redis_server.url, venue.url, tmp_path / "archive") as collector:
        await asyncio.sleep(1.0)
        assert collector.service.alive
        redis_server.start()
        await collector.ready()
        assert await collector.terminate() == 0
    redis_server.stop()
    async with real_collector(redis_server.url, venue.url, tmp_path / "archive") as collector:
        await asyncio.sleep(1.0)
        assert await collector.terminate() == 0
        assert "cannot be reached" in collector.service.said()


async def test_a_symbol_the_venue_does_not_have_ends_it_as_misconfigured(redis_url: str, tmp_path: Path) -> None:
    flow = ScriptedFlow([builders.snapshot(0), builders.depth(3_600_000, (1, 599_999, 12))])
    async with builders.running(flow, speed=1.0) as wire:
        ws = wire.url.replace("http", "ws") + builders.PUBLIC
        more = [f"collector.rest_url={wire.url}", "shard.symbols=[BTCUSDT, ETHUSDT]"]
        async with real_collector(redis_url, ws, tmp_path / "archive", *more) as collector:
            assert await collector.ended() == 2
            assert "the venue does not list ETHUSDT; correct shard.symbols" in collector.service.said()
