"""A model runs only if it is the one that was trained, for the features that are running."""

import numpy as np
import pytest
from onnx import helper

from app.ai_scorer.model import Model, ParityFailed
from app.core.errors import Misconfigured
from app.features import catalogue
from tests.ai_scorer.models import GOLDEN, WEIGHTS, bundle, linear, logistic, model, two_columns


@pytest.mark.parametrize("content", [linear(), two_columns()])
def test_scores_are_the_last_column(content: bytes) -> None:
    rows = np.random.default_rng(1).normal(size=(500, catalogue.COUNT))
    np.testing.assert_allclose(Model(bundle(content)).score(rows), logistic(rows), atol=1e-6)


def test_a_batch_changes_no_row() -> None:
    found = Model(bundle())
    rows = np.random.default_rng(2).normal(size=(300, catalogue.COUNT))
    whole = found.score(rows)
    for size in (1, 2, 7, 64, 65):
        parts = [found.score(rows[i : i + size]).copy() for i in range(0, 300, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_model_of_another_catalogue_is_refused() -> None:
    with pytest.raises(Misconfigured, match="'tiny' was trained under feature schema 'old', this program has"):
        Model(bundle(schema_hash="old"))
    with pytest.raises(Misconfigured, match=r"train one with scripts/train_baseline\.py"):
        Model(bundle(features=list(reversed(catalogue.NAMES))))


def test_an_export_that_computes_something_else_is_refused() -> None:
    with pytest.raises(
        ParityFailed, match=r"'tiny': its golden inputs score differently .* up to 0\.\d+ \(allowed 1e-05"
    ):
        Model(bundle(linear(WEIGHTS + 0.01)))
    scores = logistic(GOLDEN)
    Model(bundle(scores=scores + 5e-6))
    with pytest.raises(ParityFailed):
        Model(bundle(scores=scores + np.eye(4)[3] * 2e-5))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a model",
        linear()[:-20],
        # Another output name, input width, and number of rows than the card's contract.
        model([helper.make_node("MatMul", ["features", "w"], ["other"])]),
        linear(np.ones(catalogue.COUNT + 1)),
        model([helper.make_node("ReduceMean", ["features"], ["probabilities"], axes=[0], keepdims=1)]),
    ],
    ids=["empty", "text", "cut", "no such output", "other width", "other rows"],
)
def test_what_cannot_run_is_refused(content: bytes) -> None:
    with pytest.raises(Misconfigured, match=r"model 'tiny': ONNX Runtime cannot use it .*; export it again"):
        Model(bundle(content))
