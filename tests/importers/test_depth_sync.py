"""The exchange's rule for a local book, and the naive book it must agree with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.importers.binance.depth_sync import WAIT_NS, DepthSync, Difference, Step

S = 1_000_000_000


def diff(message: int, low: int, high: int, prev: int | None = None, *, ts: int | None = None) -> Difference:
    return Difference(message, message * S if ts is None else ts, low, high, low - 1 if prev is None else prev)


def messages(sync: DepthSync) -> list[int]:
    return [step.message for step in sync.steps]


def test_differences_follow_one_another() -> None:
    sync = DepthSync([])
    for message in range(5):
        sync.difference(diff(message, 10 * message + 1, 10 * message + 10))
    assert sync.steps == [Step(message, message * S) for message in range(5)]
    assert (sync.gaps, sync.dropped, sync.applied) == ([], [], {"difference": 5})


def test_an_old_difference_is_dropped_whatever_it_says_it_follows() -> None:
    sync = DepthSync([])
    sync.difference(diff(0, 1, 10))
    sync.difference(diff(1, 11, 20))
    sync.difference(diff(2, 1, 10))
    sync.difference(diff(3, 11, 20))
    sync.difference(diff(4, 21, 30))
    assert messages(sync) == [0, 1, 4]
    assert sync.dropped == [(2, "duplicate"), (3, "duplicate")]


def test_before_the_snapshot_after_it_and_across_it() -> None:
    sync = DepthSync([3 * S])
    sync.difference(diff(0, 1, 10))
    sync.difference(diff(1, 11, 20))
    sync.difference(diff(2, 21, 30))
    assert sync.steps == []
    sync.snapshot(3, 3 * S, 15)
    sync.difference(diff(4, 31, 40))
    assert sync.steps == [Step(3, 3 * S), Step(1, 3 * S, moved=True), Step(2, 3 * S, moved=True), Step(4, 4 * S)]
    assert sync.dropped == [(0, "before_snapshot")]


def test_the_last_update_of_the_snapshot_may_be_that_of_a_difference() -> None:
    sync = DepthSync([2 * S])
    sync.difference(diff(0, 1, 10))
    sync.difference(diff(1, 11, 20))
    sync.snapshot(2, 2 * S, 10)
    assert messages(sync) == [2, 0, 1]


def test_update_ids_are_shared_with_other_symbols_so_a_snapshot_may_lie_between_two() -> None:
    sync = DepthSync([2 * S])
    sync.difference(diff(0, 1, 10))
    sync.difference(diff(1, 31, 40, prev=10))
    sync.snapshot(2, 2 * S, 20)
    assert messages(sync) == [2, 1]
    assert sync.dropped == [(0, "before_snapshot")]


def test_differences_after_a_snapshot_that_is_ahead_of_them() -> None:
    sync = DepthSync([S])
    sync.difference(diff(0, 1, 10))
    sync.snapshot(1, S, 35)
    sync.difference(diff(2, 11, 20))
    sync.difference(diff(3, 21, 30))
    sync.difference(diff(4, 31, 40))
    sync.difference(diff(5, 41, 50))
    assert messages(sync) == [1, 4, 5]
    assert sync.dropped == [(0, "before_snapshot"), (2, "before_snapshot"), (3, "before_snapshot")]
    assert sync.gaps == []


def test_a_first_difference_that_does_not_reach_the_snapshot_is_a_gap() -> None:
    sync = DepthSync([0])
    sync.snapshot(0, 0, 35)
    sync.difference(diff(1, 51, 60))
    assert sync.gaps == [1]
    assert sync.steps == [Step(0, 0), Step(1, S, clear=True), Step(1, S)]


def test_a_snapshot_older_than_what_is_there_is_of_no_use() -> None:
    sync = DepthSync([2 * S])
    sync.difference(diff(0, 101, 110))
    sync.difference(diff(1, 111, 120))
    sync.snapshot(2, 2 * S, 50)
    assert sync.dropped == [(2, "snapshot_too_old")]
    # It was all they waited for, so the book builds up from them.
    assert sync.steps == [Step(0, 2 * S, moved=True), Step(1, 2 * S, moved=True)]


def test_a_useless_snapshot_does_not_end_the_wait_for_the_next() -> None:
    sync = DepthSync([S, 3 * S])
    sync.difference(diff(0, 101, 110))
    sync.snapshot(1, S, 50)
    sync.difference(diff(2, 111, 120))
    sync.snapshot(3, 3 * S, 115)
    assert messages(sync) == [3, 2]


def test_a_snapshot_of_a_book_that_is_known_changes_nothing() -> None:
    sync = DepthSync([0, 2 * S])
    sync.snapshot(0, 0, 5)
    sync.difference(diff(1, 1, 10))
    sync.snapshot(2, 2 * S, 8)
    assert messages(sync) == [0, 1]
    assert sync.dropped == [(2, "snapshot_not_needed")]


def test_a_late_snapshot_completes_a_book_that_was_building_up() -> None:
    sync = DepthSync([WAIT_NS + 10 * S])
    sync.difference(diff(0, 1, 10, ts=0))
    sync.difference(diff(1, 11, 20, ts=WAIT_NS + 8 * S))
    assert messages(sync) == [0, 1]
    sync.snapshot(2, WAIT_NS + 10 * S, 15)
    assert sync.steps[2:] == [Step(2, WAIT_NS + 10 * S), Step(1, WAIT_NS + 10 * S, moved=True)]


def test_a_gap_clears_the_book_and_waits_for_a_near_snapshot() -> None:
    sync = DepthSync([0, 5 * S])
    sync.snapshot(0, 0, 5)
    sync.difference(diff(1, 1, 10))
    sync.difference(diff(2, 51, 60))
    sync.difference(diff(3, 61, 70))
    sync.snapshot(4, 5 * S, 65)
    assert sync.gaps == [2]
    assert sync.steps[1:] == [
        Step(1, S),
        Step(2, 2 * S, clear=True),
        Step(4, 5 * S),
        Step(3, 5 * S, moved=True),
    ]
    assert sync.dropped == [(2, "before_snapshot")]


def test_a_gap_while_waiting_costs_what_waited() -> None:
    sync = DepthSync([5 * S])
    sync.difference(diff(0, 1, 10))
    sync.difference(diff(1, 51, 60))
    sync.snapshot(2, 5 * S, 55)
    assert messages(sync) == [2, 1]
    assert sync.dropped == [(0, "before_gap")]
    assert not any(step.clear for step in sync.steps)  # nothing had been shown


@given(
    updates=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=5, max_size=60),
    cut=st.integers(0, 60),
    lag=st.integers(0, 20),
)
def test_the_book_is_the_true_one_from_the_snapshot_on(updates: list[tuple[int, int]], cut: int, lag: int) -> None:
    """Each update sets one level; a snapshot is taken at update `cut` and recorded `lag` messages later."""
    truth: list[dict[int, int]] = [{}]
    for level, quantity in updates:
        truth.append({**truth[-1], level: quantity})
    at = min(cut, len(updates))
    recorded = min(at + lag, len(updates))
    sync, book = DepthSync([recorded * S]), dict[int, int]()

    def apply() -> None:
        for step in sync.steps:
            if step.clear or step.message == 1000:
                book.clear()
            if step.message == 1000:
                book.update(truth[at])
            else:
                book.__setitem__(*updates[step.message])
        sync.steps.clear()

    for number in range(len(updates) + 1):
        if number == recorded:
            sync.snapshot(1000, number * S, at)
            apply()
            assert book == truth[number]
        if number < len(updates):
            sync.difference(diff(number, number + 1, number + 1))
            apply()
            if number >= recorded:
                assert book == truth[number + 1]
    assert sync.gaps == []


@pytest.mark.parametrize("near", [True, False])
def test_waiting_is_for_a_snapshot_that_is_near(near: bool) -> None:
    sync = DepthSync([WAIT_NS if near else WAIT_NS + 1])
    sync.difference(diff(0, 1, 10, ts=0))
    assert messages(sync) == ([] if near else [0])
