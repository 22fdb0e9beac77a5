"""From recordings to a bundle the scorer takes, twice the same."""

import os
import subprocess
import sys
from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="training needs the extra `train`")
pytest.importorskip("onnxmltools", reason="training needs the extra `train`")

from app.ai_scorer.model import Model
from app.features import catalogue
from app.registry.bundle import Bundle
from app.research import train
from app.research.baseline import make_baseline
from app.research.dataset import Recipe, sample
from app.research.recordings import Recording
from app.settings import ROOT
from tests.research.markets import BTC, TRIGGER, market

RECIPE = Recipe(TRIGGER, horizon_ms=2000, margin_bps=0.2)
AT = datetime(2024, 8, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def recordings() -> list[Recording]:
    return [Recording({f"made-up-{seed}": "0" * 64}, market(300, seed, after_s=400 * seed)) for seed in (1, 2)]


@pytest.fixture(scope="module")
def bundle(recordings: list[Recording]) -> Bundle:
    return make_baseline(recordings, BTC, RECIPE, created_at=AT, seed=7)


def test_twice_the_same_bundle(recordings: list[Recording], bundle: Bundle) -> None:
    again = make_baseline(recordings, BTC, RECIPE, created_at=AT, seed=7)
    assert again.model == bundle.model
    assert again.files() == bundle.files()
    assert bundle.card.id.startswith("baseline-")


def test_the_scorer_takes_it_and_scores_as_trained(recordings: list[Recording], bundle: Bundle) -> None:
    samples = sample(recordings[1].rows, BTC, RECIPE)
    scores = Model(bundle).score(samples.features.astype(np.float64))
    # Another number of threads sums the trees in another order.
    np.testing.assert_allclose(scores, train.run(bundle.model, samples.features), atol=1e-6)
    booster = train.fit(samples, seed=1)
    exported = train.run(train.export(booster, samples.features), samples.features)
    np.testing.assert_allclose(exported, train.predict(booster, samples.features), atol=1e-6)


def test_another_process_exports_the_same_bytes() -> None:
    """Hash tables are ordered differently from process to process; with these two seeds, the converter's are."""
    program = (
        "import hashlib; from app.research import train; from app.research.dataset import Recipe, sample; "
        "from tests.research.markets import BTC, TRIGGER, market; s = sample(market(30, 1), BTC, Recipe(TRIGGER)); "
        "print(hashlib.sha256(train.export(train.fit(s, seed=1), s.features)).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 20)
    }
    assert len(found) == 1


@pytest.mark.parametrize("size", [1, 2, 3, 8, 50, 200])
def test_no_row_depends_on_its_batch(recordings: list[Recording], bundle: Bundle, size: int) -> None:
    rows = sample(recordings[1].rows, BTC, RECIPE).features[:400].astype(np.float64)
    model = Model(bundle)
    whole = model.score(rows)
    parts = [model.score(rows[i : i + size]) for i in range(0, len(rows), size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_it_has_learned_what_there_is_to_learn(bundle: Bundle) -> None:
    metrics = bundle.card.metrics
    assert metrics["background_pr_auc"].low > metrics["background_base_rate"].high  # type: ignore[operator]
    assert metrics["background_brier"].value < metrics["background_brier_of_base_rate"].value
    assert metrics["candidates_n"].value > 50


def test_thresholds_let_a_share_pass(bundle: Bundle) -> None:
    card = bundle.card
    assert 0 < card.thresholds.tau_hold < card.thresholds.tau_entry < 1
    assert 0.1 < card.metrics["candidates_share_at_tau_entry"].value < 0.8


def test_the_card_says_what_it_was_made_from_and_what_it_does_not_prove(bundle: Bundle) -> None:
    card = bundle.card
    assert card.schema_hash == catalogue.SCHEMA
    assert [recording["files"] for recording in card.training["recordings"]] == [
        {"made-up-1": "0" * 64},
        {"made-up-2": "0" * 64},
    ]
    split = card.training["split"]
    assert split["train"]["to_ns"] + split["embargo_s"] * 1e9 <= split["tune"]["from_ns"]
    assert split["tune"]["to_ns"] + split["embargo_s"] * 1e9 <= split["test"]["from_ns"]
    assert any("not shown to earn money" in sentence for sentence in card.limits)
    assert msgspec.json.decode(msgspec.json.encode(card), type=type(card)) == card
