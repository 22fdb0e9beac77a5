"""Keeping a feed alive: connect, notice silence, come back."""

import asyncio
from typing import Final

from app.collector.backoff import Backoff
from app.collector.metrics import CollectorMetrics
from app.collector.service import Recorder
from app.core.logging import get_logger
from app.venues.market_data import END_OF_TAPE, Feed, FeedEnd

log = get_logger(__name__)

_FIRST_BACKOFF_S: Final = 0.2


class Supervision:
    """Runs `feed` again whenever its connection ends, after a delay that grows until data come.

    With `stale_after_s`, a connection that delivered and then says nothing for so long is ended. Without (event
    clock), the end of the tape is the end of the feed.
    """

    def __init__(
        self,
        feed: Feed,
        recorder: Recorder,
        metrics: CollectorMetrics,
        *,
        stale_after_s: float | None,
        reconnect_max_s: float,
        seed: str,
    ) -> None:
        self._feed = feed
        self._recorder = recorder
        self._metrics = metrics
        self._stale_after_s = stale_after_s
        self._backoff = Backoff(first_s=_FIRST_BACKOFF_S, most_s=reconnect_max_s, seed=seed)
        self._over = False
        self.paused = False

    async def run(self) -> None:
        """Run the feed until it is over; a live one never is.

        Raises:
            Misconfigured: the venue cannot be used with this configuration.
        """
        while not self._over:
            before = self._recorder.messages
            end = await self._session()
            if self._over or (end.reason == END_OF_TAPE and self._stale_after_s is None):
                break
            if self._recorder.messages > before:
                self._backoff.reset()
            await self._wait(end)
        log.info("feed finished", messages=self._recorder.messages)

    def finish(self) -> None:
        """The feed is over."""
        self._over = True
        self._feed.stop("finished")

    def resynchronise(self, reason: str) -> None:
        """Have every book sent anew, by a new connection."""
        self._feed.stop(reason)

    def pause(self, paused: bool) -> None:
        """Stop reading the feed, or go on."""
        if paused != self.paused:
            self.paused = paused
            self._metrics.paused.set(int(paused))
            (self._feed.pause if paused else self._feed.resume)()

    async def _session(self) -> FeedEnd:
        task = asyncio.create_task(self._feed.run())
        try:
            await self._watch(task)
            return task.result()
        finally:
            task.cancel()
            await asyncio.wait((task,))

    async def _watch(self, task: asyncio.Task[FeedEnd]) -> None:
        """Wait for the session to end, and end it when it has gone silent."""
        loop = asyncio.get_running_loop()
        step = min(0.5, (self._stale_after_s or 2.0) / 4)
        at_start = seen = self._recorder.messages
        quiet_since = loop.time()
        while not (await asyncio.wait((task,), timeout=step))[0]:
            if self._recorder.messages != seen or self.paused:
                seen, quiet_since = self._recorder.messages, loop.time()
            # Until the first message the feed itself is responsible: it knows how far connecting has come.
            elif self._stale_after_s and seen > at_start and loop.time() - quiet_since > self._stale_after_s:
                self._feed.stop("stale")

    async def _wait(self, end: FeedEnd) -> None:
        delay = self._backoff.next(end.retry_after_s)
        self._metrics.reconnects.labels(end.reason).inc()
        log.warning(
            "feed connection ended; will connect again", reason=end.reason, detail=end.detail, after_s=round(delay, 2)
        )
        await asyncio.sleep(delay)
