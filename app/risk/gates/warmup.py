"""No entry in the first seconds, while book and features settle."""

from typing import Any, ClassVar

from app.core.clock import NS_PER_S
from app.messages.signals import ScoredSignal
from app.risk.gates.base import Gate, Limits, Refusal


class WarmupGate(Gate):
    """Refuses entries less than `warmup.seconds` of event time after the first time ever seen."""

    reasons: ClassVar[tuple[str, ...]] = ("warmup",)

    def __init__(self, limits: Limits) -> None:
        self._wait = round(limits.warmup.seconds * NS_PER_S) if limits.warmup.enabled else 0
        self._first: int | None = None

    def check(self, signal: ScoredSignal) -> Refusal | None:
        first = signal.ts if self._first is None else self._first
        if signal.ts - first < self._wait:
            age, wait = (signal.ts - first) / NS_PER_S, self._wait / NS_PER_S
            return Refusal("warmup", f"{age:.3f} s since the first event, warmup.seconds is {wait:g}")
        return None

    def on_time(self, ts: int) -> None:
        if self._first is None:
            self._first = ts

    def snapshot(self) -> Any:
        return self._first

    def restore(self, state: Any) -> None:
        self._first = state
