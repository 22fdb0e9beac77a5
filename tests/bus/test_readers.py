"""Readers beside the services, on a real Redis: waited for while they are there, and not for ever when they are not."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import redis.asyncio as aioredis

from app.bus.reader import StreamReader
from app.bus.server import RedisServer
from app.bus.settings import BusSettings
from app.bus.types import Delivery, Outbox
from app.messages import codec
from app.messages.signals import Mark
from app.settings import ROOT
from tests.bus.cores import STREAMS, Running, RunningSum

GROUP = "recorder"
LIMITS = {"trim_every_s": 0.02, "snapshot_every_s": 0.02, "max_stream_entries": 100, "batch_entries": 10}
READER = """
import asyncio, sys
from app.bus.reader import StreamReader
from app.bus.settings import BusSettings
from app.messages.streams import Streams

async def main():
    streams = Streams("test")
    reader = StreamReader(BusSettings(redis_url=sys.argv[1]), streams, (streams.scored,), group="recorder")
    await reader.connect()
    while not await reader.read():
        pass
    print("read", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


class Sink(RunningSum):
    """Reads what `RunningSum` writes and says nothing."""

    inputs = (STREAMS.scored,)

    def advance(self, delivery: Delivery, out: Outbox) -> None:
        self.seen += len(delivery.messages)


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator["aioredis.Redis"]:
    async with aioredis.Redis.from_url(redis_url) as connected:
        yield connected


async def until(condition: Callable[[], Awaitable[bool]], *, within: float = 15.0) -> None:
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - watches another connection
            await asyncio.sleep(0.02)


async def send(client: "aioredis.Redis", count: int) -> None:
    for value in range(count):
        await client.xadd(STREAMS.raw, {"m": codec.encode([Mark(ts=value, source="t")])})


async def groups(client: "aioredis.Redis", stream: str) -> set[str]:
    return {info["name"].decode() for info in await client.xinfo_groups(stream)}


def reader_of(url: str) -> StreamReader:
    return StreamReader(BusSettings(redis_url=url, block_ms=20), STREAMS, (STREAMS.scored,), group=GROUP)  # type: ignore[arg-type]


async def test_a_reader_that_was_killed_does_not_stop_the_pipeline(redis_url: str, client: "aioredis.Redis") -> None:
    reader = await asyncio.create_subprocess_exec(sys.executable, "-c", READER, redis_url, cwd=ROOT, stdout=-1)
    writer = Running(redis_url, RunningSum, reader_gone_s=1.0, **LIMITS)
    sink = Running(redis_url, Sink, service="risk", reader_gone_s=1.0, **LIMITS)
    await send(client, 10)
    assert reader.stdout is not None
    assert await asyncio.wait_for(reader.stdout.readline(), 20) == b"read\n"
    # While it lives it is waited for, however long that takes.
    await send(client, 1000)
    await asyncio.sleep(2.5)
    assert writer.registry.get_sample_value("bus_held") == 1
    assert await groups(client, STREAMS.scored) == {GROUP, "risk"}
    reader.kill()
    await reader.wait()

    async def all_through() -> bool:
        return bool(sink.cores) and getattr(sink.cores[-1], "seen", 0) == 1010

    await until(all_through)
    assert await groups(client, STREAMS.scored) == {"risk"}
    assert await client.hgetall(STREAMS.readers) == {}
    assert f"{STREAMS.scored}|{GROUP}".encode() not in await client.hgetall(STREAMS.floors)
    await writer.stop()
    await sink.stop()


async def test_a_reader_that_is_back_in_time_goes_on_where_it_was(redis_server: RedisServer) -> None:
    reader = reader_of(redis_server.url)
    await reader.connect()
    sink = Running(redis_server.url, Sink, service="risk", reader_gone_s=1.0, **LIMITS)
    async with aioredis.Redis.from_url(redis_server.url) as before:
        await before.xadd(STREAMS.scored, {"m": codec.encode([Mark(ts=1, source="t")])})
    assert [delivery.messages[0].ts for delivery in await reader.read() or await reader.read()] == [1]
    await reader.ack()
    redis_server.stop()
    # Longer than readers are waited for: during an outage nobody can sign.
    await asyncio.sleep(1.5)
    redis_server.start()
    async with aioredis.Redis.from_url(redis_server.url) as after:
        await after.xadd(STREAMS.scored, {"m": codec.encode([Mark(ts=2, source="t")])})
        await asyncio.sleep(0.5)
        with pytest.raises(OSError, match=r".*"):
            await reader.read()
        await reader.connect()
        assert [delivery.messages[0].ts for delivery in await reader.read()] == [2]
        await reader.ack()
        assert await groups(after, STREAMS.scored) == {GROUP, "risk"}
    reader.close()
    await sink.stop()


async def test_a_reader_that_was_given_up_is_told_so_when_it_comes_back(
    redis_url: str, client: "aioredis.Redis", capsys: pytest.CaptureFixture[str]
) -> None:
    reader = reader_of(redis_url)
    await reader.connect()
    await reader.read()
    reader.close()
    sink = Running(redis_url, Sink, service="risk", reader_gone_s=0.2, **LIMITS)

    async def given_up() -> bool:
        return not await client.exists(STREAMS.readers)

    await until(given_up)
    assert "a reader has gone and is no longer waited for" in "".join(capsys.readouterr())
    await client.xadd(STREAMS.scored, {"m": codec.encode([Mark(ts=1, source="t")])})
    await reader.connect()
    assert "was away too long; what was trimmed meanwhile is missed" in "".join(capsys.readouterr())
    assert [delivery.messages[0].ts for delivery in await reader.read()] == [1]
    reader.close()
    await sink.stop()


async def test_a_service_that_is_down_is_waited_for(redis_url: str, client: "aioredis.Redis") -> None:
    down = Running(redis_url, Sink, service="risk", **LIMITS)
    writer = Running(redis_url, RunningSum, reader_gone_s=0.2, **LIMITS)
    await send(client, 10)

    async def handled() -> bool:
        return bool(down.cores) and getattr(down.cores[-1], "seen", 0) == 10

    await until(handled)
    await down.kill()
    await send(client, 300)
    await asyncio.sleep(1.0)
    assert "risk" in await groups(client, STREAMS.scored)
    again = Running(redis_url, Sink, service="risk", **LIMITS)

    async def all_through() -> bool:
        return bool(again.cores) and getattr(again.cores[-1], "seen", 0) == 310

    await until(all_through)
    await again.stop()
    await writer.stop()


async def test_a_reader_that_leaves_in_order_leaves_nothing(redis_url: str, client: "aioredis.Redis") -> None:
    reader = reader_of(redis_url)
    await reader.connect()
    await client.xadd(STREAMS.scored, {"m": codec.encode([Mark(ts=1, source="t")])})
    while not await reader.read():
        pass
    await reader.ack()
    assert await client.exists(STREAMS.readers, STREAMS.floors) == 2
    await reader.forget()
    reader.close()
    assert await client.exists(STREAMS.readers, STREAMS.floors) == 0
    assert await groups(client, STREAMS.scored) == set()
