"""Event rows: bytes and back, and the check that keeps nonsense out of kernels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from app.core.errors import BadInput
from app.market import rows
from app.market.rows import EVENT, Rows, concat, empty, faults, from_block, to_block

ANY_ROWS = npst.arrays(EVENT, st.integers(0, 20))
# Half plausible values, half anything, so that both verdicts are common.
LIKELY_ROWS = st.lists(
    st.tuples(
        st.just(0),
        st.just(0),
        st.sampled_from([0.0, 100.5, -0.0, -1.0, 1e-9]) | st.floats(),
        st.sampled_from([0.0, 0.25, -0.5]) | st.floats(),
        st.just(1),
        st.integers(0, 10),
        st.integers(-2, 2),
        st.just(0),
    ),
    max_size=20,
).map(lambda values: np.array(values, EVENT))


def _faulty(row: np.void) -> bool:
    """The rule of `faults`, one row at a time in words."""
    kind, px, qty, side = int(row["kind"]), float(row["px"]), float(row["qty"]), int(row["side"])
    if kind not in rows.KINDS or side not in (-1, 0, 1):
        return True
    if not (math.isfinite(px) and math.isfinite(qty)) or qty < 0:
        return True
    if kind in (rows.DEPTH_SET, rows.TRADE, rows.QUOTE) and side == 0:
        return True
    if kind == rows.TRADE and qty == 0:
        return True
    may_lack_price = kind in (rows.CLOCK, rows.DEPTH_CLEAR, rows.FUNDING)
    return not may_lack_price and px <= 0


@given(found=ANY_ROWS | LIKELY_ROWS)
def test_faults_are_those_of_the_rule(found: Rows) -> None:
    assert faults(found).tolist() == [_faulty(row) for row in found]


@pytest.mark.parametrize(
    ("kind", "side", "px", "qty"),
    [
        (rows.DEPTH_SET, 1, 100.5, 0.0),
        (rows.DEPTH_CLEAR, 0, 0.0, 0.0),
        (rows.TRADE, -1, 100.5, 0.25),
        (rows.MARK, 0, 100.5, 0.0),
        (rows.FUNDING, 0, -0.0001, 1_700_000_000.0),
        (rows.CLOCK, 0, 0.0, 0.0),
        (rows.QUOTE, 1, 100.5, 3.0),
        (rows.INDEX, 0, 100.5, 0.0),
    ],
)
def test_a_sound_row_of_each_kind_passes(kind: int, side: int, px: float, qty: float) -> None:
    row = empty(1)
    row["kind"], row["side"], row["px"], row["qty"] = kind, side, px, qty
    assert not faults(row).any()


@given(found=ANY_ROWS)
def test_rows_survive_a_block_bit_by_bit(found: Rows) -> None:
    back = from_block(to_block(found))
    assert to_block(back) == to_block(found)
    assert not back.flags.writeable


@given(cut=st.integers(1, EVENT.itemsize - 1))
def test_half_a_row_is_refused(cut: int) -> None:
    block = to_block(empty(2))[:-cut]
    with pytest.raises(
        BadInput, match=rf"^block of {len(block)} bytes is not a whole number of 40-byte event rows$"
    ) as caught:
        from_block(block)
    assert caught.value.reason == "malformed"


@given(parts=st.lists(ANY_ROWS, max_size=4))
def test_concat_is_end_to_end(parts: list[Rows]) -> None:
    whole = concat(iter(parts))
    assert whole.dtype == EVENT
    assert to_block(whole) == b"".join(map(to_block, parts))
