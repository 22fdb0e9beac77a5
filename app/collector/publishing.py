"""From the recorder to the archive, and from there to the stream. No row is published that is not archived first."""

import asyncio
import struct
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from app.bus.publisher import Publisher, StreamBroken
from app.collector.archive import Archive
from app.collector.backlog import Backlog
from app.collector.metrics import CollectorMetrics
from app.collector.service import Recorder
from app.core.clock import NS_PER_S
from app.core.errors import Retryable
from app.core.logging import get_logger
from app.market.schema import CLOCK, ROW_BYTES

log = get_logger(__name__)

_LAST_ROW: Final = struct.Struct("<qq18xB5x")
_RETRY_S: Final = 0.5

assert _LAST_ROW.size == ROW_BYTES


class Publishing:
    """Takes blocks from the recorder, keeps them, and publishes what is kept, in order.

    A block waits at most `flush_s` for company before it is kept, and while one publication is under way all that
    comes collects for the next.

    `pause` is called with True to have the feed wait, with False when it may go on: while the disk refuses rows, and,
    with `hold_feed`, while the backlog is full. `on_ready` is called when a snapshot of every book is published,
    `on_hole` when rows are missing from the stream, so that no reader's book can be trusted. `broken` ends with the
    error if rows cannot be kept and never will be.
    """

    def __init__(
        self,
        recorder: Recorder,
        archive: Archive | None,
        backlog: Backlog,
        publisher: Publisher,
        metrics: CollectorMetrics,
        *,
        stream: str,
        flush_s: float,
        max_block_rows: int,
        hold_feed: bool,
    ) -> None:
        self._recorder = recorder
        self._archive = archive
        self._backlog = backlog
        self._publisher = publisher
        self._metrics = metrics
        self._stream = stream
        self._flush_s = flush_s
        self._max_block_rows = max_block_rows
        self._hold_feed = hold_feed
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._unkept: deque[bytes] = deque()
        self._begin = backlog.kept
        self._messages = 0
        self._ready_at: int | None = None
        self._ready = False
        self.broken: asyncio.Future[None] = self._loop.create_future()
        self.pause: Callable[[bool], None] = lambda paused: None
        self.on_ready: Callable[[], None] = lambda: None
        self.on_hole: Callable[[], None] = lambda: None

    def soon(self) -> None:
        """The first row of a block is there."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._flush_s, self.flush)

    def flush(self) -> None:
        """Keep what the recorder has."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        block = self._recorder.take()
        if block:
            self._measure(block)
            self._unkept.append(block)
        if self._retry is None:
            self._keep()
        else:
            self._set_pause()

    async def run(self) -> None:
        """Publish what is kept, for ever."""
        while True:
            block, first = await self._backlog.next(self._max_block_rows)
            if first != self._backlog.published:
                self._report_hole(first)
            upto = first + len(block) // ROW_BYTES
            if await self._publish(block, upto):
                self._backlog.done(upto)
                self._after_publishing(upto)

    async def drained(self) -> None:
        """Return when everything kept is published."""
        # Polled, since it is at the end of a feed only: an event would cost every block of a day.
        while self._unkept or self._backlog.rows:  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    def _keep(self) -> None:
        """Archive what waits for it; if the disk refuses, again a little later."""
        self._retry = None
        while self._unkept:
            block = self._unkept[0]
            try:
                kept = self._append(block)
            except Retryable as error:
                self._metrics.archive_failures.inc()
                log.error("rows wait for the archive's disk", error=str(error), blocks=len(self._unkept))
                self._retry = self._loop.call_later(_RETRY_S, self._keep)
                self._set_pause()
                return
            except Exception as error:
                # Called by timers and by the feed, neither of which could do anything about it.
                if not self.broken.done():
                    self.broken.set_exception(error)
                return
            if kept:
                self._backlog.add(block[: kept * ROW_BYTES])
            self._unkept.popleft()
            if kept * ROW_BYTES < len(block):
                self._unkept.appendleft(block[kept * ROW_BYTES :])
        if self._ready_at is None and self._recorder.all_synced and not self._recorder.buffer.end:
            self._ready_at = self._backlog.kept
        self._set_pause()

    def _append(self, block: bytes) -> int:
        """Keep `block`; the number of its rows that were, should the disk refuse some of them."""
        if self._archive is None:
            return len(block) // ROW_BYTES
        before = self._archive.spool.count
        try:
            self._archive.append(block)
        except Retryable:
            if self._archive.spool.count == before:
                raise
        return self._archive.spool.count - before

    def _set_pause(self) -> None:
        backlog = self._backlog
        self._metrics.backlog.set(backlog.rows)
        if len(self._unkept) > 1 or (self._hold_feed and backlog.full):
            self.pause(True)
        elif not self._unkept and backlog.rows <= backlog.max_rows // 2:
            self.pause(False)

    async def _publish(self, block: bytes, upto: int) -> bool:
        """Publish `block`; False if other rows have to be published again before it."""
        try:
            await self._publisher.publish_block(self._stream, block, upto, follows=self._backlog.published)
        except StreamBroken as error:
            # A stream that is empty begins anew where this run began: with the snapshots of its books.
            to = self._begin if error.newest is None else error.newest
            log.error("the stream lost rows", error=str(error), missing_from=to)
            if self._backlog.rewind(to):
                return False
            self._metrics.holes.inc(max(0, self._backlog.published - to))
            self.on_hole()
            await self._publisher.publish_block(self._stream, block, upto)
        return True

    def _after_publishing(self, upto: int) -> None:
        self._metrics.blocks.inc()
        self._set_pause()
        if not self._ready and self._ready_at is not None and upto >= self._ready_at:
            self._ready = True
            self.on_ready()

    def _report_hole(self, first: int) -> None:
        missing = first - self._backlog.published
        log.error("rows are in no spool file any more and stay unpublished", rows=missing, from_row=first - missing)
        self._metrics.holes.inc(missing)
        self._backlog.done(first)
        self.on_hole()

    def _measure(self, block: bytes) -> None:
        self._metrics.rows.inc(len(block) // ROW_BYTES)
        messages = self._recorder.messages
        if messages > self._messages:
            self._metrics.messages.inc(messages - self._messages)
            self._messages = messages
            self._metrics.last_message.set(time.time())
        ts_event, ts_recv, kind = _LAST_ROW.unpack(block[-ROW_BYTES:])
        if kind != CLOCK:
            self._metrics.lag.set((ts_recv - ts_event) / NS_PER_S)
