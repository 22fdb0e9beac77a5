from hypothesis import given
from hypothesis import strategies as st

from app.market.rows import CLOCK, LAST, concat
from app.replay.pieces import pieces
from tests.store.recordings import recording


@given(st.integers(1, 400), st.integers(1, 50), st.integers(0, 1000))
def test_pieces_are_the_rows_in_order_bounded_and_never_cut_a_message(count: int, limit: int, seed: int) -> None:
    rows = recording(count, seed=seed)
    cut = list(pieces([rows, rows[:0]], limit))
    assert (concat(cut) == rows).all()
    for piece in cut:
        last = piece[-1]
        assert last["flags"] & LAST or last["kind"] == CLOCK
        ends = (piece["flags"] & LAST != 0) | (piece["kind"] == CLOCK)
        assert len(piece) <= limit or ends.sum() == 1


def test_a_message_that_was_never_finished_comes_whole_at_the_end() -> None:
    rows = recording(40)
    rows["flags"][-3:] = 0
    rows["kind"][-3:] = rows["kind"][rows["kind"] != CLOCK][0]
    cut = list(pieces([rows], 1))
    assert (concat(cut) == rows).all()
    assert len(cut[-1]) >= 3
    assert not (cut[-1]["flags"] & LAST).any()


def test_what_is_short_enough_is_not_cut() -> None:
    rows = recording(40)
    assert [len(piece) for piece in pieces([rows], 40)] == [40]
    assert len(list(pieces([rows], 39))) == 2
