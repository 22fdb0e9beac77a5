"""CPU a message costs on its way through a service: consume, decode, handle, encode, produce, acknowledge.

Ours is the real service loop with a core that passes each message on. The reference is what one writes with redis-py:
XREADGROUP, decode, one pipeline (transaction) of an XADD a message and an XACK a batch, with the same codec, uvloop and
hiredis. Both drain the same number of equal messages from the same server in this process; the server's own CPU is not
counted. In the headline figure every input entry holds one message, as the reference writes them; `batched` is the loop
reading what the loop before it wrote under load, many messages an entry.
"""

import asyncio
import tempfile
import time
from collections.abc import Collection
from pathlib import Path

import redis.asyncio as aioredis
import uvloop
from prometheus_client import CollectorRegistry

from app.bus.loop import run_service
from app.bus.server import RedisServer
from app.bus.settings import BusSettings
from app.bus.types import Delivery, Outbox
from app.core.logging import configure_logging
from app.core.process import Process
from app.messages import codec
from app.messages.signals import ScoredSignal
from app.messages.streams import Streams
from benchmarks.common import arguments, emit, medians

STREAMS = Streams("bench")
BATCH = 256


def message(number: int) -> ScoredSignal:
    """A scored signal of typical size."""
    return ScoredSignal(
        ts=1_723_161_256_299_000_000 + number, id=f"s{number:015d}", strategy="scalper", symbol="BTCUSDT", kind="entry",
        side=1, ts_event=1_723_161_256_298_000_000, bid=61800.2, ask=61800.3, score=0.61, model_id="baseline",
        tau_entry=0.5, tau_hold=0.4,
    )  # fmt: skip


class PassOn:
    """Sends every message on as it is."""

    inputs = (STREAMS.scored,)

    def __init__(self, expected: int, done: asyncio.Event) -> None:
        self._left = expected
        self._done = done

    def advance(self, delivery: Delivery, out: Outbox) -> None:
        for one in delivery.messages:
            out.send(STREAMS.approved, one)
        self._left -= len(delivery.messages)
        if self._left <= 0:
            self._done.set()

    def paused(self) -> Collection[str]:
        return ()

    def snapshot(self) -> bytes:
        return b""

    def restore(self, blob: bytes) -> None:
        pass


async def fill(url: str, count: int, per_entry: int) -> None:
    """An empty database with `count` messages waiting."""
    async with aioredis.Redis.from_url(url) as client:
        await client.flushdb()
        for start in range(0, count, 2000):
            pipeline = client.pipeline(transaction=False)
            for at in range(start, min(start + 2000, count), per_entry):
                batch = [message(at + offset) for offset in range(per_entry)]
                pipeline.xadd(STREAMS.scored, {"m": codec.encode(batch)})
            await pipeline.execute()


async def ours(url: str, count: int) -> float:
    """Drain with the service loop; CPU seconds."""
    done = asyncio.Event()
    registry = CollectorRegistry()
    settings = BusSettings(redis_url=url, batch_entries=BATCH, block_ms=10)  # type: ignore[arg-type]
    process = Process("risk", registry, 0)
    began = time.process_time()
    task = asyncio.create_task(run_service(process, settings, STREAMS.shard, "risk", lambda: PassOn(count, done)))
    await done.wait()
    process.stop.set()
    await task
    return time.process_time() - began


async def plain(url: str, count: int) -> float:
    """Drain with redis-py; CPU seconds."""
    async with aioredis.Redis.from_url(url) as client:
        await client.xgroup_create(STREAMS.scored, "plain", id="0", mkstream=True)
        began = time.process_time()
        while count > 0:
            reply = await client.xreadgroup("plain", "plain", {STREAMS.scored: ">"}, count=BATCH, block=10)
            pipeline = client.pipeline(transaction=True)
            for stream, entries in reply:
                for _entry, fields in entries:
                    for one in codec.decode(fields[b"m"])[0]:
                        pipeline.xadd(STREAMS.approved, {"m": codec.encode([one])})
                        count -= 1
                pipeline.xack(stream, "plain", *(entry for entry, _fields in entries))
            await pipeline.execute()
        return time.process_time() - began


def main() -> None:
    options = arguments(__doc__ or "")
    configure_logging("bench", level="error")
    count, rounds = (6_400, 5) if options.quick else (25_600, 9)

    with tempfile.TemporaryDirectory() as folder, RedisServer(Path(folder), appendonly=False) as server:

        def drain(how: str, per_entry: int) -> float:
            async def run() -> float:
                await fill(server.url, count, per_entry)
                return await (plain if how == "plain" else ours)(server.url, count)

            return uvloop.run(run()) / count * 1e6

        cost = medians(
            {
                "plain": lambda: drain("plain", 1),
                "ours": lambda: drain("ours", 1),
                "batched": lambda: drain("ours", 64),
            },
            rounds,
        )
    emit(
        "bus",
        {
            "cpu_ratio": cost["ours"] / cost["plain"],
            "us_per_message": cost["ours"],
            "us_per_message_plain_redis_py": cost["plain"],
            "us_per_message_batched": cost["batched"],
            "cpu_ratio_batched": cost["batched"] / cost["plain"],
            "messages": count,
            "rounds": rounds,
        },
        notes=[f"reference: redis-py pipeline, {BATCH} entries a read, one XADD a message, one XACK a batch"],
        as_json=options.json,
    )


if __name__ == "__main__":
    main()
