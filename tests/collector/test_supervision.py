"""Coming back after every kind of end, with a scripted feed in memory."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry

from app.collector.backoff import Backoff
from app.collector.metrics import CollectorMetrics
from app.collector.service import Recorder
from app.collector.stamping import WallClock
from app.collector.supervision import Supervision
from app.core.errors import Misconfigured
from app.venues.market_data import END_OF_TAPE, FeedEnd
from app.venues.row_buffer import RowBuffer
from tests.venues.scripted import eventually


class TestBackoff:
    def test_doubles_up_to_the_most_and_starts_over_when_reset(self) -> None:
        backoff = Backoff(first_s=0.2, most_s=3.0, seed="main")
        for base in (0.2, 0.4, 0.8, 1.6, 3.0, 3.0):
            assert base / 2 <= backoff.next() <= base
        backoff.reset()
        assert backoff.next() <= 0.2

    def test_what_the_venue_asks_for_wins(self) -> None:
        backoff = Backoff(first_s=0.2, most_s=3.0, seed="main")
        assert backoff.next(at_least_s=60) == 60

    def test_same_seed_same_delays(self) -> None:
        first, second, other = (Backoff(first_s=1, most_s=9, seed=seed) for seed in ("a", "a", "b"))
        delays = [first.next() for _ in range(9)]
        assert delays == [second.next() for _ in range(9)]
        assert delays != [other.next() for _ in range(9)]

    def test_a_most_below_the_first_is_kept_to(self) -> None:
        assert Backoff(first_s=1.0, most_s=0.1, seed="").next() <= 0.1


Session = Callable[["ScriptedFeed"], FeedEnd | None]


class ScriptedFeed:
    """Each run does the next thing in the script; a session that returns None goes on until it is stopped."""

    def __init__(self, *script: Session) -> None:
        self.script = list(script)
        self.runs = 0
        self.stops: list[str] = []
        self.paused: list[bool] = []
        self.recorder: Recorder
        self._end: asyncio.Future[FeedEnd]

    async def run(self) -> FeedEnd:
        self.runs += 1
        self._end = asyncio.get_running_loop().create_future()
        end = self.script.pop(0)(self) if self.script else None
        return end or await self._end

    def stop(self, reason: str) -> None:
        self.stops.append(reason)
        if not self._end.done():
            self._end.set_result(FeedEnd(reason))

    def pause(self) -> None:
        self.paused.append(True)

    def resume(self) -> None:
        self.paused.append(False)

    def deliver(self, messages: int = 1) -> None:
        for _ in range(messages):
            self.recorder.written()


def ends(reason: str, *, after_messages: int = 0, retry_after_s: float = 0.0) -> Session:
    def session(feed: ScriptedFeed) -> FeedEnd:
        feed.deliver(after_messages)
        return FeedEnd(reason, "said so", retry_after_s)

    return session


def delivers(messages: int) -> Session:
    return lambda feed: feed.deliver(messages)


class Bench:
    def __init__(self, *script: Session, stale_after_s: float | None = 5.0, reconnect_max_s: float = 0.02) -> None:
        self.registry = CollectorRegistry()
        metrics = CollectorMetrics(self.registry, ["BTCUSDT"])
        buffer = RowBuffer(8)
        self.feed = ScriptedFeed(*script)
        self.feed.recorder = Recorder(
            WallClock(buffer, lambda: 1),
            buffer,
            symbols=["BTCUSDT"],
            max_block_rows=8,
            counts=metrics,
            on_rows=lambda: None,
            on_full=lambda: None,
        )
        self.supervision = Supervision(
            self.feed,
            self.feed.recorder,
            metrics,
            stale_after_s=stale_after_s,
            reconnect_max_s=reconnect_max_s,
            seed="test",
        )
        self.task = asyncio.create_task(self.supervision.run())

    async def __aenter__(self) -> "Bench":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def reconnects(self, reason: str) -> float:
        return self.registry.get_sample_value("feed_reconnects_total", {"reason": reason}) or 0.0


async def test_every_end_is_counted_by_its_reason_and_followed_by_a_new_connection() -> None:
    async with Bench(ends("closed"), ends("unreachable"), ends("unreachable"), ends("http_429")) as bench:
        await eventually(lambda: bench.feed.runs == 5)
        assert bench.reconnects("closed") == 1
        assert bench.reconnects("unreachable") == 2
        assert bench.reconnects("http_429") == 1
        assert not bench.task.done()


async def test_a_venue_that_asks_for_time_is_given_it() -> None:
    async with Bench(ends("http_429", retry_after_s=0.4)) as bench:
        await eventually(lambda: bench.reconnects("http_429"))
        await asyncio.sleep(0.25)
        assert bench.feed.runs == 1
        await eventually(lambda: bench.feed.runs == 2)


async def test_delays_grow_while_nothing_comes_and_are_short_again_after_data() -> None:
    script = [ends("closed")] * 4 + [ends("closed", after_messages=1)]
    async with Bench(*script, reconnect_max_s=10.0) as bench:
        loop, times = asyncio.get_running_loop(), list[float]()
        while bench.feed.runs < 5:
            seen = bench.feed.runs
            await eventually(lambda seen=seen: bench.feed.runs > seen)  # type: ignore[misc]
            times.append(loop.time())
        await eventually(lambda: bench.feed.runs == 6)
        delays = [after - before for before, after in pairwise(times)]
        assert delays[-1] > 0.35, "the last of delays 0.2, 0.4, 0.8, each at least half of that"
        assert loop.time() - times[-1] < 0.35, "0.2 at most"


async def test_a_feed_that_falls_silent_is_ended_as_stale() -> None:
    async with Bench(delivers(3), stale_after_s=0.1) as bench:
        await eventually(lambda: bench.feed.stops == ["stale"])
        await eventually(lambda: bench.feed.runs == 2)
        assert bench.reconnects("stale") == 1


async def test_a_feed_that_delivers_is_not_stale() -> None:
    async with Bench(delivers(1), stale_after_s=0.1) as bench:
        for _ in range(20):
            await asyncio.sleep(0.02)
            bench.feed.deliver()
        assert bench.feed.stops == []


async def test_before_its_first_message_a_connection_is_the_feeds_own_affair() -> None:
    async with Bench(stale_after_s=0.05) as bench:
        await asyncio.sleep(0.3)
        assert bench.feed.stops == []


async def test_a_paused_feed_is_not_stale() -> None:
    async with Bench(delivers(1), stale_after_s=0.1) as bench:
        await eventually(lambda: bench.feed.runs)
        bench.supervision.pause(True)
        bench.supervision.pause(True)
        await asyncio.sleep(0.3)
        assert bench.feed.stops == []
        assert bench.registry.get_sample_value("feed_paused") == 1
        bench.supervision.pause(False)
        assert bench.feed.paused == [True, False]
        await eventually(lambda: bench.feed.stops == ["stale"])


async def test_the_end_of_a_tape_ends_an_event_clock_feed_and_not_a_live_one() -> None:
    async with Bench(ends(END_OF_TAPE), stale_after_s=None) as bench:
        await asyncio.wait_for(bench.task, 5)
        assert bench.feed.runs == 1
    async with Bench(ends(END_OF_TAPE)) as bench:
        await eventually(lambda: bench.feed.runs == 2)
        assert bench.reconnects(END_OF_TAPE) == 1


async def test_an_event_clock_feed_is_never_stale() -> None:
    async with Bench(delivers(1), stale_after_s=None) as bench:
        await asyncio.sleep(0.6)
        assert bench.feed.stops == []


async def test_finish_ends_it_for_good() -> None:
    async with Bench(delivers(1)) as bench:
        await eventually(lambda: bench.feed.runs)
        bench.supervision.finish()
        await asyncio.wait_for(bench.task, 5)
        assert bench.feed.stops == ["finished"]
        assert sum(bench.reconnects(reason) for reason in ("finished", "stale", "closed")) == 0


async def test_resynchronising_is_a_new_connection() -> None:
    async with Bench(delivers(1)) as bench:
        await eventually(lambda: bench.feed.runs)
        bench.supervision.resynchronise("stream_hole")
        await eventually(lambda: bench.feed.runs == 2)
        assert bench.reconnects("stream_hole") == 1


async def test_what_a_person_must_correct_is_not_tried_again() -> None:
    def session(feed: ScriptedFeed) -> FeedEnd:
        raise Misconfigured("no such market")

    async with Bench(session) as bench:
        with pytest.raises(Misconfigured, match="no such market"):
            await asyncio.wait_for(asyncio.shield(bench.task), 5)
