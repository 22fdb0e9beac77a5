"""Fees and funding: exact, and rounded never in our favour."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sim.fees import FlatFees, fee_model
from app.sim.funding import funding_amount
from app.sim.money import EXACT, charge, exact
from app.sim.settings import FeeSettings

D = Decimal


@pytest.mark.parametrize(
    ("liquidity", "px", "qty", "fee"),
    [
        ("maker", "60000", "0.016", "0.192"),
        ("taker", "60000", "0.016", "0.528"),
        ("maker", "60000.1", "0.001", "0.01200002"),
        # 59999.9 · 0.001 · 0.00055 = 0.032999945, up to the next 1e-8.
        ("taker", "59999.9", "0.001", "0.03299995"),
    ],
)
def test_a_fee_is_a_share_of_notional_rounded_up(liquidity, px, qty, fee):
    assert fee_model(FeeSettings()).fee(D(px), D(qty), liquidity) == D(fee)


def test_a_rebate_is_rounded_down():
    fees = FlatFees(maker=D("-0.0001"), taker=D(0))
    assert fees.fee(D("0.00012345"), D(1), "maker") == D("-0.00000001")
    assert fees.fee(D("0.00005"), D(1), "maker") == 0


@given(
    px=st.decimals("0.00001", "1000000", places=5),
    lots=st.integers(1, 10**9),
    rate=st.decimals("-0.001", "0.01", places=5),
)
def test_rounding_costs_less_than_its_step_and_never_favours_us(px, lots, rate):
    true = EXACT.multiply(EXACT.multiply(px, D(lots).scaleb(-3)), rate)
    assert 0 <= FlatFees(rate, rate).fee(px, D(lots).scaleb(-3), "taker") - true < D("1e-8")


@pytest.mark.parametrize(
    ("qty", "rate", "amount"),
    [("0.5", 0.0001, "3"), ("-0.5", 0.0001, "-3"), ("0.5", -0.0001, "-3"), ("-0.5", -0.0001, "3"), ("0.5", 0.0, "0")],
)
def test_longs_pay_when_the_rate_is_positive(qty, rate, amount):
    assert funding_amount(D(qty), 60000.0, rate) == D(amount)


def test_funding_takes_prices_and_rates_as_they_are_written():
    # In binary, 0.1 · 0.0001 is not 0.00001.
    assert funding_amount(D(1), 0.1, 0.0001) == D("0.00001")
    assert exact(60000.1) == D("60000.1")


def test_charges_keep_eight_places():
    assert charge(D("1.000000001")) == D("1.00000001")
    assert charge(D("-1.000000009")) == D("-1.00000000")
