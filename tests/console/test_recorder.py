import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from pydantic import SecretStr

from app.bus.reader import StreamReader
from app.bus.server import RedisServer
from app.bus.settings import BusSettings
from app.console.recorder import GROUP, Recorder, RecordingFailed, recorded_streams
from app.messages.base import Message
from app.messages.codec import encode
from app.messages.signals import Mark
from app.messages.streams import Streams
from app.report.events import read_events
from tests.report.factory import T0, small_run

STREAMS = Streams("main")


def recorder(url: str, path: Path) -> Recorder:
    bus = BusSettings(redis_url=SecretStr(url), block_ms=20)
    reader = StreamReader(bus, STREAMS, recorded_streams(STREAMS), group=GROUP)
    return Recorder(reader, path, busy_entries=bus.batch_entries)


def publish(client: "redis.Redis[bytes]", *messages: Message, stream: str = STREAMS.execution) -> None:
    client.xadd(stream, {"m": encode(messages)})


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(redis_url) as made:
        yield made


async def test_everything_but_marks_is_kept_and_counted(
    client: "redis.Redis[bytes]", redis_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    messages = small_run()
    for message in messages[:10]:
        publish(client, message)
    made = recorder(redis_url, path)
    running = asyncio.create_task(made.run())
    await asyncio.sleep(0.3)
    publish(client, *messages[10:])
    made.stop()
    await running
    assert list(read_events(path)) == [message for message in messages if not isinstance(message, Mark)]
    assert made.tally.closed_trades == 1


async def test_its_group_is_gone_when_it_is_done_so_that_trimming_goes_on(
    client: "redis.Redis[bytes]", redis_url: str, tmp_path: Path
) -> None:
    publish(client, Mark(ts=T0, source="executor"))
    made = recorder(redis_url, tmp_path / "events.jsonl")
    running = asyncio.create_task(made.run())
    await asyncio.sleep(0.2)
    groups = client.xinfo_groups(STREAMS.execution)
    assert [group["name"] for group in groups] == [GROUP.encode()]
    assert groups[0]["pending"] == 0
    made.stop()
    await running
    assert client.xinfo_groups(STREAMS.execution) == []
    assert client.hgetall(STREAMS.floors) == {}


async def test_nothing_is_lost_or_written_twice_over_a_restart_of_redis(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    messages = small_run()
    made = recorder(redis_server.url, path)
    running = asyncio.create_task(made.run())
    with redis.Redis.from_url(redis_server.url) as client:
        for message in messages[:8]:
            publish(client, message)
        await asyncio.sleep(0.25)
        redis_server.stop(kill=True)
        await asyncio.sleep(0.15)
        redis_server.start()
        for message in messages[8:]:
            publish(client, message)
    await asyncio.sleep(0.5)
    made.stop()
    await running
    assert list(read_events(path)) == [message for message in messages if not isinstance(message, Mark)]


async def test_what_was_written_but_not_acknowledged_is_not_written_again(
    client: "redis.Redis[bytes]", redis_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl"
    made = recorder(redis_url, path)
    running = asyncio.create_task(made.run())
    await asyncio.sleep(0.1)
    # Its connections are cut again and again between reading and acknowledging.
    for message in small_run():
        publish(client, message)
        client.client_kill_filter(_type="normal", skipme=True)
        await asyncio.sleep(0.02)
    await asyncio.sleep(1.0)
    made.stop()
    await running
    assert list(read_events(path)) == [message for message in small_run() if not isinstance(message, Mark)]


async def test_a_full_disk_ends_the_run_and_says_so(client: "redis.Redis[bytes]", redis_url: str) -> None:
    publish(client, *small_run())
    with pytest.raises(
        RecordingFailed, match=r"/dev/full cannot be written \(No space left on device\); free some space"
    ):
        await recorder(redis_url, Path("/dev/full")).run()
