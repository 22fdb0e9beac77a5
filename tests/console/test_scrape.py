from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from app.bus.metrics import LoopMetrics
from app.console.scrape import Scraper
from app.core.metrics import new_registry

STREAM = "sig:raw:{main}"


@pytest.fixture
def registry() -> CollectorRegistry:
    return new_registry()


@pytest.fixture
def url(registry: CollectorRegistry) -> Iterator[str]:
    server, thread = start_http_server(0, addr="127.0.0.1", registry=registry)
    yield f"http://127.0.0.1:{server.server_port}/metrics"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_a_process_is_read_from_the_metrics_the_loop_really_exports(
    registry: CollectorRegistry, url: str
) -> None:
    metrics = LoopMetrics(registry, [STREAM])
    metrics.read_of[STREAM].inc(12)
    metrics.messages.labels("sig:scored:{main}", "out").inc(5)
    metrics.age_of[STREAM].observe(0.004)
    metrics.lag.labels(STREAM).set(3)
    metrics.retries.labels("connection").inc(2)
    metrics.dead.labels("malformed").inc()
    Gauge("service_ready", "", ["service"], registry=registry).labels("ai_scorer").set(1)
    Counter("something_else", "", registry=registry).inc()
    scraper = Scraper()
    found = await scraper.read(url)
    await scraper.close()
    assert found is not None
    assert found.ready
    assert not found.feed_finished
    assert (found.received, found.sent, found.retries, found.dead_letters) == (12, 5, 2, 1)
    assert found.lag == {STREAM: 3}
    assert found.ages[STREAM][0.003] == 0
    assert found.ages[STREAM][0.005] == 1
    assert found.rss_bytes > 1e6
    assert found.cpu_s > 0
    assert found.started > 1e9


async def test_what_does_not_answer_is_none_and_does_not_hold_up_the_others(url: str) -> None:
    scraper = Scraper()
    found = await scraper.read_all({"there": url, "gone": "http://127.0.0.1:1/metrics"})
    await scraper.close()
    assert found["there"] is not None
    assert found["gone"] is None
