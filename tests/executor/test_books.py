"""The books balance when recomputed from the messages alone, and the check is able to say that they do not."""

import re
from decimal import Decimal

import msgspec
import pytest

from app.messages.execution import ClosedTrade, Equity, Fill, FundingPaid, OrderUpdate
from app.report.books import check_books
from tests.executor.stage import Stage, approval, market, moved
from tests.sim.feed import T0, Feed

CASH = {"scalper": Decimal(10_000), "other": Decimal(10_000)}


@pytest.fixture(scope="module")
def run():
    """A long that reaches its target, a short that is stopped, funding, and a long of another account left open."""
    stage = Stage()
    next_funding = T0 // 1_000_000_000 + 2
    feed = market(0).funding(10, 0.0001, next_funding).mark(20, 60005.5)
    feed.trade(200, -1, 59999.9, 1.020).trade(300, -1, 59999.9, 1.0)
    feed = moved(feed, 3000, bid=60040.0, ask=60040.2)
    feed.trade(3500, 1, 60040.2, 1.5)
    feed = moved(feed, 4000, bid=60100.0, ask=60100.2, qty=0.011)
    stage.play(
        feed,
        approval(100),
        approval(110, "s2", strategy="other", model_id="m2", take_profit_bps=600.0, stop_loss_bps=600.0),
        approval(3200, "s3", side=-1, bid=60040.0, ask=60040.2),
        until=5000,
    )
    return stage.sent


def test_they_balance(run):
    kinds = {kind: sum(isinstance(message, kind) for message in run) for kind in (Fill, FundingPaid, ClosedTrade)}
    assert kinds == {Fill: kinds[Fill], FundingPaid: 2, ClosedTrade: 2}
    assert kinds[Fill] > 10
    assert check_books(run, CASH).differences == []
    assert check_books(run, CASH).balance


def first(run, kind, **fields) -> int:
    return next(
        i
        for i, message in enumerate(run)
        if isinstance(message, kind) and all(getattr(message, name) == value for name, value in fields.items())
    )


def changed(run, at: int, **changes):
    return [*run[:at], msgspec.structs.replace(run[at], **changes), *run[at + 1 :]]


D = Decimal
TAMPERED = [
    (Fill, {"leg": "entry"}, {"px": D("59999.8")}, "entry_px of trade s1 is 59999.9, recomputed"),
    (Fill, {"leg": "exit"}, {"qty": D("0.012")}, "filled_qty of order s3-exit-0"),
    (Fill, {"leg": "exit"}, {"fee": D("0.1")}, "fees of trade s3 is"),
    (Fill, {"leg": "entry"}, {"side": -1}, "cash of account scalper/m1"),
    (FundingPaid, {}, {"amount": D("-0.36")}, "funding of s1 at"),
    (ClosedTrade, {}, {"pnl": D("1.2")}, "pnl of trade s1 is 1.2, recomputed"),
    (ClosedTrade, {}, {"qty": D("0.05")}, "qty of trade s1 is 0.05, recomputed 0.060"),
    (ClosedTrade, {}, {"entry_ts": 5}, "entry_ts of trade s1 is 5"),
    (OrderUpdate, {"status": "filled"}, {"filled_qty": D("0.01")}, r"filled_qty of order s1-entry-0 \(filled\)"),
    (OrderUpdate, {"status": "filled"}, {"qty": D("0.07")}, "filled_qty of filled order s1-entry-0 is 0.060"),
    (ClosedTrade, {}, {"pnl": D("1.2")}, "cash of account scalper/m1 from its trades is"),
    (Equity, {}, {"cash": D("10000.00000001")}, "cash of account scalper/m1 at .* is 10000.00000001, recomputed"),
    (Equity, {}, {"equity": D("1")}, "equity of account scalper/m1 at .* is 1, recomputed"),
    (Equity, {}, {"open_positions": 2}, "open_positions of account scalper/m1 at .* is 2, recomputed 1"),
    (Equity, {"open_positions": 1}, {"position_value": D("-5")}, "position_value of account scalper/m1 at .* is -5"),
]


@pytest.mark.parametrize(("kind", "which", "change", "text"), TAMPERED)
def test_a_changed_figure_is_found(run, kind, which, change, text):
    report = check_books(changed(run, first(run, kind, **which), **change), CASH)
    assert not report.balance
    assert any(re.search(text, difference) for difference in report.differences), report.differences


@pytest.mark.parametrize("kind", [Fill, FundingPaid, ClosedTrade])
def test_a_missing_message_is_found(run, kind):
    for at, message in enumerate(run):
        if isinstance(message, kind):
            assert not check_books([*run[:at], *run[at + 1 :]], CASH).balance, message


@pytest.mark.parametrize("kind", [Fill, FundingPaid, ClosedTrade])
def test_a_repeated_message_is_found(run, kind):
    at = first(run, kind)
    assert not check_books([*run[: at + 1], run[at], *run[at + 1 :]], CASH).balance


def test_what_comes_after_a_trade_was_closed_is_found(run):
    fill, trade = run[first(run, Fill, leg="exit")], run[first(run, ClosedTrade, signal_id="s3")]
    again = msgspec.structs.replace(fill, fill_id="another")
    assert "fill another comes after trade s3 was closed" in check_books([*run, again], CASH).differences
    assert f"fill {fill.fill_id} is reported twice" in check_books([*run, fill], CASH).differences
    paid = msgspec.structs.replace(run[first(run, FundingPaid)], signal_id=trade.signal_id, amount=D(0))
    assert "funding of 0 is paid on s3, which holds nothing" in check_books([*run, paid], CASH).differences


def test_a_fill_that_its_order_never_tells_is_found(run):
    at = first(run, OrderUpdate, leg="take_profit", status="filled")
    untold = [message for i, message in enumerate(run) if i != at]
    text = f"last filled_qty of order {run[at].order_id} is 0.000, recomputed 0.060"
    assert text in check_books(untold, CASH).differences


def test_every_single_fill_and_equity_counts(run):
    for at, message in enumerate(run):
        if isinstance(message, Fill):
            assert not check_books(changed(run, at, fee=message.fee + D("1e-8")), CASH).balance
        elif isinstance(message, Equity):
            assert not check_books(changed(run, at, cash=message.cash + D("1e-8")), CASH).balance


def test_other_starting_cash_is_found(run):
    assert not check_books(run, {**CASH, "other": D(9_999)}).balance
    assert "strategy 'other' has no starting cash" in check_books(run, {"scalper": D(10_000)}).differences


def test_a_cut_that_leaves_the_last_equity_out_is_found(run):
    at = first(run, Fill)
    assert check_books(run[:at], CASH).balance
    assert "last cash of account scalper/m1 is None, recomputed" in check_books(run[: at + 1], CASH).differences[-1]


def test_nothing_balances():
    assert check_books([], {}).balance
    assert check_books(Stage().play(Feed().clock(0), until=0), CASH).balance


def test_entries_refused_for_an_unknown_strategy_do_not_disturb_them():
    stage = Stage()
    stage.approved(approval(100, strategy="nobody"))
    assert check_books(stage.sent, CASH).differences == []
