"""What reaches us: the venue's rows stay what they are, ours come later, in order, or not at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.clock import NS_PER_MS, NS_PER_S
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, REPAIRED, SNAPSHOT, VENUE_ONLY, VIEW_ONLY, Rows, concat
from app.market.venue_messages import ends
from app.sim.bursts import Bursts
from app.sim.hearing import Heard, LagSettings, Loss
from app.sim.settings import BurstSettings
from tests.sim.feed import BTC
from tests.sim.markets import market
from tests.sim.test_shocks import blocks, book_of, levels, span, until

BURSTS = BurstSettings(every_s=2, lasts_s=2, factor=20)


def heard(
    rows: Rows, lag: LagSettings | None = None, loss: Loss | None = None, windows=(), *, bursts=None, seed=1, size=500
) -> Rows:
    hears = Heard(lag, loss, windows, {"BTCUSDT": BTC}, bursts=bursts, seed=seed, book_ticks=65_536)
    return concat(hears(blocks(rows, size)))


def at_venue(rows: Rows) -> Rows:
    """What the venue's side reads, as it was recorded."""
    kept = rows[rows["flags"] & VIEW_ONLY == 0].copy()
    kept["flags"] &= ~np.uint32(VENUE_ONLY)
    return kept


def in_view(rows: Rows) -> Rows:
    return rows[rows["flags"] & VENUE_ONLY == 0]


def told(rows: Rows) -> Rows:
    return rows[rows["kind"] != CLOCK]


def check_stream(rows: Rows, before: Rows) -> None:
    assert (np.diff(rows["ts_recv"]) >= 0).all()
    assert at_venue(rows).tobytes() == before.tobytes()
    seen = in_view(rows)
    assert (seen[seen["kind"] == CLOCK] == before[before["kind"] == CLOCK]).all()
    # A clock row's promise: nothing behind it is of its time or before.
    clocks = np.flatnonzero(rows["kind"][:-1] == CLOCK)
    assert (rows["ts_recv"][clocks + 1] > rows["ts_recv"][clocks]).all()
    number = np.cumsum(ends(rows)) - ends(rows)
    for column in ("ts_recv", "instrument"):
        first = np.append(True, number[1:] != number[:-1])
        assert (rows[column] == rows[column][first][number]).all()
    flags = rows["flags"] & (VENUE_ONLY | VIEW_ONLY)
    assert (flags == flags[np.append(True, number[1:] != number[:-1])][number]).all(), "a message in two markets"


lags = st.builds(
    LagSettings, median_ms=st.floats(0.001, 200), p99_over_median=st.floats(1, 30), most_ms=st.just(1000.0)
)  # fmt: skip


@given(lags, st.booleans(), st.integers(0, 1000), st.sampled_from([1, 40, 5000]))
@hypothesis_settings(max_examples=25)
def test_a_lag_delays_everything_in_order_and_changes_nothing_else(lag, with_bursts, seed, size):
    before = market(6, seed=seed % 3)
    rows = heard(before, lag, bursts=BURSTS if with_bursts else None, seed=seed, size=size)
    check_stream(rows, before)
    seen, recorded = told(in_view(rows)), told(before)
    # The same rows in the same order, less those that would come after the end; each at its time or later.
    recorded = recorded[: len(seen)]
    for column in ("ts_event", "px", "qty", "kind", "side"):
        assert (seen[column] == recorded[column]).all()
    late = seen["ts_recv"] - recorded["ts_recv"]
    assert late.min() >= 0
    assert late.max() <= 1_000 * NS_PER_MS
    assert len(recorded) == len(seen) > len(told(before)) * 0.7


def test_how_rows_are_cut_into_blocks_does_not_matter():
    before = market(6, seed=2)
    windows = [(span(before)[0] + 2 * NS_PER_S, span(before)[0] + 4 * NS_PER_S)]
    lag = LagSettings(median_ms=30, p99_over_median=10)
    for loss in (None, "late", "lost"):
        results = [heard(before, lag, loss, windows, bursts=BURSTS, size=size).tobytes() for size in (1, 77, 10**6)]
        assert results[0] == results[1] == results[2]


def test_the_lag_is_the_one_asked_for():
    before = market(60, seed=1)
    rows = heard(before, LagSettings(median_ms=1, p99_over_median=3))
    seen, recorded = told(in_view(rows)), told(before)
    late = (seen["ts_recv"] - recorded[: len(seen)]["ts_recv"]) / NS_PER_MS
    assert np.median(late) == pytest.approx(1, rel=0.1)
    assert np.quantile(late, 0.99) == pytest.approx(3, rel=0.3)
    exact = heard(before, LagSettings(median_ms=1))
    gaps = told(in_view(exact))["ts_recv"] - told(before)["ts_recv"][: len(told(in_view(exact)))]
    assert (gaps == NS_PER_MS).all()


def test_a_burst_of_the_line_is_one_of_the_feed():
    before = market(30, seed=1)
    rows = heard(before, LagSettings(median_ms=1), bursts=BURSTS, seed=6)
    seen, recorded = told(in_view(rows)), told(before)
    recorded = recorded[: len(seen)]
    slow = Bursts(BURSTS, seed=6).active_many(recorded["ts_recv"])
    late = (seen["ts_recv"] - recorded["ts_recv"]) / NS_PER_MS
    assert 0.2 < slow.mean() < 0.8
    assert (late[slow] == 20).all()
    # Behind a burst what it held up goes first.
    assert np.median(late[~slow]) == 1


def test_nothing_to_disturb_is_nothing_disturbed():
    before = market(6, seed=2)
    assert heard(before).tobytes() == before.tobytes()
    assert heard(before, loss="late").tobytes() == before.tobytes()


@pytest.mark.parametrize("size", [1, 300, 10**6])
def test_a_stall_brings_everything_at_its_end(size):
    before = market(6, seed=2)
    start = span(before)[0] + 2 * NS_PER_S
    end = start + 1_500 * NS_PER_MS
    rows = heard(before, loss="late", windows=[(start, end)], size=size)
    check_stream(rows, before)
    seen = told(in_view(rows))
    assert not ((seen["ts_recv"] >= start) & (seen["ts_recv"] < end)).any()
    inside = (told(before)["ts_recv"] >= start) & (told(before)["ts_recv"] < end)
    assert inside.sum() > 100
    assert (seen["ts_recv"] == np.where(inside, end, told(before)["ts_recv"])).all()
    for ts in (start - 1, end, span(before)[1]):
        assert levels(book_of(until(in_view(rows), ts))) == levels(book_of(until(before, ts)))
    assert levels(book_of(until(in_view(rows), end - 1))) == levels(book_of(before[before["ts_recv"] < start]))


@pytest.mark.parametrize("size", [1, 300, 10**6])
def test_an_outage_loses_what_happened_and_ends_with_a_snapshot(size):
    before = market(6, seed=2)
    start = span(before)[0] + 2 * NS_PER_S
    end = start + 1_500 * NS_PER_MS
    rows = heard(before, loss="lost", windows=[(start, end)], size=size)
    check_stream(rows, before)
    seen = told(in_view(rows))
    inside = seen[(seen["ts_recv"] >= start) & (seen["ts_recv"] < end)]
    # The collector says that the book is unknown, and nothing else comes.
    assert [(int(row["kind"]), int(row["flags"]) & REPAIRED) for row in inside] == [(DEPTH_CLEAR, REPAIRED)]
    assert levels(book_of(until(in_view(rows), end - 1))) == ([], [])
    snapshot = seen[(seen["ts_recv"] == end) & (seen["flags"] & VIEW_ONLY != 0)]
    assert snapshot["kind"].tolist() == [DEPTH_CLEAR] + [DEPTH_SET] * (len(snapshot) - 1)
    assert (snapshot["flags"] & SNAPSHOT != 0).all()
    for ts in (start - 1, end, span(before)[1]):
        assert levels(book_of(until(in_view(rows), ts))) == levels(book_of(until(before, ts)))
    # The venue went on.
    assert levels(book_of(until(at_venue(rows), end - 1))) == levels(book_of(until(before, end - 1)))


def test_a_lag_above_an_outage_loses_only_what_was_sent_within_it():
    before = market(6, seed=2)
    start = span(before)[0] + 2 * NS_PER_S
    end = start + 1_500 * NS_PER_MS
    rows = heard(before, LagSettings(median_ms=40), "lost", [(start, end)])
    check_stream(rows, before)
    seen = told(in_view(rows))
    # What was on its way when the connection broke still comes; what was sent after that never does.
    within = seen[(seen["ts_recv"] > start + 40 * NS_PER_MS) & (seen["ts_recv"] < end)]
    assert len(within) == 0
    last = span(before)[1]
    assert levels(book_of(until(in_view(rows), last))) == levels(book_of(until(before, last - 40 * NS_PER_MS)))


@pytest.mark.parametrize("values", [{"median_ms": 0}, {"median_ms": 1, "p99_over_median": 0.9}, {"mean_ms": 1}])
def test_nonsense_is_refused(values):
    with pytest.raises(ValidationError):
        LagSettings(**values)
