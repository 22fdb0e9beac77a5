"""Percentiles of a histogram with fixed bounds."""

import math
from collections.abc import Iterable

#: Cumulative counts by upper bound in seconds.
Buckets = dict[float, float]


def quantile(buckets: Buckets, q: float) -> float | None:
    """The `q`-quantile of cumulative `buckets` (upper bound → count), linear within a bucket; None if empty.

    What lies above the last finite bound is given as that bound.
    """
    total = max(buckets.values(), default=0.0)
    if total <= 0:
        return None
    rank, below, floor = q * total, 0.0, 0.0
    for bound in sorted(buckets):
        count = buckets[bound]
        if count >= rank and count > below:
            return floor if math.isinf(bound) else floor + (bound - floor) * (rank - below) / (count - below)
        below, floor = count, bound
    return floor


def added(parts: Iterable[Buckets]) -> Buckets:
    """The sum of histograms with the same bounds."""
    total: Buckets = {}
    for part in parts:
        for bound, count in part.items():
            total[bound] = total.get(bound, 0.0) + count
    return total


def subtracted(above: Buckets, below: Buckets) -> Buckets:
    """What `above` counted since it was `below`."""
    return {bound: count - below.get(bound, 0.0) for bound, count in above.items()}
