"""Clock rows: one at each multiple of the interval, after the rows of that time, however the rows are cut."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.importers.clock_rows import MAX_SILENCE, ClockRows
from app.market.rows import CLOCK, TRADE, Rows, concat, empty

INTERVAL = 100


def at(times: list[int]) -> Rows:
    rows = empty(len(times))
    rows["ts_recv"], rows["kind"] = times, TRADE
    return rows


def with_clock(times: list[int], cuts: list[int]) -> tuple[Rows, ClockRows]:
    clock = ClockRows(INTERVAL)
    ends = sorted({min(cut, len(times)) for cut in cuts} | {len(times)})
    blocks = [at(times[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
    return concat(clock.between(blocks)), clock


def naive(times: list[int]) -> list[tuple[int, bool]]:
    """(time, is clock) in order."""
    first, last = -(-times[0] // INTERVAL) * INTERVAL, -(-times[-1] // INTERVAL) * INTERVAL
    ticks = [(tick, True) for tick in range(first, last + 1, INTERVAL)]
    return sorted([(time, False) for time in times] + ticks)


@given(steps=st.lists(st.integers(0, 350), min_size=1, max_size=50), cuts=st.lists(st.integers(0, 50), max_size=5))
def test_as_the_naive_merge(steps: list[int], cuts: list[int]) -> None:
    times = (10_000 + np.cumsum(steps)).tolist()
    rows, clock = with_clock(times, cuts)
    assert list(zip(rows["ts_recv"].tolist(), (rows["kind"] == CLOCK).tolist(), strict=True)) == naive(times)
    clocks = rows[rows["kind"] == CLOCK]
    assert (clocks["ts_event"] == clocks["ts_recv"]).all()
    assert not clocks["instrument"].any()
    assert clock.silences == 0


@given(cut=st.integers(0, 4))
def test_a_long_pause_has_no_clock(cut: int) -> None:
    later = 10_050 + MAX_SILENCE + 1
    rows, clock = with_clock([10_010, 10_050, later, later + 30], [cut])
    ticks = rows["ts_recv"][rows["kind"] == CLOCK].tolist()
    assert ticks == [10_100, -(-later // 100) * 100]
    assert clock.silences == 1


def test_nothing_gives_nothing() -> None:
    assert len(concat(ClockRows(INTERVAL).between([]))) == 0
    assert len(concat(ClockRows(INTERVAL).between([empty()]))) == 0
