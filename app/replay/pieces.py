"""Cuts rows into blocks of a bounded size, never within a venue message."""

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from app.market.rows import CLOCK, LAST, Rows

#: More than a reader gives at a time, so that what it gives is rarely cut; buffers still stay small.
BLOCK_ROWS: Final = 32_768


def pieces(blocks: Iterable[Rows], limit: int = BLOCK_ROWS) -> Iterator[Rows]:
    """The rows of `blocks`, at most `limit` at a time; a message longer than that stays whole.

    Each of `blocks` has to end where a venue message ends, as those of `ArchiveReader` do.
    """
    for rows in blocks:
        if len(rows) <= limit:
            if len(rows):
                yield rows
            continue
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
