"""The service loop against a real Redis: hand-over, recovery, dead letters, outages, trimming, back-pressure."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
import redis.asyncio as aioredis

from app.bus.entries import add_messages
from app.bus.server import RedisServer
from app.bus.types import Delivery, Outbox
from app.bus.wire import Wire
from app.core.errors import Misconfigured, SchemaMismatch
from app.messages import codec
from app.messages.base import Message
from app.messages.control import DeadLetter
from app.messages.signals import Mark
from tests.bus.cores import STREAMS, Running, RunningSum


async def until(condition: Callable[[], Awaitable[bool]], *, within: float = 15.0) -> None:
    async with asyncio.timeout(within):
        while not await condition():  # noqa: ASYNC110 - watches another connection
            await asyncio.sleep(0.02)


async def messages(client: "aioredis.Redis", stream: str) -> list[Message]:
    found: list[Message] = []
    for _entry, fields in await client.xrange(stream):
        good, bad = codec.decode(fields[b"m"])
        assert not bad
        found += good
    return found


async def send(client: "aioredis.Redis", *values: int) -> None:
    for value in values:
        await client.xadd(STREAMS.raw, {"m": codec.encode([Mark(ts=value, source="t")])})


async def totals(client: "aioredis.Redis") -> list[int]:
    return [message.ts for message in await messages(client, STREAMS.scored)]


@pytest.fixture
async def client(redis_url: str):
    async with aioredis.Redis.from_url(redis_url) as connected:
        yield connected


async def test_every_message_is_handled_once_and_in_order(redis_url, client):
    running = Running(redis_url, RunningSum)
    await send(client, *range(1, 101))

    async def done() -> bool:
        return len(await totals(client)) == 100

    await until(done)
    await running.stop()
    assert await totals(client) == [n * (n + 1) // 2 for n in range(1, 101)]
    assert (await client.xpending(STREAMS.raw, "ai_scorer"))["pending"] == 0
    assert len(running.cores) == 1, "the core that named the inputs is the one that serves"


async def test_killed_at_random_moments_it_neither_loses_nor_repeats(redis_url, client, seed):
    choose = random.Random(seed)
    values = list(range(1, 201))
    for start in range(0, 200, 20):
        running = Running(redis_url, RunningSum, snapshot_every_s=0.05, batch_entries=3)
        await send(client, *values[start : start + 20])
        await asyncio.sleep(choose.uniform(0.0, 0.12))
        await running.kill()
    running = Running(redis_url, RunningSum)

    async def done() -> bool:
        return len(await totals(client)) >= 200

    await until(done)
    await running.stop()
    assert await totals(client) == [n * (n + 1) // 2 for n in values]


async def test_an_outage_of_redis_is_outlasted(redis_server: RedisServer):
    running = Running(redis_server.url, RunningSum)
    async with aioredis.Redis.from_url(redis_server.url) as before:
        await send(before, 1, 2, 3)

        async def three() -> bool:
            return len(await totals(before)) == 3

        await until(three)
        # The append-only log is synced every second; wait for it, as a power cut is not what is tested here.
        await before.execute_command("BGREWRITEAOF")
        await asyncio.sleep(1.2)
    redis_server.stop(kill=True)
    await asyncio.sleep(0.4)
    redis_server.start()
    async with aioredis.Redis.from_url(redis_server.url) as after:
        await send(after, 4)

        async def four() -> bool:
            return len(await totals(after)) == 4

        await until(four)
        assert await totals(after) == [1, 3, 6, 10]
    assert running.registry.get_sample_value("bus_retries_total", {"reason": "connection"}) >= 1
    await running.stop()


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        ({"m": b"\xff\x00 not json"}, "malformed", "not a JSON array"),
        ({"m": b'[{"type":"nonsense","ts":1}]'}, "malformed", "Invalid value 'nonsense'"),
        ({"m": b'[{"type":"mark","ts":"soon","source":"t"}]'}, "malformed", "Expected `int`"),
        ({"m": b'[{"type":"mark","ts":1,"v":99,"source":"t"}]'}, "unknown_version", "has version 99"),
        ({"x": b"1"}, "malformed", "fields 'x'; expected 'm'"),
        ({"b": b"123", "s": b"0"}, "schema_mismatch", "row schema '0'"),
        ({"m": b'[{"type":"mark","ts":-5,"source":"t"}]'}, "bad_input", "negative ts -5"),
    ],
)
async def test_what_cannot_be_used_is_dead_lettered_and_the_rest_goes_on(redis_url, client, fields, reason, text):
    running = Running(redis_url, RunningSum)
    await send(client, 7)
    entry = (await client.xadd(STREAMS.raw, fields)).decode()
    await send(client, 8)

    async def done() -> bool:
        return len(await totals(client)) == 2

    await until(done)
    await running.stop()
    assert await totals(client) == [7, 15]
    (dead,) = await messages(client, STREAMS.dlq)
    assert isinstance(dead, DeadLetter)
    assert (dead.service, dead.stream, dead.entry_id, dead.reason) == ("ai_scorer", STREAMS.raw, entry, reason)
    assert text in dead.error
    assert running.registry.get_sample_value("bus_dead_letters_total", {"reason": reason}) == 1


async def test_one_bad_message_does_not_take_its_entry_along(redis_url, client):
    running = Running(redis_url, RunningSum)
    good = codec.encode([Mark(ts=1, source="a")])[1:-1]
    await client.xadd(STREAMS.raw, {"m": b"[" + good + b',{"type":"mark"},' + good + b"]"})

    async def done() -> bool:
        return len(await totals(client)) == 2

    await until(done)
    await running.stop()
    assert [m.reason for m in await messages(client, STREAMS.dlq) if isinstance(m, DeadLetter)] == ["malformed"]


async def test_a_defect_in_the_core_costs_one_entry_and_no_state(redis_url, client):
    class Defective(RunningSum):
        def __init__(self) -> None:
            super().__init__()
            self.fail_at = 3

    running = Running(redis_url, Defective)
    await send(client, 1, 2, 3, 4)

    async def done() -> bool:
        return len(await totals(client)) == 3

    await until(done)
    assert await totals(client) == [1, 3, 7]
    await running.kill()
    # The next start must not trip over the same entry.
    again = Running(redis_url, Defective)
    await send(client, 5)

    async def more() -> bool:
        return len(await totals(client)) == 4

    await until(more)
    await again.stop()
    assert await totals(client) == [1, 3, 7, 12]
    (dead,) = await messages(client, STREAMS.dlq)
    assert isinstance(dead, DeadLetter)
    assert dead.reason == "handler_error"
    assert "ZeroDivisionError" in dead.error


async def test_trimming_waits_for_the_slowest_reader(redis_url, client):
    await client.xgroup_create(STREAMS.raw, "somebody_slow", id="0", mkstream=True)
    running = Running(redis_url, RunningSum, snapshot_every_s=0.05, trim_every_s=0.05)
    for start in range(0, 600, 100):
        await send(client, *range(start, start + 100))

    async def handled() -> bool:
        return len(await totals(client)) == 600

    await until(handled)
    await asyncio.sleep(0.3)
    assert await client.xlen(STREAMS.raw) == 600
    last = (await client.xrevrange(STREAMS.raw, count=1))[0][0]
    await client.hset(STREAMS.floors, f"{STREAMS.raw}|somebody_slow", last)
    await send(client, 1000)

    async def trimmed() -> bool:
        return await client.xlen(STREAMS.raw) < 200

    await until(trimmed)
    await running.stop()


async def test_a_writer_waits_for_a_reader_that_is_far_behind(redis_url, client):
    running = Running(redis_url, RunningSum, trim_every_s=0.02, max_stream_entries=100, batch_entries=10)
    await client.xgroup_create(STREAMS.scored, "slow", id="0", mkstream=True)
    await send(client, *range(1000))
    await asyncio.sleep(1.0)
    written = await client.xlen(STREAMS.scored)
    assert written < 1000
    assert running.registry.get_sample_value("bus_held") == 1
    await client.xtrim(STREAMS.scored, maxlen=0, approximate=False)

    async def drained() -> bool:
        await client.xtrim(STREAMS.scored, maxlen=0, approximate=False)
        return bool((await client.xpending(STREAMS.raw, "ai_scorer"))["pending"] == 0) and (
            (await client.xinfo_groups(STREAMS.raw))[0]["last-delivered-id"]
            == (await client.xrevrange(STREAMS.raw, count=1))[0][0]
        )

    await until(drained)
    await running.stop()
    assert running.cores[-1].seen == 1000


async def test_a_second_process_for_the_same_shard_is_refused(redis_url, client):
    running = Running(redis_url, RunningSum)
    await send(client, 1)

    async def done() -> bool:
        return len(await totals(client)) == 1

    await until(done)
    second = Running(redis_url, RunningSum)
    with pytest.raises(Misconfigured, match="another process already serves as aviary:ai_scorer:test"):
        await asyncio.wait_for(second.task, 10)
    await running.stop()


async def test_an_unreachable_redis_is_retried_and_a_wrong_password_is_not(redis_url):
    running = Running("redis://127.0.0.1:1/0", RunningSum)
    await asyncio.sleep(0.5)
    assert not running.task.done()
    assert running.registry.get_sample_value("bus_retries_total", {"reason": "connection"}) >= 2
    await running.stop()
    locked_out = Running(redis_url.replace("redis://", "redis://:hunter2@"), RunningSum)
    with pytest.raises(Misconfigured, match="check REDIS_URL") as refusal:
        await asyncio.wait_for(locked_out.task, 10)
    assert "hunter2" not in str(refusal.value)


async def test_a_wire_closed_while_waiting_reports_it(redis_url):
    wire = Wire(redis_url, name="t", probe_key="x")
    await wire.connect()
    waiting = asyncio.create_task(wire.command("BLPOP", "nothing-here", 5))
    await asyncio.sleep(0.05)
    wire.close()
    with pytest.raises(OSError, match=r".*"):
        await waiting
    await wire.connect()
    await wire.call(add_messages(STREAMS.raw, [Mark(ts=1, source="w")]), 1)
    wire.close()


async def test_state_of_another_version_is_not_silently_given_up(redis_url, client):
    class Picky(RunningSum):
        def restore(self, blob: bytes) -> None:
            raise SchemaMismatch("made by version 7, this program reads 1")

    key = STREAMS.snapshot("ai_scorer")
    running = Running(redis_url, RunningSum, snapshot_every_s=0.01)
    await send(client, 1)

    async def saved() -> bool:
        return bool(await client.exists(key))

    await until(saved)
    await running.stop()
    with pytest.raises(Misconfigured, match=r"made by version 7.*redis-cli DEL 'snapshot:ai_scorer:\{test\}'"):
        await asyncio.wait_for(Running(redis_url, Picky).task, 10)
    await client.set(key, b"garbage")
    with pytest.raises(Misconfigured, match="cannot be used"):
        await asyncio.wait_for(Running(redis_url, RunningSum).task, 10)


class Listener(RunningSum):
    """Reads two streams and notes the size of each batch of `sig:raw`."""

    inputs = (STREAMS.raw, STREAMS.control)


async def test_a_lazy_input_waits_for_company_but_not_for_ever(redis_url, client):
    running = Running(redis_url, Listener, lazy={STREAMS.raw: 0.2})
    await send(client, 1)

    async def first() -> bool:
        return await totals(client) == [1]

    await until(first)
    for value in range(2, 12):
        await send(client, value)
        await asyncio.sleep(0.01)

    # All ten came within the wait, so they left in one entry.
    async def all_of_them() -> bool:
        return len(await totals(client)) == 11

    await until(all_of_them)
    await running.stop()
    assert await client.xlen(STREAMS.scored) <= 3


async def test_a_lazy_input_does_not_hold_up_another(redis_url, client):
    running = Running(redis_url, Listener, lazy={STREAMS.raw: 5.0})
    await send(client, 1)

    async def first() -> bool:
        return await totals(client) == [1]

    await until(first)
    await send(client, 2)
    await client.xadd(STREAMS.control, {"m": codec.encode([Mark(ts=100, source="t")])})

    async def prompt() -> bool:
        return await totals(client) == [1, 101]

    await until(prompt, within=2.0)
    await running.kill()


async def test_entries_that_cause_nothing_are_acknowledged_soon_all_the_same(redis_url, client):
    class Silent(RunningSum):
        def advance(self, delivery: Delivery, out: Outbox) -> None:
            self.seen += 1

    running = Running(redis_url, Silent)
    await send(client, *range(50))

    async def acknowledged() -> bool:
        return running.cores[-1].seen == 50 and (await client.xpending(STREAMS.raw, "ai_scorer"))["pending"] == 0

    await until(acknowledged, within=5.0)
    await running.stop()
