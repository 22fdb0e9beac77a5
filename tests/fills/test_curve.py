"""The calibrated model: fitting, predicting, keeping."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Misconfigured
from app.sim.fills.curve import RUNGS, FillCurve, fit_curve, load_curve, rungs_at
from app.sim.fills.history import read_history, write_history
from app.sim.fills.truth import NEVER

HISTORY = st.lists(st.tuples(st.integers(0, RUNGS - 1), st.booleans()), min_size=1, max_size=60)


def curve_of(history: list[tuple[int, bool]]) -> FillCurve:
    return fit_curve(np.array([rung for rung, _ in history]), np.array([hit for _, hit in history]))


def test_each_rung_has_its_share_and_one_order_of_each_kind() -> None:
    history = [(0, False)] * 8 + [(1, True)] * 2 + [(1, False)] * 6 + [(2, True)] * 3 + [(2, False)] * 3
    history += [(3, True)] * 6 + [(3, False)] * 2 + [(4, True)] * 8
    curve = curve_of(history)
    assert curve.probability == (0.1, 0.3, 0.5, 0.7, 0.9)
    assert curve.orders == (8, 8, 6, 8, 8)
    assert curve.filled == (0, 2, 3, 6, 8)


def test_rungs_in_the_wrong_order_are_pooled() -> None:
    history = [(0, False)] * 8 + [(2, True)] * 8 + [(3, True)] * 2 + [(3, False)] * 6 + [(4, True)] * 8
    assert curve_of(history).probability == (0.1, 0.5, 0.6, 0.6, 0.9)


@given(HISTORY.filter(lambda history: any(hit for _, hit in history)))
def test_it_rises_and_keeps_the_mean(history: list[tuple[int, bool]]) -> None:
    curve = curve_of(history)
    assert list(curve.probability) == sorted(curve.probability)
    weights = np.array(curve.orders) + 2
    assert weights @ curve.probability == pytest.approx(sum(curve.filled) + RUNGS)


def test_rows_and_rungs_of_one_prediction_agree() -> None:
    ladder = np.array([[3, 3, 5], [4, 9, NEVER], [6, NEVER, NEVER], [8, NEVER, NEVER]])
    curve = FillCurve((0.0, 0.2, 0.5, 0.8, 1.0), (1,) * 5, (1,) * 5)
    assert rungs_at(ladder, np.array([7, 7, 7])).tolist() == [3, 1, 1]
    assert curve.at(rungs_at(ladder, np.array([7, 7, 7]))).tolist() == [0.8, 0.2, 0.2]
    assert curve.fill_rows(ladder).tolist() == [4, 9, NEVER]
    never = FillCurve((0.1,) * 5, (1,) * 5, (1,) * 5)
    assert never.fill_rows(ladder).tolist() == [NEVER] * 3


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    curve = curve_of([(0, False), (4, True), (2, True)])
    (tmp_path / "curve.json").write_text(curve.to_json())
    assert load_curve(tmp_path / "curve.json") == curve


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("{", "cannot be read"),
        ("{}", "'probability'"),
        ("[1]", "cannot be read"),
        (json.dumps({"probability": [0, 1], "orders": [], "filled": []}), r"expected 5 probabilities .* got \[0, 1\]"),
        (json.dumps({"probability": [0, 0, 0, 0, 2], "orders": [], "filled": []}), "expected 5 probabilities"),
    ],
)
def test_a_file_that_is_no_curve_is_refused(tmp_path: Path, content: str, text: str) -> None:
    (tmp_path / "curve.json").write_text(content)
    with pytest.raises(Misconfigured, match=text):
        load_curve(tmp_path / "curve.json")


def test_no_fill_no_curve() -> None:
    with pytest.raises(Misconfigured, match="2 orders, none of them filled"):
        curve_of([(0, False), (1, False)])


@given(history=HISTORY)
def test_a_history_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[int, bool]]
) -> None:
    path = tmp_path_factory.mktemp("history") / "orders.csv"
    rungs, filled = np.array([rung for rung, _ in history]), np.array([hit for _, hit in history])
    write_history(path, rungs, filled)
    read = read_history(path)
    assert (read[0] == rungs).all()
    assert (read[1] == filled).all()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("1,0,0,0,2", "line 3: expected 0 or 1 in each of touch"),
        ("1,0,0,0", "got 1, 0, 0, 0, None"),
        ("0,1,0,0,1", r"line 3: touch, .* are \[0, 1, 0, 0\], but an order"),
    ],
)
def test_a_line_that_cannot_be_is_refused(tmp_path: Path, line: str, text: str) -> None:
    path = tmp_path / "orders.csv"
    path.write_text(f"touch,optimistic,proportional,risk_averse,filled\n1,1,0,0,1\n{line}\n")
    with pytest.raises(Misconfigured, match=text):
        read_history(path)


def test_a_history_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be read"):
        read_history(tmp_path / "none.csv")
