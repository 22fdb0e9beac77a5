"""Instruments: exact tick arithmetic and the venue's filters."""

import json
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.errors import Misconfigured, Rejected
from app.market.instruments import Instrument, read_instruments
from app.settings import ROOT

SYMBOLS = read_instruments(ROOT / "config" / "symbols.yml")
STEPS = st.sampled_from(
    [Decimal(text) for text in ("0.00001", "0.0001", "0.01", "0.05", "0.1", "0.25", "0.5", "1", "3")]
)
PRICES = st.decimals("0.00001", "1000000", places=8)
SIDES = st.sampled_from([-1, 1])


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    lot = draw(STEPS)
    return Instrument(
        id=1,
        symbol="ABCUSDT",
        tick_size=draw(STEPS),
        lot_size=lot,
        min_qty=lot * draw(st.integers(0, 10)),
        min_notional=draw(st.sampled_from([Decimal(0), Decimal(5)])),
        max_qty=lot * draw(st.integers(10, 100_000)),
        base="ABC",
    )


@given(instrument=instruments(), ticks=st.integers(0, 10_000_000))
def test_a_tick_survives_its_price_even_as_a_float(instrument: Instrument, ticks: int) -> None:
    assert instrument.ticks(float(instrument.price(ticks))) == ticks
    assert instrument.price(ticks) / instrument.tick_size == ticks


@given(instrument=instruments(), lots=st.integers(0, 10_000_000))
def test_a_lot_survives_its_quantity_even_as_a_float(instrument: Instrument, lots: int) -> None:
    assert instrument.lots(float(instrument.quantity(lots))) == lots


@given(instrument=instruments(), px=PRICES, side=SIDES)
def test_a_passive_price_never_crosses_and_is_the_nearest(instrument: Instrument, px: Decimal, side: int) -> None:
    placed = instrument.price(instrument.passive_ticks(px, side))
    assert placed * side <= px * side
    assert abs(placed - px) < instrument.tick_size


@given(instrument=instruments(), notional=st.decimals("0", "1000000", places=2), px=PRICES)
def test_lots_are_the_most_that_the_money_allows(instrument: Instrument, notional: Decimal, px: Decimal) -> None:
    lots = instrument.lots_for_notional(notional, px)
    assert instrument.quantity(lots) * px <= notional
    assert instrument.quantity(lots) <= instrument.max_qty
    one_more = instrument.quantity(lots + 1)
    assert one_more * px > notional or one_more > instrument.max_qty


@given(instrument=instruments(), less=st.decimals("0", "100000", places=2), more=st.decimals("0", "100000", places=2),
       px=PRICES)  # fmt: skip
def test_more_money_never_buys_less(instrument: Instrument, less: Decimal, more: Decimal, px: Decimal) -> None:
    assume(less <= more)
    assert instrument.lots_for_notional(less, px) <= instrument.lots_for_notional(more, px)


@given(instrument=instruments(), ticks=st.integers(1, 100_000), lots=st.integers(0, 20) | st.integers(0, 200_000))
def test_an_order_passes_exactly_within_the_filters(instrument: Instrument, ticks: int, lots: int) -> None:
    qty, notional = instrument.quantity(lots), instrument.quantity(lots) * instrument.price(ticks)
    small = qty < instrument.min_qty or notional < instrument.min_notional
    for reduce_only in (False, True):
        refused = lots == 0 or qty > instrument.max_qty or (small and not reduce_only)
        expected = pytest.raises(Rejected) if refused else nullcontext()
        with expected:
            instrument.check_order(ticks, lots, reduce_only=reduce_only)


@pytest.mark.parametrize(
    ("px", "lots", "fault", "reason"),
    [
        (60_000, 0, r"^BTCUSDT: quantity 0\.000 is below the minimum 0\.001$", "min_qty"),
        (60_000, 1_500_001, r"^BTCUSDT: quantity 1500\.001 is above the maximum 1500$", "max_qty"),
        (1_000, 4, r"^BTCUSDT: notional 4\.0000 USDT is below the minimum 5$", "min_notional"),
    ],
)
def test_a_refused_order_says_which_filter_and_by_how_much(px: int, lots: int, fault: str, reason: str) -> None:
    with pytest.raises(Rejected, match=fault) as caught:
        SYMBOLS["BTCUSDT"].check_order(px * 10, lots)
    assert caught.value.reason == reason


def test_a_position_can_always_be_left() -> None:
    SYMBOLS["BTCUSDT"].check_order(10_000, 1, reduce_only=True)


def test_the_shipped_symbols_are_found_by_name_and_by_id() -> None:
    assert {instrument.symbol for instrument in SYMBOLS} >= {"BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT"}
    for instrument in SYMBOLS:
        assert SYMBOLS[instrument.symbol] is instrument
        assert SYMBOLS.by_id(instrument.id) is instrument
        assert instrument.symbol in SYMBOLS
    assert SYMBOLS.by_id(60_000) is None
    assert "NONE" not in SYMBOLS


def test_ids_in_archives_keep_their_symbol() -> None:
    """An id is never changed and never reused; a new symbol takes a new one."""
    pinned = {"BTCUSDT": 1, "ETHUSDT": 2, "SOLUSDT": 3, "XRPUSDT": 4, "DOGEUSDT": 5}
    assert {symbol: SYMBOLS[symbol].id for symbol in pinned} == pinned


def test_an_unknown_symbol_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        Misconfigured,
        match=r"^symbol 'BTCUSD' is not in config/symbols\.yml \(known: .*BTCUSDT.*ETHUSDT.*\); add its filters there$",
    ):
        SYMBOLS["BTCUSD"]


def _entry(**changed: object) -> str:
    """A symbol's filters in YAML's flow style, some of them changed."""
    usual = {"id": 1, "tick_size": "0.1", "lot_size": "0.001", "min_qty": "0.001", "max_qty": "10", "min_notional": "5"}
    return json.dumps({**usual, "base": "A", **changed})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (f"A: {_entry()}\nB: {_entry()}\n", r"^two symbols share an instrument id"),
        (f"A: {_entry()}\nA: {_entry(id=2)}\n", r"key 'A' is given twice; remove one"),
        (f"A: {_entry(id=0)}\n", r"symbols file .*, A: (?s:.*)greater than or equal to 1"),
        (f"A: {_entry(id=70_000)}\n", r"symbols file .*, A: (?s:.*)less than or equal to 65535"),
        (f"A: {_entry(tick=3)}\n", r"symbols file .*, A: (?s:.*)Extra inputs are not permitted"),
        ("A: 3\n", r"symbols file .*, A: "),
        ("- A\n", r"symbols file .* must hold a mapping, found list$"),
        (f"A: {_entry(min_qty='0.0015')}\n", r"A: min_qty 0\.0015 is not a multiple of lot_size 0\.001"),
        (f"A: {_entry(max_qty='0.0001')}\n", r"A: max_qty 0\.0001 is below min_qty 0\.001"),
    ],
)
def test_a_wrong_symbols_file_is_refused(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "symbols.yml"
    path.write_text(text)
    with pytest.raises(Misconfigured, match=fault):
        read_instruments(path)


def test_a_missing_symbols_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"does not exist; set `symbols_file` in the configuration$"):
        read_instruments(tmp_path / "none.yml")
