"""The executor's core on a stage: rows and approvals written by hand, messages collected."""

from decimal import Decimal

from prometheus_client import CollectorRegistry

from app.bus.types import Delivery, Outbox
from app.core.strategy import StrategySettings
from app.executor.metrics import ExecutorMetrics
from app.executor.rules import Rules
from app.executor.service import ExecutorCore
from app.messages.base import Message
from app.messages.codec import decode, encode
from app.messages.execution import ClosedTrade, Equity, Fill, FundingPaid, OrderUpdate
from app.messages.signals import ApprovedSignal, Mark
from app.messages.streams import Streams
from app.sim.fees import FlatFees
from app.sim.latency import ConstantLatency
from app.sim.queue import RISK_AVERSE
from tests.sim.feed import BTC, ETH, Feed, at

STREAMS = Streams("t")
MS = 1_000_000

STRATEGY = StrategySettings.model_validate(
    {
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "trigger": {"side_feature": "imbalance_5"},
        "entry": {"ttl_ms": 3000},
        "exits": {"stop_loss_bps": 8, "take_profit_bps": 6, "max_hold_ms": 10_000, "hold_grace_ms": 2000},
        "capital": {"starting_cash": "10000", "max_notional": "1000"},
    }
)


def rules(**changes) -> Rules:
    """Round figures: 2 ms to decide, 5 ms each way, 200 ms of hold, equity every second."""
    values = {
        "instruments": (BTC, ETH),
        "strategies": {"scalper": STRATEGY, "other": STRATEGY},
        "fees": FlatFees(Decimal("0.0002"), Decimal("0.00055")),
        "latency": ConstantLatency(5 * MS, 5 * MS),
        "queue": RISK_AVERSE,
        "decision": 2 * MS,
        "hold": 200 * MS,
        "clock": 100 * MS,
        "equity_every": 1000 * MS,
        "book_ticks": 4096,
    }
    return Rules(**{**values, **changes})


def approval(ms: float, id: str = "s1", **changes) -> ApprovedSignal:
    """A long of 60 lots at most (at 59999.9), stop 8 bps, target 6 bps."""
    values = {
        "ts": at(ms),
        "id": id,
        "strategy": "scalper",
        "symbol": "BTCUSDT",
        "kind": "entry",
        "side": 1,
        "ts_event": at(ms),
        "bid": 59999.9,
        "ask": 60000.1,
        "score": 0.7,
        "model_id": "m1",
        "tau_hold": 0.4,
        "max_notional": 3600.0,
        "stop_loss_bps": 8.0,
        "take_profit_bps": 6.0,
        "max_hold_ms": 10_000,
    }
    return ApprovedSignal(**{**values, **changes})


def hold(ms: float, score: float, position: str = "s1", **changes) -> ApprovedSignal:
    """A hold evaluation of a position."""
    return approval(ms, f"h-{position}-{ms}", kind="hold", score=score, position_id=position, **changes)


def mark(ms: float) -> Mark:
    return Mark(ts=at(ms), source="risk")


class Stage:
    """Feeds a core and keeps what it sends; every message has been through the wire's encoding."""

    def __init__(self, **changes) -> None:
        self.rules = rules(**changes)
        self.registry = CollectorRegistry()
        self.metrics = ExecutorMetrics(self.registry)
        self.core = ExecutorCore(STREAMS, self.rules, self.metrics)
        self.sent: list[Message] = []
        self.refused: list = []

    def _deliver(self, delivery: Delivery) -> list[Message]:
        out = Outbox()
        self.core.advance(delivery, out)
        assert set(out.messages) <= {STREAMS.execution}
        fresh, bad = decode(encode(out.messages.get(STREAMS.execution, [])))
        assert not bad
        self.sent += fresh
        self.refused += out.dead
        return fresh

    def rows(self, feed: Feed) -> list[Message]:
        return self._deliver(Delivery(STREAMS.md, "1-0", block=feed.take()))

    def block(self, block: bytes) -> list[Message]:
        return self._deliver(Delivery(STREAMS.md, "1-0", block=block))

    def approved(self, *messages: Message) -> list[Message]:
        return self._deliver(Delivery(STREAMS.approved, "1-0", messages))

    def play(self, feed: Feed, *approvals: Message, until: float) -> list[Message]:
        """Rows, approvals, then enough time for everything up to `until` ms to happen.

        What is played next must be received more than 200 ms after `until`.
        """
        before = len(self.sent)
        self.rows(feed.clock(until + 200.001))
        self.approved(*approvals, mark(until))
        assert self.value("rows_dropped_total", reason="out_of_order") == 0, "rows played out of order"
        return self.sent[before:]

    def orders(self) -> list[tuple[float, str, str, str]]:
        """(ms, order id without the signal's, status, reason) of every order update."""
        return [((m.ts - at(0)) / MS, m.order_id, m.status, m.reason) for m in self.sent if isinstance(m, OrderUpdate)]

    def fills(self) -> list[tuple[float, str, str, str, str]]:
        """(ms, order id, price, quantity, liquidity) of every fill."""
        return [
            ((m.ts - at(0)) / MS, m.order_id, str(m.px), str(m.qty), m.liquidity)
            for m in self.sent
            if isinstance(m, Fill)
        ]

    def trades(self) -> list[ClosedTrade]:
        return [m for m in self.sent if isinstance(m, ClosedTrade)]

    def equities(self) -> list[Equity]:
        return [m for m in self.sent if isinstance(m, Equity)]

    def funding(self) -> list[FundingPaid]:
        return [m for m in self.sent if isinstance(m, FundingPaid)]

    def marks(self) -> list[float]:
        return [(m.ts - at(0)) / MS for m in self.sent if isinstance(m, Mark)]

    def value(self, name: str, **labels) -> float | None:
        return self.registry.get_sample_value(name, labels)


def market(ms: float = 0, *, bid=59999.9, ask=60000.1, qty=1.0) -> Feed:
    """A book ten levels deep with `qty` on each."""
    return Feed().book(
        ms,
        bids=[(bid - n * 0.1, qty) for n in range(10)],
        asks=[(ask + n * 0.1, qty) for n in range(10)],
    )


def moved(feed: Feed, ms: float, *, bid: float, ask: float, qty=1.0) -> Feed:
    """The whole book anew around another price, as a snapshot."""
    return feed.snapshot(
        ms, bids=[(bid - n * 0.1, qty) for n in range(10)], asks=[(ask + n * 0.1, qty) for n in range(10)]
    )
