"""What is due when. Events at one time have one order, whatever order they were put in.

At equal times: funding, then rows at the venue, then by rank the items below, with the rows of the strategy's view
between answers and timers.
"""

import heapq
from collections.abc import Iterable
from typing import Final

import msgspec

ARRIVAL: Final = 1  # an order or a cancellation reaches the venue
SAMPLE: Final = 2  # the mid is taken for a markout
ANSWER: Final = 3  # the strategy learns what the venue did
VIEW: Final = 4  # rows of the strategy's view; nothing on the agenda has this rank
TIMER: Final = 5
HOLD: Final = 6
EQUITY: Final = 7


class _What(msgspec.Struct, frozen=True, array_like=True, order=True, tag=True):
    """Base of what can be due."""


class Arrive(_What, frozen=True, array_like=True, order=True, tag="arrive"):
    """Order `order` reaches the venue."""

    order: str


class Cancel(_What, frozen=True, array_like=True, order=True, tag="cancel"):
    """A cancellation of `order` reaches the venue; `why` becomes the reason of its end."""

    order: str
    why: str


class Answer(_What, frozen=True, array_like=True, order=True, tag="answer"):
    """What the venue said of an order at `ts`: cumulative lots `filled` and their `value` (Σ tick · lots).

    `rejected` is true if it did not take the order.
    """

    order: str
    ts: int
    filled: int
    value: int
    over: bool
    reason: str
    rejected: bool = False


class Sample(_What, frozen=True, array_like=True, order=True, tag="sample"):
    """A markout horizon (ms) is reached."""

    horizon: int


class TimeUp(_What, frozen=True, array_like=True, order=True, tag="time"):
    """A position reached its longest age."""


class Resend(_What, frozen=True, array_like=True, order=True, tag="resend"):
    """An order that was rejected may be sent again."""


class GiveUp(_What, frozen=True, array_like=True, order=True, tag="hold"):
    """A hold evaluation fell below the model's threshold."""


class MarkToMarket(_What, frozen=True, array_like=True, order=True, tag="equity"):
    """Equity is due."""


What = Arrive | Cancel | Answer | Sample | TimeUp | Resend | GiveUp | MarkToMarket


class Due(msgspec.Struct, frozen=True, array_like=True, order=True):
    """`what` is due for `position` at `time`. `number` tells apart what is due for one position at one time."""

    time: int
    rank: int
    position: str
    number: int
    what: What


class Agenda:
    """A queue of `Due` by (time, rank, position, number)."""

    def __init__(self, items: Iterable[Due] = ()) -> None:
        self._heap = list(items)
        heapq.heapify(self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, item: Due) -> None:
        """Put `item` in its place."""
        heapq.heappush(self._heap, item)

    def first(self) -> Due | None:
        """The next item, None if there is none."""
        return self._heap[0] if self._heap else None

    def pop(self) -> Due:
        """Take the next item out."""
        return heapq.heappop(self._heap)

    def items(self) -> list[Due]:
        """All items in order."""
        return sorted(self._heap)
