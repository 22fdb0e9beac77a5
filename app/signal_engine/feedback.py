"""What the executor said, waiting for the event time at which the signal engine may know it."""

import heapq
from collections.abc import Iterator

import msgspec

from app.features.sift import MAX_TS
from app.messages.base import Message
from app.messages.execution import ClosedTrade, Fill
from app.messages.signals import Mark


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """An entry was filled, in part or whole. `owner` is the account that holds the position: route/model."""

    at: int
    position: str
    strategy: str
    symbol: str
    side: int
    owner: str


class Closed(msgspec.Struct, frozen=True, tag="closed"):
    """A position of one account is flat again."""

    at: int
    position: str
    owner: str


Event = Opened | Closed


class Feedback:
    """Executor events in the order (time of effect, arrival), and how far the executor has come.

    An event at `ts` takes effect `delay_ns` later. Rows up to `mark + delay_ns` may be handled: all events that can
    take effect by then have arrived.
    """

    def __init__(self, delay_ns: int) -> None:
        self._delay_ns = delay_ns
        self._heap: list[tuple[int, int, Event]] = []
        self._arrivals = 0
        self.begun = False
        self.mark = -1  # ts up to which the executor has said everything

    def begin(self, ts: int) -> None:
        """The first row there ever was is at `ts`: nothing can have happened before. Later calls change nothing."""
        if not self.begun:
            self.begun = True
            self.mark = max(self.mark, ts)

    def hear(self, message: Message) -> Event | None:
        """Take one message of the executor. Returns the event it is, if it opens or closes something."""
        event: Event | None = None
        if isinstance(message, Mark):
            self.mark = max(self.mark, min(message.ts, MAX_TS))
        elif isinstance(message, Fill):
            event = self._opened(message) if message.leg == "entry" else None
        elif isinstance(message, ClosedTrade):
            event = Closed(self._at(message), message.signal_id, _owner(message))
        if event is not None:
            self._push(event)
        return event

    def _opened(self, fill: Fill) -> Opened:
        return Opened(self._at(fill), fill.signal_id, fill.strategy, fill.symbol, fill.side, _owner(fill))

    def _at(self, message: Message) -> int:
        # Kernels count in 64 bits; a message may say anything.
        return min(max(message.ts, 0) + self._delay_ns, MAX_TS)

    def _push(self, event: Event) -> None:
        heapq.heappush(self._heap, (event.at, self._arrivals, event))
        self._arrivals += 1

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def limit(self) -> int:
        """Rows before this time may be handled."""
        return min(self.mark + self._delay_ns + 1, MAX_TS)

    def next_at(self, otherwise: int) -> int:
        """When the first event takes effect, or `otherwise` if there is none."""
        return self._heap[0][0] if self._heap else otherwise

    def take(self, ts: int) -> Iterator[Event]:
        """The events that have taken effect by `ts`, in order; they leave the queue."""
        while self._heap and self._heap[0][0] <= ts:
            yield heapq.heappop(self._heap)[2]

    def waiting(self) -> list[Event]:
        """The events that wait, in order."""
        return [event for _at, _arrival, event in sorted(self._heap, key=lambda item: item[:2])]

    def set_waiting(self, events: list[Event]) -> None:
        """Have `events` wait, and no others."""
        self._heap = []
        self._arrivals = 0
        for event in events:
            self._push(event)


def _owner(message: Fill | ClosedTrade) -> str:
    return f"{message.route}/{message.model_id}"
