"""The metrics endpoint: a real port, read over HTTP."""

import socket
import urllib.request

import pytest
from prometheus_client import Counter

from app.core.errors import Misconfigured
from app.core.metrics import LATENCY_BUCKETS, labelled, new_registry, serve_metrics


def _page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
        return str(reply.read().decode())


@pytest.fixture
def served() -> tuple[Counter, int]:
    registry = new_registry()
    counter = Counter("things", "Things counted", ["kind"], registry=registry)
    return counter, serve_metrics(registry, service="risk", host="127.0.0.1", port=0)


def test_a_registry_is_served_with_the_process_s_own_figures(served: tuple[Counter, int]) -> None:
    counter, port = served
    labelled(counter, ["red", "blue"])
    counter.labels("blue").inc(2)
    page = _page(port)
    assert 'things_total{kind="red"} 0.0' in page
    assert 'things_total{kind="blue"} 2.0' in page
    assert "process_resident_memory_bytes" in page


def test_registries_are_apart(served: tuple[Counter, int]) -> None:
    counter, _port = served
    counter.labels("red").inc()
    other = serve_metrics(new_registry(), service="executor", host="127.0.0.1", port=0)
    assert "things_total" not in _page(other)


def test_a_port_in_use_is_named_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(
            Misconfigured,
            match=rf"^metrics port 127\.0\.0\.1:{port} of risk cannot be opened \(Address already in use\); "
            r"stop what uses it or set metrics\.risk to another port \(0 takes a free one\)$",
        ):
            serve_metrics(new_registry(), service="risk", host="127.0.0.1", port=port)


def test_an_address_of_another_machine_is_refused() -> None:
    # 192.0.2.0/24 is set aside for documentation: no machine has it.
    with pytest.raises(Misconfigured, match=r"^metrics port 192\.0\.2\.1:\d+ of risk cannot be opened"):
        serve_metrics(new_registry(), service="risk", host="192.0.2.1", port=0)


def test_buckets_rise_and_are_dense_at_milliseconds() -> None:
    assert list(LATENCY_BUCKETS) == sorted(set(LATENCY_BUCKETS))
    assert sum(0.001 <= bound <= 0.01 for bound in LATENCY_BUCKETS) >= 7
