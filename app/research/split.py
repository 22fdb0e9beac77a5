"""Training, tuning and test sets in the order of time."""

from collections.abc import Sequence
from typing import NamedTuple

from app.core.errors import Misconfigured
from app.research.dataset import Samples, join


class Split(NamedTuple):
    """Three sets, each wholly before the next, with nothing in the `embargo` before a cut."""

    train: Samples
    tune: Samples
    test: Samples


def split(recordings: Sequence[Samples], *, train_share: float, tune_share: float, embargo_ns: int) -> Split:
    """Cut the last recording at these shares of its time; the earlier ones are for training whole.

    What lies less than `embargo_ns` before a cut is left out: its outcome, and the features of what follows, reach
    over the cut.

    Raises:
        Misconfigured: the recordings overlap or are not in time order, or a set has no candidates.
    """
    last = recordings[-1]
    edges = [int(edge) for part in recordings if len(part) for edge in (part.ts[0], part.ts[-1])]
    if edges != sorted(edges):
        raise Misconfigured("the recordings overlap or are not in time order; give them oldest first")
    if not len(last):
        raise Misconfigured("the last recording has no samples; it is needed for the test")
    first, end = int(last.ts[0]), int(last.ts[-1]) + 1
    cut = first + round((end - first) * train_share)
    second = first + round((end - first) * (train_share + tune_share))
    found = Split(
        join([*recordings[:-1], last.between(first, cut - embargo_ns)]),
        last.between(cut, second - embargo_ns),
        last.between(second, end),
    )
    for name, samples in found._asdict().items():
        if not samples.candidate.any():
            raise Misconfigured(f"the {name} set has no candidates; the recordings are too short")
    return found
