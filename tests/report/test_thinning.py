"""What is left out of a plot cannot be seen in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.report.thinning import stretches, visible


@settings(max_examples=200)
@given(st.lists(st.integers(-50, 50).map(float), max_size=300), st.integers(1, 20))
def test_every_stretch_keeps_its_ends_and_its_extremes(values: list[float], most: int) -> None:
    kept = visible(values, most)
    assert kept == sorted(set(kept))
    assert len(kept) <= max(4 * most, 0)
    if len(values) <= 4 * most:
        assert kept == list(range(len(values)))
        return
    for start, stop in stretches(len(values), most):
        inside = [values[place] for place in kept if start <= place < stop]
        assert (inside[0], inside[-1]) == (values[start], values[stop - 1])
        assert (min(inside), max(inside)) == (min(values[start:stop]), max(values[start:stop]))


@pytest.mark.parametrize(
    ("length", "most", "found"),
    [
        (0, 3, []),
        (2, 3, [(0, 1), (1, 2)]),
        (3, 3, [(0, 1), (1, 2), (2, 3)]),
        (7, 3, [(0, 2), (2, 4), (4, 7)]),
    ],
)
def test_stretches_are_of_about_equal_length(length: int, most: int, found: list[tuple[int, int]]) -> None:
    assert stretches(length, most) == found
