"""The real process on a real Redis: what it reads, writes and remembers through being killed."""

import signal
import sys
from functools import partial

import msgspec
import pytest
import redis

from app.messages.signals import ApprovedSignal, Dropped, Mark
from app.messages.streams import Streams
from tests.risk.builders import control, executor_mark, mark, order, scored
from tests.service_rig import StartService, send, sent, wait_for

STREAMS = Streams("main")


@pytest.fixture
def start(start_service: StartService, redis_url: str) -> StartService:
    settings = (f"bus.redis_url={redis_url}", "risk.max_positions=1", "warmup.enabled=false")
    return partial(start_service, "risk", *settings)


def ids(client: redis.Redis) -> list[str]:
    return [m.id for m in sent(client, STREAMS.approved) if isinstance(m, ApprovedSignal)]


def handled(client: redis.Redis, stream: str) -> bool:
    (group,) = client.xinfo_groups(stream)
    ((newest, _),) = client.xrevrange(stream, count=1)
    return group["last-delivered-id"] == newest and group["pending"] == 0


def test_signals_become_approvals_and_drops_through_a_kill(start: StartService, client: redis.Redis) -> None:
    risk = start()
    send(client, STREAMS.scored, mark(0), scored(1, "a"), scored(2, "b"), scored(3, "h", kind="hold"), mark(100))
    wait_for(lambda: len(sent(client, STREAMS.approved)) == 4)
    assert sent(client, STREAMS.approved)[0] == mark(0)
    risk.end(signal.SIGKILL)
    # What was open before the kill still is, and a repeat is recognised.
    risk = start()
    send(client, STREAMS.execution, order(1, "a", "submitted"), executor_mark(300))
    send(client, STREAMS.scored, scored(1200, "c"), scored(1201, "a"))
    wait_for(lambda: len(sent(client, STREAMS.dropped)) == 3)
    send(client, STREAMS.execution, order(400, "a", "cancelled"), executor_mark(1000))
    send(client, STREAMS.scored, scored(1500, "d"), mark(1500))
    wait_for(lambda: "d" in ids(client))
    assert ids(client) == ["a", "h", "d"]
    drops = [(m.id, m.reason) for m in sent(client, STREAMS.dropped) if isinstance(m, Dropped)]
    assert drops == [("b", "max_positions"), ("c", "max_positions"), ("a", "duplicate")]
    exported = risk.metrics()
    assert exported['dropped_total{reason="duplicate"}'] == 1
    assert exported['signals_total{kind="entry"}'] == 3
    if sys.platform == "linux":
        assert risk.resident_mb() < 100
    assert risk.end(signal.SIGTERM) == 0


def test_a_halt_outlasts_a_restart(start: StartService, client: redis.Redis) -> None:
    risk = start()
    send(client, STREAMS.control, control("HALT"))
    send(client, STREAMS.scored, mark(0))
    wait_for(lambda: len(sent(client, STREAMS.approved)) == 1 and handled(client, STREAMS.control))
    assert risk.end(signal.SIGTERM) == 0
    start()
    send(client, STREAMS.scored, scored(1, "a"), scored(2, "h", kind="hold"), mark(100))
    wait_for(lambda: Mark(ts=mark(100).ts, source="signal_engine") in sent(client, STREAMS.approved))
    assert ids(client) == ["h"]


def test_what_cannot_be_read_goes_to_the_dead_letters(start: StartService, client: redis.Redis) -> None:
    start()
    good = msgspec.json.encode(scored(0, "a"))
    client.xadd(STREAMS.scored, {"m": b'[{"type": "nonsense"}, ' + good + b"]"})
    wait_for(lambda: ids(client) == ["a"])
    (dead,) = sent(client, STREAMS.dlq)
    assert (dead.service, dead.reason) == ("risk", "malformed")


def test_a_fault_in_the_configuration_is_exit_code_2(start: StartService) -> None:
    risk = start("risk.daily_loss_cap_usd=5")
    assert risk.wait() == 2
    assert "risk.daily_loss_cap_usd: Input should be less than 0" in risk.said()
