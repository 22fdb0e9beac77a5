"""Which rows never reach a kernel, and how they are counted."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.features.engine import FeatureEngine
from app.features.layout import REASONS
from app.market.rows import CLOCK, DEPTH_SET, EVENT, LAST, TRADE, Rows, faults
from app.market.words import words
from tests.market.builders import Row, clock, instrument, row, rows

NUMBERS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, 1e15, 1.1e15, 1e308, math.nan, math.inf, -math.inf])


def sifted(engine: FeatureEngine, tape: Rows) -> Rows:
    ints, floats = words(tape.copy())
    kept = engine.sift(ints, floats, 0, len(ints))
    return ints[:kept].copy().view(EVENT).reshape(-1)


def make_engine() -> FeatureEngine:
    return FeatureEngine([instrument(3), instrument(7, "ETHUSDT")], [], book_ticks=64)


def counted(engine: FeatureEngine) -> dict[str, int]:
    return {reason: n for reason, n in zip(REASONS, engine.dropped.tolist(), strict=True) if n}


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(-3, 3), NUMBERS, NUMBERS), min_size=1, max_size=30))
def test_malformed_rows_are_those_the_row_rules_name_and_the_absurd(parts: list[tuple[int, int, float, float]]) -> None:
    tape = rows(*(row(kind, side, px, qty, ts=i, id=3) for i, (kind, side, px, qty) in enumerate(parts)))
    expected = faults(tape) | (np.abs(tape["px"]) > 1e15) | (tape["qty"] > 1e15)
    engine = make_engine()
    np.testing.assert_array_equal(sifted(engine, tape), tape[~expected])
    assert engine.dropped.sum() == engine.dropped[0] == expected.sum()


def test_each_reason_is_counted_once() -> None:
    good = row(DEPTH_SET, 1, 100.0, 1.0, ts=10, id=3)
    engine = make_engine()
    parts: list[Row] = [
        good,
        good,
        row(DEPTH_SET, 1, math.nan, 1.0, ts=11, id=3),
        row(DEPTH_SET, 1, 100.0, 2.0, ts=9, id=3),
        row(DEPTH_SET, 1, 100.0, 2.0, ts=-5, id=3),
        row(DEPTH_SET, 1, 100.0, 2.0, ts=2**62, id=3),
        row(DEPTH_SET, 1, 100.0, 2.0, ts=11, id=4),
        row(DEPTH_SET, 1, 100.0, 2.0, ts=11, id=60_000),
        row(DEPTH_SET, 1, 100.0, 2.0, ts=11, id=0),
        row(DEPTH_SET, 1, 100.0, 2.0, ts=10, id=7),
        clock(12),
        clock(12),
    ]
    kept = sifted(engine, rows(*parts))
    assert kept.tolist() == rows(parts[0], parts[9], parts[10]).tolist()
    assert counted(engine) == {
        "malformed": 1, "bad_time": 2, "out_of_order": 1, "duplicate": 2, "unknown_instrument": 3,
    }  # fmt: skip


def test_a_row_whose_venue_time_cannot_be_is_dropped() -> None:
    engine = make_engine()
    wrong = (-1, 10, 100.0, 1.0, 3, DEPTH_SET, 1, LAST)
    assert len(sifted(engine, rows(wrong))) == 0
    assert counted(engine) == {"bad_time": 1}


def test_equal_trades_are_two_trades() -> None:
    trade = row(TRADE, 1, 100.0, 1.0, ts=10, id=3)
    engine = make_engine()
    assert len(sifted(engine, rows(trade, trade))) == 2
    assert counted(engine) == {}


def test_duplicates_and_order_are_seen_across_calls() -> None:
    engine = make_engine()
    first = row(DEPTH_SET, 1, 100.0, 1.0, ts=10, id=3)
    assert len(sifted(engine, rows(first))) == 1
    assert len(sifted(engine, rows(first, row(CLOCK, 0, 0.0, 0.0, ts=9, id=0)))) == 0
    assert counted(engine) == {"out_of_order": 1, "duplicate": 1}
