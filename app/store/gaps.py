"""Looks an archive through for what is missing or damaged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_S
from app.core.errors import BadInput, Misconfigured, SchemaMismatch
from app.market.rows import check_schema
from app.store.examine import verify
from app.store.inventory import Part, holes, misplaced, repeats
from app.store.layout import (
    CLOCK_SYMBOL,
    NS_PER_HOUR,
    Damaged,
    Sidecar,
    hour_start,
    hours_of,
    read_sidecar,
    sidecar_of,
    symbols_in,
    venue_dir,
    venues_in,
)
from app.store.part import read_part
from app.store.proof import Content
from app.store.publish import settled

Kind = Literal[
    "missing_hours", "gap", "missing_sidecar", "missing_part", "schema", "misplaced", "damaged", "repeated_part",
    "missing_rows",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: `where` is its file, `row` the first row in it that is wrong, if it is one of rows.

    `start` and `end` (ns of ts_recv) are given where it concerns a span of time.
    """

    kind: Kind
    venue: str
    symbol: str
    where: str
    detail: str
    start: int | None = None
    end: int | None = None
    row: int | None = None


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
    """Check every row of an archive: there, as it was written, of this layout, in its place, without long gaps.

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
    recordings: dict[str, list[Part]] = {}
    for symbol in [*(known if symbols is None else symbols), CLOCK_SYMBOL]:
        check = _SymbolScan(root, venue, symbol, max_gap, done)
        for part in check.run():
            recordings.setdefault(part.about.recording, []).append(part)
    for name, parts in sorted(recordings.items()):
        done.findings += _repeated(root, venue, parts)
        if symbols is None:
            done.findings += _missing_rows(root, venue, name, parts)


class _SymbolScan:
    """The parts of one symbol, in order of time."""

    def __init__(self, root: Path, venue: str, symbol: str, max_gap: int, done: Scanned) -> None:
        self._root, self._venue, self._symbol = root, venue, symbol
        self._max_gap, self._done = max_gap, done
        self._last: int | None = None

    def run(self) -> Iterator[Part]:
        """Check them all; yield those of which there is a sidecar: what is damaged is not missing."""
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

    def _check_hour(self, hour: Path) -> Iterator[Part]:
        with settled(venue_dir(self._root, self._venue)) as unpublished:
            parts = [p for p in hour.glob("*.parquet") if p not in unpublished and sidecar_of(p).exists()]
        found = []
        for part in parts:
            try:
                found.append(Part(part, read_sidecar(part)))
            except BadInput as error:
                self._find("damaged", self._name(part), str(error), row=0)
        for path, about in sorted(found, key=lambda part: (part.about.first_ts, part.about.first_seq)):
            yield Part(path, about)
            wrong = misplaced(self._root, path, about)
            if wrong:
                self._find("misplaced", self._name(path), wrong, row=0)
                continue
            try:
                self._check_part(path, about)
            except SchemaMismatch as error:
                self._find("schema", self._name(path), str(error), row=0)
            except Damaged as error:
                self._find("damaged", self._name(path), str(error), row=error.row)

    def _check_part(self, path: Path, about: Sidecar) -> None:
        self._done.parts += 1
        check_schema(about.schema, where=f"{path}, row 0,")
        verify(path, about)
        content = Content()
        for rows, seq in read_part(path, about, checked=True):
            self._done.rows += len(rows)
            content.append(rows, seq)
            self._check_times(path, rows["ts_recv"])
        if content.get() != about.content_sha256:
            detail = "file and sidecar fit each other, and not the rows that were written (their SHA-256 differs)"
            raise Damaged(path, 0, detail, reason="content")

    def _check_times(self, path: Path, times: npt.NDArray[np.int64]) -> None:
        if self._last is not None:
            times = np.concatenate(([self._last], times))
        for at in np.flatnonzero(np.diff(times) > self._max_gap):
            start, end = int(times[at]), int(times[at + 1])
            if not _holds_an_hour(start, end):  # else it is among the missing hours
                self._find("gap", self._name(path), f"{(end - start) / NS_PER_S:.1f} s without rows", start, end)
        self._last = int(times[-1])

    def _find(
        self,
        kind: Kind,
        where: str,
        detail: str,
        start: int | None = None,
        end: int | None = None,
        *,
        row: int | None = None,
    ) -> None:
        self._done.findings.append(Finding(kind, self._venue, self._symbol, where, detail, start, end, row))

    def _name(self, path: Path) -> str:
        return str(path.relative_to(self._root))


def _holds_an_hour(start: int, end: int) -> bool:
    """True if a whole clock hour lies between two times."""
    return end // NS_PER_HOUR - start // NS_PER_HOUR > 1


def _repeated(root: Path, venue: str, parts: Sequence[Part]) -> Iterator[Finding]:
    for before, after in repeats(parts):
        detail = f"its rows are also in {before.path.relative_to(root)}"
        yield Finding("repeated_part", venue, after.about.symbol, str(after.path.relative_to(root)), detail, row=0)


def _missing_rows(root: Path, venue: str, recording: str, parts: Sequence[Part]) -> Iterator[Finding]:
    for hole in holes(root, venue, parts):
        symbols = ", ".join(hole.symbols)
        detail = f"{hole.rows} rows of recording {recording} (of {symbols}) from seq {hole.seq} on are in no file"
        where = str(hole.place.relative_to(root))
        yield Finding("missing_rows", venue, symbols, where, detail, hole.start, hole.end)


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
