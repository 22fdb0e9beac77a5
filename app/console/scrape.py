"""Reading a process's metrics: only the series the launcher shows, so that asking costs the process little."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample as Series

from app.console.histogram import Buckets

_TIMEOUT = aiohttp.ClientTimeout(total=2.0)
_WANTED = (
    "service_ready",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "process_start_time_seconds",
    "bus_messages_total",
    "bus_message_age_seconds_bucket",
    "bus_lag_entries",
    "bus_retries_total",
    "bus_dead_letters_total",
    "collector_feed_finished",
    "collector_backlog_rows",
    "feed_messages_total",
    "feed_rows_total",
    "sandbox_frames_total",
)


@dataclass(slots=True)
class Scrape:
    """What a process said about itself. Counters are since that process started."""

    ready: bool = False
    feed_finished: bool = False
    started: float = 0.0
    rss_bytes: int = 0
    cpu_s: float = 0.0
    received: float = 0.0
    sent: float = 0.0
    retries: float = 0.0
    dead_letters: float = 0.0
    lag: dict[str, int] = field(default_factory=dict)
    ages: dict[str, Buckets] = field(default_factory=dict)


class Scraper:
    """Asks processes for their metrics over kept-alive connections."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
        self._query = [("name[]", name) for name in _WANTED]

    async def read(self, url: str) -> Scrape | None:
        """One process's figures; None if it does not answer."""
        try:
            async with self._session.get(url, params=self._query) as reply:
                return parse(await reply.text()) if reply.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def read_all(self, urls: Mapping[str, str]) -> dict[str, Scrape | None]:
        """All processes' figures, asked at the same time."""
        found = await asyncio.gather(*(self.read(url) for url in urls.values()))
        return dict(zip(urls, found, strict=True))

    async def tape_finished(self, exchange: str) -> bool:
        """Whether the sandbox at URL `exchange` has played its tape to the end."""
        try:
            async with self._session.get(f"{exchange}/sandbox/state") as reply:
                return bool((await reply.json()).get("tape_finished"))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


def parse(text: str) -> Scrape:
    """The figures in a metrics page."""
    scrape = Scrape()
    for family in text_string_to_metric_families(text):
        for series in family.samples:
            _take(scrape, series)
    return scrape


def _take(scrape: Scrape, series: Series) -> None:
    labels, value = series.labels, series.value
    match series.name:
        case "service_ready":
            scrape.ready = value == 1
        case "collector_feed_finished":
            scrape.feed_finished = value == 1
        case "process_start_time_seconds":
            scrape.started = value
        case "process_resident_memory_bytes":
            scrape.rss_bytes = int(value)
        case "process_cpu_seconds_total":
            scrape.cpu_s = value
        case "bus_messages_total":
            if labels["direction"] == "in":
                scrape.received += value
            else:
                scrape.sent += value
        case "feed_messages_total":
            scrape.received += value
        case "feed_rows_total" | "sandbox_frames_total":
            scrape.sent += value
        case "collector_backlog_rows":
            scrape.lag["backlog"] = int(value)
        case "bus_retries_total":
            scrape.retries += value
        case "bus_dead_letters_total":
            scrape.dead_letters += value
        case "bus_lag_entries":
            scrape.lag[labels["stream"]] = int(value)
        case "bus_message_age_seconds_bucket":
            scrape.ages.setdefault(labels["stream"], {})[float(labels["le"])] = value
