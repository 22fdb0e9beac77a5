"""Virtual accounts: money is conserved exactly, whatever happens."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadInput
from app.sim.account import Account
from app.sim.money import EXACT

D = Decimal

fills = st.tuples(
    st.just("fill"),
    st.sampled_from(["a", "b"]),
    st.sampled_from([1, -1]),
    st.decimals("0", "100000", places=5),
    st.decimals("0.001", "1000", places=3),
    st.decimals("-5", "5", places=8),
)
fundings = st.tuples(st.just("funding"), st.decimals("-5", "5", places=8))


def total(values) -> Decimal:
    result = D(0)
    for value in values:
        result = EXACT.add(result, value)
    return result


@given(st.lists(fills | fundings, max_size=30), st.decimals("0", "100000", places=5))
def test_money_is_conserved_exactly(events, price):
    account = Account.opened(D(10_000))
    bought = paid = D(0)
    quantities = {"a": D(0), "b": D(0)}
    for event in events:
        if event[0] == "fill":
            _, key, side, px, qty, fee = event
            account.fill(key, side=side, px=px, qty=qty, fee=fee)
            bought = EXACT.add(bought, EXACT.multiply(side * px, qty))
            paid += fee
            quantities[key] += side * qty
        else:
            account.pay_funding(event[1])
            paid += event[1]
        costs = total(holding.cost for holding in account.holdings.values())
        money = total([account.starting, account.realised, -account.fees, -account.funding, -costs])
        assert account.cash == money
        assert account.cash == total([account.starting, -bought, -paid])
        assert {key: holding.qty for key, holding in account.holdings.items()} == {
            key: qty for key, qty in quantities.items() if qty
        }
        value = account.value({"a": price, "b": price})
        assert value == total(EXACT.multiply(qty, price) for qty in quantities.values())


@given(st.lists(st.tuples(st.decimals("1", "1000", places=2), st.integers(1, 50)), min_size=1, max_size=8))
def test_a_round_trip_realises_what_was_sold_less_what_was_bought(buys):
    account = Account.opened(D(0))
    realised = total(account.fill("k", side=1, px=px, qty=D(lots), fee=D(0)) for px, lots in buys)
    assert realised == 0
    lots = sum(lots for _px, lots in buys)
    # Sold in two parts, so that the cost has to be divided.
    for part in (lots // 2, lots - lots // 2):
        if part:
            realised = EXACT.add(realised, account.fill("k", side=-1, px=D("500.5"), qty=D(part), fee=D(0)))
    assert not account.holdings
    assert realised == account.realised == D("500.5") * lots - total(px * count for px, count in buys)
    assert account.cash == realised


def test_average_and_realised_of_a_partial_close():
    account = Account.opened(D(1000))
    account.fill("k", side=1, px=D(100), qty=D(2), fee=D("0.1"))
    account.fill("k", side=1, px=D(103), qty=D(1), fee=D("0.1"))
    assert account.holdings["k"].average == D(101)
    assert account.fill("k", side=-1, px=D(104), qty=D(1), fee=D("0.2")) == 3
    assert (account.holdings["k"].average, account.fees) == (D(101), D("0.4"))
    assert account.value({"k": None}) == 202


def test_a_fill_past_zero_turns_the_holding_round():
    account = Account.opened(D(0))
    account.fill("k", side=1, px=D(100), qty=D(2), fee=D(0))
    assert account.fill("k", side=-1, px=D(110), qty=D(5), fee=D(0)) == 20
    assert (account.holdings["k"].qty, account.holdings["k"].average) == (D(-3), D(110))
    assert account.fill("k", side=1, px=D(100), qty=D(3), fee=D(0)) == 30
    assert account.holdings == {}


@pytest.mark.parametrize("bad", [{"side": 0}, {"qty": D(0)}, {"qty": D(-1)}, {"px": D(-1)}])
def test_what_is_no_fill_is_refused(bad):
    account = Account.opened(D(10))
    with pytest.raises(BadInput, match="expected side ±1, quantity > 0, price ≥ 0"):
        account.fill("k", **{"side": 1, "px": D(1), "qty": D(1), "fee": D(0), **bad})
    assert account == Account.opened(D(10))
