"""A run from start to end: Redis, processes, recorder, table, and an orderly stop."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.bus.reader import StreamReader
from app.bus.server import RedisServer
from app.bus.wire import Wire
from app.console.board import Board, View
from app.console.child import Child
from app.console.drain import Backlog, drain
from app.console.fleet import Fleet, Service, ServiceFailed
from app.console.monitor import Monitor
from app.console.plan import Plan
from app.console.recorder import GROUP, Recorder, RecordingFailed, recorded_streams
from app.core.errors import AviaryError, Misconfigured
from app.core.logging import get_logger
from app.messages.streams import Streams
from app.report.facts import EVENTS, SAMPLES, ServiceFacts

log = get_logger(__name__)

_READY_S = 180.0  # the first start compiles kernels
_FEED_READY_S = 60.0
_SLOW_S = 6.0
_GRACE_S = 10.0
_PATIENCE_S = 15.0
_TICK_S = 0.2
_INTAKE = ("collector", "sandbox")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended. `error` is what made it fail, None if it ended as it should.

    `duration_s` is from when all processes were ready until something ended the run.
    """

    by: str
    error: AviaryError | None
    was_ready: bool
    duration_s: float


class Session:
    """One run in directory `run`. `bus` are the plan's bus settings with the URL of the Redis really used."""

    def __init__(self, plan: Plan, run: Path, redis: RedisServer | None, view: View) -> None:
        url = redis.url if redis else plan.settings.bus.redis_url.get_secret_value()
        bus = plan.settings.bus.model_copy(update={"redis_url": type(plan.settings.bus.redis_url)(url)})
        streams = Streams(plan.settings.shard.id)
        self._plan = plan
        self._run = run
        self._redis = redis
        self._view = view
        self.fleet = Fleet([_service(plan, name, run, plan.environment(url)) for name in plan.services], self._note)
        by_wall = plan.exchange_url if not plan.event_clock else None
        others: dict[str, Callable[[], int | None]] = {"launcher": os.getpid}
        if redis is not None:
            others["redis"] = lambda: redis.pid
        self._monitor = Monitor(self.fleet, run / SAMPLES, exchange=by_wall, others=others)
        reader = StreamReader(bus, streams, recorded_streams(streams), group=GROUP)
        self._recorder = Recorder(reader, run / EVENTS, busy_entries=bus.batch_entries)
        wire = Wire(url, name=f"aviary:launcher:{streams.shard}", probe_key=streams.md)
        self._backlog = Backlog(wire, streams.all(), {*plan.services, GROUP})
        self._stop = asyncio.Event()
        self._phase = "starting"
        self._on_change: Callable[[], None] = lambda: None
        self._began = time.monotonic()
        self._live_since: float | None = None
        self._ended: float | None = None

    def facts(self) -> dict[str, ServiceFacts]:
        """Where the processes are found, and how often they were started again."""
        return {
            name: ServiceFacts(
                metrics_url=service.metrics_url,
                pid=service.child.pid,
                log=str(service.child.log.relative_to(self._run)),
                restarts=service.restarts,
            )
            for name, service in self.fleet.services.items()
        }

    async def run(self, *, on_change: Callable[[], None] = lambda: None) -> Ending:
        """Run until something ends it, then stop everything in order; a second signal cancels this.

        `on_change` is called when `facts` has changed: processes were started, or started again.
        """
        self._catch_signals()
        self._on_change = on_change
        by, error = "", None
        try:
            async with asyncio.TaskGroup() as group:
                recording = group.create_task(self._recorder.run())
                upkeep = group.create_task(self._look_after())
                by = await self._trade()
                self._ended = time.monotonic()
                log.info("ending", by=by)
                await self._wind_down()
                self._recorder.stop()
                await recording
                upkeep.cancel()
        except* AviaryError as failed:
            error = _first(failed)
            log.error("run failed", error=str(error))
            self._view.note("a failure ends the run")
            await self._salvage(error)
        finally:
            self.fleet.kill()
            self._backlog.close()
            await self._monitor.close()
            self._view.close()
        began = self._live_since or self._began
        return Ending(by or "failure", error, self._live_since is not None, (self._ended or time.monotonic()) - began)

    async def _trade(self) -> str:
        """Start everything, intake last, and wait for a reason to end; return it."""
        others = [name for name in self._plan.services if name != "collector"]
        self.fleet.start(others)
        await self._until_ready(others, _READY_S, why_slow="a first start compiles kernels")
        if not self._stop.is_set():
            self.fleet.start(["collector"])
            await self._until_ready(["collector"], _FEED_READY_S, why_slow="no complete order book yet")
        if self._stop.is_set():
            return "interrupt while starting"
        self._live_since = time.monotonic()
        self._phase = "running"
        return await self._until_end()

    async def _until_ready(self, names: list[str], limit_s: float, *, why_slow: str) -> None:
        began = time.monotonic()
        missing = list(names)
        told = False
        while not self._stop.is_set():
            waited = time.monotonic() - began
            for name in [name for name in missing if self.fleet.services[name].was_ready]:
                missing.remove(name)
                self._view.check(name, f"ready after {waited:.1f} s, {self.fleet.services[name].metrics_url}")
            if not missing:
                return
            if waited > limit_s or self._monitor.feed_finished.is_set():
                raise ServiceFailed(self._not_ready(missing, waited))
            if waited > _SLOW_S and not told:
                told = True
                said = self.fleet.services[missing[0]].child.explain()
                self._view.check("waiting", f"for {', '.join(missing)}: {why_slow}; last words: {said}", mark="wait")
            await asyncio.sleep(_TICK_S)

    def _not_ready(self, names: list[str], waited: float) -> str:
        # Readiness is published no later than the end of the feed: who is not ready then never will be.
        when = "at the end of the feed" if self._monitor.feed_finished.is_set() else f"after {waited:.0f} s"
        said = [f"{name}, whose last words were: {self.fleet.services[name].child.explain()}" for name in names]
        return f"not ready {when}: " + "; ".join(said) + f"\nlogs are in {self._run / 'logs'}"

    async def _until_end(self) -> str:
        reasons = {
            asyncio.create_task(self._stop.wait()): "interrupt",
            asyncio.create_task(self._monitor.feed_finished.wait()): "end of the feed",
            asyncio.create_task(asyncio.sleep(self._plan.wall_limit_s or float("inf"))): "time limit",
        }
        try:
            done, _ = await asyncio.wait(reasons, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in reasons:
                task.cancel()
        return reasons[done.pop()]

    async def _wind_down(self) -> None:
        """Intake first; then, once nothing is on its way any more, the others in the order of the data."""
        await self._monitor.look(keep=True)
        self._phase = "stopping intake"
        faults = await self.fleet.stop(_INTAKE, grace_s=_GRACE_S)
        self._phase = "draining"
        left = await drain(self._backlog, patience_s=_PATIENCE_S)
        await self._monitor.look(keep=True)
        self._phase = "stopping"
        faults += await self.fleet.stop(self._plan.services, grace_s=_GRACE_S)
        if left:
            faults.append(f"{_PATIENCE_S:.0f} s passed without progress and these were behind: {', '.join(left)}")
        if faults:
            raise ServiceFailed("\n".join(faults))

    async def _salvage(self, error: AviaryError) -> None:
        """After a failure: stop what runs, and record what was said."""
        await self.fleet.stop(self._plan.services, grace_s=3.0)
        if isinstance(error, RecordingFailed):
            return
        self._recorder.stop()
        with suppress(TimeoutError, AviaryError):
            async with asyncio.timeout(5.0):
                await self._recorder.run()

    async def _look_after(self) -> None:
        """Restart, measure, show: until cancelled."""
        look_due = 0.0
        pids: list[int] = []
        while True:
            self.fleet.tick()
            now = [service.child.pid for service in self.fleet.services.values()]
            if now != pids:
                pids = now
                self._on_change()
            if self._redis is not None and not self._redis.alive:
                self._note("Redis ended, starting it again with its data")
                self._redis.start()
            if time.monotonic() >= look_due:
                await self._monitor.look()
                self._view.update(self._board())
                look_due = time.monotonic() + (1.0 if self._live_since else 0.3)
            await asyncio.sleep(_TICK_S)

    def _board(self) -> Board:
        return Board(
            run=self._run.name,
            source=self._plan.source,
            phase=self._phase,
            elapsed_s=time.monotonic() - (self._live_since or self._began),
            limit_s=self._plan.wall_limit_s,
            services=self._monitor.rows(),
            tally=self._recorder.tally,
        )

    def _note(self, text: str) -> None:
        log.warning(text)
        self._view.note(text)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        main = asyncio.current_task()
        assert main is not None

        def on_signal() -> None:
            if self._stop.is_set():
                self.fleet.kill()
                main.cancel()
                return
            self._stop.set()
            self._view.note("stopping; once more ends everything at once")

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Whoever started us with a signal ignored (nohup) wants it ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, on_signal)


def _service(plan: Plan, name: str, run: Path, env: dict[str, str]) -> Service:
    child = Child(name, [sys.executable, "-m", f"app.{name}.main"], env, run / "logs" / f"{name}.log")
    return Service(child, metrics_url=plan.metrics_url(name), may_end=name == "collector")


def _first(failed: BaseExceptionGroup[AviaryError]) -> AviaryError:
    """The error to report of several: one a person must act upon, if there is one."""
    errors: list[AviaryError] = []
    for error in failed.exceptions:
        errors += [_first(error)] if isinstance(error, BaseExceptionGroup) else [error]
    return next((error for error in errors if isinstance(error, Misconfigured)), errors[0])
