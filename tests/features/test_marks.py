"""Mark price and funding rate: what a feed that lacks them, or stops sending them, gives."""

import math

import numpy as np
import pytest

from app.core.clock import NS_PER_S
from app.core.strategy import Condition
from app.features.catalogue import MARK_AGE_NS, WARM_UP_MOST_NS, index_of
from app.features.engine import FeatureEngine, Watch
from app.features.layout import O_TS
from app.market.rows import DEPTH_SET, FUNDING, LAST, MARK
from tests.market.builders import Row, clock, instrument, row, rows

T0 = 1_700_000_000 * NS_PER_S
COLUMNS = [index_of(name) for name in ("basis", "mark_known", "funding")]


def level(ts: int, side: int, tick: int, flags: int = LAST) -> Row:
    return row(DEPTH_SET, side, tick / 10, 2.0 + side, flags, ts=ts)


def values(*parts: Row) -> list[list[float]]:
    """Basis, mark_known and funding at the end of each message after a book with mid 100.1 at T0."""
    book = [level(T0, 1, 1000, 0), level(T0, -1, 1002)]
    _found, features = FeatureEngine([instrument()], [Watch("every", 1)], book_ticks=1024).table(rows(*book, *parts))
    return features[1:, COLUMNS].tolist()  # type: ignore[no-any-return]


def test_without_a_mark_the_basis_is_zero_and_says_that_it_means_nothing() -> None:
    assert values(level(T0 + 1, 1, 990)) == [[0.0, 0.0, 0.0]]


def test_a_feed_without_marks_still_raises_candidates() -> None:
    clocks = [clock(T0 + i * NS_PER_S) for i in range(1, WARM_UP_MOST_NS // NS_PER_S)]
    watch = Watch("w", 1, "imbalance_1", (Condition(feature="imbalance_1", min=0.1),))
    last = level(T0 + WARM_UP_MOST_NS, 1, 990)
    book = [level(T0, 1, 1000, 0), level(T0, -1, 1002)]
    found, features = FeatureEngine([instrument()], [watch], book_ticks=1024).table(rows(*book, *clocks, last))
    assert found[:, O_TS].tolist() == [T0 + WARM_UP_MOST_NS]
    assert np.isfinite(features).all()


def test_basis_and_funding_are_in_basis_points() -> None:
    ticker = [row(MARK, 0, 100.2, 0, 0, ts=T0 + 1), row(FUNDING, 0, -0.0003, 0, ts=T0 + 1)]
    (found,) = values(*ticker)
    assert found == pytest.approx([1e4 * (100.2 / 100.1 - 1), 1.0, -3.0], rel=1e-12)


def test_a_mark_is_forgotten_with_age_and_a_funding_rate_is_not() -> None:
    ticker = [row(MARK, 0, 100.2, 0, 0, ts=T0), row(FUNDING, 0, 0.0001, 0, ts=T0)]
    clocks = [clock(T0 + i * NS_PER_S) for i in range(1, MARK_AGE_NS // NS_PER_S)]
    _first, at_limit, after = values(
        *ticker, *clocks, level(T0 + MARK_AGE_NS, 1, 990), level(T0 + MARK_AGE_NS + 1, 1, 991)
    )
    assert at_limit[1:] == [1.0, 1.0]
    assert at_limit[0] == pytest.approx(1e4 * (100.2 / 100.1 - 1))
    assert after == [0.0, 0.0, 1.0]


def test_after_a_gap_both_are_unknown_again() -> None:
    ticker = [row(MARK, 0, 100.2, 0, 0, ts=T0), row(FUNDING, 0, 0.0001, 0, ts=T0)]
    found = values(*ticker, level(T0 + 11 * NS_PER_S, 1, 990))
    assert found[-1] == [0.0, 0.0, 0.0]
    assert math.isfinite(found[0][0])
