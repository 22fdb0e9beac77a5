"""The model must be sure enough."""

from typing import ClassVar

from app.messages.signals import ScoredSignal
from app.risk.gates.base import Gate, Limits, Refusal


class ThresholdGate(Gate):
    """Refuses entries unless `tau_entry` ≤ score ≤ 1; what is not a number fails too."""

    reasons: ClassVar[tuple[str, ...]] = ("threshold",)

    def __init__(self, limits: Limits) -> None: ...

    def check(self, signal: ScoredSignal) -> Refusal | None:
        if signal.tau_entry <= signal.score <= 1.0:
            return None
        return Refusal("threshold", f"score {signal.score:.6g} is not within [tau_entry {signal.tau_entry:.6g}, 1]")
