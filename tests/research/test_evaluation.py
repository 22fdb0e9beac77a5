"""Measures against their definitions; intervals that know neighbours are alike."""

import numpy as np
import pytest

from app.research import evaluation


def test_pr_auc_is_average_precision(seed: int) -> None:
    reference = pytest.importorskip("sklearn.metrics", reason="scikit-learn comes with the extra `train`")
    rng = np.random.default_rng(seed)
    for size in (1, 2, 10, 500):
        score, label = rng.integers(0, 7, size) / 7, rng.random(size) < 0.3
        label[0] = True
        assert evaluation.pr_auc(score, label) == pytest.approx(reference.average_precision_score(label, score))
        assert evaluation.brier(score, label) == pytest.approx(reference.brier_score_loss(label, score))


def test_what_cannot_be_measured_is_not_a_number() -> None:
    score, none = np.array([0.1, 0.2]), np.array([False, False])
    assert np.isnan(evaluation.pr_auc(score, none))
    assert np.isnan(evaluation.precision_at(0.5)(score, none))


def test_precision_and_share_are_of_what_reaches_the_threshold() -> None:
    score, label = np.array([0.2, 0.5, 0.7, 0.9]), np.array([True, True, False, True])
    assert evaluation.precision_at(0.5)(score, label) == pytest.approx(2 / 3)
    assert evaluation.share_at(0.5)(score, label) == 0.75
    assert evaluation.base_rate(score, label) == 0.75


def test_an_interval_is_wide_where_neighbours_are_alike(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ts = np.arange(2000)
    label = np.repeat(rng.random(40) < 0.5, 50)
    score = np.zeros(2000)
    alike = evaluation.interval(evaluation.base_rate, score, label, ts, block_ns=50, seed=1)
    alone = evaluation.interval(evaluation.base_rate, score, label, ts, block_ns=1, seed=1)
    assert alike[0] < label.mean() < alike[1]
    # 40 independent outcomes instead of 2000: wider by about sqrt(50).
    assert 4 < (alike[1] - alike[0]) / (alone[1] - alone[0]) < 11
    assert alike == evaluation.interval(evaluation.base_rate, score, label, ts, block_ns=50, seed=1)
