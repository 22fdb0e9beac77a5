"""What risk counts. Made once a process; cores come and go."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter

from app.core.metrics import children, labelled
from app.risk.gates.chain import REASONS


class RiskMetrics:
    """Counters of signals, drops and triggered limits; every label known at start is exported as 0."""

    def __init__(self, registry: CollectorRegistry, *, symbols: Iterable[str]) -> None:
        self.signals = Counter("signals", "Scored signals received", ["kind"], registry=registry)
        self.approved = Counter("approved", "Entries approved", registry=registry)
        self.dropped = Counter("dropped", "Entries dropped", ["reason"], registry=registry)
        self.warmup_drop = Counter("warmup_drop", "Entries dropped during warm-up", ["symbol"], registry=registry)
        self.daily_cap_trigger = Counter(
            "daily_cap_trigger", "Days stopped because of their realised loss", registry=registry
        )
        self.streak_halt = Counter("streak_halt", "Pauses begun because of losses in a row", registry=registry)
        self.late_events = Counter(
            "late_execution_events", "Executor events that came after the mark that covers them", registry=registry
        )
        #: By the class name of the gate that a trade made stop entries.
        self.triggers = {"DailyLossCapGate": self.daily_cap_trigger, "LossStreakGate": self.streak_halt}
        self.signals_of, self._dropped_of = children(self.signals), children(self.dropped)
        labelled(self.signals, ("entry", "hold"))
        labelled(self.dropped, REASONS)
        labelled(self.warmup_drop, symbols)

    def count_drop(self, reason: str, symbol: str) -> None:
        """One entry of `symbol` was dropped."""
        self._dropped_of(reason).inc()
        if reason == "warmup":
            self.warmup_drop.labels(symbol).inc()
