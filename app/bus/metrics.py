"""What every service loop measures, so that no service has to."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from app.core.metrics import LATENCY_BUCKETS, labelled

RETRY_REASONS = ("connection", "refused", "timeout", "handler_error")
DEAD_REASONS = ("malformed", "unknown_version", "schema_mismatch", "bad_input", "handler_error", "trimmed")


class LoopMetrics:
    """Counters of one loop. Made once a process: cores and connections come and go, these stay."""

    def __init__(self, registry: CollectorRegistry, inputs: Sequence[str]) -> None:
        self.messages = Counter(
            "bus_messages", "Messages (or event rows) through the loop", ["stream", "direction"], registry=registry
        )
        self.age = Histogram(
            "bus_message_age_seconds",
            "Age of an entry when it was handled",
            ["stream"],
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.lag = Gauge("bus_lag_entries", "Entries not yet read", ["stream"], registry=registry)
        self.retries = Counter("bus_retries", "Sessions with Redis begun anew", ["reason"], registry=registry)
        self.dead = Counter("bus_dead_letters", "Entries or parts refused", ["reason"], registry=registry)
        self.handle = Histogram(
            "bus_handle_seconds", "Time in the core for one batch", buckets=LATENCY_BUCKETS, registry=registry
        )
        self.refed = Counter("bus_refed_entries", "Entries fed again during recovery", registry=registry)
        self.resets = Counter("bus_state_resets", "Recoveries that found no state to recover", registry=registry)
        self.held = Gauge("bus_held", "1 while waiting for a slow reader downstream", registry=registry)
        labelled(self.retries, RETRY_REASONS)
        labelled(self.dead, DEAD_REASONS)
        # Label look-ups cost more than the increments they serve.
        self.read_of = {stream: self.messages.labels(stream, "in") for stream in inputs}
        self.age_of = {stream: self.age.labels(stream) for stream in inputs}
        for stream in inputs:
            self.lag.labels(stream).set(0)
