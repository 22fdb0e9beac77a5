"""Latency models: functions of a message's key."""

import json
from collections import Counter

import pytest

from app.core.errors import Misconfigured
from app.sim.latency import ConstantLatency, MeasuredLatency, latency_model, read_recording
from app.sim.settings import LatencySettings


def test_constant(tmp_path):
    model = latency_model(LatencySettings(order_ms=1.5, response_ms=0.25), root=tmp_path)
    assert model == ConstantLatency(1_500_000, 250_000)
    assert (model.order_ns("a"), model.response_ns("b")) == (1_500_000, 250_000)


def test_a_draw_depends_on_seed_way_and_key_alone():
    samples = [float(n) for n in range(1000)]
    one, same, other = (MeasuredLatency(samples, samples, seed=seed) for seed in (1, 1, 2))
    keys = [f"order-{n}" for n in range(200)]
    assert [one.order_ns(key) for key in keys] == [same.order_ns(key) for key in reversed(keys)][::-1]
    assert [one.order_ns(key) for key in keys] != [other.order_ns(key) for key in keys]
    assert [one.order_ns(key) for key in keys] != [one.response_ns(key) for key in keys]


def test_draws_are_even():
    model = MeasuredLatency([1, 2, 3, 4, 5], [1], seed=7)
    drawn = Counter(model.order_ns(f"order-{n}") for n in range(5000))
    assert set(drawn) == {1_000_000, 2_000_000, 3_000_000, 4_000_000, 5_000_000}
    # Five standard deviations of a binomial(5000, 1/5).
    assert all(abs(count - 1000) < 142 for count in drawn.values())


def test_a_recording_is_read_from_the_root(tmp_path):
    (tmp_path / "latency.json").write_text(json.dumps({"order_ms": [2], "response_ms": [0.5]}))
    settings = LatencySettings(model="measured", measured_file="latency.json", seed=3)
    model = latency_model(settings, root=tmp_path)
    assert (model.order_ns("x"), model.response_ns("x")) == (2_000_000, 500_000)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"order_ms": [], "response_ms": [1]}', "order_ms is empty; it needs at least one sample"),
        ('{"order_ms": [1], "response_ms": [1, -2]}', r"response_ms holds -2.0; a delay cannot be negative"),
        ('{"order_ms": [1]}', "missing required field `response_ms`"),
        ('{"order_ms": ["fast"], "response_ms": [1]}', r"Expected `float`, got `str` - at `\$.order_ms"),
        ("not json", "latency.json: JSON is malformed"),
    ],
)
def test_a_bad_recording_is_explained(tmp_path, text, message):
    path = tmp_path / "latency.json"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=message):
        read_recording(path, seed=0)


def test_a_missing_recording_is_explained(tmp_path):
    with pytest.raises(Misconfigured, match=r"cannot be read .* set executor.paper.latency.measured_file"):
        read_recording(tmp_path / "none.json", seed=0)
