"""Comparing filters with the venue's: until it answers, and loudly."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from app.collector.metrics import CollectorMetrics
from app.collector.reference_check import check_reference
from app.core.errors import Misconfigured, Retryable
from app.market.instruments import read_instruments
from app.venues.reference import Reference

KNOWN = read_instruments(Path(__file__).resolve().parents[2] / "config" / "symbols.yml")
SYMBOLS = [KNOWN["BTCUSDT"], KNOWN["ETHUSDT"]]
OURS = {i.symbol: Reference(i.tick_size, i.lot_size, i.min_qty, i.min_notional) for i in SYMBOLS}


def answering(*answers: dict[str, Reference] | Exception) -> Callable[[], Awaitable[dict[str, Reference]]]:
    left = list(answers)

    async def fetch() -> dict[str, Reference]:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return fetch


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> CollectorMetrics:
    return CollectorMetrics(registry, [i.symbol for i in SYMBOLS])


def mismatches(registry: CollectorRegistry, symbol: str) -> float | None:
    return registry.get_sample_value("exchange_reference_mismatch_total", {"symbol": symbol})


async def test_equal_filters_are_no_news(registry: CollectorRegistry, metrics: CollectorMetrics) -> None:
    await check_reference(answering(OURS), SYMBOLS, metrics, retry_max_s=1)
    assert mismatches(registry, "BTCUSDT") == mismatches(registry, "ETHUSDT") == 0


async def test_each_filter_that_differs_is_counted_and_told(
    registry: CollectorRegistry, metrics: CollectorMetrics, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = {**OURS, "ETHUSDT": OURS["ETHUSDT"]._replace(tick_size=Decimal("0.05"), min_notional=Decimal(10))}
    await check_reference(answering(theirs), SYMBOLS, metrics, retry_max_s=1)
    assert mismatches(registry, "BTCUSDT") == 0
    assert mismatches(registry, "ETHUSDT") == 2
    told = "".join(capsys.readouterr())
    assert "filter=tick_size" in told
    assert "venue=0.05" in told


async def test_asks_until_the_venue_answers(registry: CollectorRegistry, metrics: CollectorMetrics) -> None:
    fetch = answering(Retryable("down"), Retryable("down"), OURS)
    async with asyncio.timeout(5):
        await check_reference(fetch, SYMBOLS, metrics, retry_max_s=0.01)


async def test_a_symbol_the_venue_does_not_list_is_misconfigured(metrics: CollectorMetrics) -> None:
    with pytest.raises(Misconfigured, match=r"the venue does not list ETHUSDT; correct shard\.symbols"):
        await check_reference(answering({"BTCUSDT": OURS["BTCUSDT"]}), SYMBOLS, metrics, retry_max_s=1)
