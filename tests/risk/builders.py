"""Messages and limits for the tests of risk. Times are ms after midnight of a UTC day."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal

import msgspec
from prometheus_client import CollectorRegistry

from app.bus.types import Delivery, Outbox
from app.core.clock import NS_PER_MS
from app.core.strategy import CapitalSettings, Condition, ExitSettings, StrategySettings, TriggerSettings
from app.messages.base import Message
from app.messages.control import Control, ControlKind
from app.messages.execution import ClosedTrade, OrderUpdate
from app.messages.signals import ApprovedSignal, Dropped, Mark, ScoredSignal
from app.messages.streams import Streams
from app.risk.gates.base import Limits
from app.risk.metrics import RiskMetrics
from app.risk.service import RiskCore
from app.risk.settings import RiskSettings, WarmupSettings

STREAMS = Streams("test")
MIDNIGHT = 1_723_075_200_000  # 2024-08-08T00:00Z, ms
FEEDBACK_MS = 1000

SCALPER = StrategySettings(
    symbols=("BTCUSDT",),
    trigger=TriggerSettings(side_feature="imbalance_5", conditions=(Condition(feature="imbalance_5", abs_min=0.3),)),
    exits=ExitSettings(stop_loss_bps=8, take_profit_bps=6, max_hold_ms=10_000),
    capital=CapitalSettings(starting_cash=Decimal(10_000), max_notional=Decimal(1000)),
)
STRATEGIES = {"scalper": SCALPER, "second": SCALPER, "resting": SCALPER.model_copy(update={"enabled": False})}


def ns(ms: float) -> int:
    return round((MIDNIGHT + ms) * NS_PER_MS)


def limits(*, mode: str = "paper", warmup_s: float = 0, **risk: Any) -> Limits:
    """Limits that stop nothing but a low score, unless told otherwise."""
    loose: dict[str, Any] = {"max_positions": 1000, "daily_loss_cap_usd": -1e9, "loss_streak_max": 1000}
    return Limits(
        exchange_mode=mode,
        warmup=WarmupSettings(enabled=True, seconds=warmup_s),
        risk=RiskSettings(**{**loose, **risk}),
        strategies=STRATEGIES,
        feedback_ns=FEEDBACK_MS * NS_PER_MS,
    )


def scored(ms: float, name: str = "", *, kind: Literal["entry", "hold"] = "entry", **fields: Any) -> ScoredSignal:
    basic = ScoredSignal(
        ts=ns(ms),
        id=name or f"s{ms}",
        strategy="scalper",
        symbol="BTCUSDT",
        kind=kind,
        side=1,
        ts_event=ns(ms) - 1,
        bid=60_000.0,
        ask=60_000.1,
        score=0.9,
        model_id="m",
        tau_entry=0.6,
        tau_hold=0.3,
        position_id="" if kind == "entry" else "p",
    )
    return msgspec.structs.replace(basic, **fields)


def mark(ms: float, source: str = "signal_engine") -> Mark:
    return Mark(ts=ns(ms), source=source)


def executor_mark(ms: float) -> Mark:
    return mark(ms, "executor")


def order(ms: float, signal: str, status: str = "cancelled", **fields: Any) -> OrderUpdate:
    basic = OrderUpdate(
        ts=ns(ms),
        order_id=f"{signal}-entry-0",
        signal_id=signal,
        strategy="scalper",
        symbol="BTCUSDT",
        leg="entry",
        side=1,
        status=status,  # type: ignore[arg-type]
        px=Decimal(60_000),
        qty=Decimal("0.01"),
    )
    return msgspec.structs.replace(basic, **fields)


def trade(ms: float, signal: str, pnl: str = "1", **fields: Any) -> ClosedTrade:
    basic = ClosedTrade(
        ts=ns(ms),
        signal_id=signal,
        strategy="scalper",
        symbol="BTCUSDT",
        side=1,
        qty=Decimal("0.01"),
        entry_ts=ns(ms) - 1,
        entry_px=Decimal(60_000),
        exit_px=Decimal(60_000),
        gross=Decimal(pnl),
        fees=Decimal(0),
        funding=Decimal(0),
        pnl=Decimal(pnl),
        exit_reason="test",
        score=0.9,
    )
    return msgspec.structs.replace(basic, **fields)


def control(kind: ControlKind, reason: str = "drill") -> Control:
    return Control(ts=0, kind=kind, source="operator", reason=reason)


class Desk:
    """A risk core with its counters, fed by hand."""

    def __init__(self, given: Limits | None = None) -> None:
        self.limits = given or limits()
        self.registry = CollectorRegistry()
        self.metrics = RiskMetrics(self.registry, symbols=("BTCUSDT",))
        self.core = self.another_core()
        self.out = Outbox()

    def another_core(self) -> RiskCore:
        return RiskCore(STREAMS, self.limits, self.metrics)

    def scored(self, *messages: Message) -> None:
        self._feed(STREAMS.scored, messages)

    def execution(self, *messages: Message) -> None:
        self._feed(STREAMS.execution, messages)

    def control(self, *messages: Message) -> None:
        self._feed(STREAMS.control, messages)

    def _feed(self, stream: str, messages: Iterable[Message]) -> None:
        self.core.advance(Delivery(stream, "1-0", list(messages)), self.out)

    @property
    def passed(self) -> list[Message]:
        """What went to the executor."""
        return self.out.messages.get(STREAMS.approved, [])

    @property
    def approved(self) -> list[str]:
        return [message.id for message in self.passed if isinstance(message, ApprovedSignal)]

    @property
    def dropped(self) -> list[tuple[str, str]]:
        messages = self.out.messages.get(STREAMS.dropped, [])
        return [(message.id, message.reason) for message in messages if isinstance(message, Dropped)]

    def value(self, name: str, **labels: str) -> float | None:
        """A metric as Prometheus would see it; None if it is not exported."""
        return self.registry.get_sample_value(name, labels)
