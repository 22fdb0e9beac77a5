"""What orders do on a line that is down, with a venue that is busy, and where rows are for one market only."""

from itertools import pairwise

import pytest

from app.market.rows import DEPTH_CLEAR, VENUE_ONLY, VIEW_ONLY
from app.sim.disturbed import disturbed
from app.sim.latency import ConstantLatency
from app.sim.settings import LatencySettings, SimSettings, SpellSettings
from app.sim.spells import BUSY, Spells
from tests.executor.stage import MS, Stage, approval, market, moved
from tests.executor.test_exits import ENTRY, EXIT, TARGET, gone, opened
from tests.sim.feed import at


def on_a_line(settings: SimSettings) -> Stage:
    return Stage(latency=disturbed(ConstantLatency(5 * MS, 5 * MS), settings), spells=Spells(settings.spells, seed=1))


def test_a_line_that_is_down_holds_back_the_exit_and_the_position_waits():
    down = SimSettings(spells=(SpellSettings(start=at(500), end=at(2500), down=True),))
    stage = on_a_line(down)
    stage.play(moved(opened(), 1000, bid=59900.0, ask=59900.2), approval(100), until=4000)
    told = stage.orders()
    assert (1000, EXIT, "submitted", "") in told
    # It leaves at 1002, waits until 2500, and is there in 5.
    assert (2505, TARGET, "cancelled", "exit") in told
    assert (2505, EXIT, "filled", "") in told
    assert gone(stage)


def test_a_target_that_fills_while_the_line_is_down_is_known_when_it_is_up():
    stage = on_a_line(SimSettings(spells=(SpellSettings(start=at(500), end=at(2500), down=True),)))
    stage.play(moved(opened(), 1000, bid=60036.0, ask=60036.2), approval(100), until=2504)
    assert (1000, TARGET, "filled", "") in stage.orders()
    assert not gone(stage)
    stage.play(market(2705, bid=60036.0, ask=60036.2), until=3000)
    assert gone(stage)


def test_slow_cancellations_delay_the_exit_behind_them():
    stage = on_a_line(SimSettings(latency=LatencySettings(cancel_factor=10)))
    stage.play(moved(opened(), 1000, bid=59900.0, ask=59900.2), approval(100), until=4000)
    assert (1052, TARGET, "cancelled", "exit") in stage.orders()
    assert (1052, EXIT, "filled", "") in stage.orders()


def test_a_busy_venue_rejects_an_entry_for_good():
    stage = on_a_line(SimSettings(spells=(SpellSettings(start=at(0), end=at(150), refused=1.0),)))
    stage.play(opened(), approval(100), until=1000)
    assert stage.orders() == [(100, ENTRY, "submitted", ""), (107, ENTRY, "rejected", BUSY)]
    assert gone(stage)


def refusing(*spans: tuple[int, int]) -> Stage:
    """A venue that rejects every order within these times in ms."""
    return on_a_line(SimSettings(spells=tuple(SpellSettings(start=at(a), end=at(b), refused=1.0) for a, b in spans)))


def told_of(stage: Stage, leg: str, status: str) -> list[float]:
    return [ms for ms, order, said, _ in stage.orders() if f"-{leg}-" in order and said == status]


def test_an_exit_that_is_rejected_is_sent_again_a_little_later():
    stage = refusing((900, 1030))
    stage.play(moved(opened(), 1000, bid=59900.0, ask=59900.2), approval(100), until=4000)
    exits = [(ms, order, status) for ms, order, status, _ in stage.orders() if "-exit-" in order]
    assert exits == [
        # Nothing delays the first.
        (1000, "s1-exit-0", "submitted"),
        (1007, "s1-exit-0", "rejected"),
        # Known at 1012.
        (1112, "s1-exit-1", "submitted"),
        (1119, "s1-exit-1", "filled"),
    ]
    (trade,) = stage.trades()
    assert trade.exit_reason == "stop_loss"
    assert gone(stage)


def test_a_venue_that_refuses_for_seconds_is_not_flooded_and_the_position_left_soon_after():
    stage = refusing((900, 4000))
    stage.play(moved(opened(), 1000, bid=59900.0, ask=59900.2), approval(100), until=8000)
    # Each is known 12 ms after it was sent; then it waits for 100, 200, 400, 800, 1600 ms.
    assert told_of(stage, "exit", "submitted") == [1000, 1112, 1324, 1736, 2548, 4160]
    assert told_of(stage, "exit", "filled") == [4167]
    assert gone(stage)


def test_the_wait_does_not_grow_beyond_two_seconds():
    stage = refusing((900, 20_000))
    stage.play(moved(opened(), 1000, bid=59900.0, ask=59900.2), approval(100), until=24_000)
    sent = told_of(stage, "exit", "submitted")
    assert [round(b - a) for a, b in pairwise(sent)] == [112, 212, 412, 812, 1612, *[2012] * 8]
    assert sent[-1] - 20_000 < 2012
    assert gone(stage)


def test_a_target_that_is_rejected_waits_too_and_holds_no_exit_back():
    stage = refusing((190, 1004))
    # The stop is reached while the next target would only be sent at 1753; the exit goes at once.
    stage.play(moved(opened(), 1000, bid=59900.0, ask=59900.2), approval(100), until=4000)
    assert told_of(stage, "take_pro", "submitted") == [205, 317, 529, 941]
    assert told_of(stage, "exit", "submitted") == [1000]
    assert told_of(stage, "exit", "filled") == [1007]
    assert gone(stage)


def test_the_wait_begins_anew_once_an_order_was_accepted():
    stage = refusing((190, 600), (2000, 2100))
    # The entry fills in two parts: the target is replaced by one for both.
    feed = market(0, qty=0.03).trade(200, -1, 59999.9, 0.05).trade(2050, -1, 59999.8, 0.001)
    stage.play(feed, approval(100), until=3000)
    first, second = (
        [ms for ms in told_of(stage, "take_pro", "submitted") if lo < ms < lo + 1800] for lo in (200, 2000)
    )
    assert [round(b - a) for a, b in pairwise(first)] == [112, 212, 412]
    assert [round(b - a) for a, b in pairwise(second)] == [112]
    assert told_of(stage, "take_pro", "accepted")[-1] == second[-1] + 7


@pytest.mark.parametrize("flag", [VENUE_ONLY, VIEW_ONLY])
def test_rows_for_one_market_do_nothing_in_the_other(flag):
    """The price falls through the stop in one of the two markets."""
    feed = moved(opened(), 1000, bid=59900.0, ask=59900.2)
    rows = feed.rows()
    fall = rows["ts_recv"] == at(1000)
    assert rows["kind"][fall][0] == DEPTH_CLEAR
    rows["flags"][fall] |= flag
    feed._parts = [rows]
    stage = Stage()
    stage.play(feed, approval(100), until=3000)
    exits = [(ms, status) for ms, order, status, _ in stage.orders() if order == EXIT]
    if flag == VENUE_ONLY:
        # We do not see it: no stop.
        assert exits == []
    else:
        # We see it, and sell at the price that the venue really has.
        assert exits == [(1000, "submitted"), (1007, "filled")]
        assert stage.fills()[-1][2] == "59999.9"
