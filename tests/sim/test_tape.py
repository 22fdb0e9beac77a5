"""Rows on hold: venue order, bounds, bad rows, cuts."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import BadInput, SchemaMismatch
from app.market.rows import CLOCK, EVENT, LAST, Rows, empty, faults
from app.sim.layout import END, VENUE, VIEW
from app.sim.tape import BACKWARDS, CLAMPED, COUNTS, FAULTY, FUTURE, UNKNOWN, Tape, TapeState
from tests.sim.feed import BTC, ETH, Feed, at
from tests.sim.venue import slots_of

HOLD = 5


def new_tape() -> Tape:
    return Tape(slots_of(BTC), hold=HOLD)


numbers = st.sampled_from([0.0, -1.0, 1.5, 60000.1, float("nan"), float("inf"), -float("inf")])
any_row = st.tuples(
    st.integers(0, 60), st.integers(0, 3), numbers, numbers, st.sampled_from([0, 1, 2, 9]), st.integers(0, 10),
    st.integers(-2, 2), st.sampled_from([0, LAST]),
)  # fmt: skip


def rows_of(parts) -> Rows:
    """Rows from tuples; receive times mostly climb, by the tuple's second number less one."""
    rows, received = empty(len(parts)), 100
    for i, (event, climb, px, qty, instrument, kind, side, flags) in enumerate(parts):
        received += climb - (1 if climb == 0 and i % 5 == 0 else 0)
        rows[i] = (received - 30 + event, received, px, qty, instrument, kind, side, flags)
    return rows


def naive(rows: Rows) -> tuple[list[tuple[int, int]], list[int], int]:
    """(venue time, row) in venue order, the rows kept, and the newest complete receive time."""
    kept, keyed = [], []
    settled = received = -1
    for i, bad in enumerate(faults(rows)):
        row = rows[i]
        ends = bool(row["flags"] & LAST) or row["kind"] == CLOCK
        foreign = row["kind"] != CLOCK and row["instrument"] != BTC.id
        if not bad and row["ts_recv"] >= received and not foreign:
            received = int(row["ts_recv"])
            settled = received if settled < 0 else settled
            kept.append(i)
            keyed.append((min(max(int(row["ts_event"]), settled - HOLD), received), i))
        if ends:
            settled = max(settled, received)
    return sorted(keyed, key=lambda pair: pair[0]), kept, settled


def read(tape: Tape) -> tuple[list[tuple[int, bytes]], list[bytes]]:
    """The tape's rows in venue order with their venue times, and in the order received."""
    end = tape.heads[END]
    in_view = [tape.ints[i].tobytes() for i in range(tape.heads[VIEW], end)]
    at_venue = [(int(tape.keys[i]), tape.ints[i].tobytes()) for i in tape.order[tape.heads[VENUE] : end]]
    return at_venue, in_view


def without_last(row: bytes) -> bytes:
    """The row without the flag that a repair may have added."""
    return row[:36] + bytes([row[36] & ~LAST]) + row[37:]


@settings(deadline=None)
@given(st.lists(any_row, max_size=40))
def test_the_order_is_that_of_a_stable_sort_by_bounded_venue_time(parts):
    rows, tape = rows_of(parts), new_tape()
    tape.append(rows.tobytes())
    keyed, kept, settled = naive(rows)
    at_venue, in_view = read(tape)
    assert [(key, without_last(row)) for key, row in at_venue] == [
        (key, without_last(rows[i].tobytes())) for key, i in keyed
    ]
    assert [without_last(row) for row in in_view] == [without_last(rows[i].tobytes()) for i in kept]
    assert tape.settled == (None if settled < 0 else settled - HOLD)


@settings(deadline=None)
@given(st.lists(any_row, max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_it_does_not_matter_how_rows_are_cut(parts, cuts):
    rows, whole, pieces = rows_of(parts), new_tape(), new_tape()
    whole.append(rows.tobytes())
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for start, stop in pairwise(edges):
        pieces.append(rows[start:stop].tobytes())
    assert read(pieces) == read(whole)
    assert pieces.counts.tolist() == whole.counts.tolist()
    assert pieces.heads.tolist() == whole.heads.tolist()


@settings(deadline=None)
@given(st.lists(any_row, max_size=40))
def test_no_row_comes_before_what_was_settled(parts):
    rows, tape = rows_of(parts), new_tape()
    for row in rows:
        settled = tape.settled
        before = int(tape.heads[END])
        tape.append(row.tobytes())
        if settled is not None and tape.heads[END] > before:
            assert tape.keys[before] >= settled


@settings(deadline=None)
@given(st.lists(any_row, max_size=60))
def test_rows_are_dropped_for_the_same_faults_as_everywhere(parts):
    rows = rows_of(parts)
    # Receive times in order and one instrument, so that faults are all that can be wrong.
    rows["ts_recv"] = np.sort(rows["ts_recv"])
    rows["instrument"] = 1
    tape = new_tape()
    tape.append(rows.tobytes())
    assert tape.counts[FAULTY] == faults(rows).sum()
    assert len(tape) == (~faults(rows)).sum()


def test_every_fate_is_counted():
    feed = Feed().clock(0).depth(10, 1, 60000.0, 1).trade(9, 1, 60000.0, 1).depth(11, 0, 60000.0, 1)
    rows = np.concatenate([feed.rows(), Feed(ETH.id).depth(12, 1, 60000.0, 1).rows()])
    rows = np.concatenate([rows, Feed().depth(13, 1, 60000.0, 1, event=14).depth(14, 1, 60000.0, 1, event=2).rows()])
    tape = Tape(slots_of(BTC), hold=5_000_000)
    tape.append(rows.tobytes())
    expected = {BACKWARDS: 1, FAULTY: 1, UNKNOWN: 1, FUTURE: 1, CLAMPED: 1}
    assert {fate: int(tape.counts[fate]) for fate in range(COUNTS)} == expected
    keys = [key for key, _row in read(tape)[0]]
    assert keys == [at(0), at(8), at(10), at(13)]


def test_a_message_whose_last_row_is_bad_ends_with_its_last_good_row():
    feed = Feed().depth(1, 1, 60000.0, 1, last=False).depth(1, 1, 59999.9, 1, last=False)
    feed.depth(1, 1, float("nan"), 1).depth(2, 1, 59999.8, 1, last=False)
    tape = new_tape()
    tape.append(feed.take())
    flags = np.frombuffer(b"".join(read(tape)[1]), EVENT)["flags"]
    assert flags.tolist() == [0, LAST, 0]
    assert tape.settled == at(1) - HOLD


def test_rows_of_an_unfinished_message_settle_nothing():
    tape = new_tape()
    tape.append(Feed().clock(1).depth(20, 1, 60000.0, 1, last=False).take())
    assert tape.settled == at(1) - HOLD
    tape.append(Feed().depth(20, 1, 59999.0, 1, event=2).take())
    assert tape.settled == at(20) - HOLD
    assert [key for key, _row in read(tape)[0]] == [at(1), at(2), at(20)]


def test_blocks_that_are_no_rows_are_refused_before_anything_changed():
    tape = new_tape()
    with pytest.raises(BadInput, match="block of 41 bytes is not a whole number of 40-byte event rows"):
        tape.append(bytes(41))
    tape.append(b"")
    assert (len(tape), tape.settled) == (0, None)


def test_it_grows_and_shrinks_with_what_is_on_hold():
    tape = new_tape()
    for block in range(30):
        feed = Feed()
        feed.clocks(block * 1000, block * 1000 + 999, step=1)
        tape.append(feed.take())
    assert len(tape) == 30_000
    held = read(tape)
    assert [key for key, _row in held[0]] == [at(ms) for ms in range(30_000)]
    # Everything but the last 500 rows was read, in both orders; then much more comes.
    tape.heads[[VENUE, VIEW]] = 29_500
    for block in range(30, 60):
        feed = Feed()
        feed.clocks(block * 1000, block * 1000 + 999, step=1)
        tape.append(feed.take())
        tape.heads[[VENUE, VIEW]] = tape.heads[END] - 500
    assert len(tape.keys) <= 4 * 31_000
    assert [key for key, _row in read(tape)[0]] == [at(ms) for ms in range(59_500, 60_000)]


def test_snapshot_round_trip():
    tape, again = new_tape(), new_tape()
    feed = Feed().clock(1).depth(2, 1, 60000.0, 1, last=False)
    tape.append(feed.take())
    again.restore(tape.snapshot())
    rest = Feed().depth(2, 1, 59999.9, 1).trade(3, 1, 60000.1, 1, event=1).take()
    tape.append(rest)
    again.append(rest)
    assert read(again) == read(tape)
    assert again.heads.tolist() == tape.heads.tolist()


def test_a_damaged_snapshot_is_refused():
    tape = new_tape()
    tape.append(Feed().clock(1).take())
    good = tape.snapshot()
    for bad in (TapeState(good.heads, good.rows[:-1], good.keys, good.order), TapeState(good.heads, b"", b"", b"")):
        with pytest.raises(SchemaMismatch, match="rows on hold is cut or of another version"):
            new_tape().restore(bad)
