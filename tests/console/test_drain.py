import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from app.bus.wire import Wire
from app.console.drain import Backlog, drain
from app.messages.streams import Streams

STREAMS = Streams("main")
RAW, SCORED = STREAMS.raw, STREAMS.scored


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis[bytes]"]:
    with redis.Redis.from_url(redis_url) as made:
        yield made


@pytest.fixture
async def backlog(redis_url: str) -> AsyncIterator[Backlog]:
    made = Backlog(Wire(redis_url, name="test", probe_key=STREAMS.md), STREAMS.all(), {"ai_scorer", "risk"})
    yield made
    made.close()


def serve(client: "redis.Redis[bytes]", stream: str, group: str, *, ack: bool = True) -> None:
    for _, entries in client.xreadgroup(group, group, {stream: ">"}, count=1):
        for entry, _fields in entries:
            if ack:
                client.xack(stream, group, entry)


async def test_nothing_is_behind_where_nothing_was_sent(client: "redis.Redis[bytes]", backlog: Backlog) -> None:
    assert await backlog.behind() == {}
    client.xgroup_create(RAW, "ai_scorer", "0", mkstream=True)
    assert await backlog.behind() == {}


async def test_unread_and_unacknowledged_entries_are_behind(client: "redis.Redis[bytes]", backlog: Backlog) -> None:
    client.xgroup_create(RAW, "ai_scorer", "0", mkstream=True)
    client.xadd(RAW, {"m": "[]"})
    assert set(await backlog.behind()) == {f"{RAW}|ai_scorer"}
    serve(client, RAW, "ai_scorer", ack=False)
    assert (await backlog.behind())[f"{RAW}|ai_scorer"].endswith("pending 1")
    client.xack(RAW, "ai_scorer", client.xrange(RAW)[0][0])
    assert await backlog.behind() == {}


async def test_a_trimmed_stream_and_a_strangers_group_are_nobodys_backlog(
    client: "redis.Redis[bytes]", backlog: Backlog
) -> None:
    client.xgroup_create(RAW, "ai_scorer", "0", mkstream=True)
    client.xgroup_create(RAW, "somebody", "0")
    client.xadd(RAW, {"m": "[]"})
    serve(client, RAW, "ai_scorer")
    client.xtrim(RAW, maxlen=0)
    assert await backlog.behind() == {}


async def test_draining_waits_for_what_follows_from_what_was_left(
    client: "redis.Redis[bytes]", backlog: Backlog
) -> None:
    client.xgroup_create(RAW, "ai_scorer", "0", mkstream=True)
    client.xgroup_create(SCORED, "risk", "0", mkstream=True)
    for _ in range(3):
        client.xadd(RAW, {"m": "[]"})
    draining = asyncio.create_task(drain(backlog, patience_s=5))
    for _ in range(3):
        await asyncio.sleep(0.1)
        client.xadd(SCORED, {"m": "[]"})
        serve(client, RAW, "ai_scorer")
    assert not draining.done()
    for _ in range(3):
        serve(client, SCORED, "risk")
    assert await draining == []


async def test_patience_ends_only_where_nothing_moves(client: "redis.Redis[bytes]", backlog: Backlog) -> None:
    client.xgroup_create(RAW, "ai_scorer", "0", mkstream=True)
    for _ in range(8):
        client.xadd(RAW, {"m": "[]"})
    draining = asyncio.create_task(drain(backlog, patience_s=0.5))
    began = time.monotonic()
    for _ in range(7):
        await asyncio.sleep(0.2)
        serve(client, RAW, "ai_scorer")
    assert await draining == [f"{RAW}|ai_scorer"]
    assert time.monotonic() - began > 1.4


async def test_a_redis_that_is_gone_is_given_up(unused_tcp_port: int) -> None:
    gone = Backlog(Wire(f"redis://127.0.0.1:{unused_tcp_port}/0", name="t", probe_key="x"), ["x"], {"risk"})
    assert await drain(gone, patience_s=0.3) == ["Redis, which does not answer"]
