"""Event rows as machine words, the form kernels read them in.

A row is five 8-byte words: ts_event, ts_recv, px, qty, and one that packs instrument, kind, side and flags. The same
memory seen as int64 and as float64 costs a kernel call two plain arrays, where an array of records would cost a slow
type look-up on every call.
"""

import sys

import numpy as np
import numpy.typing as npt

from app.market.compiled import kernel
from app.market.rows import EVENT, Rows

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

WORDS = 5
TS_EVENT = 0
TS_RECV = 1
PX = 2
QTY = 3
META = 4

assert EVENT.itemsize == WORDS * 8
assert sys.byteorder == "little", "event rows are little-endian words"


def words(rows: Rows) -> tuple[I64, F64]:
    """`rows` as (n, 5) int64 and as (n, 5) float64. A copy only if `rows` is read-only or not contiguous."""
    if not (rows.flags.c_contiguous and rows.flags.writeable):
        rows = np.array(rows, EVENT, order="C")
    return rows.view(np.int64).reshape(-1, WORDS), rows.view(np.float64).reshape(-1, WORDS)


@kernel
def instrument_of(meta: int) -> int:
    """The instrument id in the META word of a row."""
    return meta & 0xFFFF


@kernel
def kind_of(meta: int) -> int:
    """The kind in the META word of a row."""
    return (meta >> 16) & 0xFF


@kernel
def side_of(meta: int) -> int:
    """The side (-1, 0 or +1) in the META word of a row."""
    return (meta << 32) >> 56


@kernel
def flags_of(meta: int) -> int:
    """The flags in the META word of a row."""
    return (meta >> 32) & 0xFFFFFFFF
