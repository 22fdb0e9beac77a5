"""Fewer points for a plot that would look the same with all of them: what cannot be seen makes a page slow."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

#: More than a plot of the page is wide in pixels.
MOST: Final = 1200


def visible(values: Sequence[float], most: int = MOST) -> list[int]:
    """Places in `values` to draw, ascending: of each of `most` equal stretches the first, lowest, highest and last.

    All of them if there are no more than that.
    """
    if len(values) <= 4 * most:
        return list(range(len(values)))
    kept: set[int] = set()
    for start, stop in stretches(len(values), most):
        inside = range(start, stop)
        kept |= {start, min(inside, key=values.__getitem__), max(inside, key=values.__getitem__), stop - 1}
    return sorted(kept)


def stretches(length: int, most: int = MOST) -> list[tuple[int, int]]:
    """`length` places cut into at most `most` stretches (start, stop) that differ in length by at most one."""
    count = min(most, length)
    return list(pairwise(number * length // count for number in range(count + 1))) if count else []
