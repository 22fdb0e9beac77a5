"""The collector, put together: feed → recorder → archive → stream, and the order in which it starts and stops."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from app.bus.publisher import Publisher
from app.bus.settings import BusSettings
from app.collector.archive import Archive
from app.collector.backlog import MAX_ROWS, Backlog
from app.collector.beginning import Beginning, begin, check_time
from app.collector.feeds import make_feed
from app.collector.metrics import CollectorMetrics
from app.collector.publishing import Publishing
from app.collector.reference_check import check_reference
from app.collector.service import Recorder
from app.collector.settings import CollectorSettings
from app.collector.stamping import EventClock, RowClock, WallClock
from app.collector.supervision import Supervision
from app.core.clock import NS_PER_MS, NS_PER_S, wall_ns
from app.core.errors import Misconfigured
from app.core.logging import get_logger
from app.core.process import Process
from app.market.instruments import Instrument
from app.messages.streams import Streams
from app.venues.market_data import put_unknown
from app.venues.row_buffer import RowBuffer

log = get_logger(__name__)

_BUFFER_SPARE_ROWS: Final = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """What a collector needs to know. `open_archive` is None where nothing is archived.

    `max_backlog_rows` bounds the rows in memory that wait for Redis, `drain_s` the wait for them when stopping.
    """

    options: CollectorSettings
    bus: BusSettings
    shard: str
    instruments: Sequence[Instrument]
    clock_interval_ms: int
    open_archive: Callable[[], Archive] | None
    max_backlog_rows: int = MAX_ROWS
    drain_s: float = 5.0


async def run_collector(process: Process, plan: Plan) -> None:
    """Collect until `process.stop` is set.

    Raises:
        Misconfigured: a symbol, address or credential is wrong, or another collector records this shard.
    """
    streams = Streams(plan.shard)
    publisher = Publisher(plan.bus, streams, name="collector")
    try:
        # What the stream already has decides how recording goes on, so there is no start without Redis.
        newest = await _unless_stopped(process, publisher.last_counter(streams.md))
        if process.stop.is_set():
            return
        archive = plan.open_archive() if plan.open_archive else None
        published = False
        try:
            published = await _Collector(process, plan, streams.md, publisher, archive, newest).run()
        finally:
            if archive is not None:
                await archive.close(seal=published)
    finally:
        publisher.close()


async def _unless_stopped(process: Process, work: Coroutine[Any, Any, Any]) -> Any:
    """The result of `work`, or None once the process has to stop."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(process.stop.wait())
    try:
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        task.cancel()
        stop.cancel()


class _Collector:
    """One run of the collector."""

    def __init__(
        self,
        process: Process,
        plan: Plan,
        stream: str,
        publisher: Publisher,
        archive: Archive | None,
        newest: int | None,
    ) -> None:
        options = plan.options
        symbols = {instrument.symbol: instrument.id for instrument in plan.instruments}
        self._process = process
        self._plan = plan
        self._stream = stream
        self._archive = archive
        self._metrics = CollectorMetrics(process.registry, list(symbols))
        beginning = self._begin(newest)
        buffer = RowBuffer(options.max_block_rows + _BUFFER_SPARE_ROWS)
        self._clock = self._make_clock(buffer, beginning.last_ts)
        self._recorder = Recorder(
            self._clock,
            buffer,
            symbols=symbols,
            max_block_rows=options.max_block_rows,
            counts=self._metrics,
            on_rows=lambda: self._publishing.soon(),
            on_full=lambda: self._publishing.flush(),
        )
        read = archive.tail.read if archive is not None else None
        self._backlog = Backlog(
            published=beginning.published, kept=beginning.kept, read=read, max_rows=plan.max_backlog_rows
        )
        self._publishing = Publishing(
            self._recorder,
            archive,
            self._backlog,
            publisher,
            self._metrics,
            stream=stream,
            flush_s=options.flush_ms / 1000,
            max_block_rows=options.max_block_rows,
            hold_feed=archive is None or options.clock == "event",
        )
        feed, self._fetch_reference = make_feed(options, symbols, self._recorder)
        self._supervision = Supervision(
            feed,
            self._recorder,
            self._metrics,
            stale_after_s=options.stale_after_s if options.clock == "wall" else None,
            reconnect_max_s=options.reconnect_max_s,
            seed=plan.shard,
        )
        self._continues = newest is not None
        self._publishing.pause = self._supervision.pause
        self._publishing.on_ready = process.ready
        self._publishing.on_hole = partial(self._supervision.resynchronise, "stream_hole")

    async def run(self) -> bool:
        """Collect until told to stop, then stop in order: intake, blocks, stream. True if all is published."""
        if self._continues:
            # Readers still trust the books of the run before.
            for instrument in self._plan.instruments:
                put_unknown(self._recorder, instrument.id)
        intake = [asyncio.create_task(self._collect()), asyncio.create_task(self._check_reference())]
        if self._plan.options.clock == "wall":
            intake.append(asyncio.create_task(self._tick()))
        output = [asyncio.create_task(self._publishing.run())]
        if self._archive is not None:
            output.append(asyncio.create_task(self._archive.run(lambda: self._backlog.published)))
        try:
            await self._until_stopped([*intake, *output, self._publishing.broken])
        finally:
            await _cancel(intake)
            self._publishing.flush()
            try:
                await asyncio.wait_for(self._publishing.drained(), self._plan.drain_s)
            except TimeoutError:
                log.warning("stopping with rows unpublished; the next start publishes them", rows=self._backlog.rows)
            await _cancel(output)
        return not self._backlog.rows

    def _begin(self, newest: int | None) -> Beginning:
        spool = self._archive.spool if self._archive is not None else None
        beginning = begin(spool.recovered if spool else None, newest)
        if beginning.archive_lost:
            log.error("the archive lost rows that the stream has", rows=beginning.archive_lost)
        if spool is not None and beginning.new_recording:
            spool.begin_recording(beginning.kept)
        if self._plan.options.clock == "wall":
            check_time(beginning.last_ts, wall_ns(), self._stream)
        log.info("beginning", row=beginning.kept, unpublished=beginning.kept - beginning.published)
        return beginning

    def _make_clock(self, buffer: RowBuffer, last_ts: int) -> RowClock:
        options = self._plan.options
        if options.clock == "wall":
            return WallClock(buffer, wall_ns, last=last_ts)
        return EventClock(
            buffer,
            delay_ns=round(options.feed_delay_ms * NS_PER_MS),
            interval_ns=self._plan.clock_interval_ms * NS_PER_MS,
            stop_after_ns=None if options.stop_after_s is None else round(options.stop_after_s * NS_PER_S),
            last=last_ts,
            on_end=lambda: self._supervision.finish(),
        )

    async def _collect(self) -> None:
        """Run the feed; when it has ended for good, say so once all of it is published, and idle."""
        await self._supervision.run()
        if self._clock.replayed:
            raise Misconfigured(
                f"the tape begins before the end of stream {self._stream}; with clock: event a "
                "tape needs an empty Redis database or another shard.id"
            )
        self._recorder.finish()
        self._publishing.flush()
        await self._publishing.drained()
        self._metrics.finished.set(1)
        await asyncio.Event().wait()

    async def _check_reference(self) -> None:
        retry_max_s = self._plan.options.reconnect_max_s
        await check_reference(self._fetch_reference, self._plan.instruments, self._metrics, retry_max_s=retry_max_s)
        await asyncio.Event().wait()

    async def _tick(self) -> None:
        interval = self._plan.clock_interval_ms / 1000
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            # On the grid of this run, so that lateness does not add up; ticks that were missed are not made up for.
            due = max(due + interval, loop.time())
            await asyncio.sleep(due - loop.time())
            self._recorder.tick()

    async def _until_stopped(self, work: Sequence[asyncio.Future[None]]) -> None:
        """Wait for the stop; raise what ends any of `work` before."""
        stop = asyncio.create_task(self._process.stop.wait())
        try:
            waiting: list[asyncio.Future[Any]] = [*work, stop]
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for ended in done:
                ended.result()
        finally:
            await _cancel([stop])


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
