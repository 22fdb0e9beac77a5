"""The order book: its rules, the rules again at random against dictionaries, and recordings."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import Misconfigured, SchemaMismatch
from app.market import book as kernels
from app.market.book import BASE, HEADER, NONE, Book, book_set, depth, level_qty, new_book, next_level, tick_of
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, FUNDING, LAST, QUOTE, TRADE
from tests.market.builders import Row, binance_rows, instrument, row, rows
from tests.market.naive_book import NaiveBook

BTC = instrument()


def make_book(*parts: Row, window: int = 65_536) -> Book:
    book = Book(BTC, window)
    book.advance(rows(*parts))
    return book


def bid(px: float, qty: float, flags: int = LAST) -> Row:
    return row(DEPTH_SET, 1, px, qty, flags)


def ask(px: float, qty: float, flags: int = LAST) -> Row:
    return row(DEPTH_SET, -1, px, qty, flags)


def test_levels_are_set_replaced_and_deleted() -> None:
    book = make_book(bid(100.0, 1), bid(99.9, 2), ask(100.1, 3), ask(100.3, 4), bid(100.0, 5), ask(100.1, 0))
    assert book.best() == (100.0, 5, 100.3, 4)
    assert book.levels(5) == ([(1000, 5), (999, 2)], [(1003, 4)])
    assert book.levels(1) == ([(1000, 5)], [(1003, 4)])


def test_an_empty_side_is_nan_not_zero() -> None:
    book = make_book(bid(100.0, 1))
    assert math.isnan(book.best().ask)
    assert book.best().ask_qty == 0
    book.advance(rows(row(DEPTH_CLEAR, 1, 0, 0)))
    assert math.isnan(book.best().bid)
    assert book.levels(3) == ([], [])


def test_clear_takes_one_side_or_both() -> None:
    book = make_book(bid(100.0, 1), ask(100.1, 1), row(DEPTH_CLEAR, -1, 0, 0))
    assert book.levels(1) == ([(1000, 1)], [])
    book.advance(rows(ask(100.1, 1), row(DEPTH_CLEAR, 0, 0, 0)))
    assert book.levels(1) == ([], [])


def test_trades_quotes_and_the_rest_leave_depth_alone() -> None:
    book = make_book(bid(100.0, 1), ask(100.2, 1))
    before = book.levels(5)
    book.advance(
        rows(
            row(TRADE, 1, 100.2, 1),
            row(QUOTE, 1, 100.1, 7),
            row(QUOTE, -1, 100.3, 8),
            row(FUNDING, 0, -0.0001, 0),
            row(CLOCK, 0, 0, 0, id=0),
        )
    )
    assert book.levels(5) == before
    assert (book.state[kernels.QUOTE_BID], book.qty[kernels.QUOTE_BID_QTY]) == (1001, 7)
    assert (book.state[kernels.QUOTE_ASK], book.qty[kernels.QUOTE_ASK_QTY]) == (1003, 8)
    book.advance(rows(row(QUOTE, 1, 100.1, 0)))
    assert book.state[kernels.QUOTE_BID] == NONE


def test_a_bid_that_crosses_deletes_the_asks_it_crosses_at_the_end_of_its_message() -> None:
    book = make_book(ask(100.0, 1), ask(100.1, 2), ask(100.2, 3), bid(99.0, 1), bid(100.1, 4, flags=0))
    assert book.best() == (100.1, 4, 100.0, 1)
    book.advance(rows(bid(99.5, 1)))
    assert book.best() == (100.1, 4, 100.2, 3)
    assert book.faults()["crossed"] == 1


def test_an_ask_that_crosses_deletes_the_bids_it_crosses() -> None:
    book = make_book(bid(100.0, 1), bid(99.9, 2), bid(99.8, 3), ask(101.0, 1), ask(99.9, 4))
    assert book.best() == (99.8, 3, 99.9, 4)
    assert book.faults()["crossed"] == 1


def test_crossing_within_a_message_that_uncrosses_itself_is_no_fault() -> None:
    book = make_book(bid(100.0, 1), ask(100.1, 1), bid(100.1, 2, flags=0), ask(100.1, 0, flags=0), ask(100.2, 1))
    assert book.best() == (100.1, 2, 100.2, 1)
    assert book.faults()["crossed"] == 0


def test_the_side_that_crossed_last_wins() -> None:
    book = make_book(bid(100.0, 1), ask(100.1, 1), bid(100.3, 1, flags=0), ask(100.2, 1))
    assert book.best() == (100.0, 1, 100.1, 1)


def test_levels_behind_the_window_are_counted_not_kept() -> None:
    book = make_book(bid(100.0, 1), ask(100.1, 1), bid(90.0, 1), ask(110.0, 1), bid(90.0, 0), window=64)
    assert book.levels(9) == ([(1000, 1)], [(1001, 1)])
    assert book.faults()["out_of_window"] == 2


def test_the_window_follows_the_price_and_counts_what_it_loses() -> None:
    book = make_book(bid(100.0, 1), ask(100.1, 1), window=64)
    for tick in range(1001, 1100):
        book.advance(rows(ask(tick / 10, 0, flags=0), ask((tick + 1) / 10, 1, flags=0), bid(tick / 10, 1)))
    best = book.best()
    assert (best.bid, best.ask) == (109.9, 110.0)
    base = int(book.state[BASE])
    assert base + 16 <= 1099 < base + 48
    bids = book.levels(100)[0]
    assert [tick for tick, _qty in bids] == list(range(1099, base - 1, -1))
    assert book.faults()["evicted"] == base - 1000
    assert book.faults()["out_of_window"] == 0


def test_a_jump_of_the_price_takes_the_window_along() -> None:
    book = make_book(bid(100.0, 1), ask(100.1, 1), bid(500.0, 2, flags=0), ask(500.1, 2), window=64)
    assert book.best() == (500.0, 2, 500.1, 2)
    assert book.faults() == {
        "crossed": 0, "out_of_window": 0, "evicted": 2, "off_grid": 0, "bad_row": 0, "unknown_instrument": 0,
    }  # fmt: skip


def test_faulty_and_foreign_rows_are_counted_and_skipped() -> None:
    book = make_book(
        bid(100.0, 1), bid(math.nan, 1), bid(101.0, -1), row(99, 1, 1, 1), row(DEPTH_SET, 1, 102.0, 1, id=9)
    )
    assert book.levels(5) == ([(1000, 1)], [])
    faults = book.faults()
    assert (faults["bad_row"], faults["unknown_instrument"]) == (3, 1)


def test_prices_off_the_grid_are_counted_and_rounded() -> None:
    book = make_book(bid(100.04, 1))
    assert book.levels(1)[0] == [(1000, 1)]
    assert book.faults()["off_grid"] == 1


@pytest.mark.parametrize("px", [0.04, 1e300])
def test_a_price_without_a_tick_is_a_bad_row(px: float) -> None:
    book = make_book(bid(px, 1))
    assert book.levels(1) == ([], [])
    assert book.faults()["bad_row"] == 1


@given(st.integers(1, 10_000_000), st.sampled_from(["0.1", "0.01", "0.00001", "0.25", "5"]))
def test_every_price_of_an_instrument_finds_its_tick(tick: int, tick_size: str) -> None:
    market = instrument(tick_size=tick_size)
    px = float(market.price(tick))
    assert tick_of(px, float(market.tick_size)) == tick == market.ticks(px)


Operation = tuple[int, int, int, float, int]
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from([DEPTH_SET] * 12 + [DEPTH_CLEAR, TRADE, QUOTE]),
        st.sampled_from([1, -1]),
        st.one_of(st.integers(90, 130), st.integers(1, 400)),
        st.sampled_from([0.0, 0.0, 1.0, 2.0, 3.5]),
        st.sampled_from([0, LAST]),
    ),
    max_size=120,
)


@settings(max_examples=300)
@given(OPERATIONS)
def test_random_rows_give_what_dictionaries_give_at_every_row(
    operations: list[tuple[int, int, int, float, int]],
) -> None:
    market = instrument(tick_size="0.5")
    book, naive = Book(market, 64), NaiveBook(64)
    for kind, side, tick, qty, flags in operations:
        if kind == TRADE and qty == 0:
            continue
        book.advance(rows(row(kind, side, tick * 0.5, qty, flags)))
        naive.row(kind, side, tick, qty, flags)
        bids = sorted(naive.sides[1].items(), reverse=True)
        assert book.levels(64) == (bids, sorted(naive.sides[-1].items()))
        assert (kernels.best_bid(book.state), kernels.best_ask(book.state)) == (naive.best(1), naive.best(-1))
        faults = book.faults()
        counted = (faults["crossed"], faults["out_of_window"], faults["evicted"])
        assert counted == (naive.crossed, naive.out_of_window, naive.evicted)


@settings(max_examples=100)
@given(OPERATIONS, st.integers(0, 120))
def test_a_restored_book_goes_on_as_if_never_stopped(operations: list[Operation], cut: int) -> None:
    market = instrument(tick_size="0.5")
    parts = [row(kind, side, tick * 0.5, qty or 1.0, flags) for kind, side, tick, qty, flags in operations]
    whole, first, second = Book(market, 64), Book(market, 64), Book(market, 64)
    second.advance(rows(bid(33.0, 4)))
    if parts:
        whole.advance(rows(*parts))
    if parts[:cut]:
        first.advance(rows(*parts[:cut]))
    second.restore(first.snapshot())
    if parts[cut:]:
        second.advance(rows(*parts[cut:]))
    np.testing.assert_array_equal(second.state, whole.state)
    np.testing.assert_array_equal(second.qty, whole.qty)


def test_a_snapshot_grows_with_levels_not_with_the_window() -> None:
    small, large = make_book(bid(100.0, 1), window=64), make_book(bid(100.0, 1), window=1 << 20)
    assert len(small.snapshot()) == len(large.snapshot())
    assert len(make_book(bid(100.0, 1), ask(100.1, 1)).snapshot()) == len(small.snapshot()) + 16


def test_a_snapshot_of_another_kind_is_refused() -> None:
    blob = make_book(bid(100.0, 1), window=64).snapshot()
    with pytest.raises(SchemaMismatch, match=r"has book_ticks 64 and tick size 0\.1, this book has 128 and 0\.1"):
        Book(BTC, 128).restore(blob)
    with pytest.raises(SchemaMismatch, match="is cut or of another version"):
        Book(BTC, 64).restore(blob[:-1])
    with pytest.raises(SchemaMismatch, match="is cut or of another version"):
        Book(BTC, 64).restore(b"")


@pytest.mark.parametrize("window", [0, 32, 100, -64])
def test_a_window_must_be_a_power_of_two(window: int) -> None:
    with pytest.raises(Misconfigured, match=f"power of two of at least 64, got {window}"):
        Book(BTC, window)


def test_kernels_answer_for_ticks_outside_the_window() -> None:
    state, qty = new_book(0.1, 64)
    for tick in (1000, 1010):
        assert book_set(state, qty, 1, tick, 1.0)
    assert not book_set(state, qty, 1, 900, 1.0)
    assert level_qty(state, qty, 1, 900) == 0.0
    assert level_qty(state, qty, 1, 1000 + 64) == 0.0
    assert next_level(state, 1, 5000) == 1010
    assert next_level(state, 1, 1000) == NONE
    assert next_level(state, -1, 1) == NONE
    ticks, quantities = np.zeros(9, np.int64), np.zeros(9)
    assert depth(state, qty, 1, 9, ticks, quantities) == 2
    assert ticks[:2].tolist() == [1010, 1000]
    assert len(state) == HEADER + 2


def test_a_recording_gives_what_dictionaries_give(shared_data: Path) -> None:
    tape = binance_rows(shared_data / "binance_usdm" / "btcusdt_20240808.jsonl.gz", most=60_000)
    book, levels = Book(BTC), {1: {}, -1: {}}  # type: ignore[var-annotated]
    done = 0
    ends = np.flatnonzero(tape["flags"] & LAST)
    for stop in (ends[100 :: len(ends) // 40] + 1).tolist():
        book.advance(tape[done:stop])
        for part in tape[done:stop]:
            if part["kind"] == DEPTH_CLEAR:
                levels = {1: {}, -1: {}}
            elif part["kind"] == DEPTH_SET:
                side = levels[int(part["side"])]
                side[BTC.ticks(part["px"])] = float(part["qty"])
        done = stop
        bids = sorted(((t, q) for t, q in levels[1].items() if q > 0), reverse=True)
        asks = sorted((t, q) for t, q in levels[-1].items() if q > 0)
        assert book.levels(400) == (bids[:400], asks[:400])
    assert done > 50_000
    assert book.faults()["crossed"] == 0
