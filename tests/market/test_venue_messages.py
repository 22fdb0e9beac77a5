import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.market.rows import CLOCK, DEPTH_SET, LAST, empty
from app.market.venue_messages import ends, message_cut, without


def rows_of(lengths, clocks=()):
    """Messages of these lengths, row n with quantity n; those numbered in `clocks` are CLOCK rows."""
    rows = empty(sum(lengths))
    rows["kind"], rows["qty"] = DEPTH_SET, np.arange(len(rows))
    rows["flags"][np.cumsum(lengths) - 1] = LAST
    for number in clocks:
        at = sum(lengths[:number])
        rows["kind"][at], rows["flags"][at] = CLOCK, 0
    return rows


def test_a_cut_is_moved_to_the_end_of_the_message_it_would_tear():
    rows = rows_of([3, 1, 2], clocks=[1])
    assert [message_cut(rows, at) for at in range(7)] == [0, 3, 3, 3, 4, 6, 6]
    assert message_cut(rows[:2], 1) == 2


def test_what_is_left_of_a_message_is_one():
    rows = rows_of([3, 1, 2], clocks=[1])
    kept = without(rows, np.array([False, False, True, False, True, True]))
    assert kept["qty"].tolist() == [0, 1, 3]
    assert kept["flags"].tolist() == [0, LAST, 0]
    assert without(rows, np.zeros(6, bool)) is rows
    assert len(without(rows, np.ones(6, bool))) == 0


def test_an_unfinished_message_stays_unfinished():
    rows = rows_of([2, 3])[:4]
    kept = without(rows, np.array([False, True, False, True]))
    assert kept["flags"].tolist() == [LAST, 0]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=30), st.data())
def test_rows_keep_their_order_and_messages_their_borders(lengths, data):
    rows = rows_of(lengths)
    gone = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    message = np.repeat(np.arange(len(lengths)), lengths)
    kept = without(rows, gone)
    assert kept["qty"].tolist() == rows["qty"][~gone].tolist()
    left = message[~gone]
    assert ends(kept).tolist() == [i + 1 == len(left) or left[i + 1] != left[i] for i in range(len(left))]
