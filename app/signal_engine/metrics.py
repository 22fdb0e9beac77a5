"""Figures of the signal engine. They outlive a core, which recovery may build anew."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.core.metrics import children, labelled
from app.features.engine import BOOK_FAULTS
from app.features.layout import REASONS


class EngineMetrics:
    """`pairs` are the (strategy, symbol) pairs watched, `symbols` those of the shard."""

    def __init__(self, registry: CollectorRegistry, pairs: Iterable[tuple[str, str]], symbols: Iterable[str]) -> None:
        self.rows = Counter("rows_total", "event rows received", registry=registry)
        self.dropped = Counter("rows_dropped_total", "event rows not used", ["reason"], registry=registry)
        self.faults = Counter("book_faults_total", "oddities of the depth feed", ["symbol", "kind"], registry=registry)
        self.signals = Counter("signals_total", "signals raised", ["strategy", "symbol", "kind"], registry=registry)
        self.late = Counter("late_feedback_total", "executor events that broke the executor's mark", registry=registry)
        self.pending = Gauge("pending_rows", "event rows waiting for the executor's mark", registry=registry)
        self.positions = Gauge("known_positions", "positions the signal engine knows to be open", registry=registry)
        self.signals_of, self.faults_of = children(self.signals), children(self.faults)
        labelled(self.dropped, REASONS)
        for strategy, symbol in pairs:
            for kind in ("entry", "hold"):
                self.signals.labels(strategy, symbol, kind)
        for symbol in symbols:
            for fault in BOOK_FAULTS:
                self.faults.labels(symbol, fault)
