"""The real process on a real Redis: what it reads, writes and remembers through being killed."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import urlopen

import msgspec
import pytest
import redis

from app.messages import codec
from app.messages.base import Message
from app.messages.signals import ApprovedSignal, Dropped, Mark
from app.messages.streams import Streams
from tests.risk.builders import control, executor_mark, mark, order, scored

ROOT = Path(__file__).resolve().parents[2]
STREAMS = Streams("main")


class RiskProcess:
    """`python -m app.risk.main` on `url`."""

    def __init__(self, url: str, log: Path, *assignments: str) -> None:
        settings = "\n".join(
            ("metrics.risk=0", "risk.max_positions=1", "warmup.enabled=false", "logging.format=json", *assignments)
        )
        self._log = log
        self._file = log.open("a")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "app.risk.main"],
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": url, "AVIARY_SET": settings},
            stderr=self._file,
        )

    def metrics(self) -> str:
        ports = re.findall(r'"metrics_port": (\d+)', self._log.read_text())
        with urlopen(f"http://127.0.0.1:{ports[-1]}/metrics") as answer:
            return str(answer.read().decode())

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024

    def wait(self) -> int:
        return self._child.wait(timeout=20)

    def end(self, number: signal.Signals) -> int:
        if self._child.poll() is None:
            self._child.send_signal(number)
        code = self._child.wait(timeout=20)
        self._file.close()
        return code


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Callable[..., RiskProcess]]:
    started: list[RiskProcess] = []

    def begin(*assignments: str) -> RiskProcess:
        started.append(RiskProcess(redis_url, tmp_path / "log", *assignments))
        return started[-1]

    yield begin
    for process in started:
        process.end(signal.SIGKILL)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connected:
        yield connected


def send(client: redis.Redis, stream: str, *messages: Message) -> None:
    client.xadd(stream, {"m": codec.encode(messages)})


def sent(client: redis.Redis, stream: str) -> list[Message]:
    return [message for _, fields in client.xrange(stream) for message in codec.decode(fields[b"m"])[0]]


def wait_for(condition: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.02)


def ids(client: redis.Redis) -> list[str]:
    return [m.id for m in sent(client, STREAMS.approved) if isinstance(m, ApprovedSignal)]


def handled(client: redis.Redis, stream: str) -> bool:
    (group,) = client.xinfo_groups(stream)
    ((newest, _),) = client.xrevrange(stream, count=1)
    return group["last-delivered-id"] == newest and group["pending"] == 0


def test_signals_become_approvals_and_drops_through_a_kill(
    start: Callable[..., RiskProcess], client: redis.Redis
) -> None:
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
    assert 'dropped_total{reason="duplicate"} 1.0' in exported
    assert 'signals_total{kind="entry"} 3.0' in exported
    if sys.platform == "linux":
        assert risk.resident_mb() < 100
    assert risk.end(signal.SIGTERM) == 0


def test_a_halt_outlasts_a_restart(start: Callable[..., RiskProcess], client: redis.Redis) -> None:
    risk = start()
    send(client, STREAMS.control, control("HALT"))
    send(client, STREAMS.scored, mark(0))
    wait_for(lambda: len(sent(client, STREAMS.approved)) == 1 and handled(client, STREAMS.control))
    assert risk.end(signal.SIGTERM) == 0
    start()
    send(client, STREAMS.scored, scored(1, "a"), scored(2, "h", kind="hold"), mark(100))
    wait_for(lambda: Mark(ts=mark(100).ts, source="signal_engine") in sent(client, STREAMS.approved))
    assert ids(client) == ["h"]


def test_what_cannot_be_read_goes_to_the_dead_letters(start: Callable[..., RiskProcess], client: redis.Redis) -> None:
    start()
    good = msgspec.json.encode(scored(0, "a"))
    client.xadd(STREAMS.scored, {"m": b'[{"type": "nonsense"}, ' + good + b"]"})
    wait_for(lambda: ids(client) == ["a"])
    (dead,) = sent(client, STREAMS.dlq)
    assert (dead.service, dead.reason) == ("risk", "malformed")


def test_a_fault_in_the_configuration_is_exit_code_2(start: Callable[..., RiskProcess], tmp_path: Path) -> None:
    risk = start("risk.daily_loss_cap_usd=5")
    assert risk.wait() == 2
    assert "risk.daily_loss_cap_usd: Input should be less than 0" in (tmp_path / "log").read_text()
