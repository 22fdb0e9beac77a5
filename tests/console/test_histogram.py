import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.console.histogram import added, quantile, subtracted

BOUNDS = (0.001, 0.002, 0.005, 0.01, 0.1, 1.0, math.inf)


def buckets_of(values: list[float]) -> dict[float, float]:
    return {bound: float(sum(value <= bound for value in values)) for bound in BOUNDS}


def test_an_empty_histogram_has_no_quantile() -> None:
    assert quantile({}, 0.5) is None
    assert quantile(buckets_of([]), 0.5) is None


def test_quantiles_are_linear_within_a_bucket() -> None:
    buckets = buckets_of([0.0005] * 50 + [0.0015] * 50)
    assert quantile(buckets, 0.5) == pytest.approx(0.001)
    assert quantile(buckets, 0.75) == pytest.approx(0.0015)


def test_above_the_last_bound_the_last_bound_is_given() -> None:
    assert quantile(buckets_of([5.0] * 3), 0.99) == 1.0


@given(st.lists(st.floats(0, 0.999), min_size=1, max_size=200), st.sampled_from([0.01, 0.5, 0.9, 0.99]))
def test_a_quantile_lies_in_the_bucket_of_the_exact_one(values: list[float], q: float) -> None:
    found = quantile(buckets_of(values), q)
    exact = float(np.quantile(values, q, method="inverted_cdf"))
    low = max((bound for bound in (0.0, *BOUNDS) if bound < exact), default=0.0)
    high = min(bound for bound in BOUNDS if bound >= exact)
    assert found is not None
    assert low <= found <= high


def test_what_is_added_can_be_subtracted() -> None:
    one, two = buckets_of([0.0015, 0.2]), buckets_of([0.003])
    assert subtracted(added((one, two)), two) == one
    assert subtracted(one, {}) == one
