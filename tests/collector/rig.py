"""A collector at work between a scripted venue and a real Redis, and what came out of it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import redis
from prometheus_client import CollectorRegistry

from app.bus.settings import BusSettings
from app.collector.archive import Archive
from app.collector.backlog import MAX_ROWS
from app.collector.run import Plan, run_collector
from app.collector.settings import CollectorSettings
from app.core.process import Process
from app.market.instruments import read_instruments
from app.market.rows import CLOCK, Rows, concat, from_block
from app.messages.streams import Streams
from app.store.frames import read_header
from app.store.layout import read_sidecar
from app.store.part import read_part
from app.store.spool import read_spool, spool_dir
from tests.service_rig import ServiceProcess
from tests.venues.scripted import Peer, acknowledge, eventually
from tests.venues.sink import snapshot

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS_FILE = ROOT / "config" / "symbols.yml"
SHARD = "test"
STREAM = Streams(SHARD).md
DEAD = "http://127.0.0.1:1"


def stream_rows(url: str) -> Rows:
    """Everything in the stream, checked: counters without a hole, ts_recv never decreasing."""
    with redis.Redis.from_url(url) as client:
        entries = client.xrange(STREAM)
    rows = [from_block(fields[b"b"]) for _, fields in entries]
    counters = [int(fields[b"n"]) for _, fields in entries]
    for before, after, block in zip(counters, counters[1:], rows[1:], strict=False):
        assert after == before + len(block), "the stream has a hole, or rows twice"
    return concat(rows)


def archive_rows(root: Path) -> Rows:
    """Everything the archive has, spool and Parquet, in order; its counters have no hole.

    The spool is read first: a file that is sealed meanwhile is then read twice, not missed.
    """
    found: dict[int, bytes] = {}
    for path in spool_dir(root, "bybit_v5", SHARD).glob("*.rows"):
        with suppress(FileNotFoundError):
            with path.open("rb") as file:
                first = read_header(file, path).start_seq
            for rows in read_spool(path):
                _keep(found, rows, np.arange(first, first + len(rows)))
                first += len(rows)
    for path in parquet_files(root):
        for rows, seq in read_part(path, read_sidecar(path)):
            _keep(found, rows, seq)
    counters = sorted(found)
    assert counters == list(range(counters[0], counters[0] + len(counters))) if counters else True
    return from_block(b"".join(found[counter] for counter in counters))


def _keep(found: dict[int, bytes], rows: Rows, seq: Any) -> None:
    for row, counter in zip(rows, seq.tolist(), strict=True):
        assert found.setdefault(counter, row.tobytes()) == row.tobytes(), "two different rows of one counter"


def parquet_files(root: Path) -> list[Path]:
    """The published parts; what is being written lies in hidden folders."""
    return sorted(path for path in root.glob("**/*.parquet") if not any(p.startswith(".") for p in path.parts))


def spool_files(root: Path) -> list[Path]:
    return sorted(root.glob("spool/**/*.rows"))


def without_clock(rows: Rows) -> Rows:
    return rows[rows["kind"] != CLOCK]


def check_recv(rows: Rows) -> None:
    assert not np.any(np.diff(rows["ts_recv"]) < 0)


def with_snapshots(first: int = 10) -> Any:
    """Acknowledge everything, and send a snapshot for each book subscribed to; update ids grow from one to the next."""
    u = [first]

    def answer(peer: Peer, request: dict[str, Any]) -> None:
        acknowledge(peer, request)
        if request["op"] == "subscribe":
            for topic in request["args"]:
                kind, _, symbol = topic.partition(".")
                if kind == "orderbook":
                    peer.send(snapshot(u[0], symbol=symbol.partition(".")[2]))
                    u[0] += 1000

    return answer


class Collector:
    """A collector inside this process."""

    def __init__(
        self,
        redis_url: str,
        ws_url: str,
        archive: Path | None,
        *,
        symbols: tuple[str, ...] = ("BTCUSDT",),
        max_backlog_rows: int = MAX_ROWS,
        **options: Any,
    ) -> None:
        known = read_instruments(SYMBOLS_FILE)
        settings = {"rest_url": DEAD, "ws_url": ws_url, "reconnect_max_s": 0.1, "depth": 50, **options}
        self.registry = CollectorRegistry()
        self.process = Process("collector", self.registry, 0)
        self.plan = Plan(
            options=CollectorSettings.model_validate(settings),
            bus=BusSettings.model_validate({"redis_url": redis_url, "reconnect_max_s": 0.2}),
            shard=SHARD,
            instruments=[known[symbol] for symbol in symbols],
            clock_interval_ms=100,
            open_archive=None if archive is None else lambda: self._open(archive),
            max_backlog_rows=max_backlog_rows,
            drain_s=1.0,
        )
        self.archive: Archive | None = None
        self.task: asyncio.Task[None]

    def _open(self, root: Path) -> Archive:
        self.archive = Archive(
            root, venue="bybit_v5", shard=SHARD, fsync_s=0.05, symbols_file=SYMBOLS_FILE, project=ROOT
        )
        return self.archive

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    @property
    def is_ready(self) -> bool:
        return self.value("service_ready", service="collector") == 1

    async def ready(self) -> None:
        await self.until(lambda: self.is_ready)

    async def until(self, holds: Any) -> None:
        """Wait until `holds()`, or raise what ended the collector."""
        await eventually(lambda: self.task.done() or holds(), within_s=15)
        if self.task.done():
            await self.task
            raise AssertionError("the collector ended")

    async def stop(self) -> None:
        self.process.stop.set()
        async with asyncio.timeout(20):
            await self.task


@asynccontextmanager
async def collecting(redis_url: str, ws_url: str, archive: Path | None, **options: Any) -> AsyncIterator[Collector]:
    """A collector that runs while the context is open."""
    collector = Collector(redis_url, ws_url, archive, **options)
    collector.task = asyncio.create_task(run_collector(collector.process, collector.plan))
    try:
        yield collector
        if not collector.task.done():
            await collector.stop()
    finally:
        collector.task.cancel()
        await asyncio.gather(collector.task, return_exceptions=True)


class RealCollector:
    """`python -m app.collector.main` as a process, for tests that have a loop to keep running."""

    def __init__(self, service: ServiceProcess) -> None:
        self.service = service

    async def until(self, name: str, at_least: float = 1.0) -> None:
        """Wait until the metric called `name` is `at_least` that."""
        seen: Mapping[str, float] = {}
        deadline = asyncio.get_running_loop().time() + 20
        while seen.get(name, 0.0) < at_least:
            assert self.service.alive, f"it ended:\n{self.service.said()}"
            assert asyncio.get_running_loop().time() < deadline, f"{name} never reached {at_least}: {seen}"
            await asyncio.sleep(0.01)
            seen = await asyncio.to_thread(self.service.metrics)

    async def ready(self) -> None:
        await self.until('service_ready{service="collector"}')

    async def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        return await asyncio.to_thread(self.service.wait)

    async def terminate(self) -> int:
        return await asyncio.to_thread(self.service.end, signal.SIGTERM)

    async def kill(self) -> None:
        await asyncio.to_thread(self.service.end, signal.SIGKILL)


@asynccontextmanager
async def real_collector(redis_url: str, ws_url: str, archive: Path, *settings: str) -> AsyncIterator[RealCollector]:
    """A collector process that is killed on leaving, should it still run."""
    assignments = (
        f"collector.ws_url={ws_url}",
        f"collector.rest_url={DEAD}",
        f"archive.root={archive}",
        f"bus.redis_url={redis_url}",
        f"shard.id={SHARD}",
        "collector.reconnect_max_s=0.2",
        *settings,
    )
    collector = RealCollector(ServiceProcess("collector", archive.parent / "collector.log", *assignments))
    try:
        yield collector
    finally:
        await collector.kill()
