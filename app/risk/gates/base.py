"""What a gate is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from app.core.strategy import StrategySettings
from app.messages.control import Control
from app.messages.execution import ClosedTrade, OrderUpdate
from app.messages.signals import ScoredSignal
from app.risk.settings import RiskSettings, WarmupSettings


class Refusal(NamedTuple):
    """Why an entry was stopped: a fixed word (also the metric's label), and the figures behind it."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The configuration gates are built from. `strategies` has the disabled ones too; `feedback_ns` is in ns."""

    exchange_mode: str
    warmup: WarmupSettings
    risk: RiskSettings
    strategies: Mapping[str, StrategySettings]
    feedback_ns: int


class Gate(Protocol):
    """Stops entries. `check` only reads; what a gate knows, it learns from the observers, in event-time order.

    State is independent of the limits it is compared with, so a restart with other limits keeps it, and a tighter
    limit can never let through more.
    """

    #: Every reason this gate refuses with.
    reasons: ClassVar[tuple[str, ...]]

    def __init__(self, limits: Limits) -> None: ...

    def check(self, signal: ScoredSignal) -> Refusal | None:
        """Why the entry `signal` must not pass, or None."""

    def on_time(self, ts: int) -> None:
        """Event time is now `ts` (ns): that of the first message ever, then of each signal, before it is checked."""

    def on_control(self, control: Control) -> None:
        """An operator or guard said something. Comes on arrival, outside event-time order."""

    def on_approved(self, signal: ScoredSignal) -> None:
        """The entry `signal` passed every gate."""

    def on_order(self, update: OrderUpdate) -> None:
        """An entry order was submitted, or ended without a fill."""

    def on_trade(self, trade: ClosedTrade) -> bool:
        """A position was closed. True if that made this gate stop entries; then `RiskMetrics.triggers` counts it."""
        return False

    def snapshot(self) -> Any:
        """The state as plain data."""
        return None

    def restore(self, state: Any) -> None:
        """Replace the state with that of a snapshot."""
