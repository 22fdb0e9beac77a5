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

import pytest
import redis

from app.bus.server import die_with_parent
from app.core.clock import NS_PER_MS
from app.market.instruments import read_instruments
from app.market.rows import LAST, Rows
from app.market.schema import SCHEMA
from app.messages import codec
from app.messages.base import Message
from app.messages.signals import Signal
from app.messages.streams import Streams
from app.settings import ROOT, load_settings
from app.signal_engine.metrics import EngineMetrics
from app.signal_engine.service import SignalEngine
from tests.features.tapes import tape
from tests.signal_engine.builders import executor_mark

STREAMS = Streams("main")
TAPE = tape(41, 900, step_ms=30)
SETTINGS = ("metrics.signal_engine=0", "logging.format=json", "bus.snapshot_every_s=0.2")


class EngineProcess:
    """`python -m app.signal_engine.main` on `url`."""

    def __init__(self, url: str, log: Path) -> None:
        self._log = log
        self._file = log.open("a")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "app.signal_engine.main"],
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": url, "AVIARY_SET": "\n".join(SETTINGS)},
            stderr=self._file,
            preexec_fn=die_with_parent,
        )

    def metrics(self) -> str:
        ports = re.findall(r'"metrics_port": (\d+)', self._log.read_text())
        with urlopen(f"http://127.0.0.1:{ports[-1]}/metrics") as answer:
            return str(answer.read().decode())

    def resident_mb(self) -> float:
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024

    def end(self, number: signal.Signals) -> int:
        if self._child.poll() is None:
            self._child.send_signal(number)
        code = self._child.wait(timeout=20)
        self._file.close()
        return code


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Callable[[], EngineProcess]]:
    started: list[EngineProcess] = []

    def begin() -> EngineProcess:
        started.append(EngineProcess(redis_url, tmp_path / "log"))
        return started[-1]

    yield begin
    for process in started:
        process.end(signal.SIGKILL)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connected:
        yield connected


def send_rows(client: redis.Redis, start: int, stop: int) -> None:
    """Send the tape's rows start … stop - 1 in blocks of a few venue messages, and the executor's marks with them."""
    at = start
    while at < stop:
        end = min(at + 40, stop)
        while end < stop and not TAPE["flags"][end - 1] & LAST:
            end += 1
        client.xadd(STREAMS.md, {"b": TAPE[at:end].tobytes(), "s": SCHEMA, "n": end})
        mark = executor_mark(int(TAPE["ts_recv"][end - 1]) - 300 * NS_PER_MS)
        client.xadd(STREAMS.execution, {"m": codec.encode([mark])})
        at = end


def sent(client: redis.Redis) -> list[Message]:
    return [message for _, fields in client.xrange(STREAMS.raw) for message in codec.decode(fields[b"m"])[0]]


def wait_for(condition: Callable[[], bool], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.02)


def in_this_process(rows: Rows) -> list[Message]:
    """What a core in this process sends for `rows`."""
    from prometheus_client import CollectorRegistry

    from app.bus.types import Delivery, Outbox

    settings = load_settings(overlays=(), assignments=())
    core = SignalEngine(
        STREAMS,
        settings.signal_engine,
        strategies=settings.strategies,
        instruments=read_instruments(ROOT / settings.symbols_file),
        symbols=settings.shard.symbols,
        feedback_delay_ns=settings.pipeline.feedback_delay_ms * NS_PER_MS,
        metrics=EngineMetrics(CollectorRegistry(), (), ()),
    )
    out = Outbox()
    core.advance(Delivery(STREAMS.execution, "1-1", messages=[executor_mark(2**61)]), out)
    core.advance(Delivery(STREAMS.md, "1-1", block=rows.tobytes()), out)
    return out.messages[STREAMS.raw]


def test_a_killed_engine_sends_what_one_that_was_never_killed_sends(
    start: Callable[[], EngineProcess], client: redis.Redis
) -> None:
    expected = in_this_process(TAPE)
    signals = [message for message in expected if isinstance(message, Signal)]
    assert len(signals) > 10
    third = len(TAPE) // 3
    engine = start()
    send_rows(client, 0, third)
    wait_for(lambda: len(sent(client)) > 20)
    engine.end(signal.SIGKILL)
    send_rows(client, third, 2 * third)
    engine = start()
    send_rows(client, 2 * third, len(TAPE))
    wait_for(lambda: len(sent(client)) == len(expected))
    time.sleep(0.2)
    assert sent(client) == expected
    exported = engine.metrics()
    assert 'rows_dropped_total{reason="malformed"} 0.0' in exported
    assert 'signals_total{kind="entry",strategy="scalper",symbol="BTCUSDT"}' in exported
    assert 'service_ready{service="signal_engine"} 1.0' in exported
    if sys.platform == "linux":
        assert engine.resident_mb() < 200
    assert engine.end(signal.SIGTERM) == 0


def test_noise_on_the_wire_is_refused_or_dropped_and_the_rest_goes_on(
    start: Callable[[], EngineProcess], client: redis.Redis
) -> None:
    engine = start()
    client.xadd(STREAMS.md, {"b": b"x" * 41, "s": SCHEMA, "n": 1})
    client.xadd(STREAMS.md, {"b": TAPE[:40].tobytes(), "s": "another", "n": 1})
    client.xadd(STREAMS.md, {"b": b"\xff" * 400, "s": SCHEMA, "n": 1})
    send_rows(client, 0, 200)
    wait_for(lambda: len(sent(client)) > 5)
    dead = [message for _, fields in client.xrange(STREAMS.dlq) for message in codec.decode(fields[b"m"])[0]]
    assert [message.reason for message in dead] == ["malformed", "schema_mismatch"]  # type: ignore[attr-defined]
    assert 'rows_dropped_total{reason="malformed"} 10.0' in engine.metrics()
    assert engine.end(signal.SIGTERM) == 0
