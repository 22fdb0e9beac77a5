"""What became of the real orders."""

import numpy as np
import pytest

from app.importers.lobster.l3 import EXECUTION
from app.sim.fills.flow import BEST, FEED_LOTS, FEED_SIDE, FEED_TICK, HIDDEN, KIND, ROW, SHOWS, TRADED, feed_of
from app.sim.fills.truth import NEVER, Truth, truth_of
from tests.fills.market import Market, drawn


def of(market: Market) -> Truth:
    l3 = market.array()
    return truth_of(l3, feed_of(l3))


@pytest.mark.parametrize("market_seed", range(5))
@pytest.mark.parametrize("levels", [1, 50])
def test_executed_lots_are_the_lots_traded(market_seed: int, levels: int) -> None:
    l3 = drawn(market_seed, 800, levels).array()
    truth = truth_of(l3, feed_of(l3))
    known = np.isin(l3["order_id"], l3["order_id"][truth.came])
    assert truth.executed.sum() == l3["size"][known & (l3["type"] == EXECUTION)].sum() > 0
    assert (truth.executed <= truth.lots).all()
    assert ((truth.executed > 0) == truth.was_filled()).all()
    assert (truth.end >= truth.came).all()
    assert (truth.end[truth.was_filled()] >= truth.filled[truth.was_filled()]).all()


def test_all_kinds_of_fate() -> None:
    market = Market(levels=1)
    market.new(-1, 110, 10)
    part = market.new(1, 100, 30)  # executed in part, then withdrawn
    whole = market.new(1, 100, 20)  # executed
    market.trade(1, 10)
    market.cancel(part)
    market.trade(1, 20)
    hidden = market.new(1, 100, 20)  # a better price hides its level: nobody knows
    market.new(1, 101, 20)
    truth = of(market)
    assert (part, whole, hidden) == (2, 3, 4)
    assert truth.filled.tolist() == [NEVER, 3, 5, NEVER, NEVER]
    assert truth.end.tolist() == [7, 4, 5, 7, 7]
    assert truth.shown_end.tolist() == [False, True, True, False, False]
    assert truth.executed.tolist() == [0, 10, 20, 0, 0]
    assert truth.ahead.tolist() == [0, 0, 30, 0, 0]


def test_distance_counts_ticks_behind_the_best_price_before() -> None:
    market = Market()
    market.new(1, 100, 10)
    market.new(1, 97, 10)
    market.new(1, 102, 10)
    market.new(-1, 110, 10)
    market.new(-1, 111, 10)
    assert of(market).distance.tolist() == [0, 3, 0, 0, 1]


def test_ids_used_twice_and_orders_outside_the_window_are_left_out() -> None:
    market = Market()
    market.new(1, 100, 10)
    market.new(1, 99, 10)
    market.new(1, 98, 10)
    l3 = market.array()
    l3["order_id"][1] = l3["order_id"][0]
    assert truth_of(l3, feed_of(l3)).came.tolist() == [2]
    l3 = market.array()
    l3["price_ticks"][1] = 90
    assert truth_of(l3, feed_of(l3)).came.tolist() == [0, 2]


def test_a_day_without_orders_has_an_empty_truth() -> None:
    market = Market()
    market.hidden(1, 100, 10)
    assert len(of(market).came) == 0


def test_the_feed_is_trades_levels_and_best_prices_and_nothing_else() -> None:
    market = Market(levels=2)
    market.new(-1, 110, 10)
    market.new(1, 100, 30)
    market.new(1, 99, 20)
    market.new(1, 101, 5)  # 99 leaves the window
    market.hidden(1, 101, 7)
    market.trade(1, 5)  # 101 is empty, 99 is seen again
    feed = feed_of(market.array())
    columns = feed[:, [ROW, KIND, FEED_SIDE, FEED_TICK, FEED_LOTS]].tolist()
    assert columns == [
        [0, SHOWS, -1, 110, 10],
        [0, BEST, 1, 110, 0],
        [1, SHOWS, 1, 100, 30],
        [1, BEST, -1, 100, 0],
        [2, SHOWS, 1, 99, 20],
        [3, HIDDEN, 1, 99, 0],
        [3, SHOWS, 1, 101, 5],
        [3, BEST, -1, 101, 0],
        [5, TRADED, 1, 101, 5],
        [5, SHOWS, 1, 101, 0],
        [5, SHOWS, 1, 99, 20],
        [5, BEST, -1, 100, 0],
    ]


@pytest.mark.parametrize("side", [1, -1])
def test_the_last_level_of_a_side_is_empty_and_not_hidden_when_it_goes(side: int) -> None:
    market = Market(levels=2)
    order = market.new(side, 100, 10)
    market.cancel(order)
    feed = feed_of(market.array())
    assert feed[:, [ROW, KIND, FEED_LOTS]].tolist() == [[0, SHOWS, 10], [0, BEST, 0], [1, SHOWS, 0]]


def test_an_order_that_is_heard_of_after_its_level_was_hidden_was_still_there() -> None:
    market = Market(levels=1)
    order = market.new(1, 100, 30)
    better = market.new(1, 101, 10)  # row 1: 100 is hidden
    market.cancel(better)
    market.cancel(order, 10)  # row 3: it lives
    market.new(1, 102, 10)  # row 4: hidden for good
    market.new(-1, 110, 10)
    truth = of(market)
    assert truth.end.tolist() == [4, 2, 5, 5]
    assert truth.shown_end.tolist() == [False, True, False, False]
