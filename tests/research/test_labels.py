"""A label says what happened after its moment, and nothing where that is not known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.research.labels import forward_move, pays


@given(
    steps=st.lists(st.integers(0, 5), min_size=1, max_size=30),
    offsets=st.lists(st.integers(0, 60), min_size=1, max_size=20),
    horizon=st.integers(1, 40),
)
def test_a_move_is_that_of_the_last_known_mids(steps: list[int], offsets: list[int], horizon: int) -> None:
    ts = 100 + np.cumsum(steps)
    mid = np.random.default_rng(len(steps)).normal(size=len(ts))
    at = ts[0] + np.array(offsets)
    found = forward_move(ts, mid, at, horizon_ns=horizon)
    for i, now in enumerate(at):
        if now + horizon > ts[-1]:
            assert np.isnan(found[i])
        else:
            known, later = mid[ts <= now][-1], mid[ts <= now + horizon][-1]
            assert found[i] == later - known


def test_what_comes_after_the_end_is_unknown() -> None:
    ts, mid = np.array([0, 10, 20]), np.array([1.0, 2.0, 4.0])
    found = forward_move(ts, mid, np.array([0, 5, 10, 11]), horizon_ns=10)
    np.testing.assert_array_equal(found, [1.0, 1.0, 2.0, np.nan])
    assert np.isnan(forward_move(ts[:0], mid[:0], np.array([1]), horizon_ns=1)).all()


@pytest.mark.parametrize(
    ("move", "side", "label"), [(1.6, 1, True), (1.5, 1, False), (-1.6, -1, True), (-1.6, 1, False), (1.6, -1, False)]
)
def test_a_move_pays_beyond_half_the_spread_and_the_margin(move: float, side: int, label: bool) -> None:
    found = pays(np.array([move]), np.array([side]), np.array([2.0]), margin=np.array([0.5]))
    assert found.tolist() == [label]
