"""The models in the project's registry run with the project's features."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from app.ai_scorer.arms import active_arm
from app.ai_scorer.metrics import ScorerMetrics
from app.ai_scorer.settings import ScorerSettings
from app.registry.manifest import read_manifest
from app.registry.slots import load_entry

REGISTRY = Path(__file__).resolve().parents[2] / "models" / "registry"


def test_the_active_model_is_for_the_running_catalogue() -> None:
    """If this fails after a change of the features: `python scripts/train_baseline.py`."""
    arm = active_arm(REGISTRY, ScorerSettings(), ScorerMetrics(CollectorRegistry()))
    assert 0 < arm.tau_hold < arm.tau_entry < 1


@pytest.mark.parametrize("entry", read_manifest(REGISTRY).entries, ids=lambda entry: entry.id)
def test_every_registered_bundle_is_what_was_registered_and_small(entry) -> None:
    assert len(load_entry(REGISTRY, entry).model) < 300_000


def test_no_folder_is_left_over() -> None:
    listed = {entry.path for entry in read_manifest(REGISTRY).entries}
    assert {path.name for path in REGISTRY.iterdir() if path.is_dir()} == listed
