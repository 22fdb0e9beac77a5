"""Approvals: what has been approved before, and up to when nothing new can be."""

from app.core.clock import NS_PER_S
from app.core.errors import BadInput
from app.messages.signals import ApprovedSignal

#: Entry ids are remembered this long (ns of event time) behind the last mark. An approval older than that is refused
#: as stale, so none can be forgotten and then taken for new.
MEMORY = 600 * NS_PER_S


class Approvals:
    """The stream sig:approved as it was read so far."""

    def __init__(self) -> None:
        self.mark: int | None = None
        self._seen: dict[str, int] = {}

    def __len__(self) -> int:
        """Ids remembered."""
        return len(self._seen)

    def promise(self, ts: int) -> None:
        """A mark: every approval up to `ts` was sent before it."""
        if self.mark is None or ts > self.mark:
            self.mark = ts
            # Ids are in the order they came, which is that of their times but for late ones; those stay a bit longer.
            while self._seen and next(iter(self._seen.values())) <= ts - MEMORY:
                del self._seen[next(iter(self._seen))]

    def is_new(self, signal: ApprovedSignal) -> bool:
        """Remember an entry's id; False if it was seen before.

        Raises:
            BadInput: the approval is older than the memory (reason ``stale``).
        """
        if self.mark is not None and signal.ts <= self.mark - MEMORY:
            raise BadInput(
                f"approval {signal.id} of {signal.ts} came {self.mark - signal.ts} ns behind the mark {self.mark}; "
                f"approvals more than {MEMORY} ns behind are not acted upon",
                reason="stale",
            )
        if signal.id in self._seen:
            return False
        self._seen[signal.id] = signal.ts
        return True

    def is_late(self, signal: ApprovedSignal) -> bool:
        """True if a mark had promised that no such approval would come."""
        return self.mark is not None and signal.ts <= self.mark

    def not_before(self, signal: ApprovedSignal) -> int:
        """The time at which the signal may act: its own, or the first after the mark if it is late."""
        return signal.ts if self.mark is None else max(signal.ts, self.mark + 1)

    def snapshot(self) -> tuple[int | None, dict[str, int]]:
        """Mark and ids as plain data."""
        return self.mark, self._seen

    def restore(self, mark: int | None, seen: dict[str, int]) -> None:
        """Become the state of a snapshot."""
        self.mark, self._seen = mark, seen
