"""The kernel against the formulas where markets are at their worst."""

import numpy as np
import pytest

from app.core.clock import NS_PER_S
from app.core.strategy import Condition
from app.features.catalogue import GAP_NS, NAMES, index_of
from app.features.engine import FeatureEngine, Watch
from app.features.layout import O_TS
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, LAST, SNAPSHOT, TRADE
from tests.features.naive import NaiveFeatures
from tests.features.rough import rough_tape
from tests.features.tapes import START as T0
from tests.market.builders import Row, clock, instrument, row, rows

BTC = instrument()
WINDOW = 4096


@pytest.mark.parametrize(("seed", "lost"), [(1, False), (2, False), (3, True)])
def test_every_message_gives_what_the_formulas_give(seed: int, lost: bool) -> None:
    tape = rough_tape(seed, 900, lost=lost)
    ints, values = FeatureEngine([BTC], [Watch("every", 1)], book_ticks=WINDOW).table(tape)
    naive = NaiveFeatures(BTC, WINDOW)
    expected = [naive.values(int(one["ts_recv"])) for one in tape if naive.advance(one)]
    assert len(expected) == len(ints)
    for at, (found, formula) in enumerate(zip(values, expected, strict=True)):
        np.testing.assert_allclose(found, formula, rtol=1e-9, atol=1e-9, err_msg=f"message {at}: {NAMES}")
    assert np.isfinite(values).all(axis=1).sum() > 200


def test_the_tape_has_what_it_is_for() -> None:
    tape = rough_tape(1, 900)
    ends = np.flatnonzero(tape["flags"] & LAST)
    messages = [tape[start : stop + 1] for start, stop in zip([0, *(ends[:-1] + 1)], ends, strict=True)]
    kinds = [set(message["kind"].tolist()) for message in messages]
    flagged = [bool((message["flags"] & SNAPSHOT).any()) for message in messages]
    assert sum({TRADE, DEPTH_SET} <= kind for kind in kinds) > 50
    assert sum({DEPTH_CLEAR, DEPTH_SET} <= kind and not flag for kind, flag in zip(kinds, flagged, strict=True)) > 10
    assert sum(DEPTH_CLEAR not in kind and flag for kind, flag in zip(kinds, flagged, strict=True)) > 10
    assert (np.diff(tape["ts_recv"]) == GAP_NS).any()
    ints, values = FeatureEngine([BTC], [Watch("every", 1)], book_ticks=WINDOW).table(tape)
    ready = np.isfinite(values).all(axis=1)
    assert (values[ready, index_of("since_trade")] == 10).any()
    assert np.isnan(values).all(axis=1).sum() > 20
    own = tape[tape["kind"] != CLOCK]["ts_recv"]
    assert np.diff(own).max() > 10 * NS_PER_S
    assert ints[-1, O_TS] == own[-1]


def test_no_candidate_has_a_feature_that_is_no_number() -> None:
    """Sizes so small that a slope of them rounds to 0, and the skew of two such slopes to 0 / 0."""
    least = 5e-324
    clocks = [clock(T0 + i * NS_PER_S) for i in range(1, 12)]
    late = T0 + 12 * NS_PER_S

    def book(ts: int, bid: float, size: float) -> list[Row]:
        levels = [(1, 1000, bid), (1, 990, size), (-1, 1001, size), (-1, 1011, size)]
        found = [row(DEPTH_SET, side, tick / 10, qty, 0, ts=ts) for side, tick, qty in levels]
        return [*found[:-1], (*found[-1][:7], LAST)]

    tape = rows(*book(T0, 3.0, 1.0), *clocks, *book(late, 2 * least, least), *book(late + 1, 3.0, 1.0))
    every = FeatureEngine([BTC], [Watch("every", 1)], book_ticks=WINDOW).table(tape)[1]
    assert np.isnan(every[1, index_of("depth_slope_skew")])
    assert every[1, index_of("imbalance_1")] > 0
    candidates = Watch("w", 1, "imbalance_1", (Condition(feature="imbalance_1", min=0.1),))
    found, values = FeatureEngine([BTC], [candidates], book_ticks=WINDOW).table(tape)
    assert found[:, O_TS].tolist() == [late + 1]
    assert np.isfinite(values).all()
