"""What changes from one row of an orderbook file to the next."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from app.importers.lobster.l3 import EMPTY, L3

Ints = npt.NDArray[np.int64]

#: Messages whose levels are compared at a time: the work is messages × levels², and so is its memory.
_COMPARED: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Changes:
    """Levels that changed: at which message (its place in the array), where, and to which size; 0 is gone."""

    message: Ints
    side: Ints
    ticks: Ints
    size: Ints


def changes(messages: L3, before: L3) -> Changes:
    """The changes of the book at each of `messages`; `before` is the message ahead of them, or empty at the start.

    A level that a better one pushes out of the file's depth goes like one that is cancelled, and when it comes back
    into view it comes with its size: after each message the levels are those of the row, no more and no less.
    """
    found = []
    levels = messages["ask_ticks"].shape[1]
    step = max(1, _COMPARED // levels**2)
    for start in range(0, len(messages), step):
        ahead = messages[start - 1 : start] if start else before
        for side, name in ((1, "bid"), (-1, "ask")):
            found.append(_side(messages[start : start + step], ahead, start, side, name))
    return Changes(*(np.concatenate([getattr(part, name) for part in found]) for name in Changes.__slots__))


def _side(messages: L3, ahead: L3, start: int, side: int, name: str) -> Changes:
    ticks, size = messages[f"{name}_ticks"], messages[f"{name}_size"]
    old_ticks, old_size = _shifted(ticks, ahead[f"{name}_ticks"], EMPTY), _shifted(size, ahead[f"{name}_size"], 0)
    same = ticks[:, :, None] == old_ticks[:, None, :]
    unchanged = (same & (size[:, :, None] == old_size[:, None, :])).any(axis=2)
    at_set, level_set = np.nonzero((ticks != EMPTY) & ~unchanged)
    at_gone, level_gone = np.nonzero((old_ticks != EMPTY) & ~same.any(axis=1))
    message = np.concatenate((at_gone, at_set))
    return Changes(
        message=message + start,
        side=np.full(len(message), side, np.int64),
        ticks=np.concatenate((old_ticks[at_gone, level_gone], ticks[at_set, level_set])),
        size=np.concatenate((np.zeros(len(at_gone), np.int64), size[at_set, level_set])),
    )


def _shifted(values: Ints, ahead: Ints, absent: int) -> Ints:
    """Each row's predecessor."""
    first = ahead if len(ahead) else np.full((1, values.shape[1]), absent, np.int64)
    return np.concatenate((first, values[:-1]))
