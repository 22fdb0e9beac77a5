"""Shocks: another market, always a consistent one, and the old one afterwards."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.clock import NS_PER_MS, NS_PER_S
from app.core.errors import Misconfigured
from app.importers import import_recording
from app.market.book import Book
from app.market.instruments import read_instruments
from app.market.rows import CLOCK, DEPTH_SET, FUNDING, INDEX, MARK, QUOTE, REPAIRED, TRADE, Rows, concat, faults
from app.market.snapshots import snapshot_rows
from app.market.venue_messages import ends
from app.sim.distortion import Band, Distortion
from app.sim.shock_settings import ShockSettings, direction, moments
from app.sim.shocks import Shocked, turns
from app.store.archive import ArchiveReader
from tests.conftest import ROOT
from tests.sim.feed import BTC, ETH, Feed, at
from tests.sim.markets import market

WINDOW = 65_536
SPREAD = {"withdraw_bps": 10.0}
THIN = {"depth_factor": 0.01}
SWEEP = {"sweep_bps": 0.1}
GAP = {"move_bps": 30.0, "back_ms": 700}
CRASH = {"move_bps": 150.0, "move_ms": 900, "back_ms": 1200, "depth_factor": 0.1, "withdraw_bps": 0.05, "steps": 4}
FUNDED = {"funding_rate": 0.008}
SHAPES = (SPREAD, THIN, SWEEP, GAP, CRASH, FUNDED, {**CRASH, **SWEEP, **FUNDED})


def shock_of(shape: dict, lasts_ms: int = 2000, every_s: float = 5) -> ShockSettings:
    return ShockSettings(**{"every_s": every_s, "lasts_ms": lasts_ms, **shape})


def span(rows: Rows) -> tuple[int, int]:
    return int(rows["ts_recv"][0]), int(rows["ts_recv"][-1])


def blocks(rows: Rows, size: int) -> list[Rows]:
    """Cut where messages end."""
    cuts = [0]
    for end in np.flatnonzero(ends(rows)) + 1:
        if end - cuts[-1] >= size:
            cuts.append(int(end))
    return [rows[a:b] for a, b in zip(cuts, [*cuts[1:], len(rows)], strict=True) if b > a]


def shocked(rows: Rows, shock: ShockSettings, starts: list[int], *, seed=1, size=500, instruments=(BTC,)) -> Rows:
    known = {instrument.symbol: instrument for instrument in instruments}
    return concat(Shocked(shock, starts, known, seed=seed, book_ticks=WINDOW)(blocks(rows, size)))


def book_of(rows: Rows, instrument=BTC) -> Book:
    book = Book(instrument, WINDOW)
    book.advance(np.ascontiguousarray(rows))
    return book


def levels(book: Book):
    return book.levels(4096)


def until(rows: Rows, ts: int) -> Rows:
    return rows[rows["ts_recv"] <= ts]


def in_venue_order(rows: Rows) -> Rows:
    """As the paper venue reads them, with a hold longer than anything is late."""
    told = rows[rows["kind"] != CLOCK]
    return told[np.argsort(told["ts_event"], kind="stable")]


def check_stream(rows: Rows, before: Rows, instrument=BTC) -> None:
    """`rows` are what any reader may rely upon, and no more crossed than `before`."""
    assert (np.diff(rows["ts_recv"]) >= 0).all()
    assert not faults(rows).any()
    assert ends(rows)[-1]
    known = rows[rows["kind"] != CLOCK]
    assert (known["ts_event"] <= known["ts_recv"]).all()
    assert (rows[rows["kind"] == CLOCK] == before[before["kind"] == CLOCK]).all()
    for order in (lambda stream: stream, in_venue_order):
        assert book_of(order(rows), instrument).faults()["crossed"] == 0, "crossed by us"
        assert book_of(order(before), instrument).faults()["crossed"] == 0
    # One message, one time.
    number = np.cumsum(ends(rows)) - ends(rows)
    first = np.append(True, number[1:] != number[:-1])
    assert (rows["ts_recv"] == rows["ts_recv"][first][number]).all()


def check_books(rows: Rows, before: Rows, shock: ShockSettings, starts: list[int], instrument=BTC) -> None:
    """Before and after each shock the book is the recorded one, within it the one that the shock makes of it."""
    edges = [before["ts_recv"][0], *(edge for start in starts for edge in (start - 1, start + shock.total_ns))]
    for ts in (*edges, span(before)[1]):
        assert levels(book_of(until(rows, ts), instrument)) == levels(book_of(until(before, ts), instrument))


@given(
    st.sampled_from(SHAPES), st.integers(0, 10_000), st.sampled_from([1, 50, 5000]), st.integers(2000, 4000)
)  # fmt: skip
@hypothesis_settings(max_examples=25)
def test_the_stream_stays_consistent_and_the_old_book_comes_back(shape, seed, size, lasts_ms):
    before, shock = market(14, seed=seed % 4), shock_of(shape, lasts_ms, every_s=7)
    starts = moments(shock, span(before), seed=seed)
    rows = shocked(before, shock, starts, seed=seed, size=size)
    check_stream(rows, before)
    check_books(rows, before, shock, starts)
    # Nothing is touched before the first, and nothing but the late after the last.
    head = before[before["ts_recv"] < starts[0]]
    assert (rows[: len(head)] == head).all()
    tail = before[before["ts_recv"] >= starts[-1] + shock.total_ns]
    ending = rows[-len(tail) :]
    same = ending == tail
    assert same[ending["flags"] & REPAIRED == 0].all()
    assert (ending["ts_event"] >= tail["ts_event"]).all()
    assert (ending["px"] == tail["px"]).all()


@given(st.sampled_from(SHAPES), st.integers(0, 1000))
@hypothesis_settings(max_examples=15)
def test_how_rows_are_cut_into_blocks_does_not_matter(shape, seed):
    before, shock = market(10, seed=3), shock_of(shape, every_s=10)
    starts = moments(shock, span(before), seed=seed)
    results = [shocked(before, shock, starts, seed=seed, size=size).tobytes() for size in (1, 77, 10**6)]
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("shape", [SPREAD, THIN, SWEEP, GAP], ids=["spread", "thin", "sweep", "gap"])
def test_within_a_shock_the_book_is_the_distorted_one(shape):
    before = market(12, seed=5)
    shock, start = shock_of({**shape, "direction": "down"}), span(before)[0] + 4 * NS_PER_S
    rows = shocked(before, shock, [start])
    at_start = levels(book_of(before[before["ts_recv"] < start]))
    bid, ask = at_start[0][0][0], at_start[1][0][0]
    mid = (bid + ask) / 2
    for ms in (0, 500, 1999):
        ts = start + ms * NS_PER_MS
        # The very moment of the start comes before the rows received at it.
        recorded = before[before["ts_recv"] < ts] if ms == 0 else until(before, ts)
        bids, asks = levels(book_of(recorded))
        got = levels(book_of(rows[rows["ts_recv"] < ts + (ms == 0)] if ms == 0 else until(rows, ts)))
        if shape is SPREAD:
            assert not any(abs(tick - mid) < mid * 0.00099 for side in got for tick, _ in side)
            want = tuple([level for level in side if abs(level[0] - mid) > mid * 0.001] for side in (bids, asks))
        elif shape is THIN:
            want = tuple([(t, max(0.001, np.rint(q * 10) / 1000)) for t, q in side] for side in (bids, asks))
        elif shape is SWEEP:
            want = [level for level in bids if not bid * 0.99999 <= level[0] <= bid], asks
        else:
            fall = round(mid * 0.003)
            want = tuple([(t - fall, q) for t, q in side] for side in (bids, asks))
        assert [[(t, pytest.approx(q)) for t, q in side] for side in want] == [list(side) for side in got]


def test_a_spread_shock_has_no_trades_inside_and_no_quotes():
    before = market(12, seed=6)
    start = span(before)[0] + 4 * NS_PER_S
    rows = shocked(before, shock_of(SPREAD), [start])
    inside = (rows["ts_recv"] >= start) & (rows["ts_recv"] < start + 2 * NS_PER_S)
    recorded = (before["ts_recv"] >= start) & (before["ts_recv"] < start + 2 * NS_PER_S)
    assert (before["kind"][recorded] == TRADE).sum() > 5
    assert not (rows["kind"][inside] == TRADE).any()
    quotes = rows[inside & (rows["kind"] == QUOTE)]
    assert len(quotes)
    assert (quotes["qty"] == 0).all()


def test_a_sweep_prints_every_level_that_it_takes():
    before = market(12, seed=8)
    start = span(before)[0] + 4 * NS_PER_S
    shock = shock_of({"sweep_bps": 0.1, "direction": "up"}, lasts_ms=300)
    rows = shocked(before, shock, [start])
    asks = levels(book_of(before[before["ts_recv"] < start]))[1]
    reach = asks[0][0] * 1.00001
    want = [(tick / 10, qty) for tick, qty in asks if tick <= reach]
    printed = rows[(rows["ts_recv"] == start) & (rows["kind"] == TRADE) & (rows["flags"] & REPAIRED != 0)]
    assert len(want) > 2
    assert [(float(row["px"]), float(row["qty"])) for row in printed] == [pytest.approx(level) for level in want]
    assert (printed["side"] == 1).all()


def test_a_move_takes_the_mark_along_and_lands_where_it_should():
    feed = Feed().snapshot(0, bids=[(59999.9, 1.0)], asks=[(60000.1, 1.0)])
    for ms in range(100, 6000, 100):
        feed.clock(ms).mark(ms + 10, 60000.0)
    shock = ShockSettings(every_s=10, lasts_ms=1000, direction="up", move_bps=10, move_ms=1000, back_ms=1000, steps=2)
    rows = shocked(feed.rows(), shock, [at(1000)])
    marks = {round((row["ts_recv"] - at(0)) / NS_PER_MS): float(row["px"]) for row in rows if row["kind"] == MARK}
    assert [marks[ms] for ms in (910, 1010, 1410, 1510, 2010, 2910, 3010, 3410, 3510, 3910)] == pytest.approx(
        [60000, 60030, 60030, 60060, 60060, 60060, 60030, 60030, 60000, 60000]
    )
    assert [turn.moved for turn in turns(shock, 0, 0)] == [0.5, 1.0, 0.5, 0.0]
    assert book_of(until(rows, at(2500))).best()[0] == 60059.9


def test_funding_comes_once_and_the_old_rate_comes_back():
    feed = Feed().snapshot(0, bids=[(59999.9, 1.0)], asks=[(60000.1, 1.0)])
    feed.funding(10, 0.0001, at(0) // NS_PER_S + 3600)
    for ms in range(100, 9000, 100):
        feed.clock(ms)
    feed_rows = feed.funding(9000, 0.0002, at(0) // NS_PER_S + 3600).clock(9100).rows()
    shock = ShockSettings(every_s=20, lasts_ms=3000, direction="down", funding_rate=0.008)
    rows = shocked(feed_rows, shock, [at(2345)])
    told = rows[rows["kind"] == FUNDING]
    ms = [round((row["ts_recv"] - at(0)) / NS_PER_MS) for row in told]
    assert ms == [10, 2345, 5345, 9000]
    assert told["px"].tolist() == [0.0001, -0.008, 0.0001, 0.0002]
    assert told["qty"][1] == at(3000) // NS_PER_S
    assert told["qty"][2] == told["qty"][0]


def test_what_is_late_across_a_turn_happened_in_the_form_there_is_now():
    feed = Feed().snapshot(0, bids=[(59999.9, 1.0)], asks=[(60000.1, 1.0)], event=-5)
    feed.depth(900, 1, 59999.8, 2.0, event=895)
    feed.trade(1001, -1, 59999.9, 0.5, event=890)
    feed.trade(1002, -1, 59999.9, 0.5, event=1000).clock(3000).clock(5000)
    shock = ShockSettings(every_s=10, lasts_ms=1000, direction="up", move_bps=10)
    rows = shocked(feed.rows(), shock, [at(1000)])
    trades = rows[rows["kind"] == TRADE]
    # The snapshot of the moved book is as of 895, the newest that was told; the late trade cannot be before it.
    assert [(ts - at(0)) / NS_PER_MS for ts in trades["ts_event"]] == [895, 1000]
    assert trades["px"].tolist() == [60059.9, 60059.9]
    check_stream(rows, feed.rows())


def test_two_instruments_are_shocked_together_and_kept_apart():
    one, other = market(8, seed=1), market(8, seed=2, instrument=2, mid=30_000)
    both = concat([one, other[other["kind"] != CLOCK]])
    both = both[np.argsort(both["ts_recv"], kind="stable")]
    start = span(both)[0] + 3 * NS_PER_S
    rows = shocked(both, shock_of({**GAP, "direction": "up"}), [start], instruments=(BTC, ETH))
    for instrument in (BTC, ETH):
        own = (both["instrument"] == instrument.id) | (both["kind"] == CLOCK)
        book = book_of(until(rows, start + NS_PER_S), instrument)
        recorded = book_of(until(both[own], start + NS_PER_S), instrument)
        mid = sum(recorded.best()[::2]) / 2
        assert sum(book.best()[::2]) / 2 == pytest.approx(mid * 1.003, rel=2e-5)
        assert levels(book_of(rows, instrument)) == levels(book_of(both, instrument))


def test_a_book_with_one_side_is_left_alone():
    feed = Feed().snapshot(0, bids=[(59999.9, 1.0)], asks=[]).clock(500).clock(1500).clock(9000)
    assert (shocked(feed.rows(), shock_of(GAP), [at(1000)]) == feed.rows()).all()


def test_prices_that_would_not_be_positive_are_not_shown():
    feed = Feed().snapshot(0, bids=[(59999.9, 1.0), (100.0, 2.0)], asks=[(60000.1, 1.0)])
    feed.clock(1000).depth(1500, 1, 100.0, 3.0).depth(1600, 1, 59999.8, 3.0).clock(4000).clock(9000)
    shock = ShockSettings(every_s=10, lasts_ms=2000, direction="down", move_bps=5000)
    rows = shocked(feed.rows(), shock, [at(1000)])
    assert levels(book_of(until(rows, at(2000))))[0] == [(299999, 1.0), (299998, 3.0)]
    check_stream(rows, feed.rows())
    assert levels(book_of(rows)) == levels(book_of(feed.rows()))


def test_distortions_keep_to_ticks_and_lots():
    rows = Feed().depth(0, 1, 60000.0, 0.0149).trade(1, 1, 60000.1, 0.004).depth(2, -1, 60000.1, 0.0).rows()
    out = Distortion(offset=7, factor=0.1, gone=(Band(1, 1, 5),)).apply(rows, BTC)
    assert out["px"].tolist() == [60000.7, 60000.8, 60000.8]
    # A whole number of lots, at least one; a deletion stays one.
    assert out["qty"].tolist() == [0.001, 0.001, 0.0]
    assert Distortion().apply(rows, BTC) is rows
    assert Distortion(offset=1).apply(rows, ETH) is rows
    index = Feed()._add(0, None, INDEX, px=60000.05).rows()
    assert Distortion(offset=10).apply(index, BTC)["px"][0] == pytest.approx(60001.05)


def test_what_is_gone_is_gone_where_it_would_have_been():
    """Deleted at its moved price: at its old one another level may stand by now."""
    rows = Feed().depth(0, 1, 60000.0, 1.0).depth(1, 1, 59999.9, 1.0).depth(2, -1, 60000.0, 1.0).quote(3, 1, 60000, 1)
    out = Distortion(offset=2, gone=(Band(1, 600_000, 600_000),)).apply(rows.rows(), BTC)
    assert out["px"].tolist() == [60000.2, 60000.1, 60000.2, 60000.2]
    assert out["qty"].tolist() == [0.0, 1.0, 1.0, 0.0]


def test_a_trade_belongs_to_the_side_it_takes_from():
    rows = Feed().trade(0, -1, 60000.0, 1.0).trade(1, 1, 60000.0, 2.0).rows()
    assert Distortion(gone=(Band(1, 600_000, 600_000),)).apply(rows, BTC)["qty"].tolist() == [2.0]
    assert Distortion(gone=(Band(-1, 600_000, 600_000),)).apply(rows, BTC)["qty"].tolist() == [1.0]
    assert len(Distortion(gone=(Band(0, 600_000, 600_000),)).apply(rows, BTC)) == 0


def test_moments_are_spread_over_the_span_and_shared():
    whole = (0, 600 * NS_PER_S)
    two = ShockSettings(every_s=60, lasts_ms=3000, feed="lost")
    other = ShockSettings(every_s=60, lasts_ms=3000, withdraw_bps=5)
    starts = moments(two, whole, seed=3)
    assert len(starts) == 10
    for n, start in enumerate(starts):
        assert n * 60 * NS_PER_S <= start <= (n + 1) * 60 * NS_PER_S - 3 * NS_PER_S
    assert moments(other, whole, seed=3) == starts
    assert moments(two, whole, seed=4) != starts
    assert len(moments(two, (0, 10 * NS_PER_S), seed=1)) == 1
    often = ShockSettings(every_s=0.1, lasts_ms=3000, feed="lost")
    assert len(moments(often, (0, 10 * NS_PER_S), seed=1)) == 3
    with pytest.raises(Misconfigured, match=r"a shock of 3 s does not fit into 2 s of market; give more of it, or a"):
        moments(two, (0, 2 * NS_PER_S), seed=1)
    ways = [direction(two, n, seed=1) for n in range(100)]
    assert 25 < ways.count(1) < 75
    assert direction(ShockSettings(every_s=1, lasts_ms=1, sweep_bps=1, direction="down"), 0, seed=1) == -1


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "a shock in which nothing happens; give it move_bps"),
        ({"funding_rate": 0.01, "lasts_ms": 1999}, "lasts_ms must be 2000 or more, not 1999"),
        ({"move_bps": 10_000}, "less than 10000"),
        ({"depth_factor": 0}, "greater than 0"),
    ],
)
def test_nonsense_is_refused(values, text):
    with pytest.raises(ValidationError, match=text):
        ShockSettings(**{"every_s": 1, "lasts_ms": 1000, **values})


@pytest.fixture(scope="module")
def recorded(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """Half a minute of a real market."""
    root = tmp_path_factory.mktemp("recorded")
    instruments = read_instruments(ROOT / "config" / "symbols.yml")
    files = [shared_data / "binance_usdm" / "btcusdt_20240808.jsonl.gz"]
    import_recording(files, root, None, lambda *_: None, instruments=instruments, clock_interval_ms=100)
    rows = concat(ArchiveReader(root, "binance_usdm", ("BTCUSDT",)))
    return rows[rows["ts_recv"] < rows["ts_recv"][0] + 30 * NS_PER_S]


@pytest.mark.parametrize("shape", SHAPES, ids=["spread", "thin", "sweep", "gap", "crash", "funding", "all"])
def test_a_real_market_stays_consistent_and_comes_back(recorded, shape):
    shock = shock_of(shape, lasts_ms=3000, every_s=12)
    starts = moments(shock, span(recorded), seed=11)
    rows = shocked(recorded, shock, starts, size=16_384)
    assert len(starts) == 2
    check_stream(rows, recorded)
    check_books(rows, recorded, shock, starts)


def test_a_snapshot_of_a_real_book_is_that_book(recorded):
    book = book_of(recorded)
    rows = snapshot_rows(book, ts_event=1, ts_recv=2, flags=REPAIRED)
    assert (rows["kind"] == DEPTH_SET).sum() > 1000
    assert levels(book_of(rows)) == levels(book)
