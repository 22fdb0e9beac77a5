"""Which differences of a book may be applied, and when, by the exchange's rule for a local order book.

Differences follow one another by `pu` = the last `u`. Those with u < the snapshot's lastUpdateId are left out, and the
first one used must reach across it. Source: the venue's page "How to manage a local order book correctly".
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from app.core.clock import NS_PER_S

#: How long, by ts_recv, differences wait for a snapshot that lies ahead, at the start and after a gap.
WAIT_NS: Final = 60 * NS_PER_S


class Difference(NamedTuple):
    """Updates `low` to `high`, which follow `prev`, in `message` of the recording, received at `ts` (ns)."""

    message: int
    ts: int
    low: int
    high: int
    prev: int


class Step(NamedTuple):
    """`message` becomes known at `ts`; `moved` if that is not when it was received.

    With `clear` it is not the message that becomes known, but that the book before it is worthless.
    """

    message: int
    ts: int
    moved: bool = False
    clear: bool = False


@dataclass
class DepthSync:
    """Feed it a book's messages in order; `steps` collects what becomes of them, `dropped` why the others do not.

    `snapshots` are the times of all snapshots in the recording, in order: a difference waits for one that is near.
    Without one, the book builds up from differences, as the exchange has no other way of saying what it was before.
    A gap clears the book. `gaps` has the messages that revealed one.
    """

    snapshots: list[int]
    steps: list[Step] = field(default_factory=list)
    dropped: list[tuple[int, str]] = field(default_factory=list)
    gaps: list[int] = field(default_factory=list)
    applied: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._last: int | None = None
        self._snapshot_id = -1
        self._synced = self._reached = False
        self._waiting_until: int | None = None
        self._recent: deque[Difference] = deque()
        self._passed = 0
        self._empty = True

    def difference(self, diff: Difference) -> None:
        """The next difference."""
        if self._last is None:
            if not self._synced:
                self._start(diff.ts)
        elif diff.high <= self._last:
            self.dropped.append((diff.message, "duplicate"))
            return
        elif diff.prev != self._last:
            self._lose(diff)
        self._last = diff.high
        self._remember(diff)
        if not self._waits():
            self._apply(diff)

    def snapshot(self, message: int, ts: int, update_id: int) -> None:
        """The next snapshot."""
        self._passed += 1
        if self._synced and (self._last is None or self._last >= update_id):
            self.dropped.append((message, "snapshot_not_needed"))
            return
        later = [diff for diff in self._recent if diff.high >= update_id]
        if later and later[0].prev > update_id:
            self.dropped.append((message, "snapshot_too_old"))
            self._go_without(ts)
            return
        if self._waits():
            early = (diff for diff in self._recent if diff.high < update_id)
            self.dropped.extend((diff.message, "before_snapshot") for diff in early)
        self._synced, self._snapshot_id, self._reached, self._waiting_until = True, update_id, bool(later), None
        self._empty = False
        self.applied["snapshot"] += 1
        self.steps.append(Step(message, ts))
        self.steps.extend(Step(diff.message, ts, moved=True) for diff in later)
        self._recent.clear()

    def _apply(self, diff: Difference) -> None:
        if self._synced and not self._reached:
            if diff.high < self._snapshot_id:
                self.dropped.append((diff.message, "before_snapshot"))
                return
            self._reached = True
            if diff.prev > self._snapshot_id:
                self._lose(diff)
                if self._waits():
                    return
        self._empty = False
        self.applied["difference"] += 1
        self.steps.append(Step(diff.message, diff.ts))

    def _lose(self, diff: Difference) -> None:
        """Differences before `diff` are missing: the book is unknown."""
        self.gaps.append(diff.message)
        if self._waiting_until is not None:
            self.dropped.extend((held.message, "before_gap") for held in self._recent)
        self._recent.clear()
        if not self._empty:
            self.steps.append(Step(diff.message, diff.ts, clear=True))
        self._empty, self._synced = True, False
        self._start(diff.ts)
        self._recent.append(diff)

    def _waits(self) -> bool:
        return self._waiting_until is not None

    def _start(self, ts: int) -> None:
        """Begin to wait if a snapshot comes soon."""
        ahead = self.snapshots[self._passed] if self._passed < len(self.snapshots) else None
        self._waiting_until = ahead if ahead is not None and ahead <= ts + WAIT_NS else None

    def _go_without(self, ts: int) -> None:
        """A snapshot did not serve: wait for the next one if it is near, else build up from differences."""
        if self._waits():
            self._start(ts)
            if not self._waits():
                self._flush(ts)

    def _flush(self, ts: int) -> None:
        """Apply what has waited."""
        self._waiting_until = None
        for diff in self._recent:
            self.steps.append(Step(diff.message, ts, moved=True))
            self._empty = False

    def _remember(self, diff: Difference) -> None:
        if not self._recent or self._recent[-1] is not diff:
            self._recent.append(diff)
        while self._recent[0].ts < diff.ts - WAIT_NS:
            self._recent.popleft()
