"""Reads an archive back as the stream it was."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from app.core.errors import BadInput, Misconfigured
from app.market.rows import CLOCK, LAST, Rows, concat
from app.store.layout import (
    CLOCK_SYMBOL,
    NS_PER_HOUR,
    Sidecar,
    hour_start,
    hours_of,
    read_sidecar,
    symbols_in,
    venue_dir,
    venues_in,
)
from app.store.merge import merge_recordings, merge_symbols
from app.store.part import Seqs
from app.store.publish import settled


class Archive:
    """What an archive holds: `venues`, and `symbols` of any of them.

    Raises:
        Misconfigured: there is no archive at `root`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.venues = tuple(venues_in(root))
        if not self.venues:
            raise Misconfigured(f"{root} is not an archive: it has no venue=… directory; name another")
        self.symbols = tuple(sorted({symbol for venue in self.venues for symbol in symbols_in(root, venue)}))


class ArchiveReader:
    """The rows of `symbols` with `start` ≤ ts_recv < `end` (ns), and the clock rows between them, in their order.

    Within a recording that is the order in which they were recorded; different recordings (other shards, other
    sessions) are merged by ts_recv. Blocks end where a venue message ends. Memory depends on neither the length of
    the archive nor of an hour, but on the size of a row group and the number of symbols.

    `symbols` None reads all there are. `recording` reads that one only, and is needed where two recordings of a
    symbol overlap (one tape recorded twice); `recordings` lists them.

    Raises:
        Misconfigured: the archive, venue or symbol does not exist.
        BadInput: while reading, a file is missing its sidecar, truncated, changed, or out of order, or recordings of
            a symbol overlap; the text names the file and row.
        SchemaMismatch: while reading, rows have another layout.
    """

    def __init__(
        self,
        root: Path,
        venue: str,
        symbols: Sequence[str] | None = None,
        start: int | None = None,
        end: int | None = None,
        *,
        recording: str | None = None,
    ) -> None:
        known = symbols_in(root, venue)
        if not known:
            there = ", ".join(venues_in(root)) or "none"
            raise Misconfigured(
                f"archive {root} has nothing of venue {venue!r} (venues there: {there}); "
                "import a recording first, or name another archive or venue"
            )
        self.symbols = tuple(known if symbols is None else symbols)
        missing = sorted(set(self.symbols) - set(known))
        if missing:
            raise Misconfigured(
                f"archive {root} has no {', '.join(missing)} of venue {venue} (symbols there: {', '.join(known)})"
            )
        self._root, self._venue = root, venue
        self._start = -(2**63) if start is None else start
        self._end = 2**63 - 1 if end is None else end
        self._recording = recording

    def __iter__(self) -> Iterator[Rows]:
        for hour in self._hours():
            streams = [merge_symbols(parts) for parts in self._recordings(hour)]
            yield from self._cut(whole_messages(merge_recordings(streams)))

    def _hours(self) -> list[Path]:
        """The `date=…/hour=…` ends of the hour directories to read, oldest first."""
        found = {
            directory.relative_to(directory.parents[1])
            for symbol in (*self.symbols, CLOCK_SYMBOL)
            for directory in hours_of(self._root, self._venue, symbol)
            if hour_start(directory) < self._end and hour_start(directory) + NS_PER_HOUR > self._start
        }
        return sorted(found)

    def _recordings(self, hour: Path) -> list[list[list[tuple[Path, Sidecar]]]]:
        """An hour's parts: by recording, then by symbol, then in order of time."""
        found: dict[str, dict[str, list[tuple[Path, Sidecar]]]] = {}
        others = set(symbols_in(self._root, self._venue)) - set(self.symbols)
        elsewhere = {about.recording for symbol in others for _, about in self._parts(symbol, hour)}
        for symbol in (*self.symbols, CLOCK_SYMBOL):
            for path, about in self._parts(symbol, hour):
                found.setdefault(about.recording, {}).setdefault(symbol, []).append((path, about))
        # A recording that has but other symbols in this hour has no say about the time of ours.
        kept = [by for name, by in found.items() if name not in elsewhere or set(by) != {CLOCK_SYMBOL}]
        _refuse_overlap(kept)
        return [[sorted(parts, key=lambda part: part[1].first_seq) for parts in by.values()] for by in kept]

    def _parts(self, symbol: str, hour: Path) -> list[tuple[Path, Sidecar]]:
        directory = venue_dir(self._root, self._venue)
        with settled(directory) as unpublished:
            paths = sorted((directory / f"symbol={symbol}" / hour).glob("*.parquet"))
            read = [(path, read_sidecar(path)) for path in paths if path not in unpublished]
        return [
            (path, about)
            for path, about in read
            if self._recording in (None, about.recording)
            and about.first_ts < self._end
            and about.last_ts >= self._start
        ]

    def _cut(self, blocks: Iterator[Rows]) -> Iterator[Rows]:
        for rows in blocks:
            ts = rows["ts_recv"]
            low, high = np.searchsorted(ts, (self._start, self._end))
            if high > low:
                yield rows[low:high]


def recordings(root: Path, venue: str, symbol: str) -> dict[str, tuple[int, int]]:
    """The first and last ts_recv (ns) of each recording of `symbol`, oldest first."""
    spans: dict[str, tuple[int, int]] = {}
    for directory in hours_of(root, venue, symbol):
        with settled(venue_dir(root, venue)) as unpublished:
            found = [read_sidecar(path) for path in sorted(directory.glob("*.parquet")) if path not in unpublished]
        for about in found:
            first, last = spans.get(about.recording, (about.first_ts, about.last_ts))
            spans[about.recording] = min(first, about.first_ts), max(last, about.last_ts)
    return dict(sorted(spans.items(), key=lambda item: item[1]))


def whole_messages(blocks: Iterator[tuple[Rows, Seqs]]) -> Iterator[Rows]:
    """The rows of `blocks`, cut anew so that no block ends within a venue message."""
    kept: list[Rows] = []
    for rows, _seq in blocks:
        ends = np.flatnonzero((rows["flags"] & LAST != 0) | (rows["kind"] == CLOCK))
        if not len(ends):
            kept.append(rows)
            continue
        upto = int(ends[-1]) + 1
        yield concat([*kept, rows[:upto]])
        kept = [rows[upto:]]
    if any(len(rows) for rows in kept):
        yield concat(kept)


def _refuse_overlap(found: Sequence[dict[str, list[tuple[Path, Sidecar]]]]) -> None:
    for symbol in {symbol for by in found for symbol in by} - {CLOCK_SYMBOL}:
        parts = [part for by in found for part in by.get(symbol, ())]
        parts.sort(key=lambda part: (part[1].first_ts, part[1].first_seq))
        for (path, before), (other, after) in pairwise(parts):
            if before.recording != after.recording and after.first_ts < before.last_ts:
                raise BadInput(
                    f"{path} and {other} are recordings of {symbol} at the same time ({before.recording} and "
                    f"{after.recording}); read one of them (recording=…), or keep them in different archives",
                    reason="overlap",
                )
