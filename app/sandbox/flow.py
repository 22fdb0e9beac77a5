"""Where the sandbox's market comes from: venue messages in event-time order."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from app.market.rows import Rows


class VenueMessage(NamedTuple):
    """The rows of one venue message (one instrument, the last row flagged LAST) and its event time in ns."""

    when: int
    rows: Rows


class Flow(Protocol):
    """A source of venue messages.

    * `when` never decreases; every row's ts_event is at most its message's `when`.
    * Messages are made as they are asked for, so a flow may be endless.
    * Two flows made with the same arguments give the same messages, byte for byte.
    """

    def messages(self) -> Iterator[VenueMessage]:
        """The messages from the beginning."""

    def notes(self) -> dict[str, int]:
        """Figures about the source worth showing to an operator, e.g. how many rows it had to leave out."""


class ScriptedFlow:
    """Plays a list of messages."""

    def __init__(self, messages: Iterable[VenueMessage]) -> None:
        self._messages = tuple(messages)

    def messages(self) -> Iterator[VenueMessage]:
        """The messages, put in order of time."""
        return iter(sorted(self._messages, key=lambda message: message.when))

    def notes(self) -> dict[str, int]:
        """Nothing to say."""
        return {}


class MergedFlow:
    """Several flows as one; at equal times the earlier flow comes first."""

    def __init__(self, flows: Sequence[Flow]) -> None:
        self._flows = flows

    def messages(self) -> Iterator[VenueMessage]:
        """The messages of all flows in order of time."""
        return heapq.merge(*(flow.messages() for flow in self._flows), key=lambda message: message.when)

    def notes(self) -> dict[str, int]:
        """The sums of the flows' figures."""
        total: dict[str, int] = {}
        for flow in self._flows:
            for name, figure in flow.notes().items():
                total[name] = total.get(name, 0) + figure
        return total
