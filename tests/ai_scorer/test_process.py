"""The real process on a real Redis and a real registry."""

import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
import redis

from app.messages.signals import Mark, ScoredSignal
from app.messages.streams import Streams
from app.registry.slots import promote, register
from tests.ai_scorer.models import WEIGHTS, bundle, linear, logistic
from tests.ai_scorer.models import signal as raw_signal
from tests.service_rig import StartService, send, sent, wait_for

STREAMS = Streams("main")
AT = datetime(2024, 8, 9, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    register(tmp_path / "registry", bundle(name="first"), notes="")
    promote(tmp_path / "registry", "active", "first", at=AT)
    return tmp_path / "registry"


@pytest.fixture
def start(start_service: StartService, redis_url: str, registry: Path) -> StartService:
    return partial(start_service, "ai_scorer", f"bus.redis_url={redis_url}", f"ai_scorer.registry={registry}")


def test_signals_are_scored_within_the_memory_budget(start: StartService, client: redis.Redis) -> None:
    scorer = start()
    values = [0.1 * i for i in range(len(WEIGHTS))]
    mark = Mark(ts=1, source="signal_engine")
    for i in range(50):
        signals = [raw_signal(values, f"s{i}-{j}") for j in range(4)]
        send(client, STREAMS.raw, *signals, mark)
    send(client, STREAMS.raw, raw_signal(name="old", schema="other"))
    wait_for(lambda: len(sent(client, STREAMS.scored)) == 250 and client.xlen(STREAMS.dlq) == 1)
    found = sent(client, STREAMS.scored)
    assert [type(message) for message in found[:5]] == [ScoredSignal] * 4 + [Mark]
    (score,) = {m.score for m in found if isinstance(m, ScoredSignal)}
    assert score == pytest.approx(logistic(values), abs=1e-6)
    assert sent(client, STREAMS.dlq)[0].reason == "schema_mismatch"
    exported = scorer.metrics()
    assert exported['model_active_id{model="first"}'] == 1
    assert exported['signals_scored_total{kind="entry"}'] == 200
    assert exported["parquet_schema_version_mismatch_total"] == 1
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
    start: StartService, registry: Path, harm: Callable[[Path], object], remedy: str
) -> None:
    harm(registry)
    scorer = start()
    assert scorer.wait() == 2
    assert remedy in scorer.event("misconfigured")["error"]


def _activate(registry: Path, content: bytes | None = None, **fields: object) -> None:
    register(registry, bundle(content, "second", **fields), notes="")
    promote(registry, "active", "second", at=AT)
