"""One process over the time of a run: its scrapes turned into samples that outlast restarts."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from app.console.histogram import Buckets, added, quantile, subtracted
from app.console.scrape import Scrape
from app.report.samples import Sample

_WINDOW = 10
_COUNTERS = ("received", "sent", "retries", "dead_letters", "cpu_s")


class _Point(NamedTuple):
    t: float
    messages: float
    cpu_s: float
    ages: Buckets


class Track:
    """Adds up what the successive lives of a process counted, and the rates of the last ten samples."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.last: Sample | None = None
        self._scrape = Scrape()
        self._before = dict.fromkeys(_COUNTERS, 0.0)
        self._ages_before: dict[str, Buckets] = {}
        self._window: deque[_Point] = deque(maxlen=_WINDOW)

    def take(self, t: float, scrape: Scrape | None, *, restarts: int = 0) -> Sample:
        """The sample at `t` seconds; `scrape` is None while the process does not answer."""
        if scrape is not None and scrape.started != self._scrape.started:
            self._close_life()
        self._scrape = current = scrape or self._scrape
        totals = {name: self._before[name] + getattr(current, name) for name in _COUNTERS}
        by_stream = {
            stream: added((self._ages_before.get(stream, {}), current.ages.get(stream, {})))
            for stream in (*self._ages_before, *(new for new in current.ages if new not in self._ages_before))
        }
        ages = added(by_stream.values())
        recent = subtracted(ages, self._window[0].ages if self._window else {})
        self._window.append(_Point(t, totals["received"] or totals["sent"], totals["cpu_s"], ages))
        self.last = Sample(
            t=round(t, 3),
            service=self.service,
            up=scrape is not None,
            ready=scrape is not None and scrape.ready,
            rss_bytes=scrape.rss_bytes if scrape else 0,
            cpu_s=round(totals["cpu_s"], 3),
            lag=dict(scrape.lag) if scrape else {},
            received=int(totals["received"]),
            sent=int(totals["sent"]),
            retries=int(totals["retries"]),
            dead_letters=int(totals["dead_letters"]),
            restarts=restarts,
            ages_s={
                stream: summary
                for stream, buckets in (*by_stream.items(), ("*", ages))
                if (summary := _summary(buckets)) is not None
            },
            age_p50_s=quantile(recent, 0.5),
            age_p99_s=quantile(recent, 0.99),
        )
        return self.last

    @property
    def rate(self) -> float:
        """Messages a second over the last ten samples: received ones, or sent ones where none are received."""
        return self._growth(lambda point: point.messages)

    @property
    def cpu_share(self) -> float:
        """Share of one core used over the last ten samples."""
        return self._growth(lambda point: point.cpu_s)

    def _growth(self, of: Callable[["_Point"], float]) -> float:
        if len(self._window) < 2:
            return 0.0
        first, last = self._window[0], self._window[-1]
        return (of(last) - of(first)) / (last.t - first.t) if last.t > first.t else 0.0

    def _close_life(self) -> None:
        for name in _COUNTERS:
            self._before[name] += getattr(self._scrape, name)
        for stream, buckets in self._scrape.ages.items():
            self._ages_before[stream] = added((self._ages_before.get(stream, {}), buckets))


def _summary(buckets: Buckets) -> tuple[int, float, float] | None:
    p50, p99 = quantile(buckets, 0.5), quantile(buckets, 0.99)
    if p50 is None or p99 is None:
        return None
    return int(max(buckets.values())), p50, p99
