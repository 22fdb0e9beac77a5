"""Time from a market row on the bus to the order decision it causes, through the real processes.

This program takes the collector's place: it writes event rows to `md` at a steady pace, each block stamped with the
moment it is handed to Redis, and waits on `exec:events` for the executor's ``submitted`` orders. Four processes lie
between: signal_engine, ai_scorer, risk, executor. One row in twenty makes the trigger fire.

The floor is measured in the same run on the same Redis: four processes that move entries of equal size on with bare,
blocking redis-py, fed at the same pace and reading as many entries. Rounds alternate. Model, gates and feature kernel
run; limits are set so that every candidate becomes an order.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import redis.asyncio as aioredis
import uvloop

from app.bus import entries
from app.bus.reader import StreamReader
from app.bus.server import RedisServer, die_with_parent, free_port
from app.bus.settings import BusSettings
from app.bus.wire import Wire
from app.core.clock import NS_PER_MS, wall_ns
from app.core.logging import configure_logging
from app.market import rows as event
from app.messages.execution import OrderUpdate
from app.messages.streams import Streams
from benchmarks.common import arguments, emit, percentile
from benchmarks.floor import start_chain

STREAMS = Streams("bench")
SERVICES = ("signal_engine", "ai_scorer", "risk", "executor")
FIRE_EVERY = 20
# Bytes of an entry on each of the four streams behind `md`: a signal, a scored signal, an approved one, an order.
PAYLOADS = (1015, 380, 405, 325)
FLOOR = tuple(f"floor:{n}:{{bench}}" for n in range(len(PAYLOADS) + 1))
CLOCK_MS = 100

SETTINGS = (
    "shard.id=bench",
    "bus.block_ms=500",
    "warmup.enabled=false",
    "ai_scorer.tau_entry=0",
    "ai_scorer.tau_hold=0",
    "risk.max_positions=1000000",
    "risk.daily_loss_cap_usd=-1e12",
    "risk.loss_streak_max=1000000000",
    "strategies.scalper.trigger.conditions=[{feature: imbalance_1, abs_min: 0.9}]",
    "strategies.scalper.trigger.side_feature=imbalance_1",
    "strategies.scalper.trigger.cooldown_ms=0",
    "strategies.scalper.entry.ttl_ms=200",
    "strategies.scalper.exits.max_hold_ms=500",
    "logging.level=warning",
    "logging.format=json",
)


class Market:
    """A one-tick market around 60,000 whose best quantities say nothing, except in one row of twenty."""

    def __init__(self) -> None:
        self.written = 0
        self.counter = 0
        self._clock_ms = 0

    def rows(self, count: int) -> event.Rows:
        """The next `count` rows, each a venue message of its own, stamped now; clock rows come in between."""
        now = wall_ns()
        out = event.empty(count)
        out["ts_event"] = now - 2 * NS_PER_MS
        out["ts_recv"] = now
        numbers = self.written + np.arange(count)
        fires = numbers % FIRE_EVERY == FIRE_EVERY - 1
        out["kind"], out["side"], out["px"], out["instrument"] = event.DEPTH_SET, 1, 60_000.0, 1
        # The row after a firing one brings the balance back; in between the quantity only trembles.
        out["qty"] = np.where(fires, 500.0, 1.0 + (numbers % 3) * 0.01)
        out["flags"] = event.LAST
        self.written += count
        if now // NS_PER_MS >= self._clock_ms + CLOCK_MS:
            self._clock_ms = now // NS_PER_MS
            out = event.concat([out, self._clock(now)])
        self.counter += len(out)
        return out

    def snapshot(self) -> event.Rows:
        """A full book to start from."""
        now = wall_ns()
        out = event.empty(101)
        out["ts_event"] = out["ts_recv"] = now
        out["instrument"] = 1
        out["flags"] = event.SNAPSHOT
        out[0]["kind"] = event.DEPTH_CLEAR
        out[1:]["kind"] = event.DEPTH_SET
        steps = np.arange(50) / 10
        out["px"][1:51], out["side"][1:51] = 60_000.0 - steps, 1
        out["px"][51:], out["side"][51:] = 60_000.1 + steps, -1
        out["qty"][1:] = 1.0
        out["flags"][-1] |= event.LAST
        self.counter += len(out)
        return out

    def trade(self) -> event.Rows:
        """A small trade, so that features of trades become ready."""
        out = event.empty(1)
        out["ts_event"] = out["ts_recv"] = wall_ns()
        out["kind"], out["side"], out["px"], out["qty"] = event.TRADE, -1, 60_000.0, 0.001
        out["instrument"], out["flags"] = 1, event.LAST
        self.counter += 1
        return out

    def tick(self) -> event.Rows:
        """Nothing but time."""
        out = self._clock(wall_ns())
        self.counter += 1
        return out

    def _clock(self, now: int) -> event.Rows:
        out = event.empty(1)
        out["ts_event"] = out["ts_recv"] = now
        out["kind"], out["flags"] = event.CLOCK, event.LAST
        return out


async def paced(rate: float, seconds: float, send: Callable[[int], Awaitable[None]]) -> float:
    """Call `send(due)` so that `rate` rows a second go out; what falls due during a round trip goes together.

    Returns the rate reached.
    """
    began = time.perf_counter()
    sent = 0
    while (elapsed := time.perf_counter() - began) < seconds:
        due = int(elapsed * rate) - sent
        if due > 0:
            sent += due
            await send(due)
        else:
            await asyncio.sleep((sent + 1) / rate - elapsed)
    return sent / (time.perf_counter() - began)


class Ours:
    """Drives the real pipeline and collects the latency of each order."""

    def __init__(self, url: str) -> None:
        bus = BusSettings(redis_url=url, block_ms=200)  # type: ignore[arg-type]
        self._wire = Wire(url, name="bench", probe_key=STREAMS.md)
        self._reader = StreamReader(bus, STREAMS, (STREAMS.execution,), group="bench")
        self._market = Market()
        self._latencies: list[float] = []
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._wire.connect()
        await self._reader.connect()
        self._reading = asyncio.create_task(self._read())
        await self._publish(self._market.snapshot())
        for _ in range(130):  # thirteen seconds: every feature has its warm-up behind it
            await self._publish(self._market.trade())
            await self._publish(self._market.rows(2))
            await asyncio.sleep(0.1)

    async def reconnect(self) -> None:
        """Open the wire that a cancelled publication has closed."""
        self._wire.close()
        await self._wire.connect()

    async def _publish(self, batch: event.Rows) -> None:
        await self._wire.call(entries.add_block(STREAMS.md, event.to_block(batch), self._market.counter), 1)

    async def _read(self) -> None:
        while True:
            for delivery in await self._reader.read():
                now = wall_ns()
                self._latencies += [
                    (now - message.ts) / NS_PER_MS
                    for message in delivery.messages
                    if isinstance(message, OrderUpdate) and message.status == "submitted" and message.leg == "entry"
                ]
            await self._reader.ack()

    async def idle(self) -> None:
        """Let time pass for the services while the floor is measured: after silence they would warm up again."""
        while True:
            await self._publish(self._market.tick())
            await asyncio.sleep(CLOCK_MS / 1000)

    async def round(self, rate: float, seconds: float) -> tuple[list[float], float]:
        self._latencies.clear()

        async def send(due: int) -> None:
            await self._publish(self._market.rows(due))

        reached = await paced(rate, seconds, send)
        await asyncio.sleep(0.3)
        return list(self._latencies), reached

    async def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        self._wire.close()


class Floor:
    """Drives the bare chain with entries of equal size at the same pace."""

    def __init__(self, url: str) -> None:
        self._writer = aioredis.Redis.from_url(url)
        self._reader = aioredis.Redis.from_url(url)
        self._written = 0
        self._latencies: list[float] = []

    async def round(self, rate: float, seconds: float) -> tuple[list[float], float]:
        self._latencies.clear()
        reading = asyncio.create_task(self._read())

        async def send(due: int) -> None:
            go = 0
            for _ in range(due):
                self._written += 1
                go |= self._written % FIRE_EVERY == 0
            await self._writer.xadd(FLOOR[0], {"go": int(go), "t": wall_ns(), "m": b"x" * 40 * due}, maxlen=1000)

        reached = await paced(rate, seconds, send)
        await asyncio.sleep(0.3)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        return list(self._latencies), reached

    async def _read(self) -> None:
        last = "$"
        while True:
            for _stream, found in await self._reader.xread({FLOOR[-1]: last}, block=200, count=256) or ():
                now = wall_ns()
                for entry, fields in found:
                    self._latencies.append((now - int(fields[b"t"])) / NS_PER_MS)
                    last = entry

    async def close(self) -> None:
        await self._writer.aclose()
        await self._reader.aclose()


def start_services(url: str, folder: Path) -> tuple[list["subprocess.Popen[bytes]"], dict[str, int]]:
    """The four services as real processes, their logs in `folder`."""
    ports = {service: free_port() for service in SERVICES}
    settings = [*SETTINGS, *(f"metrics.{service}={port}" for service, port in ports.items())]
    environment = {**os.environ, "REDIS_URL": url, "AVIARY_SET": "\n".join(settings), "AVIARY_OVERLAYS": ""}
    processes = []
    for service in SERVICES:
        with (folder / f"{service}.log").open("wb") as log:
            command = [sys.executable, "-m", f"app.{service}.main"]
            processes.append(subprocess.Popen(command, env=environment, stderr=log, preexec_fn=die_with_parent))
    return processes, ports


async def await_ready(processes: list["subprocess.Popen[bytes]"], ports: dict[str, int], folder: Path) -> None:
    """Wait until every service says that it handles live input."""
    deadline = time.monotonic() + 60
    for process, (service, port) in zip(processes, ports.items(), strict=True):
        while not await asyncio.to_thread(_is_ready, port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{service} did not start:\n{(folder / f'{service}.log').read_text()[-2000:]}")
            await asyncio.sleep(0.1)


def _is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=2) as answer:
            return any(
                line.startswith(b"service_ready{") and line.rstrip().endswith(b" 1.0") for line in answer.readlines()
            )
    except OSError:
        return False


async def measure(url: str, *, rounds: int, seconds: float, ceilings: tuple[int, ...]) -> dict[str, object]:
    """All figures, with the services already running."""
    ours, floor = Ours(url), Floor(url)
    await ours.start()
    figures: dict[str, object] = {}
    for rate in (200, 1000):
        taken: dict[str, list[list[float]]] = {"ours": [], "floor": []}
        for _ in range(rounds):
            taken["ours"].append((await ours.round(rate, seconds))[0])
            idling = asyncio.create_task(ours.idle())
            taken["floor"].append((await floor.round(rate, seconds))[0])
            idling.cancel()
            await asyncio.gather(idling, return_exceptions=True)
            await ours.reconnect()
        figures[str(rate)] = _compare(taken["ours"], taken["floor"])
    figures["sustained_rows_per_s"] = await _sustained(ours, ceilings)
    await ours.close()
    await floor.close()
    return figures


def _compare(ours: list[list[float]], floor: list[list[float]]) -> dict[str, float]:
    if not all(ours) or not all(floor):
        raise SystemExit("a round produced no order at all: the pipeline or the floor stands still")

    def middle(rounds: list[list[float]], share: float) -> float:
        return statistics.median(percentile(latencies, share) for latencies in rounds)

    p50, p99, f50, f99 = middle(ours, 0.5), middle(ours, 0.99), middle(floor, 0.5), middle(floor, 0.99)
    return {
        "p50_ratio": p50 / f50,
        "p99_ratio": p99 / f99,
        "p50_ms": p50,
        "p99_ms": p99,
        "floor_p50_ms": f50,
        "floor_p99_ms": f99,
        "orders": sum(map(len, ours)),
        "floor_messages": sum(map(len, floor)),
    }


async def _sustained(ours: Ours, ceilings: tuple[int, ...]) -> int:
    """The highest of `ceilings` at which the pace is kept and orders do not grow older."""
    best = 0
    for rate in ceilings:
        latencies, reached = await ours.round(rate, 4.0)
        late = latencies[len(latencies) // 2 :]
        if reached < 0.95 * rate or not late or statistics.median(late) > 25.0:
            break
        best = rate
    return best


def main() -> None:
    options = arguments(__doc__ or "")
    configure_logging("bench", level="error")
    rounds, seconds = (2, 2.0) if options.quick else (5, 10.0)
    ceilings = (5_000,) if options.quick else (2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
    with tempfile.TemporaryDirectory() as name, RedisServer(Path(name) / "redis") as server:
        folder = Path(name)
        processes, ports = start_services(server.url, folder)
        chain = start_chain(server.url, FLOOR, PAYLOADS)
        try:

            async def run() -> dict[str, object]:
                await await_ready(processes, ports, folder)
                return await measure(server.url, rounds=rounds, seconds=seconds, ceilings=ceilings)

            figures = uvloop.run(run())
        finally:
            for process in (*processes, *chain):
                process.terminate()
            for process in (*processes, *chain):
                process.wait(15)
    emit(
        "tick_to_order",
        figures,
        notes=["floor: four processes with bare blocking redis-py between five streams, equal payloads, same Redis"],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
