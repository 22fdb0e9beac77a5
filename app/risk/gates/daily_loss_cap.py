"""A bad day ends early."""

from decimal import Decimal
from typing import Any, ClassVar, Final

from app.core.clock import NS_PER_S
from app.messages.execution import ClosedTrade
from app.messages.signals import ScoredSignal
from app.risk.gates.base import Gate, Limits, Refusal

_DAY: Final = 86_400 * NS_PER_S
#: A trade is known a feedback delay after it closed, which may be on the next day; no day older can still change.
_DAYS_KEPT: Final = 2


class DailyLossCapGate(Gate):
    """Refuses entries for the rest of a UTC day once its realised PnL was at or below `risk.daily_loss_cap_usd`.

    All strategies count together. The day of a trade is that of its close, in event time. A day stays stopped when
    positions still open win some of it back.
    """

    reasons: ClassVar[tuple[str, ...]] = ("daily_cap",)

    def __init__(self, limits: Limits) -> None:
        self._cap = Decimal(str(limits.risk.daily_loss_cap_usd))
        self._days: dict[int, tuple[Decimal, Decimal]] = {}  # day → realised PnL, and the lowest it has been

    def check(self, signal: ScoredSignal) -> Refusal | None:
        _, lowest = self._days.get(signal.ts // _DAY, (Decimal(0), Decimal(0)))
        if lowest <= self._cap:
            return Refusal("daily_cap", f"realised PnL reached {lowest} today, risk.daily_loss_cap_usd is {self._cap}")
        return None

    def on_trade(self, trade: ClosedTrade) -> bool:
        day = trade.ts // _DAY
        realised, lowest = self._days.get(day, (Decimal(0), Decimal(0)))
        realised += trade.pnl
        self._days[day] = (realised, min(lowest, realised))
        for old in sorted(self._days)[:-_DAYS_KEPT]:
            del self._days[old]
        return lowest > self._cap >= realised

    def snapshot(self) -> Any:
        return [[day, str(realised), str(lowest)] for day, (realised, lowest) in sorted(self._days.items())]

    def restore(self, state: Any) -> None:
        self._days = {day: (Decimal(realised), Decimal(lowest)) for day, realised, lowest in state}
