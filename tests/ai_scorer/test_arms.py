"""Which models and thresholds are in force, and what a broken one does to the other."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from app.ai_scorer.arms import active_arm, shadow_arm
from app.ai_scorer.metrics import ScorerMetrics
from app.ai_scorer.model import ParityFailed
from app.ai_scorer.settings import ScorerSettings, ShadowSettings
from app.core.errors import Misconfigured
from app.registry.slots import promote, register
from tests.ai_scorer.models import WEIGHTS, bundle, linear

AT = datetime(2024, 8, 9, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    for name in ("first", "second"):
        register(tmp_path, bundle(name=name), notes="")
    promote(tmp_path, "active", "first", at=AT)
    promote(tmp_path, "shadow", "second", at=AT)
    return tmp_path


@pytest.fixture
def prometheus() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(prometheus: CollectorRegistry) -> ScorerMetrics:
    return ScorerMetrics(prometheus)


def test_slots_are_loaded_with_the_thresholds_of_their_bundles(registry: Path, metrics: ScorerMetrics) -> None:
    active = active_arm(registry, ScorerSettings(), metrics)
    shadow = shadow_arm(registry, ShadowSettings(), metrics)
    assert shadow is not None
    assert (active.model.id, active.tau_entry, active.tau_hold) == ("first", 0.6, 0.3)
    assert (shadow.model.id, shadow.tau_entry, shadow.tau_hold) == ("second", 0.6, 0.3)


def test_the_configuration_overrides_thresholds(registry: Path, metrics: ScorerMetrics) -> None:
    active = active_arm(registry, ScorerSettings(tau_entry=0.8), metrics)
    assert (active.tau_entry, active.tau_hold) == (0.8, 0.3)
    assert active_arm(registry, ScorerSettings(tau_hold=0.0), metrics).tau_hold == 0.0
    settings = ShadowSettings(use_threshold_from_meta=False, tau_entry=0.9, tau_hold=0.5)
    shadow = shadow_arm(registry, settings, metrics)
    assert shadow is not None
    assert (shadow.tau_entry, shadow.tau_hold) == (0.9, 0.5)


def test_a_shadow_without_thresholds_is_explained(registry: Path, metrics: ScorerMetrics) -> None:
    with pytest.raises(Misconfigured, match=r"use_threshold_from_meta is false, so ai_scorer\.shadow\.tau_entry and"):
        shadow_arm(registry, ShadowSettings(use_threshold_from_meta=False, tau_entry=0.9), metrics)


def test_the_shadow_can_be_off_or_empty(registry: Path, metrics: ScorerMetrics) -> None:
    assert shadow_arm(registry, ShadowSettings(enabled=False), metrics) is None
    promote(registry, "shadow", None, at=AT)
    assert shadow_arm(registry, ShadowSettings(), metrics) is None


def test_a_broken_active_model_stops_the_scorer(registry: Path, metrics: ScorerMetrics) -> None:
    (registry / "first" / "model.onnx").write_bytes(b"x")
    with pytest.raises(Misconfigured, match="is not the registered one"):
        active_arm(registry, ScorerSettings(), metrics)


def test_a_broken_shadow_does_not(registry: Path, metrics: ScorerMetrics, prometheus: CollectorRegistry) -> None:
    (registry / "second" / "model.onnx").write_bytes(b"x")
    assert shadow_arm(registry, ShadowSettings(), metrics) is None
    assert prometheus.get_sample_value("shadow_failures_total") == 1


def test_failed_parity_is_counted(registry: Path, metrics: ScorerMetrics, prometheus: CollectorRegistry) -> None:
    register(registry, bundle(linear(WEIGHTS * 2), "wrong"), notes="")
    promote(registry, "active", "wrong", at=AT)
    promote(registry, "shadow", "wrong", at=AT)
    with pytest.raises(ParityFailed):
        active_arm(registry, ScorerSettings(), metrics)
    assert shadow_arm(registry, ShadowSettings(), metrics) is None
    assert prometheus.get_sample_value("onnx_parity_fail_total") == 2
