"""The returns of a point: equity over equal periods, of all its stretches one after the other.

Periods are whole minutes, hours or days of UTC, so that those of two points are the same times. Where a stretch begins
or ends within a period, what it has of that counts as a period if it is at least half of one, and else belongs to its
neighbour. A stretch that is shorter than half a period has no return.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final

from app.core.clock import NS_PER_S
from app.report.measures import EquityCurve
from app.report.performance import DAY_S, ENOUGH

MINUTE: Final = 60 * NS_PER_S
PERIODS_S: Final = (DAY_S, 3600, 60)
SHORTEST: Final = PERIODS_S[-1]


def minute_levels(curve: EquityCurve, starting_cash: Decimal, span: tuple[int, int]) -> list[float]:
    """Equity of all accounts at `span[0]` (ns), at each full minute behind it and before `span[1]`, and there.

    An account that never traded has no mark, and counts with what it began with.
    """
    marks = _marks(span, MINUTE)
    levels, at, level = [], 0, curve.start
    for mark in marks:
        while at < len(curve.ts) and curve.ts[at] <= mark:
            level = curve.equity[at]
            at += 1
        levels.append(float(starting_cash + level - curve.start))
    # What was still on its way at the last row belongs to this stretch.
    if curve.equity:
        levels[-1] = float(starting_cash + curve.equity[-1] - curve.start)
    return levels


def period_of(spans: Sequence[tuple[int, int]]) -> int | None:
    """Seconds of the longest of day, hour and minute of which stretches of these spans (ns) have at least 30."""
    counts = ((period, sum(len(cuts(span, period * NS_PER_S)) - 1 for span in spans)) for period in PERIODS_S)
    return next((period for period, count in counts if count >= ENOUGH), None)


def course_of(levels: Sequence[float], span: tuple[int, int], period_s: int) -> list[float]:
    """Equity where the periods of a stretch begin and end, of its `minute_levels`."""
    place = {mark: n for n, mark in enumerate(_marks(span, MINUTE))}
    return [levels[place[mark]] for mark in cuts(span, period_s * NS_PER_S)]


def returns_of(course: Sequence[float]) -> list[float]:
    """Relative change of equity over each period; NaN where nothing was left to relate it to."""
    return [after / before - 1 if before > 0 else math.nan for before, after in pairwise(course)]


def cuts(span: tuple[int, int], period: int) -> list[int]:
    """Where the periods (ns) of `span` begin, and where the last ends; one time alone if there is none."""
    found = _marks(span, period)
    if len(found) > 2 and found[1] - found[0] < period / 2:
        del found[1]
    if len(found) > 2 and found[-1] - found[-2] < period / 2:
        del found[-2]
    return found[:1] if found[-1] - found[0] < period / 2 else found


def _marks(span: tuple[int, int], period: int) -> list[int]:
    """`span[0]`, the multiples of `period` behind it and before `span[1]`, and `span[1]`."""
    first, last = span
    return [first, *range((first // period + 1) * period, last, period), last]
