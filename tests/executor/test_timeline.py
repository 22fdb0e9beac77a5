"""The order of events: frontier, venue order, marks, ties."""

import pytest

from app.bus.types import Delivery
from app.core.errors import BadInput
from app.messages.execution import Equity
from app.messages.signals import Mark
from app.sim.latency import ConstantLatency
from tests.executor.stage import MS, STREAMS, Stage, approval, mark, market, moved
from tests.sim.feed import ETH, T0, Feed, at


def test_nothing_happens_beyond_the_mark_or_the_hold():
    stage = Stage()
    stage.rows(market(0).clock(107).clock(307))
    stage.approved(approval(100))
    assert [order[2] for order in stage.orders()] == ["submitted"]
    # The rows are settled up to 107 ms less a nanosecond; the order arrives at 107.
    stage.approved(mark(10_000))
    assert [order[2] for order in stage.orders()] == ["submitted"]
    stage.rows(Feed().clock(307.000001))
    assert [order[2] for order in stage.orders()] == ["submitted", "accepted"]
    stage = Stage()
    stage.rows(market(0).clock(5000))
    stage.approved(approval(100), mark(106.999999))
    assert [order[2] for order in stage.orders()] == ["submitted"]
    stage.approved(mark(107))
    assert [order[2] for order in stage.orders()] == ["submitted", "accepted"]


def test_marks_promise_what_was_simulated_about_once_a_clock_interval():
    stage = Stage()
    stage.approved(mark(10_000))
    for ms in range(0, 1000, 10):
        stage.rows(Feed().clock(ms))
    # One before the beginning, as the first rows are on hold; then one an interval.
    assert len(stage.marks()) == 11
    assert stage.marks() == sorted(stage.marks())
    stage.rows(Feed().clock(5000))
    assert stage.marks()[-1] == pytest.approx(4800)
    assert all(m.source == "executor" for m in stage.sent if isinstance(m, Mark))


def test_no_event_is_told_after_the_mark_that_covers_it():
    stage, marked = Stage(), -1
    feed = moved(market(0).trade(200, -1, 59999.8, 0.001), 1000, bid=59900.0, ask=59900.2)
    rows = feed.clocks(1100, 4000).rows()
    for i in range(0, len(rows), 3):
        ms = (rows[i]["ts_recv"] - T0) / MS
        if i == 3:
            stage.approved(approval(100))
        stage.approved(mark(ms - 1 if ms > 101 else 0))
        for message in stage.block(rows[i : i + 3].tobytes()):
            assert message.ts > marked
            marked = message.ts if isinstance(message, Mark) else marked
    assert len(stage.trades()) == 1


def test_rows_act_in_the_venues_order_and_the_strategy_sees_them_in_ours():
    stage = Stage()
    # A trade that went through our price at 106, one ms before our order arrived, comes after one of 108.
    feed = market(0).trade(110, -1, 59999.9, 0.001, event=108).trade(130, -1, 59999.8, 0.001, event=106)
    stage.play(feed, approval(100), until=1000)
    assert stage.fills() == []
    stage = Stage()
    # The fall is true at the venue at 300, but seen only at 380: until then there is no stop.
    feed = market(0).trade(200, -1, 59999.8, 0.001)
    feed.snapshot(380, bids=[(59900.0, 1.0)], asks=[(59900.2, 1.0)], event=300)
    stage.play(feed, approval(100), until=1000)
    assert (380, "s1-exit-0", "submitted", "") in stage.orders()


def test_rows_older_than_the_hold_are_moved_up_and_counted():
    stage = Stage()
    feed = market(0).clock(1000).trade(1001, -1, 59999.8, 0.001, event=2).depth(1002, 1, 59999.9, 2, event=1003)
    stage.play(feed, until=2000)
    assert stage.value("rows_clamped_total") == 1
    assert stage.value("rows_from_future_total") == 1


def test_equal_times_have_one_order():
    # Everything at 107 ms: a trade through our price, our order's arrival. The trade comes first and does not fill.
    stage = Stage()
    stage.play(market(0).trade(107, -1, 59999.8, 0.001), approval(100), until=1000)
    assert stage.fills() == []
    # The answer at 205 comes before the view's row of 205, which is below the stop.
    stage = Stage()
    feed = moved(market(0).trade(200, -1, 59999.8, 0.001), 205, bid=59900.0, ask=59900.2)
    stage.play(feed, approval(100), until=1000)
    assert [order[:3] for order in stage.orders() if order[0] == 205] == [
        (205, "s1-take_pro-0", "submitted"),
        (205, "s1-exit-0", "submitted"),
    ]


def test_zero_latency_is_possible():
    stage = Stage(latency=ConstantLatency(0, 0), decision=0)
    feed = market(0).trade(200, -1, 59999.8, 0.001)
    stage.play(moved(feed, 300, bid=59900.0, ask=59900.2), approval(200), until=1000)
    assert [order[:3] for order in stage.orders()] == [
        (200, "s1-entry-0", "submitted"),
        (200, "s1-entry-0", "accepted"),
        (300, "s1-entry-0", "filled"),
        (300, "s1-take_pro-0", "submitted"),
        (300, "s1-take_pro-0", "accepted"),
        (300, "s1-exit-0", "submitted"),
        (300, "s1-take_pro-0", "cancelled"),
        (300, "s1-exit-0", "filled"),
    ]


def test_equity_is_told_after_fills_and_at_round_times_while_something_is_held():
    stage = Stage()
    feed = market(0).trade(200, -1, 59999.8, 0.001).trade(3500, 1, 60036.0, 0.001)
    stage.play(feed, approval(100), until=6000)
    assert [(m.ts - T0) / MS for m in stage.equities()] == [200, 1000, 2000, 3000, 3500]
    assert [m.open_positions for m in stage.equities()] == [1, 1, 1, 1, 0]


def test_markouts_are_the_mids_moves_that_the_trade_lived_to_see():
    stage = Stage()
    feed = market(0).trade(200, -1, 59999.8, 0.001)
    moved(feed, 299, bid=60001.0, ask=60001.2)
    moved(feed, 301, bid=59990.0, ask=59990.2)
    moved(feed, 700, bid=60005.9, ask=60006.1)
    feed.trade(1199, 1, 60036.0, 0.001)
    stage.play(feed, approval(100), until=2000)
    (trade,) = stage.trades()
    # Entry at 59999.9; mids at 300 and 700: 60001.1 and 60006.0. At 1200 the trade was over.
    assert trade.markouts_bps == {
        "100": pytest.approx(1.2 / 59999.9 * 1e4),
        "500": pytest.approx(6.1 / 59999.9 * 1e4),
    }


def test_a_shorts_markouts_are_in_its_favour_when_the_mid_falls():
    stage = Stage()
    feed = moved(market(0).trade(200, 1, 60000.2, 0.001), 250, bid=59990.0, ask=59990.2)
    stage.play(feed.clock(3000), approval(100, side=-1, take_profit_bps=50.0, max_hold_ms=1500), until=2800)
    (trade,) = stage.trades()
    assert list(trade.markouts_bps) == ["100", "500", "1000"]
    assert trade.markouts_bps["100"] == pytest.approx(10.0 / 60000.1 * 1e4)


def test_funding_is_paid_by_what_is_held_when_its_time_comes():
    stage = Stage()
    due = T0 // 1_000_000_000 + 2
    feed = market(0).funding(1, 0.0001, due).mark(2, 60010.0).trade(200, -1, 59999.8, 0.001)
    feed.trade(2500, 1, 60036.0, 0.001)
    stage.play(feed, approval(100), until=4000)
    (paid,) = stage.funding()
    # 0.060 · 60010 · 0.0001
    assert (paid.ts, str(paid.amount), paid.rate, paid.mark_px) == (at(2000), "0.36006000", 0.0001, 60010.0)
    (trade,) = stage.trades()
    assert str(trade.funding) == "0.36006000"
    assert trade.pnl == trade.gross - trade.fees - trade.funding
    assert next(m.cash for m in stage.equities() if m.ts == at(2000)) == stage.equities()[0].cash - paid.amount


def test_without_a_mark_price_funding_is_of_the_mid():
    stage = Stage()
    feed = market(0).funding(1, -0.0001, T0 // 1_000_000_000 + 2).trade(200, -1, 59999.8, 0.001)
    stage.play(feed, approval(100), until=3000)
    assert [(m.mark_px, str(m.amount)) for m in stage.funding()] == [(60000.0, "-0.36000000")]


def test_two_instruments_have_two_books():
    stage = Stage()
    feed = market(0)
    feed.instrument = ETH.id
    feed.book(1, bids=[(3000.0, 1.0), (2999.9, 1.0)], asks=[(3000.1, 1.0)])
    feed.trade(200, -1, 2999.9, 0.001).trade(400, 1, 3010.0, 0.001)
    stage.play(feed, approval(100), approval(100, "s2", symbol="ETHUSDT", bid=3000.0, ask=3000.1), until=1000)
    (trade,) = stage.trades()
    assert (trade.symbol, str(trade.entry_px), str(trade.exit_px)) == ("ETHUSDT", "3000.0", "3001.8")
    assert {m.symbol for m in stage.sent if not isinstance(m, Mark | Equity)} == {"BTCUSDT", "ETHUSDT"}


def test_what_waits_too_long_pauses_the_stream_that_is_ahead():
    stage = Stage(max_pending_rows=1000)
    stage.rows(Feed().clocks(0, 998, step=1))
    assert stage.core.paused() == ()
    stage.rows(Feed().clocks(999, 1200, step=1))
    assert stage.core.paused() == (STREAMS.md,)
    stage.approved(mark(900))
    assert stage.core.paused() == ()
    # The mark is ahead of the rows now: however many wait, rows are what is needed.
    stage.approved(mark(100_000))
    stage.rows(Feed().clocks(1201, 4000, step=1))
    assert stage.core.paused() == ()
    for n in range(10_001):
        stage.approved(approval(50_000, f"a{n}"))
    assert stage.core.paused() == (STREAMS.approved,)


def test_what_is_no_block_is_refused_before_anything_changed():
    stage = Stage()
    stage.play(market(0), until=100)
    before = stage.core.snapshot()
    with pytest.raises(BadInput, match="block of 39 bytes is not a whole number"):
        stage.block(bytes(39))
    with pytest.raises(BadInput, match=r"md:\{t\} carries blocks of event rows, not messages"):
        stage._deliver(Delivery(STREAMS.md, "1-0", (mark(1),)))
    with pytest.raises(BadInput, match=r"sig:approved:\{t\} carries messages, not blocks"):
        stage._deliver(Delivery(STREAMS.approved, "1-0", block=bytes(40)))
    assert stage.core.snapshot() == before


def test_bad_rows_are_dropped_and_counted_and_the_rest_goes_on():
    stage = Stage()
    feed = market(0).depth(10, 1, float("nan"), 1).clock(11).depth(5, 1, 60000.0, 1).clock(20)
    feed.instrument = 77
    feed.depth(21, 1, 60000.0, 1)
    stage.rows(feed)
    counts = {reason: stage.value("rows_dropped_total", reason=reason) for reason in
              ("faulty", "out_of_order", "unknown_instrument")}  # fmt: skip
    assert counts == {"faulty": 1, "out_of_order": 1, "unknown_instrument": 1}
    assert stage.value("pending_rows") == 22
