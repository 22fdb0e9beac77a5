"""What the sandbox has done so far, and the metrics made from it."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector, CollectorRegistry

from app.sandbox.faults import Faults

TOPIC_KINDS = ("publicTrade", "orderbook", "tickers")


@dataclass(slots=True)
class Counts:
    """Plain numbers, cheap to add to in the publishing loop."""

    frames: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOPIC_KINDS, 0))
    bytes: int = 0
    clients: int = 0
    slow_clients: int = 0
    rest_requests: int = 0
    lag_s: float = 0.0


class CountsCollector(Collector):
    """Reads `Counts` and `Faults` when Prometheus asks."""

    def __init__(self, counts: Counts, faults: Faults) -> None:
        self._counts = counts
        self._faults = faults

    def collect(self) -> Iterator[Metric]:
        """The metrics of the sandbox."""
        counts = self._counts
        frames = CounterMetricFamily("sandbox_frames", "Websocket data frames sent", labels=["topic"])
        for kind, number in counts.frames.items():
            frames.add_metric([kind], number)
        faults = CounterMetricFamily("sandbox_faults", "Faults that have struck", labels=["kind"])
        for kind, number in self._faults.struck.items():
            faults.add_metric([kind], number)
        yield frames
        yield faults
        yield CounterMetricFamily("sandbox_bytes", "Bytes of websocket data frames sent", value=counts.bytes)
        yield CounterMetricFamily("sandbox_rest_requests", "REST calls answered", value=counts.rest_requests)
        yield CounterMetricFamily(
            "sandbox_slow_clients", "Clients cut off because they did not read", value=counts.slow_clients
        )
        yield GaugeMetricFamily("sandbox_clients", "Websockets open", value=counts.clients)
        yield GaugeMetricFamily("sandbox_lag_seconds", "How far publishing is behind its schedule", value=counts.lag_s)


def export(registry: CollectorRegistry, counts: Counts, faults: Faults) -> None:
    """Offer the figures on `registry`."""
    registry.register(CountsCollector(counts, faults))
