"""The real process on a real Redis and a real registry."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.request import urlopen

import pytest
import redis

from app.messages import codec
from app.messages.base import Message
from app.messages.signals import Mark, ScoredSignal
from app.messages.streams import Streams
from app.registry.slots import promote, register
from tests.ai_scorer.models import WEIGHTS, bundle, linear, logistic
from tests.ai_scorer.models import signal as raw_signal

ROOT = Path(__file__).resolve().parents[2]
STREAMS = Streams("main")
AT = datetime(2024, 8, 9, tzinfo=UTC)


class Scorer:
    """`python -m app.ai_scorer.main` on `url` with the models in `registry`."""

    def __init__(self, url: str, registry: Path, log: Path) -> None:
        settings = f"metrics.ai_scorer=0\nlogging.format=json\nai_scorer.registry={registry}"
        self._log = log
        self._file = log.open("a")
        self._child = subprocess.Popen(
            [sys.executable, "-m", "app.ai_scorer.main"],
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": url, "AVIARY_SET": settings},
            stderr=self._file,
        )

    def metrics(self) -> str:
        ports = re.findall(r'"metrics_port": (\d+)', self._log.read_text())
        with urlopen(f"http://127.0.0.1:{ports[-1]}/metrics") as answer:
            return str(answer.read().decode())

    def log(self) -> str:
        return self._log.read_text()

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
def registry(tmp_path: Path) -> Path:
    register(tmp_path / "registry", bundle(name="first"), notes="")
    promote(tmp_path / "registry", "active", "first", at=AT)
    return tmp_path / "registry"


@pytest.fixture
def start(redis_url: str, registry: Path, tmp_path: Path) -> Iterator[Callable[[], Scorer]]:
    started: list[Scorer] = []

    def begin() -> Scorer:
        started.append(Scorer(redis_url, registry, tmp_path / "log"))
        return started[-1]

    yield begin
    for process in started:
        process.end(signal.SIGKILL)


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as connected:
        yield connected


def sent(client: redis.Redis, stream: str) -> list[Message]:
    return [message for _, fields in client.xrange(stream) for message in codec.decode(fields[b"m"])[0]]


def wait_for(condition: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "nothing came in time"
        time.sleep(0.02)


def test_signals_are_scored_within_the_memory_budget(start: Callable[[], Scorer], client: redis.Redis) -> None:
    scorer = start()
    values = [0.1 * i for i in range(len(WEIGHTS))]
    mark = Mark(ts=1, source="signal_engine")
    for i in range(50):
        signals = [raw_signal(values, f"s{i}-{j}") for j in range(4)]
        client.xadd(STREAMS.raw, {"m": codec.encode([*signals, mark])})
    client.xadd(STREAMS.raw, {"m": codec.encode([raw_signal(name="old", schema="other")])})
    wait_for(lambda: len(sent(client, STREAMS.scored)) == 250 and client.xlen(STREAMS.dlq) == 1)
    found = sent(client, STREAMS.scored)
    assert [type(message) for message in found[:5]] == [ScoredSignal] * 4 + [Mark]
    (score,) = {m.score for m in found if isinstance(m, ScoredSignal)}
    assert score == pytest.approx(logistic(values), abs=1e-6)
    assert sent(client, STREAMS.dlq)[0].reason == "schema_mismatch"
    exported = scorer.metrics()
    assert 'model_active_id{model="first"} 1.0' in exported
    assert 'signals_scored_total{kind="entry"} 200.0' in exported
    assert "parquet_schema_version_mismatch_total 1.0" in exported
    if sys.platform == "linux":
        assert (resident := scorer.resident_mb()) < 100, f"{resident:.0f} MB resident"
    assert scorer.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("harm", "remedy"),
    [
        (lambda registry: (registry / "manifest.json").unlink(), "has no manifest"),
        (lambda registry: (registry / "manifest.json").write_text("{"), "cannot be read: Input data was truncated"),
        (lambda registry: (registry / "first" / "model.onnx").write_bytes(b""), "is not the registered one"),
        (lambda registry: _activate(registry, schema_hash="old"), "was trained under feature schema 'old'"),
        (lambda registry: _activate(registry, content=linear(WEIGHTS * 2)), "golden inputs score differently"),
        (lambda registry: _activate(registry, content=b"no model"), "ONNX Runtime cannot use it"),
    ],
    ids=["no manifest", "bad manifest", "changed model", "other catalogue", "parity", "no model"],
)
def test_an_unusable_registry_is_exit_code_2(
    start: Callable[[], Scorer], registry: Path, harm: Callable[[Path], object], remedy: str
) -> None:
    harm(registry)
    scorer = start()
    assert scorer.wait() == 2
    assert '"misconfigured"' in scorer.log()
    assert remedy in scorer.log()


def _activate(registry: Path, content: bytes | None = None, **fields: object) -> None:
    register(registry, bundle(content, "second", **fields), notes="")
    promote(registry, "active", "second", at=AT)
