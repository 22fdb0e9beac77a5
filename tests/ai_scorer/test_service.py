"""The core: order, orientation, refusals, the shadow that must never hurt, and what is counted."""

import math
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from prometheus_client import CollectorRegistry

from app.ai_scorer.distribution import MEMORY, Distribution
from app.ai_scorer.metrics import REFUSALS, ScorerMetrics
from app.ai_scorer.model import Arm, Model
from app.ai_scorer.service import ScorerCore
from app.bus.types import Delivery, Outbox, RefeedOutbox
from app.core.errors import SchemaMismatch
from app.features import catalogue
from app.messages.base import Message
from app.messages.signals import Mark, ScoredSignal
from app.messages.streams import Streams
from tests.ai_scorer.models import WEIGHTS, bundle, linear, logistic, signal, unbounded

STREAMS = Streams("test")
ZERO = np.zeros((1, catalogue.COUNT))
ROWS = np.random.default_rng(3).normal(size=(20, catalogue.COUNT))
SIDED = np.array([feature.sided for feature in catalogue.FEATURES])


def arm(content: bytes | None = None, name: str = "tiny", **fields: object) -> Arm:
    return Arm(Model(bundle(content, name, **fields)), 0.6, 0.3)


class Bench:
    """A scorer core with its counters, fed by hand."""

    def __init__(self, active: Arm | None = None, shadow: Arm | None = None) -> None:
        self.registry = CollectorRegistry()
        self.metrics = ScorerMetrics(self.registry)
        self.active = active or arm()
        self.metrics.show(self.active, shadow)
        self.core = ScorerCore(STREAMS, self.active, shadow, self.metrics)
        self.out = Outbox()

    def feed(self, *messages: Message, out: Outbox | None = None) -> list[Message]:
        self.core.advance(Delivery(STREAMS.raw, "1-0", messages), self.out if out is None else out)
        return self.sent

    @property
    def sent(self) -> list[Message]:
        return self.out.messages.get(STREAMS.scored, [])

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def scored(messages: list[Message]) -> list[ScoredSignal]:
    return [message for message in messages if isinstance(message, ScoredSignal)]


def test_a_signal_leaves_with_its_score_and_thresholds() -> None:
    given = signal(ROWS[0], "a", kind="hold")
    (found,) = scored(Bench().feed(given))
    same = {"ts", "id", "strategy", "symbol", "kind", "side", "ts_event", "bid", "ask", "position_id"}
    assert {name: getattr(found, name) for name in same} == {name: getattr(given, name) for name in same}
    assert found.score == pytest.approx(logistic(ROWS[0]), abs=1e-6)
    assert (found.model_id, found.tau_entry, found.tau_hold, found.arm) == ("tiny", 0.6, 0.3, "active")
    assert (found.shadow_score, found.shadow_model_id) == (None, "")


def test_a_short_is_scored_as_the_mirrored_long() -> None:
    mirrored = np.where(SIDED, -ROWS[0], ROWS[0])
    long, short = scored(Bench().feed(signal(ROWS[0], side=1), signal(mirrored, side=-1)))
    assert long.score == short.score
    (other,) = scored(Bench().feed(signal(ROWS[0], side=-1)))
    assert other.score == pytest.approx(logistic(mirrored), abs=1e-6)


def test_marks_and_signals_keep_their_order() -> None:
    marks = [Mark(ts=i, source="signal_engine") for i in range(3)]
    messages = [marks[0], signal(ROWS[0], "a"), marks[1], signal(ROWS[1], "b"), signal(ROWS[2], "c"), marks[2]]
    assert [m.id if isinstance(m, ScoredSignal) else m for m in Bench().feed(*messages)] == [
        marks[0], "a", marks[1], "b", "c", marks[2],
    ]  # fmt: skip


def test_entries_may_be_cut_anywhere() -> None:
    signals = [signal(row, f"s{i}", side=1 if i % 2 else -1) for i, row in enumerate(ROWS)]
    whole, pieces = Bench(), Bench()
    whole.feed(*signals)
    for one in signals:
        pieces.feed(one)
    assert whole.sent == pieces.sent


def test_a_signal_of_another_catalogue_is_refused() -> None:
    bench = Bench()
    bench.feed(signal(name="a", schema="old"), signal(name="b"), signal([1.0], "c"))
    assert [s.id for s in scored(bench.sent)] == ["b"]
    (delivery, payload, error), (_, _, second) = bench.out.dead
    assert delivery.entry_id == "1-0"
    assert msgspec.json.decode(payload)["id"] == "a"
    assert isinstance(error, SchemaMismatch)
    assert isinstance(second, SchemaMismatch)
    assert str(error) == (
        f"signal a has {catalogue.COUNT} features of schema 'old', this program has {catalogue.COUNT} of "
        f"{catalogue.SCHEMA!r}; run signal engine and scorer from the same version"
    )
    assert bench.value("parquet_schema_version_mismatch_total") == 2
    assert bench.value("signals_refused_total", reason="schema_mismatch") == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_a_feature_that_is_no_32_bit_number_is_refused(value: float) -> None:
    bench, features = Bench(), ROWS[0].copy()
    features[3] = value
    bench.feed(signal(features, "a"), signal(ROWS[1], "b"))
    assert [s.id for s in scored(bench.sent)] == ["b"]
    ((_, _, error),) = bench.out.dead
    assert str(error) == "signal a: feature imbalance_5 is not a finite 32-bit number"
    assert bench.value("signals_refused_total", reason="not_finite") == 1


def test_a_score_that_is_no_probability_is_refused() -> None:
    # Exact at its golden inputs, and out of bounds elsewhere.
    bench = Bench(arm(unbounded(np.eye(catalogue.COUNT)[0] * 0.5), golden=ZERO, scores=[0.0]))
    half, one_and_a_half, infinite = ZERO[0].copy(), ZERO[0].copy(), ZERO[0].copy()
    half[0], one_and_a_half[0], infinite[0] = 1.0, 3.0, -3.4e38
    bench.feed(signal(one_and_a_half, "a"), signal(half, "b"), signal(infinite, "c"))
    assert [(s.id, s.score) for s in scored(bench.sent)] == [("b", 0.5)]
    assert str(bench.out.dead[0][2]) == "signal a: model 'tiny' scored 1.5, which is not within [0, 1]"
    assert bench.value("signals_refused_total", reason="bad_score") == 2


def test_a_side_that_is_none_is_refused() -> None:
    bench = Bench()
    bench.feed(signal(name="a", side=0))
    assert str(bench.out.dead[0][2]) == "signal a: side is 0, expected 1 or -1"


def test_a_message_on_the_wrong_stream_is_refused() -> None:
    bench = Bench()
    bench.feed(*scored(Bench().feed(signal())))
    assert str(bench.out.dead[0][2]) == "message type 'scored' does not belong on sig:raw:{test}"
    assert bench.value("signals_refused_total", reason="bad_input") == 1


def test_the_shadow_scores_beside() -> None:
    bench = Bench(shadow=arm(linear(-WEIGHTS), "other", scores=1 - logistic(bundle().card.golden.inputs)))
    (found,) = scored(bench.feed(signal(ROWS[0])))
    assert found.score == pytest.approx(logistic(ROWS[0]), abs=1e-6)
    assert found.shadow_score == pytest.approx(1 - logistic(ROWS[0]), abs=1e-6)
    assert found.shadow_model_id == "other"
    assert bench.value("shadow_signals_evaluated_total") == 1
    assert bench.value("shadow_signals_approved_total") == float(1 - logistic(ROWS[0]) >= 0.6)


class _Broken(Model):
    """A model whose runtime fails after it was loaded."""

    def score(self, oriented: np.ndarray) -> np.ndarray:
        if len(oriented) == 3:
            raise RuntimeError("out of luck")
        return super().score(oriented)


def test_a_shadow_that_fails_does_not_hurt() -> None:
    alone, beside = Bench(), Bench(shadow=Arm(_Broken(bundle(name="other")), 0.6, 0.3))
    signals = [signal(row, f"s{i}") for i, row in enumerate(ROWS[:3])]
    alone.feed(*signals)
    beside.feed(*signals)
    assert beside.sent == alone.sent
    assert beside.value("shadow_failures_total") == 1


def test_a_shadow_score_that_is_no_probability_is_left_out() -> None:
    shadow = arm(unbounded(np.eye(catalogue.COUNT)[0]), "other", golden=ZERO, scores=[0.0])
    bench = Bench(shadow=shadow)
    far = ZERO[0] + 5.0
    first, second = scored(bench.feed(signal(far, "a"), signal(ZERO[0], "b")))
    assert (first.shadow_score, first.shadow_model_id) == (None, "")
    assert (second.shadow_score, second.shadow_model_id) == (0.0, "other")
    assert bench.value("shadow_failures_total") == 1
    assert bench.value("shadow_signals_evaluated_total") == 1


def test_every_label_is_exported_before_its_first_event() -> None:
    bench = Bench(shadow=arm(name="other"))
    assert [bench.value("signals_refused_total", reason=reason) for reason in REFUSALS] == [0] * len(REFUSALS)
    assert [bench.value("signals_scored_total", kind=kind) for kind in ("entry", "hold")] == [0, 0]
    for name in ("onnx_parity_fail", "parquet_schema_version_mismatch", "shadow_failures", "shadow_signals_approved"):
        assert bench.value(f"{name}_total") == 0
    assert bench.value("model_active_id", model="tiny") == 1
    assert bench.value("model_shadow_id", model="other") == 1
    for model in ("tiny", "other"):
        assert bench.value("tau_entry_current", model=model) == 0.6
        assert bench.value("tau_hold_current", model=model) == 0.3
    for name in ("model_score_distribution", "shadow_score_distribution"):
        assert math.isnan(bench.value(name, split="online", stat="mean") or 0.0)


def test_the_distribution_is_that_of_the_entries() -> None:
    bench = Bench(shadow=arm(name="other"))
    bench.feed(*(signal(row, f"s{i}", kind="hold" if i < 5 else "entry") for i, row in enumerate(ROWS)))
    entries = logistic(ROWS[5:])
    for name in ("model_score_distribution", "shadow_score_distribution"):
        assert bench.value(name, split="online", stat="mean") == pytest.approx(entries.mean(), abs=1e-6)
        assert bench.value(name, split="online", stat="std") == pytest.approx(entries.std(), abs=1e-6)
    assert bench.value("signals_scored_total", kind="hold") == 5


def test_recovery_sends_and_counts_nothing() -> None:
    bench = Bench()
    bench.feed(signal(ROWS[0]), signal(name="b", schema="old"), out=RefeedOutbox())
    assert bench.value("signals_scored_total", kind="entry") == 0
    assert bench.value("parquet_schema_version_mismatch_total") == 0
    assert math.isnan(bench.value("model_score_distribution", split="online", stat="mean") or 0.0)


def test_a_distribution_forgets_slowly(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found, old, new = Distribution(), rng.normal(0.2, 0.05, MEMORY), rng.normal(0.7, 0.1, 8 * MEMORY)
    for score in old:
        found.update(score)
    assert found.mean() == pytest.approx(old.mean(), rel=1e-9)
    assert found.std() == pytest.approx(old.std(), rel=1e-9)
    for score in new:
        found.update(score)
    weights = (1 - 1 / MEMORY) ** np.arange(len(new))[::-1] / MEMORY
    rest = 1 - weights.sum()
    mean = weights @ new + rest * old.mean()
    spread = weights @ (new - mean) ** 2 + rest * ((old - mean) ** 2).mean()
    assert found.mean() == pytest.approx(mean, rel=1e-9)
    assert found.std() == pytest.approx(math.sqrt(spread), rel=1e-9)


def test_the_process_loads_no_compiler() -> None:
    heavy = ("numba", "llvmlite", "pandas", "pyarrow", "ccxt", "matplotlib", "typer", "onnx", "lightgbm")
    program = f"import sys, app.ai_scorer.main; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
