"""Brings scored signals and executor events into one order that depends on their times alone."""

import heapq
from collections import deque
from collections.abc import Iterator
from typing import Any

from app.messages.execution import ClosedTrade, OrderUpdate
from app.messages.signals import Mark, ScoredSignal

Scored = ScoredSignal | Mark
Event = OrderUpdate | ClosedTrade


class Timeline:
    """Merges two streams that are each in order but interleave at random.

    An executor event of time s is known at s + `feedback_ns`. A signal of time t comes after all events known by t,
    so it waits until the executor has promised (by a `Mark`) to have told everything up to t - `feedback_ns`. Before
    its first mark the executor, which acts on approvals alone, has nothing to tell about times before the first
    scored message. A mark keeps its place behind the signals before it and waits for nothing else: after a silence
    the executor's next promise depends on it.
    """

    def __init__(self, feedback_ns: int) -> None:
        self._feedback = feedback_ns
        self._promised: int | None = None
        self._begun = False
        self._waiting: deque[Scored] = deque()
        self._events: list[tuple[int, int, Event]] = []
        self._arrivals = 0

    def __len__(self) -> int:
        """Scored messages that wait."""
        return len(self._waiting)

    def add_scored(self, message: Scored) -> bool:
        """The next message of the scored stream. True if it is the first there ever was."""
        self._waiting.append(message)
        first, self._begun = not self._begun, True
        if first:
            self.promise(message.ts - 1)
        return first

    def add_event(self, event: Event) -> bool:
        """An executor event, in arrival order. False if it breaks a promise: it is then known later than it should."""
        heapq.heappush(self._events, (event.ts, self._arrivals, event))
        self._arrivals += 1
        return self._promised is None or event.ts > self._promised

    def promise(self, ts: int) -> None:
        """The executor has told everything up to `ts` (ns)."""
        self._promised = ts if self._promised is None else max(self._promised, ts)

    def due(self) -> Iterator[Scored | Event]:
        """Take out what can be handled now, in order."""
        while self._waiting:
            if isinstance(self._waiting[0], ScoredSignal):
                known = self._waiting[0].ts - self._feedback
                if self._promised is None or known > self._promised:
                    return
                while self._events and self._events[0][0] <= known:
                    yield heapq.heappop(self._events)[2]
            yield self._waiting.popleft()

    def snapshot(self) -> Any:
        """The state as plain data and messages."""
        events = sorted(self._events, key=lambda event: event[:2])
        return [self._begun, self._promised, list(self._waiting), events, self._arrivals]

    def restore(self, state: Any) -> None:
        """Replace the state with that of a snapshot."""
        self._begun, self._promised, waiting, events, self._arrivals = state
        self._waiting = deque(waiting)
        self._events = list(events)  # sorted, so a heap
