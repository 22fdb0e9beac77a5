"""Cuts rows into blocks of a bounded size, never within a venue message."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from app.market.rows import CLOCK, LAST, Rows

#: A few times what the collector puts into one: fewer hand-overs, and buffers that still stay small.
BLOCK_ROWS: Final = 16_384


def pieces(blocks: Iterable[Rows], limit: int = BLOCK_ROWS) -> Iterator[Rows]:
    """The rows of `blocks`, at most `limit` at a time; a message longer than that stays whole.

    Each of `blocks` has to end where a venue message ends, as those of `ArchiveReader` do.
    """
    for rows in blocks:
        ends = np.flatnonzero((rows["flags"] & LAST != 0) | (rows["kind"] == CLOCK)) + 1
        start = 0
        while start < len(rows):
            at = int(np.searchsorted(ends, start + limit, side="right")) - 1
            if at < 0 or ends[at] <= start:
                at += 1
            # What follows the last end of all can only be the rest of a message that was never finished.
            end = int(ends[at]) if at < len(ends) else len(rows)
            yield rows[start:end]
            start = end
