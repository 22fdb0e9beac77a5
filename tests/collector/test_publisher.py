"""What publishing relies upon after an interruption: a stream that ends where its writer left it, or an error."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import redis

from app.bus.publisher import Publisher, StreamBroken
from app.bus.server import RedisServer
from app.bus.settings import BusSettings
from app.messages.streams import Streams
from tests.collector.rig import SHARD, STREAM
from tests.collector.test_backlog import block


@pytest.fixture
def server(tmp_path: Path) -> RedisServer:
    """A server that keeps nothing when it is killed."""
    server = RedisServer(tmp_path / "redis", appendonly=False)
    server.start()
    return server


@pytest.fixture
async def publisher(server: RedisServer) -> AsyncIterator[Publisher]:
    bus = BusSettings.model_validate({"redis_url": server.url, "reconnect_max_s": 0.1})
    publisher = Publisher(bus, Streams(SHARD), name="test")
    yield publisher
    publisher.close()
    server.stop()


def restart(server: RedisServer, keep: int) -> None:
    """Kill the server and bring it back with only the first `keep` blocks of ten rows."""
    server.stop(kill=True)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        for number in range(keep):
            client.xadd(STREAM, {"b": block(10 * number, 10), "s": "", "n": 10 * number + 10})


async def test_a_stream_that_lost_its_end_is_noticed_before_anything_is_written(
    server: RedisServer, publisher: Publisher
) -> None:
    for number in range(3):
        await publisher.publish_block(STREAM, block(10 * number, 10), 10 * number + 10, follows=10 * number)
    restart(server, keep=1)
    with pytest.raises(
        StreamBroken, match="ended at row 30 and now ends at row 10: Redis came back with less"
    ) as error:
        await publisher.publish_block(STREAM, block(30, 10), 40, follows=30)
    assert error.value.newest == 10
    assert await publisher.last_counter(STREAM) == 10


async def test_a_stream_that_is_gone_altogether(server: RedisServer, publisher: Publisher) -> None:
    await publisher.publish_block(STREAM, block(0, 10), 10, follows=0)
    restart(server, keep=0)
    with pytest.raises(StreamBroken, match="ended at row 10 and now is empty") as error:
        await publisher.publish_block(STREAM, block(10, 10), 20, follows=10)
    assert error.value.newest is None


async def test_a_stream_that_is_whole_goes_on(server: RedisServer, publisher: Publisher) -> None:
    await publisher.publish_block(STREAM, block(0, 10), 10, follows=0)
    restart(server, keep=1)
    await publisher.publish_block(STREAM, block(10, 10), 20, follows=10)
    restart(server, keep=2)
    await publisher.publish_block(STREAM, block(10, 10), 20, follows=10)
    assert await publisher.last_counter(STREAM) == 20
    with redis.Redis.from_url(server.url) as client:
        assert client.xlen(STREAM) == 2, "the block had arrived: it is not written twice"
    await asyncio.sleep(0)


async def test_who_cannot_repeat_is_not_asked_to(server: RedisServer, publisher: Publisher) -> None:
    await publisher.publish_block(STREAM, block(0, 10), 10)
    restart(server, keep=0)
    await publisher.publish_block(STREAM, block(10, 10), 20)
    assert await publisher.last_counter(STREAM) == 20


async def test_entries_of_somebody_else_do_not_count(server: RedisServer, publisher: Publisher) -> None:
    await publisher.publish_block(STREAM, block(0, 10), 10)
    with redis.Redis.from_url(server.url) as client:
        client.xadd(STREAM, {"hello": "world"})
        client.xadd(STREAM, {"b": b"x", "n": b"0"})
    assert await publisher.last_counter(STREAM) == 10
