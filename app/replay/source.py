"""What of an archive a replay reads, checked before anything is handled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from app.core.clock import NS_PER_S
from app.core.errors import BadInput, Misconfigured
from app.market.instruments import Instrument
from app.market.rows import Rows
from app.replay.opening import opening
from app.store.archive import Archive, ArchiveReader, Checked
from app.store.repairs import Repairs


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Rows of `symbols` of one venue with `start` ≤ ts_recv < `end` (ns); `span` is what of that there really is.

    `repairs` is None unless a damaged archive is to be read as far as that makes sense; then it collects what was done.
    """

    root: Path
    venue: str
    symbols: tuple[str, ...]
    start: int | None
    end: int | None
    recording: str | None
    span: tuple[int, int]
    repairs: Repairs | None = None
    checked: Checked = field(default_factory=Checked, repr=False, compare=False)

    def blocks(self, instruments: Mapping[str, Instrument], *, book_ticks: int) -> Iterator[Rows]:
        """The rows; if they begin after the archive does, behind the books as they were then.

        Raises:
            BadInput: what `ArchiveReader` raises, or rows are of another instrument than `instruments` has.
        """
        self._refuse_other_ids(instruments)
        if self.start is not None:
            yield opening(self._reader(None, self.start), instruments, self.start, book_ticks=book_ticks)
        yield from self._reader(self.start, self.end)

    def _reader(self, start: int | None, end: int | None) -> ArchiveReader:
        return ArchiveReader(
            self.root, self.venue, self.symbols, start, end,
            recording=self.recording, repairs=self.repairs, checked=self.checked,
        )  # fmt: skip

    def _refuse_other_ids(self, instruments: Mapping[str, Instrument]) -> None:
        """Rows of an instrument that nobody trades would be passed over in silence."""
        for (symbol, number), path in self.checked.instruments.items():
            if symbol in instruments and instruments[symbol].id != number:
                raise BadInput(
                    f"{path}, row 0: its rows are of instrument {number}, and the symbols file says that {symbol} is "
                    f"instrument {instruments[symbol].id}; correct that file, or import the recording again",
                    reason="instrument",
                )


def open_source(
    root: Path,
    *,
    venue: str | None = None,
    symbols: Sequence[str],
    start: int | None = None,
    end: int | None = None,
    recording: str | None = None,
    repair: bool = False,
) -> Source:
    """Look at what there is to read, and verify its files; `venue` may be left out if the archive has but one.

    With `repair` a damaged archive is no error, as far as something can be had of it.

    Raises:
        Misconfigured: there is no archive, venue, symbol or recording of that name, or nothing in that time.
        BadInput: a file or sidecar is missing, damaged or in another's place.
    """
    archive = Archive(root)
    if venue is None and len(archive.venues) > 1:
        raise Misconfigured(f"archive {root} has several venues; name one of them: {', '.join(archive.venues)}")
    name = venue or archive.venues[0]
    if name not in archive.venues:
        raise Misconfigured(f"archive {root} has no venue {name!r} (venues there: {', '.join(archive.venues)})")
    repairs, checked = Repairs() if repair else None, Checked()
    # A later beginning needs the books as they were then, and so all that comes before.
    reader = ArchiveReader(root, name, symbols, None, end, repairs=repairs, checked=checked)
    spans = _wanted(root, symbols, reader.recordings(), recording)
    low, high = _limits(root, spans, start, end)
    reader = ArchiveReader(root, name, symbols, None, end, recording=recording, repairs=repairs, checked=checked)
    reader.check()
    begin = None if start is None or start <= low else start
    return Source(
        root=root, venue=name, symbols=tuple(symbols), start=begin, end=end, recording=recording,
        span=(low if begin is None else begin, high), repairs=repairs, checked=checked,
    )  # fmt: skip


def _wanted(
    root: Path, symbols: Sequence[str], spans: dict[str, tuple[int, int]], recording: str | None
) -> dict[str, tuple[int, int]]:
    """First and last ts_recv of each recording of `symbols` that is to be read."""
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
