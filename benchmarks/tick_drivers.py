"""Both sides of the tick-to-order benchmark: rows into the pipeline, and entries into the floor, at the same pace."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import redis.asyncio as aioredis

from app.bus import entries
from app.bus.reader import StreamReader
from app.bus.settings import BusSettings
from app.bus.wire import Wire
from app.core.clock import NS_PER_MS, wall_ns
from app.core.stopping import sleep_unless
from app.market import rows as event
from app.messages.execution import OrderUpdate
from app.messages.streams import Streams
from benchmarks.tick_market import CLOCK_MS, FIRE_EVERY, Market

STREAMS = Streams("bench")
# Bytes of an entry on each of the four streams behind `md`: a signal, a scored signal, an approved one, an order.
PAYLOADS = (1015, 380, 405, 325)
FLOOR = tuple(f"floor:{n}:{{bench}}" for n in range(len(PAYLOADS) + 1))


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

    async def idle(self, stop: asyncio.Event) -> None:
        """Let time pass for the services while the floor is measured: after silence they would warm up again."""
        while not stop.is_set():
            await self._publish(self._market.tick())
            await sleep_unless(stop, CLOCK_MS / 1000)

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
