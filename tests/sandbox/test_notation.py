"""Prices and quantities as the venue writes them."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.market.instruments import Instrument
from app.market.rows import DEPTH_SET
from app.sandbox.notation import Notation
from tests.sandbox.builders import BTC, message


def instrument(tick: str, lot: str) -> Instrument:
    return Instrument(
        id=9, symbol="XUSDT", base="X", tick_size=Decimal(tick), lot_size=Decimal(lot), min_qty=Decimal(lot),
        max_qty=Decimal(lot) * 10**9, min_notional=Decimal(5),
    )  # fmt: skip


@settings(deadline=None)
@given(
    st.sampled_from(["0.1", "0.10", "0.5", "1", "10", "0.00001", "0.0000001", "0.25"]),
    st.sampled_from(["0.001", "1", "0.1", "100"]),
    st.integers(1, 10**8),
    st.integers(1, 10**8),
)
def test_text_is_exact(tick: str, lot: str, ticks: int, lots: int) -> None:
    of = instrument(tick, lot)
    write = Notation(of)
    assert Decimal(write.price(ticks)) == of.price(ticks)
    assert Decimal(write.quantity(lots)) == of.quantity(lots)
    assert len(write.price(ticks).partition(".")[2]) == len(str(Decimal(tick).normalize()).partition(".")[2]) or (
        "E" in str(Decimal(tick).normalize())
    )


def test_turnover_is_price_times_quantity() -> None:
    assert Decimal(Notation(BTC).value(600_001 * 7)) == BTC.price(600_001) * BTC.quantity(7)


def test_an_empty_level_is_zero_and_nothing_else_is() -> None:
    write = Notation(BTC)
    assert write.quantity(0) == "0"
    rows = message(0, [(DEPTH_SET, 1, 600_000, 0), (DEPTH_SET, 1, 600_001, 1)]).rows
    rows["qty"][1] = 0.0001
    assert write.lots(rows) == [0, 1]


@pytest.mark.parametrize(("px", "text"), [(60000.05, "60000.05"), (60000.0, "60000.00")])
def test_a_mid_has_one_decimal_more(px: float, text: str) -> None:
    assert Notation(BTC).fine_price(px) == text
