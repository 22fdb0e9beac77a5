"""The metrics endpoint of a process.

Each process has one `CollectorRegistry`, made in its `main.py` and handed down; nothing registers globally. Known
label sets are created at start, so that a series exists (as 0) before its first event.
"""

from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)

from app.core.errors import Misconfigured

# A message crosses a hop in 0.2 ms to seconds; the buckets are dense where the targets lie.
LATENCY_BUCKETS = (
    0.0002, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip


def new_registry() -> CollectorRegistry:
    """A registry with the process's own figures (CPU, resident memory, start time, file descriptors)."""
    # A creation time beside every counter doubles what is scraped and tells nothing the start time does not.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


_Metric = TypeVar("_Metric", Counter, Gauge)


def children(metric: _Metric) -> Callable[..., _Metric]:
    """`metric.labels` for what counts often: a child is looked up once, since the look-up costs more than counting."""
    return cache(metric.labels)


def labelled(metric: Counter | Gauge, values: Iterable[str]) -> None:
    """Export zero for every known value of a one-label metric."""
    for value in values:
        metric.labels(value)


def serve_metrics(registry: CollectorRegistry, *, service: str, host: str, port: int) -> int:
    """Serve `registry` over HTTP and return the port (useful when `port` is 0).

    Raises:
        Misconfigured: the port is taken or may not be opened.
    """
    try:
        server, _thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise Misconfigured(
            f"metrics port {host}:{port} of {service} cannot be opened ({error.strerror}); "
            f"stop what uses it or set metrics.{service} to another port (0 takes a free one)"
        ) from None
    return int(server.server_port)
