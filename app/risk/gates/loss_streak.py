"""After some losses in a row, a pause."""

from typing import Any, ClassVar

from app.core.clock import NS_PER_S
from app.messages.execution import ClosedTrade
from app.messages.signals import ScoredSignal
from app.risk.gates.base import Gate, Limits, Refusal


class LossStreakGate(Gate):
    """Refuses entries for `session_cooldown_minutes` after a loss that is the `loss_streak_max`-th in a row or later.

    All strategies count together, in the order their trades closed. Only a trade that does not lose ends a streak:
    after the pause a further loss begins the next pause at once.
    """

    reasons: ClassVar[tuple[str, ...]] = ("loss_streak",)

    def __init__(self, limits: Limits) -> None:
        self._most = limits.risk.loss_streak_max
        self._cooldown = round(limits.risk.session_cooldown_minutes * 60 * NS_PER_S)
        self._streak = 0
        self._last_loss = 0

    def check(self, signal: ScoredSignal) -> Refusal | None:
        left = self._last_loss + self._cooldown - signal.ts
        if self._streak >= self._most and left > 0:
            return Refusal("loss_streak", f"{self._streak} losses in a row, {left / NS_PER_S:.1f} s of the pause left")
        return None

    def on_trade(self, trade: ClosedTrade) -> bool:
        if trade.pnl >= 0:
            self._streak = 0
            return False
        self._streak += 1
        self._last_loss = max(self._last_loss, trade.ts)
        return self._streak >= self._most

    def snapshot(self) -> Any:
        return [self._streak, self._last_loss]

    def restore(self, state: Any) -> None:
        self._streak, self._last_loss = state
