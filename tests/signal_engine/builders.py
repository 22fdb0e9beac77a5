"""A signal engine on two symbols, and an executor that answers it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from prometheus_client import CollectorRegistry

from app.core.clock import NS_PER_MS
from app.core.strategy import StrategySettings
from app.market.instruments import Instruments
from app.messages.base import Message
from app.messages.execution import ClosedTrade, Fill
from app.messages.signals import Mark, Signal
from app.messages.streams import Streams
from app.signal_engine.metrics import EngineMetrics
from app.signal_engine.service import SignalEngine
from app.signal_engine.settings import SignalEngineSettings
from tests.market.builders import instrument

STREAMS = Streams("test")
DELAY_MS = 1000
HOLD_MS = 200
CLOCK_NS = 100 * NS_PER_MS
INSTRUMENTS = Instruments({"BTCUSDT": instrument(), "ETHUSDT": instrument(2, "ETHUSDT", "0.01")})


def strategy(cooldown_ms: int = 400, hold_every_ms: int = 300, **other: object) -> StrategySettings:
    trigger = {"side_feature": "imbalance_5", "conditions": [{"feature": "imbalance_5", "abs_min": 0.2}]}
    return StrategySettings.model_validate(
        {
            "symbols": ["BTCUSDT", "ETHUSDT"],
            "trigger": {**trigger, "cooldown_ms": cooldown_ms},
            "exits": {"stop_loss_bps": 8, "take_profit_bps": 6, "max_hold_ms": 9000, "hold_every_ms": hold_every_ms},
            "capital": {"starting_cash": "1000", "max_notional": "100"},
            **other,
        }
    )


STRATEGIES = {"scalper": strategy(), "slow": strategy(2000, 700, symbols=["BTCUSDT"])}


class Desk:
    """Makes cores that share one set of metrics, as the service loop does."""

    def __init__(self, strategies: dict[str, StrategySettings] = STRATEGIES, max_pending_rows: int = 200_000) -> None:
        self.registry = CollectorRegistry()
        pairs = [(name, symbol) for name, one in strategies.items() for symbol in one.symbols]
        self._metrics = EngineMetrics(self.registry, pairs, ["BTCUSDT", "ETHUSDT"])
        self._strategies = strategies
        self._settings = SignalEngineSettings(book_ticks=1024, max_pending_rows=max_pending_rows)

    def core(self, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT")) -> SignalEngine:
        return SignalEngine(
            STREAMS,
            self._settings,
            strategies=self._strategies,
            instruments=INSTRUMENTS,
            symbols=symbols,
            feedback_delay_ns=DELAY_MS * NS_PER_MS,
            metrics=self._metrics,
        )

    def metric(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(name, labels)
        assert value is not None, f"{name}{labels} is not exported"
        return value


def fill(ts: int, signal: str, *, side: int = 1, symbol: str = "BTCUSDT", strategy: str = "scalper",
         leg: str = "entry", model: str = "m1") -> Fill:  # fmt: skip
    return Fill(
        ts=ts, fill_id=f"f-{signal}-{ts}", order_id=f"o-{signal}", signal_id=signal, strategy=strategy, symbol=symbol,
        leg=leg, side=side, px=Decimal(1000), qty=Decimal(1), fee=Decimal(0), liquidity="maker", model_id=model,
    )  # type: ignore[arg-type]  # fmt: skip


def closed(
    ts: int, signal: str, *, symbol: str = "BTCUSDT", strategy: str = "scalper", model: str = "m1"
) -> ClosedTrade:
    zero = Decimal(0)
    return ClosedTrade(
        ts=ts, signal_id=signal, strategy=strategy, symbol=symbol, side=1, qty=Decimal(1), entry_ts=ts, score=0.5,
        entry_px=Decimal(1), exit_px=Decimal(1), gross=zero, fees=zero, funding=zero, pnl=zero,
        exit_reason="take_profit", model_id=model,
    )  # fmt: skip


def executor_mark(ts: int) -> Mark:
    return Mark(ts=ts, source="executor")


@dataclass
class Executor:
    """Fills some entry signals, holds them for a while, and closes them, as their ids decide.

    It has come as far as the rows it saw, less the hold, and the last mark. It says so once a clock interval.
    """

    planned: list[tuple[int, int, Message]] = field(default_factory=list)
    plans: int = 0
    seen: int = -1
    marked: int = -1
    told: int = -1

    def take(self, message: Message) -> None:
        """Hear a message of the signal engine."""
        if isinstance(message, Signal) and message.kind == "entry":
            self._plan(message)
        elif isinstance(message, Mark):
            self.marked = message.ts

    def tell(self) -> list[Message]:
        """All that happened up to where it has come and was not told yet, then a mark."""
        frontier = min(self.seen - HOLD_MS * NS_PER_MS, self.marked)
        if frontier // CLOCK_NS <= self.told // CLOCK_NS:
            return []
        self.told = frontier
        due = sorted((event for event in self.planned if event[0] <= frontier), key=lambda event: event[:2])
        self.planned = [event for event in self.planned if event[0] > frontier]
        return [event for _ts, _number, event in due] + [executor_mark(frontier)]

    def _plan(self, signal: Signal) -> None:
        fate = random.Random(signal.id)
        if fate.random() < 0.3:
            return
        opened = signal.ts + fate.choice([0, 7, 450]) * NS_PER_MS
        shut = opened + fate.choice([0, 900, 2500]) * NS_PER_MS
        same = {"symbol": signal.symbol, "strategy": signal.strategy}
        events: list[Message] = [fill(opened, signal.id, side=signal.side, **same), closed(shut, signal.id, **same)]
        if fate.random() < 0.3:
            events += [fill(opened, signal.id, side=signal.side, model="m2", **same)]
            events += [closed(shut + 300 * NS_PER_MS, signal.id, model="m2", **same)]
        for event in events:
            self.planned.append((event.ts, self.plans, event))
            self.plans += 1


def told(messages: Sequence[Message]) -> tuple[list[Signal], Mark, Mark]:
    """What no cut may change: the signals, the first mark and the last. Of those between, any may be left out."""
    marks = [message for message in messages if isinstance(message, Mark)]
    return [message for message in messages if isinstance(message, Signal)], marks[0], marks[-1]


def assert_promises_hold(messages: Sequence[Message]) -> None:
    """No signal comes after a mark that covers it, and no mark takes another back."""
    promised = -1
    for message in messages:
        assert message.ts > promised if isinstance(message, Signal) else message.ts >= promised
        if isinstance(message, Mark):
            promised = message.ts
    assert promised > 0
