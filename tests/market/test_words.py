"""Rows as machine words."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.market.rows import EVENT, empty
from app.market.words import META, PX, QTY, TS_EVENT, TS_RECV, flags_of, instrument_of, kind_of, side_of, words

I64 = st.integers(-(2**63), 2**63 - 1)


@given(I64, I64, st.floats(width=64), st.floats(width=64), st.integers(0, 65535), st.integers(0, 255),
       st.integers(-128, 127), st.integers(0, 2**32 - 1))  # fmt: skip
def test_words_hold_what_the_fields_hold(
    ts_event: int, ts_recv: int, px: float, qty: float, instrument: int, kind: int, side: int, flags: int
) -> None:
    rows = np.array([(ts_event, ts_recv, px, qty, instrument, kind, side, flags)], EVENT)
    ints, floats = words(rows)
    meta = ints[0, META]
    assert (ints[0, TS_EVENT], ints[0, TS_RECV]) == (ts_event, ts_recv)
    np.testing.assert_equal((floats[0, PX], floats[0, QTY]), (px, qty))
    assert (instrument_of(meta), kind_of(meta), side_of(meta), flags_of(meta)) == (instrument, kind, side, flags)


def test_words_share_memory_with_writeable_rows_only() -> None:
    rows = empty(3)
    ints, floats = words(rows)
    assert np.shares_memory(ints, rows)
    assert np.shares_memory(floats, rows)
    rows.flags.writeable = False
    assert not np.shares_memory(words(rows)[0], rows)
    assert words(empty(6)[::2])[0].shape == (3, 5)
