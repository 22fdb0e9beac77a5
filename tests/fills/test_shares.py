"""How much of what is cancelled lay ahead, by each queue model."""

import itertools
import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.queue import (
    LOG,
    OPTIMISTIC,
    POWER,
    PROPORTIONAL,
    RISK_AVERSE,
    QueueName,
    queue_code,
    share_ahead,
)
from app.sim.settings import SimSettings

LOTS = st.floats(0, 1e9)
ALL = (RISK_AVERSE, PROPORTIONAL, LOG, OPTIMISTIC, POWER // 2, 2 * POWER, 3 * POWER)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (RISK_AVERSE, 0.0),
        (PROPORTIONAL, 0.75),
        (2 * POWER, 0.9),
        (3 * POWER, 27 / 28),
        (LOG, math.log(301) / (math.log(301) + math.log(101))),
        (OPTIMISTIC, 1.0),
    ],
)
def test_of_300_ahead_and_100_behind(model: int, expected: float) -> None:
    assert share_ahead(model, 300.0, 100.0) == pytest.approx(expected, abs=1e-15)


@given(LOTS, LOTS)
def test_shares_are_shares_and_the_bounds_are_bounds(ahead: float, behind: float) -> None:
    for model in ALL:
        assert 0.0 <= share_ahead(model, ahead, behind) <= 1.0
    assert share_ahead(POWER, ahead, behind) == pytest.approx(share_ahead(PROPORTIONAL, ahead, behind), abs=1e-12)


@given(st.floats(1, 1e9), st.floats(1, 1e9))
def test_a_higher_power_takes_more_from_the_longer_part(ahead: float, behind: float) -> None:
    shares = [share_ahead(code, ahead, behind) for code in (LOG, PROPORTIONAL, 2 * POWER, 3 * POWER)]
    rising = shares if ahead >= behind else shares[::-1]
    assert all(low <= high + 1e-12 for low, high in itertools.pairwise(rising))


@pytest.mark.parametrize("model", ALL)
def test_nobody_there_and_an_unknown_place_give_nothing(model: int) -> None:
    assert share_ahead(model, 0.0, 0.0) == 0.0
    assert share_ahead(model, math.inf, 5.0) == 0.0


def test_every_name_of_the_configuration_has_a_code_of_its_own() -> None:
    names = get_args(QueueName)
    assert names == get_args(SimSettings.model_fields["queue"].annotation)
    assert len({queue_code(name) for name in names}) == len(names)
