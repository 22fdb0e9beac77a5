"""What the executor counts. Made once a process; cores come and go."""

from itertools import product
from typing import get_args

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Gauge

from app.core.metrics import children, labelled
from app.messages.base import Message
from app.messages.execution import ClosedTrade, Fill, FundingPaid, Leg, Liquidity, OrderStatus, OrderUpdate
from app.sim.tape import BACKWARDS, CLAMPED, FAULTY, FUTURE, UNKNOWN

ROUTES = ("paper", "canary", "full")
DROPS = {"faulty": FAULTY, "unknown_instrument": UNKNOWN, "out_of_order": BACKWARDS}


class ExecutorMetrics:
    """Counters of orders, fills, money and rows; every label known at start is exported as 0."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.trades_opened = Counter(
            "trades_opened", "Positions opened (first fill of an entry)", ["route"], registry=registry
        )
        self.trades_closed = Counter("trades_closed", "Round trips closed", ["route"], registry=registry)
        self.orders = Counter("orders", "Order updates sent", ["leg", "status"], registry=registry)
        self.fills = Counter("fills", "Executions", ["liquidity"], registry=registry)
        self.fees = Counter("fees", "Fees paid, in quote currency", registry=registry)
        self.rebates = Counter("rebates", "Fees received, in quote currency", registry=registry)
        self.funding = Counter("funding_payments", "Funding payments booked", registry=registry)
        self.duplicates = Counter("duplicate_approvals", "Approvals seen before, not acted upon", registry=registry)
        self.late = Counter("late_orders", "Entries approved after the mark that covers them", registry=registry)
        self.rows_dropped = Counter("rows_dropped", "Event rows no kernel may see", ["reason"], registry=registry)
        self.rows_clamped = Counter(
            "rows_clamped", "Rows older than what was already handled, moved up to it", registry=registry
        )
        self.rows_future = Counter(
            "rows_from_future", "Rows whose venue time was after we knew them, moved back to then", registry=registry
        )
        self.open_positions = Gauge("open_positions", "Positions held at the venue", registry=registry)
        self.pending_rows = Gauge("pending_rows", "Event rows on hold", registry=registry)
        self._orders_of, self._fills_of = children(self.orders), children(self.fills)
        labelled(self.trades_opened, ROUTES)
        labelled(self.trades_closed, ROUTES)
        labelled(self.fills, get_args(Liquidity))
        labelled(self.rows_dropped, DROPS)
        for leg, status in product(get_args(Leg), get_args(OrderStatus)):
            self.orders.labels(leg, status)

    def count(self, message: Message) -> None:
        """`message` was sent."""
        match message:
            case OrderUpdate():
                self._orders_of(message.leg, message.status).inc()
            case Fill():
                self._fills_of(message.liquidity).inc()
                (self.fees if message.fee >= 0 else self.rebates).inc(float(abs(message.fee)))
            case FundingPaid():
                self.funding.inc()
            case ClosedTrade():
                self.trades_closed.labels(message.route).inc()
            case _:
                pass

    def count_rows(self, counts: npt.NDArray[np.int64]) -> None:
        """`counts` rows of each fate were taken in."""
        for reason, fate in DROPS.items():
            if counts[fate]:
                self.rows_dropped.labels(reason).inc(int(counts[fate]))
        self.rows_clamped.inc(int(counts[CLAMPED]))
        self.rows_future.inc(int(counts[FUTURE]))
