"""Looks an archive through for what is missing or damaged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from app.core.clock import NS_PER_S
from app.core.errors import BadInput, Misconfigured, SchemaMismatch
from app.store.layout import (
    CLOCK_SYMBOL,
    NS_PER_HOUR,
    Sidecar,
    hour_start,
    hours_of,
    read_sidecar,
    sidecar_of,
    symbols_in,
    venue_dir,
    venues_in,
)
from app.store.part import read_times
from app.store.publish import settled

Kind = Literal["missing_hours", "gap", "missing_sidecar", "missing_part", "schema", "damaged", "missing_rows"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong; `start` and `end` (ns of ts_recv) where it concerns a span of time."""

    kind: Kind
    venue: str
    symbol: str
    where: str
    detail: str
    start: int | None = None
    end: int | None = None


@dataclass(slots=True)
class Scanned:
    """What was looked at, and all that is wrong with it."""

    parts: int = 0
    rows: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def longest_gap_ms(self) -> float:
        """The longest span without rows, missing hours included."""
        spans = (f.end - f.start for f in self.findings if f.start is not None and f.end is not None)
        return max(spans, default=0) / 1e6


def scan(
    root: Path, *, venue: str | None = None, symbols: Sequence[str] | None = None, max_gap_s: float = 60.0
) -> Scanned:
    """Check every part of an archive: there, whole, of this row layout, and without long gaps between rows.

    The clock rows are looked at like a symbol's: where they are missing, nothing was recording.

    Raises:
        Misconfigured: there is no archive at `root`, or nothing of the venue or symbol in it.
    """
    venues = venues_in(root)
    if venue is not None and venue not in venues:
        raise Misconfigured(f"archive {root} has no venue {venue!r} (venues there: {', '.join(venues) or 'none'})")
    if not venues:
        raise Misconfigured(f"{root} is not an archive: it has no venue=… directory; name one with --root")
    done = Scanned()
    for name in venues if venue is None else [venue]:
        _scan_venue(root, name, symbols, round(max_gap_s * NS_PER_S), done)
    return done


def _scan_venue(root: Path, venue: str, symbols: Sequence[str] | None, max_gap: int, done: Scanned) -> None:
    known = symbols_in(root, venue)
    missing = sorted(set(symbols or ()) - set(known))
    if missing:
        raise Misconfigured(f"archive {root} has no {', '.join(missing)} of venue {venue} (known: {', '.join(known)})")
    recordings: dict[str, list[Sidecar]] = {}
    for symbol in [*(known if symbols is None else symbols), CLOCK_SYMBOL]:
        check = _SymbolScan(root, venue, symbol, max_gap, done)
        for about in check.run():
            recordings.setdefault(about.recording, []).append(about)
    if symbols is None:
        done.findings += _missing_rows(venue, recordings)


class _SymbolScan:
    """The parts of one symbol, in order of time."""

    def __init__(self, root: Path, venue: str, symbol: str, max_gap: int, done: Scanned) -> None:
        self._root, self._venue, self._symbol = root, venue, symbol
        self._max_gap, self._done = max_gap, done
        self._last: int | None = None

    def run(self) -> Iterator[Sidecar]:
        """Check them all; yield the sidecars of those that are whole."""
        hours = hours_of(self._root, self._venue, self._symbol)
        filled = [hour for hour in hours if any(hour.glob("*.parquet"))]
        for hour in hours:
            self._check_pairs(hour)
        for before, after in pairwise(filled):
            first, last = hour_start(before) + NS_PER_HOUR, hour_start(after)
            if last > first:
                hours_missing = (last - first) // NS_PER_HOUR
                self._find("missing_hours", str(after.parents[1].name), f"{hours_missing} h", first, last)
        for hour in filled:
            yield from self._check_hour(hour)

    def _check_pairs(self, hour: Path) -> None:
        for sidecar in sorted(hour.glob("*.json")):
            if not sidecar.with_suffix(".parquet").exists():
                self._find("missing_part", self._name(sidecar), "its Parquet file is gone")
        for part in sorted(hour.glob("*.parquet")):
            if not sidecar_of(part).exists():
                self._find("missing_sidecar", self._name(part), "it cannot be checked, and is not read")

    def _check_hour(self, hour: Path) -> Iterator[Sidecar]:
        with settled(venue_dir(self._root, self._venue)) as unpublished:
            parts = [p for p in hour.glob("*.parquet") if p not in unpublished and sidecar_of(p).exists()]
        found = []
        for part in parts:
            try:
                found.append((read_sidecar(part), part))
            except BadInput as error:
                self._find("damaged", self._name(part), str(error))
        for about, part in sorted(found, key=lambda pair: (pair[0].first_ts, pair[0].first_seq)):
            try:
                self._check_part(part, about)
            except SchemaMismatch as error:
                self._find("schema", self._name(part), str(error))
            except BadInput as error:
                self._find("damaged", self._name(part), str(error))
            else:
                yield about

    def _check_part(self, part: Path, about: Sidecar) -> None:
        self._done.parts += 1
        for times in read_times(part, about):
            self._done.rows += len(times)
            if self._last is not None:
                times = np.concatenate(([self._last], times))
            for at in np.flatnonzero(np.diff(times) > self._max_gap):
                start, end = int(times[at]), int(times[at + 1])
                if not _holds_an_hour(start, end):  # else it is among the missing hours
                    self._find("gap", self._name(part), f"{(end - start) / NS_PER_S:.1f} s without rows", start, end)
            self._last = int(times[-1])

    def _find(self, kind: Kind, where: str, detail: str, start: int | None = None, end: int | None = None) -> None:
        self._done.findings.append(Finding(kind, self._venue, self._symbol, where, detail, start, end))

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root))


def _holds_an_hour(start: int, end: int) -> bool:
    """True if a whole clock hour lies between two times."""
    return end // NS_PER_HOUR - start // NS_PER_HOUR > 1


def _missing_rows(venue: str, recordings: dict[str, list[Sidecar]]) -> Iterator[Finding]:
    for name, parts in sorted(recordings.items()):
        first, last = min(part.first_seq for part in parts), max(part.last_seq for part in parts)
        lost = last - first + 1 - sum(part.rows for part in parts)
        if lost > 0:
            detail = f"{lost} of the rows counted {first} to {last} are in no part"
            yield Finding("missing_rows", venue, "*", name, detail)


def table(done: Scanned) -> str:
    """The findings as text, one a line under a head, and a last line that sums up."""
    summed = f"{done.parts} parts, {done.rows} rows: "
    if not done.findings:
        return summed + "no gaps"
    rows = [("what", "venue", "symbol", "from", "where", "detail")]
    rows += [(f.kind, f.venue, f.symbol, _time(f.start), f.where, f.detail) for f in done.findings]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in rows]
    return "\n".join([*lines, summed + f"{len(done.findings)} findings"])


def _time(ns: int | None) -> str:
    return "-" if ns is None else datetime.fromtimestamp(ns / NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
