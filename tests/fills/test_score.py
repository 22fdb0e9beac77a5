"""The figures, computed by hand."""

import math

import numpy as np
import pytest

from app.sim.fills.models import Prediction, day_of
from app.sim.fills.score import Outcome, gain, intervals, joined, outcome, score
from app.sim.fills.truth import NEVER
from tests.fills.market import Market

NAN = float("nan")


def made(filled: list[bool], probability: list[float], error: list[float], block: list[int]) -> Outcome:
    return Outcome(
        np.array(filled, np.bool_),
        np.array(probability, np.float64),
        np.array(error, np.float64),
        np.zeros(len(filled), np.bool_),
        np.array(block, np.int64),
    )


def test_figures_of_four_orders() -> None:
    one = made([True, True, False, False], [1.0, 0.25, 0.5, 0.0], [0.5, 1.5, NAN, NAN], [0, 0, 1, 1])
    figures = score(one)
    assert figures["accuracy"] == 0.5
    assert figures["brier"] == pytest.approx((0.75**2 + 0.5**2) / 4)
    assert figures["log_time_error"] == 1.0
    assert (figures["false_fills"], figures["missed_fills"], figures["timed"]) == (1, 1, 2)
    assert figures["exact"] == 0.0
    assert figures["log_time_error_mean"] == 1.0


def test_without_orders_there_are_no_figures() -> None:
    figures = score(made([], [], [], []))
    assert figures["accuracy"] is figures["brier"] is figures["log_time_error"] is None
    assert intervals(made([], [], [], []), 10, 1) == {}
    assert gain(made([], [], [], []), made([], [], [], []), 10, 1) == [None, None]


def test_times_below_a_millisecond_count_as_one() -> None:
    market = Market()
    market.new(-1, 110, 10)
    for _ in range(3):
        market.new(1, 100, 10)
    for step in (500_000, 1_500_000, 6_000_000):  # after 0.5, 2 and 8 ms
        market.now += step
        market.trade(1, 10)
    day = day_of(market.array())
    rows = day.truth.filled
    assert rows.tolist() == [NEVER, 4, 5, 6]
    said = Prediction(np.array([0.0, 1.0, 1.0, 0.0]), np.array([NEVER, 5, 4, NEVER]))
    one = outcome(day, said, np.zeros(4, np.int64))
    assert one.error[1:3].tolist() == pytest.approx([math.log(2), math.log(2)])
    assert np.isnan(one.error[[0, 3]]).all()
    assert one.early.tolist() == [False, False, True, False]


def test_a_better_model_shows_in_the_interval_of_its_gain() -> None:
    draws = np.random.default_rng(5)
    filled = draws.random(4000) < 0.5
    block = np.arange(4000) // 100
    good, bad = np.where(filled, 0.9, 0.1), np.where(filled, 0.6, 0.4)
    error = np.where(filled, draws.random(4000), NAN)
    one = made(filled.tolist(), good.tolist(), error.tolist(), block.tolist())
    other = made(filled.tolist(), bad.tolist(), error.tolist(), block.tolist())
    assert gain(one, other, 200, 3) == pytest.approx([0.15, 0.15])
    assert gain(one, one, 200, 3) == [0.0, 0.0]
    found = intervals(one, 200, 3)
    low, high = found["log_time_error"]
    assert low is not None
    assert high is not None
    assert low < score(one)["log_time_error"] < high
    assert found == intervals(one, 200, 3)


def test_blocks_of_joined_days_stay_apart() -> None:
    one = made([True, False], [1.0, 0.0], [0.0, NAN], [0, 2])
    assert joined([one, one]).block.tolist() == [0, 2, 3, 5]
    assert score(joined([one, one]))["accuracy"] == 1.0
