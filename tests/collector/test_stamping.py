"""Both clocks: ts_recv never decreases, and a clock row separates what came before it from what comes after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.collector.stamping import MAX_SILENCE_NS, EventClock, WallClock
from app.core.clock import NS_PER_MS, NS_PER_S
from app.importers.clock_rows import ClockRows
from app.market.rows import CLOCK, MARK, Rows, concat, from_block
from app.venues.row_buffer import RowBuffer, tail

T0 = 1_700_000_000 * NS_PER_S
INTERVAL = 100 * NS_PER_MS
DELAY = 5 * NS_PER_MS
ROW = tail(1, MARK, 0, 1)


def write(clock: EventClock | WallClock, buffer: RowBuffer, ts_event: int) -> int:
    """A message of one row."""
    ts_recv = clock.stamp(ts_event)
    if ts_recv:
        buffer.put(ts_event, ts_recv, 1.0, 0.0, ROW)
    return ts_recv


def check_separated(rows: Rows) -> None:
    ts = rows["ts_recv"]
    assert not np.any(np.diff(ts) < 0)
    for at in np.flatnonzero(rows["kind"] == CLOCK):
        assert np.all(ts[at + 1 :] > ts[at]), "a row after a clock row is of its time or older"
        assert rows["ts_event"][at] == ts[at]
        assert (rows["instrument"][at], rows["side"][at], rows["flags"][at]) == (0, 0, 0)


class TestWallClock:
    @given(st.lists(st.tuples(st.booleans(), st.integers(-50, 50)), max_size=60), st.integers(0, 100))
    def test_never_decreases_whatever_the_clock_does(self, steps: list[tuple[bool, int]], last: int) -> None:
        buffer, wall = RowBuffer(100), [50]
        clock = WallClock(buffer, lambda: wall[0], last=last)
        for is_tick, step in steps:
            wall[0] = max(1, wall[0] + step)
            before = buffer.rows
            if is_tick:
                clock.tick()
            else:
                write(clock, buffer, 7)
            ts = int(from_block(bytes(buffer.data[: buffer.end]))["ts_recv"][before])
            assert ts >= last
            assert ts >= wall[0] or ts == clock.last - is_tick
        check_separated(from_block(buffer.take()))

    def test_follows_the_wall_and_stands_still_when_it_is_set_back(self) -> None:
        buffer, times = RowBuffer(10), iter([100, 200, 150, 150, 160, 300])
        clock = WallClock(buffer, lambda: next(times))
        assert [clock.stamp(1) for _ in range(3)] == [100, 200, 200]
        clock.tick()
        assert from_block(buffer.take())["ts_recv"].tolist() == [200]
        assert [clock.stamp(1), clock.stamp(1)] == [201, 300]

    def test_goes_on_from_the_run_before(self) -> None:
        assert WallClock(RowBuffer(1), lambda: 5, last=9).stamp(0) == 9


def event_clock(buffer: RowBuffer, **options: int | None) -> EventClock:
    return EventClock(buffer, delay_ns=DELAY, interval_ns=INTERVAL, **options)  # type: ignore[arg-type]


class TestEventClock:
    def test_receipt_is_event_plus_delay_and_never_decreases(self) -> None:
        buffer = RowBuffer(10)
        clock = event_clock(buffer)
        received = [write(clock, buffer, T0 + ms * NS_PER_MS) for ms in (1, 3, 2, 4)]
        assert received == [T0 + ms * NS_PER_MS for ms in (6, 8, 8, 9)]

    def test_clock_rows_at_the_multiples_passed(self) -> None:
        buffer = RowBuffer(10)
        clock = event_clock(buffer)
        for ms in (0, 95, 96, 310):  # received at 5, 100, 101, 315
            write(clock, buffer, T0 + ms * NS_PER_MS)
        rows = from_block(buffer.take())
        found = [(int(row["kind"]), (int(row["ts_recv"]) - T0) // NS_PER_MS) for row in rows]
        assert found == [(MARK, 5), (MARK, 100), (CLOCK, 100), (MARK, 101), (CLOCK, 200), (CLOCK, 300), (MARK, 315)]

    @given(st.lists(st.integers(-30, 400), min_size=1, max_size=40))
    def test_same_rows_as_an_importer_makes_of_the_same_messages(self, steps: list[int]) -> None:
        buffer, plain = RowBuffer(10), RowBuffer(10)
        clock, at, last = event_clock(buffer), T0, 0
        for ms in steps:
            at += ms * NS_PER_MS
            last = max(last, at + DELAY)
            assert write(clock, buffer, at) == last
            plain.put(at, last, 1.0, 0.0, ROW)
        ours = from_block(buffer.take())
        check_separated(ours)
        theirs = concat(ClockRows(INTERVAL).between([from_block(plain.take())]))
        trailing = theirs["ts_recv"] >= last
        assert ours.tobytes() == theirs[~trailing | (theirs["kind"] != CLOCK)].tobytes()

    def test_a_long_silence_is_not_filled(self) -> None:
        buffer = RowBuffer(10)
        clock = event_clock(buffer)
        write(clock, buffer, T0)
        write(clock, buffer, T0 + 10 * MAX_SILENCE_NS + 250 * NS_PER_MS)
        write(clock, buffer, T0 + 10 * MAX_SILENCE_NS + 350 * NS_PER_MS)
        rows = from_block(buffer.take())
        later = 10 * MAX_SILENCE_NS // NS_PER_MS
        found = [(int(row["kind"]), (int(row["ts_recv"]) - T0) // NS_PER_MS) for row in rows]
        assert found == [(MARK, 5), (CLOCK, 100), (MARK, later + 255), (CLOCK, later + 300), (MARK, later + 355)]

    @pytest.mark.parametrize("stop_ms", [250, 295])
    def test_ends_exactly_after_the_time_given(self, stop_ms: int) -> None:
        buffer, ended = RowBuffer(10), []
        clock = EventClock(
            buffer,
            delay_ns=DELAY,
            interval_ns=INTERVAL,
            stop_after_ns=stop_ms * NS_PER_MS,
            on_end=lambda: ended.append(True),
        )
        for ms in (0, 150, stop_ms, stop_ms + 1, stop_ms - 1, 10_000):
            write(clock, buffer, T0 + ms * NS_PER_MS)
        clock.finish()
        rows = from_block(buffer.take())
        end = stop_ms + 5
        grid = [(CLOCK, 100)], [(CLOCK, 200)] if end > 200 else []
        found = [(int(row["kind"]), (int(row["ts_recv"]) - T0) // NS_PER_MS) for row in rows]
        assert found == [(MARK, 5), *grid[0], (MARK, 155), *grid[1], (MARK, end), (CLOCK, end)]
        assert ended == [True]
        assert clock.stamp(T0) == 0

    def test_the_end_of_a_tape_is_a_clock_row_of_its_last_time(self) -> None:
        buffer = RowBuffer(10)
        clock = event_clock(buffer)
        clock.finish()
        assert buffer.rows == 0, "a tape that never began has no end"
        write(clock, buffer, T0 + NS_PER_MS)
        clock.finish()
        rows = from_block(buffer.take())
        assert rows["kind"].tolist() == [MARK, CLOCK]
        assert rows["ts_recv"][0] == rows["ts_recv"][1]

    def test_goes_on_from_the_run_before(self) -> None:
        buffer = RowBuffer(10)
        clock = event_clock(buffer, last=T0 + 150 * NS_PER_MS)
        assert write(clock, buffer, T0 + 100 * NS_PER_MS) == T0 + 150 * NS_PER_MS
        write(clock, buffer, T0 + 240 * NS_PER_MS)
        rows = from_block(buffer.take())
        assert rows["kind"].tolist() == [MARK, CLOCK, MARK]
        assert rows["ts_recv"][1] == T0 + 200 * NS_PER_MS

    def test_a_tape_that_begins_before_what_is_there_is_refused(self) -> None:
        buffer = RowBuffer(10)
        clock = event_clock(buffer, last=T0 + 60 * NS_PER_S)
        assert write(clock, buffer, T0) == 0
        assert clock.replayed
        assert write(clock, buffer, T0 + 120 * NS_PER_S) == 0, "and stays refused"
        assert buffer.rows == 0

    def test_an_unknown_time_is_the_last_one(self) -> None:
        buffer = RowBuffer(10)
        clock = event_clock(buffer)
        assert clock.stamp(0) == 0, "before there is any"
        write(clock, buffer, T0)
        assert clock.stamp(0) == T0 + DELAY

    def test_time_does_not_pass_on_the_wall(self) -> None:
        buffer = RowBuffer(10)
        clock = event_clock(buffer)
        write(clock, buffer, T0)
        assert not clock.tick()
        assert buffer.rows == 1
