"""Where venue messages end in event rows, and how to take rows out without tearing any."""

import numpy as np
import numpy.typing as npt

from app.market.rows import CLOCK, LAST, Rows

Mask = npt.NDArray[np.bool_]


def ends(rows: Rows) -> Mask:
    """True for the last row of each venue message; a CLOCK row is one by itself."""
    found: Mask = (rows["flags"] & LAST != 0) | (rows["kind"] == CLOCK)
    return found


def message_cut(rows: Rows, at: int) -> int:
    """The first index from `at` on at which a message begins, or the number of rows."""
    if at == 0:
        return 0
    behind = ends(rows[at - 1 :])
    return at + int(np.argmax(behind)) if behind.any() else len(rows)


def without(rows: Rows, gone: Mask) -> Rows:
    """`rows` less those that are `gone`; of a message that loses its last row, the last that is left ends it."""
    if not gone.any():
        return rows
    ending = ends(rows)
    # Of each row the number of its message; a message that is not finished has one that is too high.
    message: npt.NDArray[np.int64] = (np.cumsum(ending) - ending)[~gone]
    kept = rows[~gone].copy()
    final = np.append(message[1:] != message[:-1], True) & (message < int(ending.sum()))
    kept["flags"][final[: len(kept)] & (kept["kind"] != CLOCK)] |= LAST
    return kept
