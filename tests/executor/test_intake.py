"""Approvals as they are read: entry decisions, refusals, repeats, and what comes late."""

from decimal import Decimal

import pytest

from app.core.errors import Rejected
from app.executor.approvals import MEMORY
from app.executor.entries import plan_entry
from app.messages.execution import OrderUpdate
from app.messages.signals import Dropped
from tests.executor.stage import MS, Stage, approval, hold, mark, market
from tests.sim.feed import BTC, Feed, at


@pytest.mark.parametrize(
    ("side", "bid", "ask", "notional", "tick", "lots"),
    [
        (1, 60000.0, 60000.1, 1000.0, 600_000, 16),
        (-1, 60000.0, 60000.1, 1000.0, 600_001, 16),
        # Off the grid: away from the other side.
        (1, 60000.07, 60000.1, 60000.0, 600_000, 1000),
        (-1, 60000.0, 60000.01, 60000.1, 600_001, 1000),
        # No more than the notional, to the lot: 1000 / 62500 = 0.016 exactly.
        (1, 62500.0, 62500.1, 1000.0, 625_000, 16),
        (1, 62500.1, 62500.2, 1000.0, 625_001, 15),
        # And no more than the venue takes.
        (1, 60000.0, 60000.1, 1e9, 600_000, 100_000),
    ],
)
def test_the_plan_is_our_best_price_and_what_the_notional_buys(side, bid, ask, notional, tick, lots):
    signal = approval(0, side=side, bid=bid, ask=ask, max_notional=notional)
    assert plan_entry(signal, BTC) == (tick, lots)


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": 0},
        {"side": 2},
        {"bid": float("nan")},
        {"bid": 0.0},
        {"bid": -1.0},
        {"max_notional": float("inf")},
        {"max_notional": 0.0},
        {"stop_loss_bps": 0.0},
        {"take_profit_bps": -6.0},
        {"max_hold_ms": 0},
        {"bid": 0.01},
    ],
)
def test_numbers_that_make_no_sense_are_rejected(wrong):
    with pytest.raises(Rejected, match="BTCUSDT: ") as caught:
        plan_entry(approval(0, **wrong), BTC)
    assert caught.value.reason == "bad_signal"


def test_an_entry_is_submitted_when_its_approval_is_read_and_not_later():
    stage = Stage()
    (order,) = stage.approved(approval(5000))
    assert order == OrderUpdate(
        ts=at(5000),
        order_id="s1-entry-0",
        signal_id="s1",
        strategy="scalper",
        symbol="BTCUSDT",
        leg="entry",
        side=1,
        status="submitted",
        px=Decimal("59999.9"),
        qty=Decimal("0.060"),
        filled_qty=Decimal("0.000"),
        model_id="m1",
        route="paper",
    )


@pytest.mark.parametrize(
    ("wrong", "reason", "px", "qty"),
    [
        ({"symbol": "DOGEUSDT"}, "unknown_symbol", "0", "0"),
        ({"strategy": "nobody"}, "unknown_strategy", "0.0", "0.000"),
        ({"max_notional": 30.0}, "min_qty", "59999.9", "0.000"),
        ({"bid": 100.0, "max_notional": 4.0}, "min_notional", "100.0", "0.040"),
        ({"bid": float("inf")}, "bad_signal", "0.0", "0.000"),
    ],
)
def test_an_entry_that_cannot_be_worked_is_rejected_with_its_reason(wrong, reason, px, qty):
    stage = Stage()
    (order,) = stage.approved(approval(5000, **wrong))
    assert (order.status, order.reason, order.ts, order.order_id) == ("rejected", reason, at(5000), "s1-entry-0")
    assert (str(order.px), str(order.qty), order.filled_qty) == (px, qty, 0)
    assert stage.value("orders_total", leg="entry", status="rejected") == 1
    # It was seen: a repeat is no second rejection.
    assert stage.approved(approval(5000, **wrong)) == []


def test_an_approval_seen_before_opens_no_second_order():
    stage = Stage()
    stage.rows(market(0).clock(5000))
    assert len(stage.approved(approval(100), approval(100))) == 1
    stage.approved(mark(4000))
    assert [status for _ms, _id, status, _reason in stage.orders()] == ["submitted", "accepted", "cancelled"]
    # Long over, but remembered; also by the core that takes over.
    again = Stage()
    again.core.restore(stage.core.snapshot())
    for one in (stage, again):
        assert one.approved(approval(100)) == []
        assert one.value("duplicate_approvals_total") >= 1
        assert one.value("late_orders_total") == 0


def test_memory_is_bounded_and_what_it_could_have_forgotten_is_refused():
    stage = Stage()
    minutes = MEMORY // MS
    stage.approved(approval(0), approval(10, "s2"), mark(minutes + 5))
    assert len(stage.core._approvals) == 1
    assert stage.approved(approval(10, "s2")) == []
    assert stage.approved(approval(0)) == []
    ((_delivery, payload, error),) = stage.refused
    assert error.reason == "stale"
    assert "approval s1 of 1700000000000000000 came" in str(error)
    assert b'"id":"s1"' in payload


def test_an_approval_after_the_mark_that_covers_it_is_counted_marked_and_not_backdated():
    stage = Stage()
    stage.play(market(0), until=1000)
    (order,) = stage.approved(approval(900))
    assert (order.late, order.status, order.ts) == (True, "submitted", at(1000) + 1)
    stage.play(Feed().clock(1300), until=1500)
    late = [m for m in stage.sent if isinstance(m, OrderUpdate)]
    assert [(m.status, m.ts, m.late) for m in late] == [
        ("submitted", at(1000) + 1, True),
        ("accepted", at(1007) + 1, True),
    ]
    assert stage.value("late_orders_total") == 1


def test_a_mark_that_goes_back_takes_no_promise_back():
    stage = Stage()
    stage.approved(mark(1000), mark(500), approval(900))
    assert stage.value("late_orders_total") == 1


def test_a_late_hold_acts_after_the_mark():
    stage = Stage()
    stage.play(market(0).trade(200, -1, 59999.8, 0.001), approval(100), until=3000)
    stage.approved(hold(2500, 0.1))
    stage.play(Feed().clock(3300), until=3500)
    assert next(m.ts for m in stage.sent if isinstance(m, OrderUpdate) and m.leg == "exit") == at(3000) + 1


def test_messages_that_do_not_belong_are_refused_and_the_others_handled():
    stage = Stage()
    foreign = Dropped(ts=1, id="x", strategy="s", symbol="B", reason="r")
    sent = stage.approved(foreign, approval(5000))
    assert [m.status for m in sent] == ["submitted"]
    ((_delivery, payload, error),) = stage.refused
    assert (error.reason, b'"type":"dropped"' in payload) == ("bad_input", True)
    assert str(error) == "message type 'dropped' does not belong among approved signals"
