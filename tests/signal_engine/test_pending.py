"""The queue of rows against a plain list."""

from hypothesis import given
from hypothesis import strategies as st

from app.market.schema import ROW_BYTES
from app.signal_engine.pending import PendingRows


def block(first: int, rows: int) -> bytes:
    return b"".join(number.to_bytes(ROW_BYTES, "little") for number in range(first, first + rows))


@given(st.lists(st.tuples(st.sampled_from([1, 7, 5_000, 20_000]), st.floats(0, 1)), max_size=12))
def test_rows_come_out_as_they_went_in(steps: list[tuple[int, float]]) -> None:
    queue, put, taken = PendingRows(), 0, 0
    for rows, share in steps:
        queue.tail = queue.put(block(put, rows))
        put += rows
        assert len(queue) == put - taken
        take = int(share * len(queue))
        for at in (0, take // 2, take - 1):
            if 0 <= at < take:
                assert queue.ints[queue.head + at, 0] == taken + at
        queue.head += take
        taken += take
        queue.forget()
        assert queue.to_bytes() == block(taken, put - taken)
        twin = PendingRows()
        twin.set_bytes(queue.to_bytes())
        assert twin.to_bytes() == queue.to_bytes()


def test_memory_is_given_back_once_nothing_waits() -> None:
    queue = PendingRows()
    small = queue.ints.nbytes
    queue.tail = queue.put(block(0, 50_000))
    assert queue.ints.nbytes > small
    queue.head = queue.tail
    queue.forget()
    assert queue.ints.nbytes == small
