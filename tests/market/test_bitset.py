"""The ring of bits against a sorted list."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.market.bitset import mark, next_down, next_up, unmark

WORDS = 4
OFFSET = 3
SLOTS = st.integers(0, 64 * WORDS - 1)


def _bits(slots: set[int]) -> "np.ndarray":
    bits = np.full(OFFSET + WORDS + 2, -1, np.int64)
    bits[OFFSET : OFFSET + WORDS] = 0
    for slot in slots:
        mark(bits, OFFSET, slot)
    return bits


@given(st.sets(SLOTS), SLOTS)
def test_next_goes_round_the_ring(slots: set[int], start: int) -> None:
    bits = _bits(slots)
    size = 64 * WORDS
    up = min(slots, key=lambda s: (s - start) % size, default=-1)
    down = min(slots, key=lambda s: (start - s) % size, default=-1)
    assert next_up(bits, OFFSET, WORDS, start) == up
    assert next_down(bits, OFFSET, WORDS, start) == down


@given(st.sets(SLOTS), SLOTS)
def test_unmark_takes_out_one_slot_and_touches_nothing_else(slots: set[int], slot: int) -> None:
    bits = _bits(slots | {slot})
    unmark(bits, OFFSET, slot)
    np.testing.assert_array_equal(bits, _bits(slots - {slot}))
