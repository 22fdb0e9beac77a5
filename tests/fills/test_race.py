"""Hand-made fates, a plain reference, and what must hold in any market of strict priority."""

import numpy as np
import pytest

from app.sim.fills.flow import feed_of
from app.sim.fills.models import MODELS, Day, day_of
from app.sim.fills.race import race
from app.sim.fills.score import outcome, score
from app.sim.fills.truth import NEVER, truth_of
from tests.fills.market import Market, deep, drawn
from tests.fills.naive import fill_row

QUEUE_MODELS = ("optimistic", "power_3", "power_2", "proportional", "log", "risk_averse")


def rows_of(day: Day, order: int) -> dict[str, int]:
    return dict(zip(MODELS, day.rows[:, order].tolist(), strict=True))


def contest(lots: int) -> tuple[Day, dict[str, int]]:
    """200 ahead and 100 behind an order of `lots`; the first 100 are cancelled, then trades come.

    What is left ahead: 100 in truth and to the optimist; 200 - 100 x 8/9 = 111.1 by power 3; 200 - 100 x 4/5 = 120 by
    power 2; 200 - 100 x 2/3 = 133.3 in proportion; 200 - 100 x 0.5347 = 146.5 by logarithms; 200 to the pessimist.
    The next 100 that trade leave 0, 11.1, 20, 33.3, 46.5 and 100.
    """
    market = Market()
    market.new(-1, 110, 10)
    market.new(1, 90, 10)
    first, _second = market.new(1, 100, 100), market.new(1, 100, 100)
    market.new(1, 100, lots)  # row 4: the order that we replace
    market.new(1, 100, 100)
    market.cancel(first)
    market.trade(1, 100)  # row 7: the second order
    market.trade(1, lots)  # row 8: ours
    market.trade(1, 100)  # row 9: the one behind
    market.trade(1, 10)  # row 10: the price below
    day = day_of(market.array())
    return day, rows_of(day, 4)


@pytest.mark.parametrize(
    ("lots", "in_time"),
    [(10, 1), (15, 2), (25, 3), (40, 4), (50, 5), (110, 6)],
)
def test_each_model_fills_as_computed_by_hand(lots: int, in_time: int) -> None:
    day, rows = contest(lots)
    assert day.truth.filled[4] == day.truth.end[4] == 8
    assert [model for model in QUEUE_MODELS if rows[model] == 8] == list(QUEUE_MODELS[:in_time])
    assert all(rows[model] == 9 for model in QUEUE_MODELS[in_time:])
    assert rows["touch"] == 7
    assert rows["trade_through"] == 10


def test_the_calibrated_rung_counts_the_models_of_the_ladder() -> None:
    assert contest(10)[0].rungs()[4] == 2
    assert contest(40)[0].rungs()[4] == 3
    assert contest(110)[0].rungs()[4] == 4


def test_an_order_withdrawn_before_its_turn_is_filled_by_the_touch_alone() -> None:
    market = Market()
    market.new(-1, 110, 10)
    market.new(1, 100, 100)
    order = market.new(1, 100, 50)
    market.trade(1, 60)
    market.cancel(order)
    market.trade(1, 40)  # after the end: nobody looks any more
    day = day_of(market.array())
    assert day.truth.filled[2] == NEVER
    assert day.truth.end[2] == 4
    assert {model for model, row in rows_of(day, 2).items() if row <= 4} == {"touch"}


def test_hidden_executions_take_nothing_from_the_queue() -> None:
    market = Market()
    market.new(-1, 110, 10)
    market.new(1, 100, 100)
    market.new(1, 100, 50)
    market.hidden(1, 100, 500)
    assert (day_of(market.array()).rows[:, 2] == NEVER).all()


def test_the_other_side_coming_to_the_price_fills_what_is_left_behind() -> None:
    market = Market()
    market.new(-1, 110, 10)
    market.new(1, 90, 10)
    ahead = market.new(1, 100, 100)
    ours = market.new(1, 100, 50)
    market.new(1, 100, 500)
    market.cancel(ahead, 40)
    market.trade(1, 60)
    market.trade(1, 20)  # part of ours
    market.cancel(ours)
    market.trade(1, 500)
    market.new(-1, 100, 10)  # row 10: an offer at our price
    day = day_of(market.array())
    rows = rows_of(day, 3)
    assert day.truth.filled[3] == 7
    assert day.truth.end[3] == 8
    assert rows["trade_through"] == 10
    assert rows["risk_averse"] == 9


@pytest.mark.parametrize(("market_seed", "levels"), [(1, 50), (2, 50), (3, 2), (4, 1)])
def test_the_kernel_agrees_with_the_plain_reference(market_seed: int, levels: int) -> None:
    l3 = drawn(market_seed, 400, levels).array()
    day = day_of(l3)
    compared = 0
    for order in range(len(day.truth.came)):
        # Unfilled orders are followed to their end only.
        last = len(l3) if day.truth.was_filled()[order] else int(day.truth.end[order]) + 1
        for model, row in rows_of(day, order).items():
            expected = fill_row(l3[:last], int(day.truth.came[order]), model)
            assert row == expected, (order, model)
            compared += expected != NEVER
    assert compared > 100


@pytest.mark.parametrize("market_seed", range(6))
def test_truth_lies_between_the_bounds(market_seed: int) -> None:
    day = day_of(drawn(market_seed, 1500).array())
    filled = day.truth.was_filled()
    ladder = day.ladder
    assert filled.sum() > 50
    assert (ladder[1][filled] <= day.truth.filled[filled]).all()
    pessimist = ladder[3] <= day.truth.end
    assert filled[pessimist].all()
    assert (ladder[3][pessimist] >= day.truth.filled[pessimist]).all()
    assert (np.diff(ladder, axis=0)[:, filled] >= 0).all()
    assert len(set(day.rungs().tolist())) >= 4


def test_where_all_orders_are_alike_the_proportional_model_is_found_to_be_right() -> None:
    """Long queues, cancelled at random: its assumption is the truth. The others err on the sides their names say."""
    day = day_of(deep(1, 12_000, 40).array())
    block = np.zeros(len(day.truth.came), np.int64)
    found = {name: score(outcome(day, said, block)) for name, said in day.by_rule().items()}
    right = found["proportional"]
    for name, one in found.items():
        if name not in ("proportional", "trade_through"):
            assert one["log_time_error"] > 3 * right["log_time_error"]
            assert one["exact"] < right["exact"] / 3
    for bold in ("log", "optimistic", "touch"):
        assert found[bold]["false_fills"] > 3 * right["false_fills"]
        assert found[bold]["early"] > 0.9 * found[bold]["timed"]
    for cautious in ("power_3", "power_2", "risk_averse"):
        assert found[cautious]["false_fills"] <= 1
        assert found[cautious]["missed_fills"] > 2 * right["missed_fills"]


@pytest.mark.parametrize("kept", [300, 700, 1100])
def test_no_model_sees_the_future(kept: int) -> None:
    l3 = drawn(7, 1500).array()
    whole, part = day_of(l3), day_of(l3[:kept])
    orders = len(part.truth.came)
    assert (whole.truth.came[:orders] == part.truth.came).all()
    expected = np.where(whole.rows[:, :orders] < kept, whole.rows[:, :orders], NEVER)
    known = whole.truth.end[:orders] < kept
    assert known.sum() > 50
    assert (part.rows[:, known] == expected[:, known]).all()
    # An order whose end lies beyond the cut has been filled by every model as far as that happened before.
    assert (part.rows[:, ~known] == expected[:, ~known]).all()


def test_the_models_are_shown_nothing_of_the_real_orders_behaviour() -> None:
    """Without trades at its price, how a real order is withdrawn in parts changes nothing for the one in its place."""

    def rows(parts: list[int]) -> list[int]:
        market = Market()
        market.new(-1, 110, 10)
        market.new(1, 100, 100)
        order = market.new(1, 100, 60)
        for part in parts:
            market.cancel(order, part)
        while len(market.array()) < 6:
            market.new(-1, 120, 10)
        market.trade(1, 100)
        market.trade(1, 60 - sum(parts))
        return [int(row) for row in day_of(market.array()).rows[:, 2]]

    assert rows([10, 20]) == rows([30]) == rows([5, 5, 20])


def test_models_do_not_disturb_one_another() -> None:
    l3 = drawn(9, 800).array()
    feed = feed_of(l3)
    truth = truth_of(l3, feed)
    together = race(feed, truth, tuple(MODELS.values()))
    for lane, model in enumerate(MODELS.values()):
        alone = race(feed, truth, (model,))[0]
        assert (alone == together[lane]).all()
