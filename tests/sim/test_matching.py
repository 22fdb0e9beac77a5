"""Resting orders against a naive venue, at every row, and each fill condition by itself."""

import math
import random

import pytest

from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, TRADE
from app.sim.layout import AHEAD, HANDLE, LEFT, ORDERS
from app.sim.queue import PROPORTIONAL, RISK_AVERSE
from tests.sim.feed import BTC, ETH, Feed
from tests.sim.naive_venue import NaiveOrder, NaiveVenue
from tests.sim.venue import Bench

FILLED = 1
TICK = 600_000  # 60000.0


def queue_of(bench: Bench) -> list[tuple[int, int, float]]:
    venue = bench.venue
    n = int(venue._head[ORDERS])
    return [
        (int(order[HANDLE]), int(order[LEFT]), float(queue[AHEAD]))
        for order, queue in zip(venue._orders[:n], venue._queue[:n], strict=True)
    ]


def script(choose: random.Random) -> list[tuple[str, int, int, int, bool]]:
    """Rows and orders around the touch: few prices and small quantities, so that orders are met often."""
    kinds = ["depth"] * 8 + ["trade"] * 4 + ["old"] * 4 + ["order"] * 3 + ["clear"] * 2
    found = []
    for _ in range(40):
        side = choose.choice([1, -1])
        # Mostly a side's own prices, now and then across.
        offset = -side * choose.choice([1, 1, 1, 2, 2, 3, 0, -1])
        kind = choose.choice(kinds)
        if kind in ("trade", "old"):
            side = -side
        found.append((kind, side, offset, choose.choice([0, 1, 2, 3, 5, 8, 13]), choose.random() < 0.7))
    return found


class Pair:
    """The compiled venue and the naive one, given the same."""

    def __init__(self, model: int) -> None:
        self.bench, self.naive = Bench(model=model), NaiveVenue(proportional=model == PROPORTIONAL)
        self.placed: list[NaiveOrder] = []
        self.fills = 0

    def step(self, i: int, kind: str, side: int, offset: int, lots: int, last: bool) -> None:
        """One step at `i` ms. The naive venue counts time in ms; nothing depends on the unit."""
        px, tick = 60000.0 + offset * 0.1, TICK + offset
        if kind == "order":
            self.place(i, side, px, tick, lots + 1, account=int(last))
            return
        feed, ts, code, flags = Feed(), i, TRADE, LAST if last else 0
        if kind == "depth":
            feed.depth(i, side, px, lots / 1000, last=last)
            code = DEPTH_SET
        elif kind == "clear":
            feed.clear(i, side if last else 0)
            code, side, flags = DEPTH_CLEAR, side if last else 0, LAST
        else:
            # An old trade happened at the time of the row before it, or of the one before that.
            ts, lots = i - (1 + lots % 2 if kind == "old" else 0), lots + 1
            feed.trade(i, side, px, lots / 1000, event=ts, last=last)
        expected = self.naive.play(code, side, tick, lots, ts, flags)
        found = self.bench.run(feed, i)
        self.fills += len(found)
        assert found == [(FILLED, self.handle(order), count, order.tick) for order, count in expected]

    def place(self, i: int, side: int, px: float, tick: int, lots: int, account: int) -> None:
        receipt = self.bench.limit(i, side, px, lots, account=account)
        other = self.naive.best(-side)
        assert (receipt.status == "cancelled") == (other is not None and (tick - other) * side >= 0)
        if receipt.status == "resting":
            self.placed.append(self.naive.place(side, tick, lots, account, i))
            assert receipt.handle == len(self.placed) - 1

    def handle(self, order: NaiveOrder) -> int:
        return next(n for n, other in enumerate(self.placed) if other is order)

    def compare_queues(self) -> None:
        places = [
            (self.handle(order), order.left, math.inf if order.ahead is None else pytest.approx(float(order.ahead)))
            for order in self.naive.orders
        ]
        assert queue_of(self.bench) == places


@pytest.mark.parametrize("model", [RISK_AVERSE, PROPORTIONAL])
def test_every_fill_and_every_place_in_the_queue_is_that_of_the_naive_venue(model, seed):
    choose, fills = random.Random(seed), 0
    for _ in range(400):
        pair = Pair(model)
        for i, step in enumerate(script(choose), 1):
            pair.step(i, *step)
            pair.compare_queues()
        fills += pair.fills
    assert fills > 500


@pytest.fixture
def bench() -> Bench:
    """A book of 59999.9 (5 lots) … 60000.1 (4 lots), nothing further out than a tick behind."""
    bench = Bench()
    levels = Feed().book(0, bids=[(59999.8, 0.010), (59999.9, 0.005)], asks=[(60000.1, 0.004), (60000.2, 0.010)])
    assert bench.run(levels, 0) == []
    return bench


def test_a_trade_at_the_price_takes_the_front_first_and_fills_in_part(bench):
    order = bench.limit(1, 1, 59999.9, 3).handle
    assert bench.run(Feed().trade(2, -1, 59999.9, 0.004), 2) == []
    assert bench.run(Feed().trade(3, -1, 59999.9, 0.002), 3) == [(FILLED, order, 1, 599_999)]
    assert bench.run(Feed().trade(4, -1, 59999.9, 0.100), 4) == [(FILLED, order, 2, 599_999)]
    assert bench.run(Feed().trade(5, -1, 59999.9, 0.100), 5) == []


def test_a_trade_by_our_own_side_does_not_fill(bench):
    bench.limit(1, 1, 59999.9, 3)
    assert bench.run(Feed().trade(2, 1, 59999.9, 1.0), 2) == []


def test_a_trade_through_the_price_fills_all(bench):
    order = bench.limit(1, 1, 59999.9, 300).handle
    assert bench.run(Feed().trade(2, -1, 59999.8, 0.001), 2) == [(FILLED, order, 300, 599_999)]


def test_a_trade_from_before_the_arrival_does_nothing(bench):
    bench.tape.hold = 10_000_000
    bench.limit(5, 1, 59999.9, 3)
    assert bench.run(Feed().clock(14).trade(14, -1, 59999.8, 1.0, event=4.9).clock(30), 20) == []


def test_the_opposite_best_at_the_price_fills_all_when_the_message_ends(bench):
    order = bench.limit(1, 1, 59999.9, 3).handle
    assert bench.run(Feed().depth(2, -1, 59999.9, 0.001, last=False), 2) == []
    assert bench.run(Feed().depth(2, 1, 59999.9, 0.0, last=True), 2) == [(FILLED, order, 3, 599_999)]


def test_a_price_that_crosses_only_inside_a_message_does_not_fill(bench):
    bench.limit(1, 1, 59999.9, 3)
    feed = Feed().depth(2, -1, 59999.9, 0.001, last=False).depth(2, -1, 59999.9, 0.0)
    assert bench.run(feed, 2) == []


def test_sells_are_the_mirror_image(bench):
    order = bench.limit(1, -1, 60000.1, 3).handle
    assert bench.run(Feed().trade(2, 1, 60000.1, 0.006), 2) == [(FILLED, order, 2, 600_001)]
    assert bench.run(Feed().depth(3, 1, 60000.1, 0.001), 3) == [(FILLED, order, 1, 600_001)]


def test_cancellations_move_a_proportional_queue_and_not_a_risk_averse_one():
    fills = {}
    for model in (RISK_AVERSE, PROPORTIONAL):
        bench = Bench(model=model)
        bench.run(Feed().book(0, bids=[(59999.8, 1), (59999.9, 0.010)], asks=[(60000.1, 1)]), 0)
        bench.limit(1, 1, 59999.9, 5)
        # Ten more lots join behind; then ten of the twenty are cancelled: five of ours ahead, if evenly.
        bench.run(Feed().depth(2, 1, 59999.9, 0.020).depth(3, 1, 59999.9, 0.010), 3)
        fills[model] = sum(lots for _k, _s, lots, _t in bench.run(Feed().trade(4, -1, 59999.9, 0.008), 4))
    assert fills == {RISK_AVERSE: 0, PROPORTIONAL: 3}


def test_no_more_can_be_ahead_than_is_shown(bench):
    order = bench.limit(1, 1, 59999.9, 5).handle
    bench.run(Feed().depth(2, 1, 59999.9, 0.002), 2)
    assert bench.run(Feed().trade(3, -1, 59999.9, 0.003), 3) == [(FILLED, order, 1, 599_999)]


def test_a_decrease_that_trades_explain_is_no_cancellation():
    bench = Bench(model=PROPORTIONAL)
    bench.run(Feed().book(0, bids=[(59999.8, 1), (59999.9, 0.010)], asks=[(60000.1, 1)]), 0)
    bench.limit(1, 1, 59999.9, 5)
    bench.run(Feed().depth(2, 1, 59999.9, 0.020).trade(3, -1, 59999.9, 0.004).depth(4, 1, 59999.9, 0.016), 4)
    assert queue_of(bench) == [(0, 5, 6.0)]


@pytest.mark.parametrize("model", [RISK_AVERSE, PROPORTIONAL])
def test_a_trade_that_an_update_already_contained_is_not_counted_twice(model):
    bench = Bench(model=model)
    bench.run(Feed().book(0, bids=[(59999.8, 1), (59999.9, 0.010)], asks=[(60000.1, 1)]), 0)
    order = bench.limit(1, 1, 59999.9, 5).handle
    # Both bear the venue's time 3; the book was sent first.
    bench.run(Feed().depth(3, 1, 59999.9, 0.006).trade(3, -1, 59999.9, 0.004), 3)
    assert queue_of(bench) == [(0, 5, 6.0)]
    # The same, with a trade that went past us.
    assert bench.run(Feed().depth(4, 1, 59999.9, 0.001).trade(4, -1, 59999.9, 0.008), 4) == [
        (FILLED, order, 2, 599_999)
    ]


def test_a_level_that_leaves_the_visible_window_keeps_its_queue(bench):
    bench.limit(1, 1, 59999.8, 5)
    assert queue_of(bench) == [(0, 5, 10.0)]
    # It was the last visible level: its deletion says nothing about its queue.
    bench.run(Feed().depth(2, 1, 59999.8, 0.0), 2)
    assert queue_of(bench)[0][2] == 10.0
    bench.run(Feed().depth(3, 1, 59999.8, 0.007), 3)
    assert queue_of(bench)[0][2] == 7.0
    # With a level further out, deletion means that nobody is ahead.
    bench.run(Feed().book(4, bids=[(59999.7, 0.003), (59999.8, 0.0)]), 4)
    assert queue_of(bench)[0][2] == 0.0


def test_an_order_beyond_all_that_is_visible_knows_of_no_place(bench):
    order = bench.limit(1, 1, 59990.0, 5).handle
    assert queue_of(bench)[0][2] == math.inf
    assert bench.run(Feed().trade(2, -1, 59990.0, 100.0), 2) == []
    bench.run(Feed().depth(3, 1, 59990.0, 0.002), 3)
    assert queue_of(bench)[0][2] == 2.0
    assert bench.run(Feed().trade(4, -1, 59989.9, 0.001), 4) == [(FILLED, order, 5, 599_900)]


def test_an_order_that_improves_the_price_is_first(bench):
    order = bench.limit(1, 1, 60000.0, 5).handle
    assert bench.run(Feed().trade(2, -1, 60000.0, 0.002), 2) == [(FILLED, order, 2, 600_000)]


def test_a_new_snapshot_keeps_the_place_in_the_queue(bench):
    bench.limit(1, 1, 59999.9, 5)
    both = {"bids": [(59999.8, 0.010), (59999.9, 0.020)], "asks": [(60000.1, 0.004)]}
    assert bench.run(Feed().snapshot(2, **both), 2) == []
    assert queue_of(bench) == [(0, 5, 5.0)]


def test_a_clear_of_the_other_side_says_nothing_about_our_queue():
    bench = Bench(model=PROPORTIONAL)
    bench.run(Feed().book(0, bids=[(59999.8, 1), (59999.9, 0.010)], asks=[(60000.1, 1)]), 0)
    bench.limit(1, 1, 59999.9, 5)
    bench.run(Feed().depth(2, 1, 59999.9, 0.020).clear(3, -1).depth(4, 1, 59999.9, 0.010), 4)
    assert queue_of(bench) == [(0, 5, 5.0)]


def test_orders_of_one_account_share_a_trade_and_other_accounts_do_not_see_them(bench):
    first = bench.limit(1, 1, 59999.9, 2, account=0).handle
    second = bench.limit(1, 1, 59999.9, 4, account=0).handle
    stranger = bench.limit(1, 1, 59999.9, 4, account=1).handle
    assert bench.run(Feed().trade(2, -1, 59999.9, 0.008), 2) == [
        (FILLED, first, 2, 599_999),
        (FILLED, second, 1, 599_999),
        (FILLED, stranger, 3, 599_999),
    ]


@pytest.mark.parametrize("px", [1e-9, 1e300])
def test_a_price_that_no_tick_stands_for_trades_through_nothing(bench, px):
    bench.limit(1, 1, 59999.9, 3)
    bench.limit(1, -1, 60000.1, 3)
    assert bench.run(Feed().trade(2, -1, px, 1.0).trade(3, 1, px, 1.0).depth(4, 1, px, 1.0), 4) == []


def test_a_quantity_beyond_all_measure_is_only_large(bench):
    order = bench.limit(1, 1, 59999.9, 3).handle
    bench.run(Feed().depth(2, 1, 59999.9, 1e300), 2)
    assert bench.run(Feed().trade(3, -1, 59999.9, 1e300), 3) == [(FILLED, order, 3, 599_999)]
    assert bench.run(Feed().depth(4, -1, 60000.1, 1e300), 4) == []
    assert bench.market(5, 1, 10**9).status == "filled"


def test_rows_of_another_instrument_do_nothing():
    bench = Bench(instruments=(BTC, ETH))
    bench.run(Feed().book(0, bids=[(59999.9, 0.005)], asks=[(60000.1, 1)]), 0)
    bench.limit(1, 1, 59999.9, 3)
    assert bench.run(Feed(2).trade(2, -1, 59000.0, 1.0).book(3, bids=[(59999.9, 1)], asks=[(59999.9, 1)]), 3) == []
    assert queue_of(bench) == [(0, 3, 5.0)]
