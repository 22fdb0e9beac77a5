"""Watches a run's processes through their metrics, and keeps samples of what it saw."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from app.console.board import ServiceRow
from app.console.fleet import Fleet, Service
from app.console.scrape import Scrape, Scraper
from app.console.track import Track
from app.console.usage import read_usage
from app.report.samples import sample_line

#: After ten minutes samples are kept ever more rarely: an hour and a week both make a plot, and neither a big file.
_DENSE_S = 600.0


class Monitor:
    """Asks every process for its metrics, tells the fleet who is ready, and appends samples to a file.

    `exchange` is the URL of a sandbox whose end of tape is the end of the feed. By the event clock the collector says
    when that is; by the wall clock it would wait for a venue to come back. `others` are processes without metrics, by
    name, with what gives their process id.
    """

    def __init__(
        self, fleet: Fleet, path: Path, *, exchange: str | None, others: Mapping[str, Callable[[], int | None]]
    ) -> None:
        self.feed_finished = asyncio.Event()
        self._fleet = fleet
        self._path = path
        self._exchange = exchange
        self._others = {name: (Track(name), pid) for name, pid in others.items()}
        self._scraper = Scraper()
        self._tracks = {name: Track(name) for name in fleet.services}
        self._began = time.monotonic()
        self._keep_due = 0.0

    async def look(self, *, keep: bool = False) -> None:
        """Look once; `keep` writes the samples whether or not it is time for that."""
        if self._exchange is not None and await self._scraper.tape_finished(self._exchange):
            self.feed_finished.set()
        services = self._fleet.services
        urls = {name: service.metrics_url for name, service in services.items() if service.state != "waiting"}
        found = await self._scraper.read_all(urls)
        t = time.monotonic() - self._began
        lines = [self._take(services[name], scrape, t) for name, scrape in found.items()]
        lines += [sample_line(track.take(t, read_usage(pid()))) for track, pid in self._others.values()]
        if keep or t >= self._keep_due:
            self._keep_due = t + max(0.0, t / _DENSE_S - 1.0)
            with self._path.open("ab") as out:
                out.writelines(lines)

    def rows(self) -> list[ServiceRow]:
        """Every process as it was at the last look."""
        return [self._row(service, self._tracks[name]) for name, service in self._fleet.services.items()]

    async def close(self) -> None:
        """Close the connections."""
        await self._scraper.close()

    def _take(self, service: Service, scrape: Scrape | None, t: float) -> bytes:
        service.see_ready(scrape is not None and scrape.ready)
        if scrape is not None and scrape.feed_finished:
            self.feed_finished.set()
        return sample_line(self._tracks[service.name].take(t, scrape, restarts=service.restarts))

    def _row(self, service: Service, track: Track) -> ServiceRow:
        last = track.last
        if last is None:
            return ServiceRow(name=service.name, state=service.state)
        return ServiceRow(
            name=service.name,
            state=service.state,
            rate=track.rate,
            lag=last.lag_entries,
            age_p50_s=last.age_p50_s,
            age_p99_s=last.age_p99_s,
            rss_bytes=last.rss_bytes,
            cpu_share=track.cpu_share,
            restarts=service.restarts,
        )
