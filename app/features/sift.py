"""The kernel that takes out of a stream of event rows what no other kernel may see."""

# mypy: no-warn-return-any

import numpy as np
import numpy.typing as npt

from app.features.layout import BAD_TIME, DUPLICATE, MALFORMED, OUT_OF_ORDER, UNKNOWN_INSTRUMENT
from app.market.compiled import kernel
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, FUNDING, KINDS, QUOTE, TRADE
from app.market.words import META, PX, QTY, TS_EVENT, TS_RECV, WORDS, instrument_of, kind_of, side_of

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

_FIRST_KIND = KINDS.start
_KINDS_STOP = KINDS.stop
# Times from here on (year 2116) might overflow once something is added to them.
MAX_TS = 1 << 62
# No market has such a price or size, and sums of them would drown everything else for minutes.
MAX_NUMBER = 1e15


@kernel
def is_fault(kind: int, side: int, px: float, quantity: float) -> bool:
    """One row's verdict of `rows.faults`, and whether a number is beyond `MAX_NUMBER`."""
    if kind < _FIRST_KIND or kind >= _KINDS_STOP or side < -1 or side > 1:
        return True
    # A NaN is within no bounds.
    if not (abs(px) <= MAX_NUMBER and 0.0 <= quantity <= MAX_NUMBER):
        return True
    if px <= 0.0 and kind not in (CLOCK, DEPTH_CLEAR, FUNDING):
        return True
    if side == 0 and kind in (DEPTH_SET, TRADE, QUOTE):
        return True
    return kind == TRADE and quantity == 0.0


@kernel
def _same(ints: I64, row: int, before: I64) -> bool:
    for word in range(WORDS):  # noqa: SIM110 (kernels have no generators)
        if ints[row, word] != before[word]:
            return False
    return True


@kernel
def sift(ints: I64, floats: F64, start: int, stop: int, ids: I64, before: I64, dropped: I64) -> int:
    """Move the usable rows of start … stop - 1 to the front of that range; return where they end.

    Dropped and counted by reason: rows `is_fault` flags, times that are negative or not below `MAX_TS`, a
    `ts_recv` below the row before, a row equal in every byte to the one before (but trades: two fills of one order
    at one price and time are two trades), and rows of instruments not in `ids` (id → slot, or -1). `before` holds
    the words of the last row kept, across calls.
    """
    kept = start
    for row in range(start, stop):
        meta = ints[row, META]
        kind = kind_of(meta)
        ts = ints[row, TS_RECV]
        instrument = instrument_of(meta)
        if is_fault(kind, side_of(meta), floats[row, PX], floats[row, QTY]):
            dropped[MALFORMED] += 1
        elif ts < 0 or ts >= MAX_TS or ints[row, TS_EVENT] < 0 or ints[row, TS_EVENT] >= MAX_TS:
            dropped[BAD_TIME] += 1
        elif ts < before[TS_RECV]:
            dropped[OUT_OF_ORDER] += 1
        elif kind != TRADE and _same(ints, row, before):
            dropped[DUPLICATE] += 1
        elif kind != CLOCK and (instrument >= len(ids) or ids[instrument] < 0):
            dropped[UNKNOWN_INSTRUMENT] += 1
        else:
            for word in range(WORDS):
                before[word] = ints[row, word]
                ints[kept, word] = ints[row, word]
            kept += 1
    return kept
