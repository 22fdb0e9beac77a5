"""How positions are left: target, stop, time, hold, and every race between them."""

import pytest

from app.executor.service import ExecutorCore
from app.messages.execution import Fill
from app.sim.orders import NOTHING_TO_FILL, NOTHING_TO_REDUCE, WOULD_TAKE
from tests.executor.stage import MS, Stage, approval, hold, market, moved
from tests.sim.feed import Feed

ENTRY, TARGET, EXIT = "s1-entry-0", "s1-take_pro-0", "s1-exit-0"


def opened(feed: Feed | None = None) -> Feed:
    """A market in which the long of `approval(100)` is filled at once and completely at 200 ms, at 59999.9."""
    return (feed or market(0)).trade(200, -1, 59999.8, 0.001)


def gone(stage: Stage) -> bool:
    """Nothing is left of any position."""
    core: ExecutorCore = stage.core
    return not core._floor.positions and not core._timeline.strategy_side._watching


def held(stage: Stage, signal: str = "s1") -> list[float]:
    """The signed quantity after each fill."""
    quantities, now = [], 0.0
    for message in stage.sent:
        if isinstance(message, Fill) and message.signal_id == signal:
            now += message.side * float(message.qty)
            quantities.append(round(now, 9))
    return quantities


def reason(stage: Stage) -> str:
    (trade,) = stage.trades()
    return trade.exit_reason


def test_the_target_rests_from_the_moment_the_fill_is_known_and_takes_the_profit():
    stage = Stage()
    stage.play(moved(opened(), 1000, bid=60036.0, ask=60036.2), approval(100), until=1500)
    assert stage.orders() == [
        (100, ENTRY, "submitted", ""),
        (107, ENTRY, "accepted", ""),
        (200, ENTRY, "filled", ""),
        # Known 5 ms later; decided in 2, there in 5.
        (205, TARGET, "submitted", ""),
        (212, TARGET, "accepted", ""),
        (1000, TARGET, "filled", ""),
    ]
    # 59999.9 · 1.0006 = 60035.89994, up to the tick.
    assert stage.fills()[1] == (1000, TARGET, "60035.9", "0.060", "maker")
    (trade,) = stage.trades()
    assert (str(trade.gross), str(trade.fees), str(trade.pnl)) == ("2.1600", "1.44042960", "0.71957040")
    assert (trade.exit_reason, trade.side, str(trade.qty)) == ("take_profit", 1, "0.060")
    assert gone(stage)


def test_the_stop_is_the_strategys_best_price_and_leaves_at_the_market():
    stage = Stage()
    # 59999.9 · 0.9992 = 59951.90008: the first tick at or below is 59951.9.
    feed = moved(opened(), 1000, bid=59952.0, ask=59952.2)
    stage.play(moved(feed, 1100, bid=59951.9, ask=59952.2, qty=0.035), approval(100), until=2000)
    assert stage.orders()[5:] == [
        (1100, EXIT, "submitted", ""),
        (1107, TARGET, "cancelled", "exit"),
        (1107, EXIT, "partially_filled", ""),
        (1107, EXIT, "filled", ""),
    ]
    assert stage.fills()[1:] == [
        (1107, EXIT, "59951.9", "0.035", "taker"),
        (1107, EXIT, "59951.8", "0.025", "taker"),
    ]
    assert reason(stage) == "stop_loss"
    assert gone(stage)


def test_a_short_is_the_mirror_image():
    stage = Stage()
    feed = market(0).trade(200, 1, 60000.2, 0.001)
    # 60000.1 · 1.0008 = 60048.10008, and 60000.1 · 0.9994 = 59964.09994.
    feed = moved(moved(feed, 1000, bid=60047.8, ask=60048.1), 1100, bid=60048.0, ask=60048.2)
    stage.play(feed, approval(100, side=-1, max_notional=600.1), until=2000)
    assert stage.orders()[3] == (205, TARGET, "submitted", "")
    assert next(str(m.px) for m in stage.sent if getattr(m, "order_id", "") == TARGET) == "59964.0"
    assert stage.orders()[5] == (1100, EXIT, "submitted", "")
    assert stage.fills()[-1] == (1107, EXIT, "60048.2", "0.010", "taker")
    assert reason(stage) == "stop_loss"


def test_a_stop_already_passed_when_the_fill_becomes_known_is_acted_upon_at_once():
    stage = Stage()
    # The book falls as we are filled: at 205, when we know, the view has long been below the stop.
    feed = moved(opened(), 201, bid=59900.0, ask=59900.2)
    stage.play(feed, approval(100), until=1000)
    assert (205, EXIT, "submitted", "") in stage.orders()
    assert reason(stage) == "stop_loss"


def test_time_is_up():
    stage = Stage()
    stage.play(opened(), approval(100, max_hold_ms=1000), until=2000)
    assert stage.orders()[5:7] == [(1200, EXIT, "submitted", ""), (1207, TARGET, "cancelled", "exit")]
    assert reason(stage) == "max_hold"


def test_a_hold_score_below_the_threshold_leaves_an_old_enough_position():
    stage = Stage()
    # Filled at 200: 2000 ms of grace end at 2200.
    holds = [hold(1000, 0.1), hold(2199, 0.1), hold(2300, 0.4), hold(2400, 0.39), hold(2500, 0.1)]
    stage.play(opened(), approval(100), *holds, until=4000)
    assert stage.orders()[5] == (2400, EXIT, "submitted", "")
    assert reason(stage) == "tau_hold"
    assert len(stage.fills()) == 2


def test_holds_of_no_known_position_are_nothing():
    stage = Stage()
    stage.play(market(0), hold(100, 0.0, "nobody"), approval(200), hold(300, 0.0), until=1000)
    assert [status for _ms, _id, status, _reason in stage.orders()] == ["submitted", "accepted"]


def test_a_target_filled_before_the_exit_arrives_leaves_the_exit_nothing():
    stage = Stage()
    feed = opened()
    # The stop is seen at 1003; at the venue the target had been traded through at 1001, which we know at 1006.
    moved(feed, 1003, bid=59900.0, ask=60036.5)
    feed.trade(1050, 1, 60036.0, 0.001, event=1001)
    stage.play(feed, approval(100), until=2000)
    assert stage.orders()[5:] == [
        (1001, TARGET, "filled", ""),
        (1003, EXIT, "submitted", ""),
        (1010, EXIT, "rejected", NOTHING_TO_REDUCE),
    ]
    assert held(stage) == [0.06, 0.0]
    assert reason(stage) == "take_profit"
    assert gone(stage)


def test_a_target_filled_in_part_before_the_exit_arrives_leaves_it_the_rest():
    stage = Stage()
    # The target at 60035.9 is first in its queue: nobody else is there, and levels further out are visible.
    feed = opened().book(500, asks=[(60040.0, 1.0)])
    moved(feed, 1003, bid=59900.0, ask=60035.8)
    feed.trade(1050, 1, 60035.9, 0.025, event=1001)
    stage.play(feed, approval(100), until=2000)
    assert held(stage) == [0.06, 0.035, 0.0]
    assert stage.fills()[1:] == [
        (1001, TARGET, "60035.9", "0.025", "maker"),
        (1010, EXIT, "59900.0", "0.035", "taker"),
    ]
    assert stage.orders()[5:] == [
        (1001, TARGET, "partially_filled", ""),
        (1003, EXIT, "submitted", ""),
        (1010, TARGET, "cancelled", "exit"),
        (1010, EXIT, "filled", ""),
    ]
    assert reason(stage) == "stop_loss"


def test_an_entry_that_fills_while_the_exit_is_on_its_way_is_left_as_well():
    stage = Stage()
    # Ten lots fill at 200 (1000 were ahead). The stop is seen at 1000; until 1007 ten more fill.
    feed = market(0).trade(200, -1, 59999.9, 1.010)
    feed.snapshot(1000, bids=[(59900.0, 1.0)], asks=[(60000.1, 1.0)])
    feed.trade(1040, -1, 59999.9, 0.010, event=1004)
    stage.play(feed, approval(100), until=2000)
    assert held(stage) == [0.01, 0.02, 0.0]
    assert [order for order in stage.orders() if order[0] >= 1000] == [
        (1000, EXIT, "submitted", ""),
        (1004, ENTRY, "partially_filled", ""),
        (1007, ENTRY, "cancelled", "exit"),
        (1007, TARGET, "cancelled", "exit"),
        (1007, EXIT, "filled", ""),
    ]
    assert reason(stage) == "stop_loss"
    assert gone(stage)


def test_an_entry_is_cancelled_after_its_time_and_what_it_filled_is_kept():
    stage = Stage()
    stage.play(market(0).trade(200, -1, 59999.9, 1.010), approval(100), until=5000)
    assert stage.orders()[-1] == (3107, ENTRY, "cancelled", "ttl")
    assert held(stage) == [0.01]
    assert stage.trades() == []
    assert stage.equities()[-1].open_positions == 1


def test_an_entry_that_never_fills_is_forgotten():
    stage = Stage()
    stage.play(market(0), approval(100), until=4000)
    assert stage.orders()[-1] == (3107, ENTRY, "cancelled", "ttl")
    assert (stage.fills(), stage.trades(), stage.equities()) == ([], [], [])
    assert gone(stage)


def test_the_target_grows_with_the_entry():
    stage = Stage()
    feed = market(0).trade(200, -1, 59999.9, 1.010).trade(201, -1, 59999.9, 0.005).trade(300, -1, 59999.9, 1.0)
    stage.play(feed, approval(100), until=1000)
    sizes = [
        ((m.ts - 1_700_000_000_000_000_000) / 1e6, m.order_id[3:], m.status, str(m.qty))
        for m in stage.sent
        if getattr(m, "leg", "") == "take_profit"
    ]
    assert sizes == [
        (205, "take_pro-0", "submitted", "0.010"),
        (212, "take_pro-0", "accepted", "0.010"),
        # The five lots of 201 became known while the first target was on its way.
        (217, "take_pro-1", "submitted", "0.015"),
        (224, "take_pro-0", "cancelled", "0.010"),
        (224, "take_pro-1", "accepted", "0.015"),
        (305, "take_pro-2", "submitted", "0.060"),
        (312, "take_pro-1", "cancelled", "0.015"),
        (312, "take_pro-2", "accepted", "0.060"),
    ]


def test_when_the_target_is_hit_the_rest_of_the_entry_is_cancelled_and_then_the_trade_is_over():
    stage = Stage()
    feed = market(0).trade(200, -1, 59999.9, 1.010).trade(1000, 1, 60036.0, 0.001)
    stage.play(feed, approval(100), until=2000)
    assert stage.orders()[-2:] == [(1000, TARGET, "filled", ""), (1012, ENTRY, "cancelled", "target_hit")]
    (trade,) = stage.trades()
    assert (trade.ts, str(trade.qty)) == (1_700_000_001_012_000_000, "0.010")
    assert gone(stage)


def test_an_entry_that_fills_again_after_the_target_was_hit_is_one_trade_with_it():
    stage = Stage()
    feed = market(0).trade(200, -1, 59999.9, 1.010).trade(1000, 1, 60036.0, 0.001)
    feed.trade(1008, -1, 59999.9, 0.020).trade(2000, 1, 60036.0, 0.001)
    stage.play(feed, approval(100), until=3000)
    assert held(stage) == [0.01, 0.0, 0.02, 0.0]
    (trade,) = stage.trades()
    assert (str(trade.qty), trade.exit_reason, trade.ts) == ("0.030", "take_profit", 1_700_000_002_000_000_000)
    assert gone(stage)


def test_a_target_that_would_take_liquidity_is_replaced_by_a_market_order():
    stage = Stage()
    # When the target arrives at 212 the bid is beyond it.
    feed = moved(opened(), 208, bid=60040.0, ask=60040.2)
    stage.play(feed, approval(100), until=1000)
    assert stage.orders()[3:] == [
        (205, TARGET, "submitted", ""),
        (212, TARGET, "cancelled", WOULD_TAKE),
        (217, EXIT, "submitted", ""),
        (224, EXIT, "filled", ""),
    ]
    assert stage.fills()[-1] == (224, EXIT, "60040.0", "0.060", "taker")
    assert reason(stage) == "take_profit"
    assert gone(stage)


def test_an_exit_that_finds_nothing_is_sent_again_when_something_shows():
    stage = Stage()
    feed = opened()
    feed.clear(1190, 1).depth(2000, -1, 60000.1, 0.9).depth(2100, 1, 59990.0, 0.040).depth(2300, 1, 59990.0, 0.5)
    stage.play(feed, approval(100, max_hold_ms=1000), until=3000)
    assert stage.orders()[5:] == [
        (1200, EXIT, "submitted", ""),
        (1207, TARGET, "cancelled", "exit"),
        (1207, EXIT, "cancelled", NOTHING_TO_FILL),
        # Asks alone are no one to sell to; the first bid is.
        (2100, "s1-exit-1", "submitted", ""),
        (2107, "s1-exit-1", "partially_filled", ""),
        (2107, "s1-exit-1", "cancelled", NOTHING_TO_FILL),
        (2300, "s1-exit-2", "submitted", ""),
        (2307, "s1-exit-2", "filled", ""),
    ]
    assert held(stage) == [0.06, 0.02, 0.0]
    assert reason(stage) == "max_hold"
    assert gone(stage)


@pytest.mark.parametrize("fills_first", [False, True])
def test_without_reduce_only_an_exit_waits_until_nothing_else_is_working(fills_first):
    stage = Stage(reduce_only=False)
    feed = opened()
    moved(feed, 1003, bid=59900.0, ask=60035.8)
    if fills_first:
        feed.trade(1050, 1, 60036.0, 0.001, event=1001)
    stage.play(feed, approval(100), until=2000)
    if fills_first:
        assert stage.orders()[5:] == [(1001, TARGET, "filled", "")]
        assert held(stage) == [0.06, 0.0]
    else:
        assert stage.orders()[5:] == [
            (1010, TARGET, "cancelled", "exit"),
            (1015, EXIT, "submitted", ""),
            (1022, EXIT, "filled", ""),
        ]
        assert held(stage) == [0.06, 0.0]
    assert len(stage.trades()) == 1
    assert gone(stage)


def test_without_reduce_only_a_target_is_replaced_one_at_a_time():
    stage = Stage(reduce_only=False)
    feed = market(0).trade(200, -1, 59999.9, 1.010).trade(300, -1, 59999.9, 1.0)
    stage.play(feed, approval(100), until=1000)
    assert stage.orders()[3:] == [
        (205, TARGET, "submitted", ""),
        (212, TARGET, "accepted", ""),
        (300, ENTRY, "filled", ""),
        (312, TARGET, "cancelled", "resized"),
        (317, "s1-take_pro-1", "submitted", ""),
        (324, "s1-take_pro-1", "accepted", ""),
    ]


@pytest.mark.parametrize(
    ("maker_only", "post_only", "status", "reason"),
    [
        (True, True, "cancelled", WOULD_TAKE),
        (True, False, "cancelled", WOULD_TAKE),
        (False, True, "cancelled", WOULD_TAKE),
        (False, False, "accepted", ""),
    ],
)
def test_an_entry_that_would_cross_takes_only_if_both_rules_allow_it(maker_only, post_only, status, reason):
    stage = Stage(maker_only=maker_only, post_only=post_only)
    # At 107 the ask is below our bid, with 20 lots; more at our price.
    feed = market(0).snapshot(105, bids=[(59998.0, 1.0)], asks=[(59999.0, 0.020), (60000.5, 1.0)])
    stage.play(feed, approval(100), until=1000)
    assert stage.orders()[1] == (107, ENTRY, status, reason)
    if status == "accepted":
        assert stage.fills()[0] == (107, ENTRY, "59999.0", "0.020", "taker")
        # What it took there is gone, so the same ask does not fill it again.
        assert len(stage.fills()) == 1
    else:
        assert gone(stage)


class Scripted:
    """Latencies by message: the target is slow to arrive, everything else is not."""

    def order_ns(self, key: str, at: int) -> int:
        return 50 * MS if key == TARGET else 5 * MS

    def response_ns(self, key: str, at: int) -> int:
        return 5 * MS


def test_a_cancellation_does_not_overtake_its_order():
    stage = Stage(latency=Scripted())
    # The target is sent at 205 and arrives at 257; the stop is seen at 220.
    stage.play(moved(opened(), 220, bid=59900.0, ask=59900.2), approval(100), until=1000)
    assert stage.orders()[3:] == [
        (205, TARGET, "submitted", ""),
        (220, EXIT, "submitted", ""),
        (257, TARGET, "accepted", ""),
        (257, TARGET, "cancelled", "exit"),
        (257, EXIT, "filled", ""),
    ]
    assert gone(stage)


def test_without_post_only_a_target_may_take():
    stage = Stage(post_only=False)
    stage.play(moved(opened(), 208, bid=60040.0, ask=60040.2), approval(100), until=1000)
    assert stage.fills()[-1] == (212, TARGET, "60040.0", "0.060", "taker")
    assert reason(stage) == "take_profit"


def test_positions_of_one_strategy_and_of_two_are_kept_apart():
    stage = Stage()
    feed = moved(opened().trade(201, 1, 60000.2, 0.001), 1000, bid=60036.0, ask=60036.2)
    short = approval(100, "s2", side=-1, strategy="other", stop_loss_bps=50.0)
    stage.play(feed, approval(100), approval(101, "s3", take_profit_bps=50.0), short, until=2000)
    assert [trade.signal_id for trade in stage.trades()] == ["s1"]
    last = {(m.strategy, m.model_id): m for m in stage.equities()}
    assert {key: m.open_positions for key, m in last.items()} == {("scalper", "m1"): 1, ("other", "m1"): 1}
    assert last["other", "m1"].position_value < 0 < last["scalper", "m1"].position_value
    assert stage.value("open_positions") == 2


def test_positions_stopped_by_one_row_leave_in_the_order_of_their_ids():
    stage = Stage()
    # Each is filled by a trade of its own, and so becomes known, in another order than that of the ids.
    feed, entries = market(0), []
    for n, id in enumerate(("s9", "s1", "s5")):
        entries.append(approval(100 + 50 * n, id))
        feed.trade(120 + 50 * n, -1, 59999.8, 0.001)
    stage.play(moved(feed, 1000, bid=59900.0, ask=59900.2), *entries, until=2000)
    exits = [order_id for ms, order_id, status, _reason in stage.orders() if (ms, status) == (1000, "submitted")]
    assert exits == ["s1-exit-0", "s5-exit-0", "s9-exit-0"]
