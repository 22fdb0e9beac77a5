"""What becomes of arriving orders, and of positions, watches and funding."""

import pytest

from app.core.errors import Misconfigured, SchemaMismatch
from app.sim.exchange import PaperVenue
from app.sim.layout import FILLED, FUNDING_DUE, REDUCED, WATCHED
from app.sim.orders import BY_REDUCE_ONLY, MARKET, NOTHING_TO_FILL, NOTHING_TO_REDUCE, WOULD_TAKE, Ticket
from app.sim.queue import RISK_AVERSE
from tests.sim.feed import BTC, ETH, T0, Feed, at
from tests.sim.venue import Bench


@pytest.fixture
def bench() -> Bench:
    """Bids 59999.9 (5 lots), 59999.8 (10); asks 60000.1 (4), 60000.3 (6)."""
    bench = Bench()
    bench.run(Feed().book(0, bids=[(59999.9, 0.005), (59999.8, 0.01)], asks=[(60000.1, 0.004), (60000.3, 0.006)]), 0)
    return bench


def executed(receipt) -> list[tuple[int, int]]:
    return [(fill.lots, fill.tick) for fill in receipt.fills]


def test_a_post_only_order_that_would_cross_is_cancelled(bench):
    for side, px in ((1, 60000.1), (1, 60001.0), (-1, 59999.9)):
        receipt = bench.limit(1, side, px, 1)
        assert (receipt.status, receipt.reason, receipt.handle) == ("cancelled", WOULD_TAKE, -1)
    assert bench.limit(1, 1, 60000.0, 1).status == "resting"


def test_a_limit_order_that_crosses_takes_up_to_its_price_and_rests_with_the_remainder(bench):
    position = bench.position()
    receipt = bench.limit(1, 1, 60000.2, 7, position=position, post_only=False)
    assert (receipt.status, executed(receipt)) == ("resting", [(4, 600_001)])
    assert bench.venue.lots_held(position) == 4
    assert bench.run(Feed().trade(2, -1, 60000.2, 0.002), 2) == [(FILLED, receipt.handle, 2, 600_002)]


def test_a_market_order_takes_level_by_level_and_the_remainder_is_cancelled(bench):
    receipt = bench.market(1, 1, 5)
    assert (receipt.status, executed(receipt), receipt.reason) == ("filled", [(4, 600_001), (1, 600_003)], "")
    receipt = bench.market(1, -1, 100)
    assert executed(receipt) == [(5, 599_999), (10, 599_998)]
    assert (receipt.status, receipt.lots, receipt.reason) == ("cancelled", 100, NOTHING_TO_FILL)


def test_what_an_account_took_is_gone_until_the_level_is_sent_again(bench):
    bench.market(1, 1, 3)
    assert executed(bench.market(2, 1, 3)) == [(1, 600_001), (2, 600_003)]
    # Another account lives in its own world.
    assert executed(bench.market(2, 1, 3, account=1)) == [(3, 600_001)]
    bench.run(Feed().depth(3, -1, 60000.1, 0.004), 3)
    assert executed(bench.market(4, 1, 9)) == [(4, 600_001), (4, 600_003)]
    bench.run(Feed().clear(5, -1).depth(5, -1, 60000.3, 0.006), 5)
    assert executed(bench.market(6, 1, 9)) == [(6, 600_003)]


def test_nothing_to_fill_in_an_empty_book():
    receipt = Bench().market(1, 1, 3)
    assert (receipt.status, receipt.reason, receipt.fills) == ("cancelled", NOTHING_TO_FILL, [])


def test_a_sweep_deeper_than_one_report_is_complete():
    bench = Bench()
    levels = [(60000.1 + 0.1 * n, 0.001) for n in range(400)]
    bench.run(Feed().book(0, asks=levels), 0)
    receipt = bench.market(1, 1, 1000)
    assert [fill.tick for fill in receipt.fills] == list(range(600_001, 600_401))
    assert executed(bench.market(1, 1, 1)) == []


def test_reduce_only_orders_are_clamped_to_the_position(bench):
    position = bench.position()
    assert bench.market(1, -1, 2, position=position, reduce_only=True).reason == NOTHING_TO_REDUCE
    bench.market(1, 1, 3, position=position)
    assert bench.market(2, 1, 1, position=position, reduce_only=True).status == "rejected"
    receipt = bench.market(2, -1, 10, position=position, reduce_only=True)
    assert (receipt.status, receipt.lots, executed(receipt)) == ("filled", 3, [(3, 599_999)])
    assert bench.venue.lots_held(position) == 0


def test_resting_reduce_only_orders_claim_their_part_of_the_position(bench):
    position = bench.position()
    bench.market(1, 1, 4, position=position)
    resting = bench.limit(2, -1, 60001.0, 3, position=position, reduce_only=True)
    assert bench.limit(2, -1, 60001.1, 3, position=position, reduce_only=True).lots == 1
    assert bench.market(3, -1, 3, position=position, reduce_only=True).reason == NOTHING_TO_REDUCE
    assert bench.venue.cancel(resting.handle) == 3
    assert bench.market(3, -1, 9, position=position, reduce_only=True).lots == 3


def test_a_resting_reduce_only_order_without_a_position_is_cancelled_by_the_venue(bench):
    position = bench.position()
    bench.market(1, 1, 4, position=position)
    target = bench.limit(2, -1, 60001.0, 4, position=position, reduce_only=True)
    # Not reduce-only, so the venue lets it through; the position is gone, and so is what the target could reduce.
    receipt = bench.market(3, -1, 3, position=position)
    assert receipt.reduced == []
    receipt = bench.market(3, -1, 1, position=position)
    assert [tuple(event[:3]) for event in receipt.reduced] == [(REDUCED, target.handle, 1)]
    assert bench.run(Feed().trade(4, 1, 60002.0, 1.0), 4) == []
    assert BY_REDUCE_ONLY == "CancelByReduceOnly"


def test_two_targets_of_one_position_never_turn_it_round(bench):
    position = bench.position()
    bench.market(1, 1, 4, position=position)
    first = bench.limit(2, -1, 60001.0, 4, position=position, reduce_only=True).handle
    entry = bench.limit(2, 1, 59999.9, 2, position=position).handle
    bench.run(Feed().trade(3, -1, 59999.8, 0.001), 3)
    second = bench.limit(4, -1, 60001.1, 9, position=position, reduce_only=True)
    assert (entry, second.lots) == (1, 2)
    found = bench.run(Feed().trade(5, 1, 60002.0, 0.001), 5)
    assert found == [(FILLED, first, 4, 600_010), (FILLED, second.handle, 2, 600_011)]
    assert bench.venue.lots_held(position) == 0


def test_targets_that_together_exceed_what_is_left_do_not_turn_it_round(bench):
    position = bench.position()
    bench.market(1, 1, 4, position=position)
    targets = [bench.limit(2, -1, 60001.0 + n, 2, position=position, reduce_only=True).handle for n in (0, 1)]
    # An order that is not reduce-only takes half of it: each target alone could still be filled, not both.
    assert bench.market(3, -1, 2, position=position).reduced == []
    found = bench.run(Feed().trade(4, 1, 60003.0, 0.001), 4)
    assert found == [(FILLED, targets[0], 2, 600_010), (REDUCED, targets[1], 2, 600_020)]
    assert bench.venue.lots_held(position) == 0


def test_cancelling_twice_or_too_late_changes_nothing(bench):
    handle = bench.limit(1, 1, 59999.9, 3).handle
    bench.run(Feed().trade(2, -1, 59999.9, 0.006), 2)
    assert bench.venue.cancel(handle) == 2
    assert bench.venue.cancel(handle) == 0
    assert bench.run(Feed().trade(3, -1, 59999.0, 1.0), 3) == []


def test_the_view_is_watched_at_the_end_of_messages_as_long_as_the_watch_stands(bench):
    bench.venue.watch([(0, 1, 599_998, 7), (0, -1, 600_003, 8)])
    assert bench.run(Feed().depth(1, 1, 59999.9, 0.0, last=False), 1) == []
    assert bench.run(Feed().depth(1, 1, 59999.7, 0.1), 1) == [(WATCHED, 7, 0, 599_998)]
    assert bench.run(Feed().depth(2, -1, 60000.1, 0.0), 2) == [(WATCHED, 7, 0, 599_998), (WATCHED, 8, 0, 600_003)]
    bench.venue.watch([])
    assert bench.run(Feed().depth(3, 1, 59999.8, 0.0), 3) == []
    assert bench.venue.view_crossed(0, 1, 599_997)
    assert not bench.venue.view_crossed(0, 1, 599_996)


def test_at_one_time_the_venue_comes_before_the_view(bench):
    order = bench.limit(1, 1, 59999.9, 1).handle
    bench.venue.watch([(0, 1, 599_998, 7)])
    fall = Feed().book(2, bids=[(59999.9, 0.0)], asks=[(59999.9, 0.1)])
    assert bench.run(fall, 2) == [(FILLED, order, 1, 599_999), (WATCHED, 7, 0, 599_998)]


def test_the_view_is_read_no_further_than_it_may(bench):
    bench.venue.watch([(0, 1, 599_998, 7)])
    bench.tape.append(Feed().depth(2, 1, 59999.9, 0.0).take())
    assert bench.venue.advance(bench.tape, at(2), at(2) - 1) == ()
    assert len(bench.venue.advance(bench.tape, at(2), at(2))) == 1


def test_an_empty_side_has_crossed_nothing():
    bench = Bench()
    bench.venue.watch([(0, 1, 1 << 60, 3)])
    assert bench.run(Feed().depth(1, -1, 60000.1, 0.1), 1) == []
    assert bench.run(Feed().depth(2, 1, 59999.9, 0.1), 2) == [(WATCHED, 3, 0, 1 << 60)]


def test_more_watches_than_room_for_them():
    bench = Bench()
    bench.venue.watch([(0, 1, 600_000, n) for n in range(500)])
    found = bench.run(Feed().book(1, bids=[(59999.9, 1)], asks=[(60000.1, 1)]), 1)
    assert [subject for _kind, subject, _lots, _tick in found] == list(range(500))


def test_many_orders_and_positions(bench):
    handles = [bench.limit(1, 1, 59999.9, 1, account=n).handle for n in range(300)]
    found = bench.run(Feed().trade(2, -1, 59999.8, 0.001), 2)
    assert [subject for _kind, subject, _lots, _tick in found] == handles == list(range(300))


def test_the_mid_is_that_of_the_last_consistent_two_sided_book(bench):
    assert bench.venue.mid2(0) == 599_999 + 600_001
    bench.run(Feed().depth(1, 1, 60000.0, 0.1, last=False), 1)
    assert bench.venue.mid2(0) == 599_999 + 600_001
    bench.run(Feed().depth(1, 1, 60000.0, 0.2), 1)
    assert bench.venue.mid2(0) == 600_000 + 600_001
    bench.run(Feed().clear(2), 2)
    assert bench.venue.mid2(0) == 600_000 + 600_001
    assert Bench().venue.mid2(0) is None


SECOND = T0 // 1_000_000_000


def test_funding_comes_once_when_its_time_passes_with_the_last_rate_and_mark(bench):
    feed = Feed().funding(1, 0.0001, SECOND + 8).mark(2, 60010.0).funding(3, 0.0003, SECOND + 8)
    assert bench.run(feed, 7999) == []
    # The next time is announced by a row of exactly the funding time: too late to replace the one that is due.
    feed = Feed().funding(8000, -0.0002, SECOND + 16).mark(8000, 1.0)
    assert bench.run(feed, 8000) == [(FUNDING_DUE, 0, 0, -1)]
    assert bench.venue.funding(0) == (-0.0002, 1.0)
    # Announcements of a time that has come, or is just coming, are stale.
    assert bench.run(Feed().funding(8000, 0.5, SECOND + 8).funding(8500, 0.5, SECOND + 8).clock(9000), 9000) == []
    assert bench.run(Feed(), 16_000) == [(FUNDING_DUE, 0, 0, -1)]
    assert bench.run(Feed(), 99_000) == []


def test_at_funding_the_announced_rate_and_mark_still_stand(bench):
    bench.tape.append(Feed().funding(1, 0.0001, SECOND + 8).mark(2, 60010.0).mark(8000, 1.0).take())
    (event,) = bench.venue.advance(bench.tape, at(9000), at(9000))
    assert (event.kind, bench.venue.now, bench.venue.funding(0)) == (FUNDING_DUE, at(8000), (0.0001, 60010.0))


def test_funding_of_two_instruments_at_one_time():
    bench = Bench(instruments=(BTC, ETH))
    bench.run(Feed(1).funding(1, 0.1, SECOND + 8), 1)
    bench.run(Feed(2).funding(2, 0.2, SECOND + 8), 2)
    assert bench.run(Feed(), 8000) == [(FUNDING_DUE, 0, 0, -1), (FUNDING_DUE, 1, 0, -1)]
    assert bench.venue.funding(1) == (0.2, None)


def test_a_snapshot_holds_everything(bench):
    position = bench.position()
    bench.market(1, 1, 3, position=position)
    bench.limit(1, 1, 59999.9, 3, position=position)
    bench.run(Feed().funding(2, 0.1, SECOND + 8).depth(2, 1, 59999.9, 0.004), 2)
    again = Bench()
    again.venue.restore(bench.venue.snapshot())
    feed = Feed().trade(3, -1, 59999.9, 0.006).clock(9000)
    rest = [bench.run(feed, 9000)]
    feed = Feed().trade(3, -1, 59999.9, 0.006).clock(9000)
    rest.append(again.run(feed, 9000))
    assert rest[0] == rest[1] == [(FILLED, 0, 2, 599_999), (FUNDING_DUE, 0, 0, -1)]
    for one in (bench, again):
        assert one.venue.lots_held(position) == 5
        # Taken levels, free positions and handles go on as they were.
        assert executed(one.market(9001, 1, 2)) == [(1, 600_001), (1, 600_003)]
        assert (one.limit(9002, 1, 59999.0, 1).handle, one.position()) == (1, 3)


@pytest.mark.parametrize("other", [(ETH, BTC), (BTC.model_copy(update={"tick_size": BTC.lot_size}),)])
def test_a_snapshot_of_another_venue_is_refused(bench, other):
    with pytest.raises(SchemaMismatch, match="start without"):
        PaperVenue(other, book_ticks=4096, model=RISK_AVERSE).restore(bench.venue.snapshot())


def test_a_book_of_no_valid_width_is_refused():
    with pytest.raises(Misconfigured, match="book_ticks must be a power of two of at least 64, got 1000"):
        PaperVenue([BTC], book_ticks=1000, model=RISK_AVERSE)


def test_positions_are_given_back(bench):
    first = bench.position()
    bench.market(1, 1, 3, position=first)
    bench.venue.close_position(first)
    assert bench.position() == first
    assert bench.venue.lots_held(first) == 0
    assert bench.venue.submit(Ticket(0, -1, 1, MARKET, first, 0, False, True), T0).reason == NOTHING_TO_REDUCE
