"""What of the market reaches us, and when: two markets in one stream of rows.

A row that comes later than recorded is there twice: where it was, flagged VENUE_ONLY, and where it now comes, flagged
VIEW_ONLY with its new `ts_recv`. The paper venue looks at the first, whoever decides at the second. Rows flagged
neither way are for both.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log
from statistics import NormalDist
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from app.core.clock import NS_PER_MS
from app.core.config import Section
from app.market.book import Book
from app.market.instruments import Instrument
from app.market.rows import CLOCK, DEPTH_CLEAR, LAST, REPAIRED, VENUE_ONLY, VIEW_ONLY, Rows, concat, empty
from app.market.snapshots import snapshot_rows
from app.market.venue_messages import message_cut
from app.sim.bursts import Bursts
from app.sim.draws import normals
from app.sim.settings import BurstSettings

I64 = npt.NDArray[np.int64]

#: What becomes of the feed in a window: rows come all at once at its end, or are lost and its end brings a snapshot.
Loss = Literal["late", "lost"]

_Z99: Final = NormalDist().inv_cdf(0.99)


class LagSettings(Section):
    """How much later than recorded each venue message reaches us: lognormal, as one connection delivers.

    No message overtakes the one before it, so one late message holds up those behind it.
    """

    median_ms: float = Field(gt=0)
    p99_over_median: float = Field(default=1.0, ge=1, description="1: always the median")
    most_ms: float = Field(default=5000.0, gt=0)


class Heard:
    """Rows as they reach us: call it with blocks of rows that end where messages end.

    `windows` (start, end in ns) are those in which the feed is disturbed, as `loss` says. In `bursts` the lag is that
    much longer; with the `seed` of the order line's latency, feed and orders are slow at the same times.
    """

    def __init__(
        self,
        lag: LagSettings | None,
        loss: Loss | None,
        windows: Sequence[tuple[int, int]],
        instruments: Mapping[str, Instrument],
        *,
        bursts: BurstSettings | None = None,
        seed: int,
        book_ticks: int,
    ) -> None:
        self._lag = lag
        self._slow = 1.0 if bursts is None else bursts.factor
        self._bursts = None if bursts is None else Bursts(bursts, seed=seed)
        self._loss = loss
        self._cuts = [cut for window in windows for cut in window] if loss is not None else []
        self._books = [Book(instrument, book_ticks) for instrument in instruments.values()]
        self._seed = seed
        self._done = 0
        self._coming = empty()
        self._newest = 0

    def __call__(self, blocks: Iterable[Rows]) -> Iterator[Rows]:
        """The rows of `blocks` for both markets. What would reach us after the last of them does not."""
        for rows in blocks:
            begin = 0
            while self._done < len(self._cuts):
                at = self._cuts[self._done]
                end = message_cut(rows, int(np.searchsorted(rows["ts_recv"], at)))
                if end == len(rows):
                    break
                yield from self._through(rows[begin:end])
                self._turn(at)
                self._done, begin = self._done + 1, end
            yield from self._through(rows[begin:])

    @property
    def _in_window(self) -> bool:
        return self._done % 2 == 1

    def _through(self, rows: Rows) -> Iterator[Rows]:
        if not len(rows):
            return
        if self._loss == "lost" and self._done < len(self._cuts):
            for book in self._books:
                book.advance(rows)
        told = rows["kind"] != CLOCK
        arrival = np.where(told, self._arrivals(rows["ts_recv"]), rows["ts_recv"])
        split = told & (arrival > rows["ts_recv"])
        if told.any():
            self._newest = max(self._newest, int(arrival[told][-1]))
        lost = told & (self._loss == "lost" and self._in_window)
        yield self._merged(rows, arrival, split | lost, split & ~lost)

    def _arrivals(self, recv: I64) -> I64:
        arrival = recv if self._lag is None else recv + self._lags(self._lag, recv)
        if self._loss == "late" and self._in_window:
            arrival = np.maximum(arrival, self._cuts[self._done])
        held_up: I64 = np.maximum.accumulate(np.maximum(arrival, self._newest))
        return held_up

    def _lags(self, lag: LagSettings, recv: I64) -> I64:
        ms = lag.median_ms * np.exp(log(lag.p99_over_median) / _Z99 * normals(self._seed, "feed", recv))
        if self._bursts is not None:
            ms = np.where(self._bursts.active_many(recv), ms * self._slow, ms)
        found: I64 = np.rint(np.minimum(ms, lag.most_ms) * NS_PER_MS).astype(np.int64)
        return found

    def _turn(self, at: int) -> None:
        """The feed breaks off, or is there again."""
        if self._loss == "lost":
            self._newest = max(self._newest, at)
            tell = _known_again if self._in_window else _unknown
            news = concat(tell(book) for book in self._books)
            news["ts_event"] = np.minimum(at, self._newest)
            news["ts_recv"] = self._newest
            news["flags"] |= VIEW_ONLY | REPAIRED
            self._coming = concat((self._coming, news))

    def _merged(self, rows: Rows, arrival: I64, unseen: npt.NDArray[np.bool_], again: npt.NDArray[np.bool_]) -> Rows:
        """`rows` and what comes by the time of the last of them, in order of time."""
        if unseen.any():
            copies = rows[again].copy()
            copies["ts_recv"] = arrival[again]
            copies["flags"] |= VIEW_ONLY
            self._coming = concat((self._coming, copies))
            rows = rows.copy()
            rows["flags"][unseen] |= VENUE_ONLY
        if not len(self._coming):
            return rows
        due = int(np.searchsorted(self._coming["ts_recv"], rows["ts_recv"][-1], side="right"))
        # In front where times are equal: a clock row promises that all of its time has come.
        together = concat((self._coming[:due], rows))
        self._coming = self._coming[due:]
        return together[np.argsort(together["ts_recv"], kind="stable")]


def _unknown(book: Book) -> Rows:
    """What the collector says of a book whose connection broke."""
    rows = empty(1)
    rows["instrument"], rows["kind"], rows["flags"] = book.instrument.id, DEPTH_CLEAR, LAST
    return rows


def _known_again(book: Book) -> Rows:
    return snapshot_rows(book, ts_event=0, ts_recv=0)
