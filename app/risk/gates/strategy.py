"""Only strategies that are configured and switched on may enter."""

from typing import ClassVar

from app.messages.signals import ScoredSignal
from app.risk.gates.base import Gate, Limits, Refusal


class StrategyGate(Gate):
    """Refuses entries of strategies that are unknown or disabled."""

    reasons: ClassVar[tuple[str, ...]] = ("unknown_strategy",)

    def __init__(self, limits: Limits) -> None:
        self._strategies = limits.strategies

    def check(self, signal: ScoredSignal) -> Refusal | None:
        strategy = self._strategies.get(signal.strategy)
        if strategy is None:
            return Refusal("unknown_strategy", f"strategies has no {signal.strategy!r}")
        if not strategy.enabled:
            return Refusal("unknown_strategy", f"strategies.{signal.strategy}.enabled is false")
        return None
