"""Training and export where they could go wrong."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("lightgbm", reason="training needs the extra `train`")
pytest.importorskip("onnxmltools", reason="training needs the extra `train`")

from app.core.errors import SchemaMismatch
from app.features.catalogue import COUNT, SCHEMA, index_of
from app.research import train
from app.research.dataset import Samples

N = 4000


def samples(features: np.ndarray, label: np.ndarray) -> Samples:
    ts = np.arange(len(label), dtype=np.int64)
    return Samples(ts, np.ones(len(label), np.int64), features, label, np.ones(len(label), np.bool_), SCHEMA)


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_export_tells_apart_neighbouring_numbers(steps: int, sign: int) -> None:
    """The threshold between two neighbours is no 32-bit number; rounded up, both would be below it."""
    lower = np.float32(sign * 0.3)
    for _ in range(steps):
        lower = np.nextafter(lower, np.float32(1))
    label = np.arange(N) % 2 == 1
    features = np.zeros((N, COUNT), np.float32)
    features[:, index_of("imbalance_1")] = np.where(label, np.nextafter(lower, np.float32(1)), lower)
    booster = train.fit(samples(features, label), seed=1)
    scores = train.run(train.export(booster, features), features)
    assert scores[label].min() > 0.7
    assert scores[~label].max() < 0.3


def test_no_tree_looks_at_what_minutes_cannot_teach() -> None:
    rng = np.random.default_rng(3)
    label = rng.random(N) < 0.5
    features = rng.normal(size=(N, COUNT)).astype(np.float32)
    features[:, [index_of(name) for name in train.LEFT_OUT]] += 3 * label[:, np.newaxis]
    features[:, index_of("ofi_1s")] += label
    booster = train.fit(samples(features, label), seed=1)
    used = booster.feature_importance()
    assert used[index_of("ofi_1s")] > 0
    assert not used[[index_of(name) for name in train.LEFT_OUT]].any()


def test_samples_of_another_catalogue_are_not_trained_on() -> None:
    other = replace(samples(np.zeros((N, COUNT), np.float32), np.arange(N) % 2 == 1), schema="0123456789abcdef")
    with pytest.raises(SchemaMismatch, match=r"made under feature schema '0123456789abcdef'.*sample the recordings"):
        train.fit(other, seed=1)
