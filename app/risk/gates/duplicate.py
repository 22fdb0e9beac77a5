"""An entry is approved once."""

from typing import Any, ClassVar, Final

from app.messages.signals import ScoredSignal
from app.risk.gates.base import Gate, Limits, Refusal

#: Ids remembered. At one approval a second this reaches back an hour; a repeat comes within seconds.
REMEMBERED: Final = 4096


class DuplicateGate(Gate):
    """Refuses ids among the last `REMEMBERED` approved."""

    reasons: ClassVar[tuple[str, ...]] = ("duplicate",)

    def __init__(self, limits: Limits) -> None:
        self._approved: dict[str, None] = {}  # insertion order is age

    def check(self, signal: ScoredSignal) -> Refusal | None:
        if signal.id in self._approved:
            return Refusal("duplicate", f"signal {signal.id} was approved before")
        return None

    def on_approved(self, signal: ScoredSignal) -> None:
        self._approved[signal.id] = None
        if len(self._approved) > REMEMBERED:
            del self._approved[next(iter(self._approved))]

    def snapshot(self) -> Any:
        return list(self._approved)

    def restore(self, state: Any) -> None:
        self._approved = dict.fromkeys(state)
