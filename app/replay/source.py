"""What of an archive a replay reads, checked before anything is handled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.core.clock import NS_PER_S
from app.core.errors import BadInput, Misconfigured
from app.market.instruments import Instrument
from app.market.rows import Rows
from app.replay.opening import opening
from app.store.archive import Archive, ArchiveReader, recordings
from app.store.layout import CLOCK_SYMBOL, Sidecar, hours_of, read_sidecar, symbols_in, venue_dir
from app.store.publish import settled


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Rows of `symbols` of one venue with `start` ≤ ts_recv < `end` (ns); `span` is what of that there really is."""

    root: Path
    venue: str
    symbols: tuple[str, ...]
    start: int | None
    end: int | None
    recording: str | None
    span: tuple[int, int]

    def blocks(self, instruments: Mapping[str, Instrument], *, book_ticks: int) -> Iterator[Rows]:
        """The rows; if they begin after the archive does, behind the books as they were then.

        Raises:
            BadInput: what `ArchiveReader` raises.
        """
        if self.start is not None:
            yield opening(self._reader(None, self.start), instruments, self.start, book_ticks=book_ticks)
        yield from self._reader(self.start, self.end)

    def _reader(self, start: int | None, end: int | None) -> ArchiveReader:
        return ArchiveReader(self.root, self.venue, self.symbols, start, end, recording=self.recording)


def open_source(
    root: Path,
    *,
    venue: str | None = None,
    symbols: Sequence[str],
    start: int | None = None,
    end: int | None = None,
    recording: str | None = None,
) -> Source:
    """Look at what there is to read; `venue` may be left out if the archive has but one.

    Raises:
        Misconfigured: there is no archive, venue, symbol or recording of that name, or nothing in that time.
        BadInput: a sidecar is missing or damaged, or rows are missing from a recording.
    """
    archive = Archive(root)
    if venue is None and len(archive.venues) > 1:
        raise Misconfigured(f"archive {root} has several venues; name one of them: {', '.join(archive.venues)}")
    name = venue or archive.venues[0]
    if name not in archive.venues:
        raise Misconfigured(f"archive {root} has no venue {name!r} (venues there: {', '.join(archive.venues)})")
    ArchiveReader(root, name, symbols, recording=recording)  # says which symbol is missing
    spans = _spans(root, name, symbols, recording)
    low, high = _limits(root, spans, start, end)
    _refuse_missing_rows(root, name, spans)
    begin = None if start is None or start <= low else start
    return Source(
        root=root, venue=name, symbols=tuple(symbols), start=begin, end=end, recording=recording,
        span=(low if begin is None else begin, high),
    )  # fmt: skip


def _spans(root: Path, venue: str, symbols: Sequence[str], recording: str | None) -> dict[str, tuple[int, int]]:
    """First and last ts_recv of each recording of `symbols` that is to be read."""
    spans: dict[str, tuple[int, int]] = {}
    for symbol in symbols:
        for name, (first, last) in recordings(root, venue, symbol).items():
            low, high = spans.get(name, (first, last))
            spans[name] = min(low, first), max(high, last)
    if recording is None:
        return spans
    if recording not in spans:
        known = ", ".join(spans) or "none"
        raise Misconfigured(f"archive {root} has no recording {recording!r} of {', '.join(symbols)} (there: {known})")
    return {recording: spans[recording]}


def _limits(root: Path, spans: Mapping[str, tuple[int, int]], start: int | None, end: int | None) -> tuple[int, int]:
    if not spans:
        raise Misconfigured(f"archive {root} has no rows yet; a run's archive is complete once the run has ended")
    low, high = min(first for first, _ in spans.values()), max(last for _, last in spans.values())
    if start is not None and end is not None and start >= end:
        raise Misconfigured(f"the beginning ({_text(start)}) must be before the end ({_text(end)})")
    if (start is not None and start > high) or (end is not None and end <= low):
        raise Misconfigured(f"archive {root} has nothing in that time: it reaches from {_text(low)} to {_text(high)}")
    return low, high if end is None else min(high, end)


def _text(ns: int) -> str:
    return datetime.fromtimestamp(ns / NS_PER_S, UTC).isoformat()


def _refuse_missing_rows(root: Path, venue: str, spans: Mapping[str, tuple[int, int]]) -> None:
    """A recording counts its rows over all symbols, so a part that was lost shows in the sum."""
    parts: dict[str, list[Sidecar]] = {name: [] for name in spans}
    for symbol in (*symbols_in(root, venue), CLOCK_SYMBOL):
        for about in _sidecars(root, venue, symbol):
            if about.recording in parts:
                parts[about.recording].append(about)
    for name, found in parts.items():
        first, last = min(about.first_seq for about in found), max(about.last_seq for about in found)
        lost = last - first + 1 - sum(about.rows for about in found)
        if lost > 0:
            raise BadInput(
                f"archive {root} lacks {lost} of the rows that recording {name} counted from {first} to {last}; "
                "scripts/scan_parquet_gaps.py says where, restore the missing part from a copy",
                reason="missing_rows",
            )


def _sidecars(root: Path, venue: str, symbol: str) -> Iterator[Sidecar]:
    for hour in hours_of(root, venue, symbol):
        with settled(venue_dir(root, venue)) as unpublished:
            found = [read_sidecar(path) for path in sorted(hour.glob("*.parquet")) if path not in unpublished]
        yield from found
