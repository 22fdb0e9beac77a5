"""Blocks that end where a venue message ends."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from app.market.rows import CLOCK, LAST, Rows, concat
from app.store.merge import Block

#: Rows that are looked through at a time for the end of a message.
_LOOK: Final = 512


def whole_messages(blocks: Iterator[Block]) -> Iterator[Rows]:
    """The rows of `blocks`, cut anew so that no block ends within a venue message."""
    kept: list[Rows] = []
    for rows, _seq in blocks:
        upto = _last_end(rows)
        if not upto:
            kept.append(rows)
            continue
        # The message that was cut is put together by itself: the block behind it need not be copied for it.
        head = _first_end(rows) if kept else 0
        if head:
            yield concat([*kept, rows[:head]])
        if upto > head:
            yield rows[head:upto]
        kept = [rows[upto:]] if upto < len(rows) else []
    if any(len(rows) for rows in kept):
        yield concat(kept)


def _first_end(rows: Rows) -> int:
    """Where the first venue message in `rows` ends; 0 if none does."""
    return next((at + int(found[0]) + 1 for at, found in _ends(rows, range(0, len(rows), _LOOK))), 0)


def _last_end(rows: Rows) -> int:
    """Where the last venue message in `rows` that ends there does; 0 if none does."""
    starts = range(0, len(rows), _LOOK)
    return next((at + int(found[-1]) + 1 for at, found in _ends(rows, reversed(starts))), 0)


def _ends(rows: Rows, starts: Iterable[int]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    for at in starts:
        some = rows[at : at + _LOOK]
        found = np.flatnonzero((some["flags"] & LAST != 0) | (some["kind"] == CLOCK))
        if len(found):
            yield at, found
