"""Reads an archive back as the stream it was."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from app.core.errors import Misconfigured
from app.market.rows import Rows
from app.store.examine import verify
from app.store.inventory import Part, list_parts, read_parts, refuse_holes, refuse_overlap, refuse_repeats
from app.store.layout import CLOCK_SYMBOL, NS_PER_HOUR, read_sidecar, symbols_in, venues_in
from app.store.merge import Block, merge_recordings, merge_symbols
from app.store.messages import whole_messages
from app.store.part import read_part
from app.store.repaired import read_repaired
from app.store.repairs import Repairs
from app.store.salvage import State, Treated, salvage

#: What a file was when it was verified: size, time of change, inode.
Stamp = tuple[int, int, int]


class Checked:
    """What readers of the same files know of them.

    `verified` has those that were verified, as they were then; `instruments` one file for each symbol and instrument
    id; `salvaged` what there is of a damaged archive.
    """

    def __init__(self) -> None:
        self.verified: dict[Path, Stamp] = {}
        self.instruments: dict[tuple[str, int], Path] = {}
        self.salvaged: list[Treated] | None = None


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
    the archive nor of an hour, but on the size of a block and the number of symbols.

    `symbols` None reads all there are. `recording` reads that one only, and is needed where two recordings of a
    symbol overlap (one tape recorded twice); `recordings` lists them.

    All files are verified, byte for byte, before the first row. With `repairs` a damaged archive is read as far as
    that makes sense, and what was done is counted there; a damaged file is held in memory as a whole then. An archive
    that is whole reads the same either way. `checked` is shared by readers of the same files.

    Raises:
        Misconfigured: the archive, venue or symbol does not exist.
        BadInput: before the first row, a file or sidecar is missing, truncated, changed or in another's place, or
            recordings of a symbol overlap; while reading, a row cannot be one of its file. The text names file and row.
        SchemaMismatch: rows have another layout.
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
        repairs: Repairs | None = None,
        checked: Checked | None = None,
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
        self._repairs = repairs
        self._checked = Checked() if checked is None else checked

    def check(self) -> None:
        """Verify all files that are to be read. Raises what reading does before the first row, but for overlaps."""
        if self._repairs is None:
            self._chosen(self._parts())
        else:
            self._salvaged(self._repairs)

    def recordings(self) -> dict[str, tuple[int, int]]:
        """The first and last ts_recv (ns) of each recording of `symbols`, oldest first."""
        if self._repairs is None:
            found = [recordings(self._root, self._venue, symbol) for symbol in self.symbols]
            return _joined(item for spans in found for item in spans.items())
        parts = [part for part in self._salvaged(self._repairs) if part.state is not State.GONE]
        mine = [part.about for part in parts if part.about.symbol in self.symbols]
        return _joined((about.recording, (about.first_ts, about.last_ts)) for about in mine)

    def __iter__(self) -> Iterator[Rows]:
        if self._repairs is not None:
            found = self._salvaged(self._repairs)
            if len(self._repairs):
                yield from self._cut(read_repaired(self._root, self._venue, self.symbols, found, self._repairs))
                return
        parts = self._parts()
        chosen = self._chosen(parts)
        refuse_overlap(chosen)
        for hour in sorted({_hour(part) for part in chosen}):
            of_hour = [part for part in chosen if _hour(part) == hour]
            elsewhere = {part.about.recording for part in parts if _hour(part) == hour and self._other(part)}
            yield from self._cut(whole_messages(self._merged(of_hour, elsewhere)))

    def _salvaged(self, repairs: Repairs) -> list[Treated]:
        if self._checked.salvaged is None:
            self._checked.salvaged = salvage(self._root, self._venue, repairs, end=self._end)
        found = [part for part in self._checked.salvaged if self._recording in (None, part.about.recording)]
        self._checked.instruments |= {(part.about.symbol, part.about.instrument): part.path for part in found}
        return found

    def _parts(self) -> list[Part]:
        """All parts of the recordings that have rows of `symbols`, none of them missing or there twice."""
        found = read_parts(self._root, self._venue, end=self._end)
        found = [part for part in found if self._recording in (None, part.about.recording)]
        mine = {part.about.recording for part in found if part.about.symbol in self.symbols}
        found = [part for part in found if part.about.recording in mine]
        refuse_repeats(found)
        refuse_holes(self._root, self._venue, found)
        return found

    def _chosen(self, parts: Sequence[Part]) -> list[Part]:
        """Those of `parts` that are to be read, verified."""
        wanted = (*self.symbols, CLOCK_SYMBOL)
        chosen = [
            part
            for part in parts
            if part.about.symbol in wanted and part.about.first_ts < self._end and part.about.last_ts >= self._start
        ]
        for part in sorted(chosen, key=lambda part: part.about.first_ts):
            if not self._is_verified(part.path):
                stamp = _stamp(part.path)
                verify(part.path, part.about)
                self._checked.verified[part.path] = stamp
            self._checked.instruments.setdefault((part.about.symbol, part.about.instrument), part.path)
        return sorted(chosen, key=lambda part: (wanted.index(part.about.symbol), part.path))

    def _is_verified(self, path: Path) -> bool:
        return path in self._checked.verified and self._checked.verified[path] == _stamp(path)

    def _other(self, part: Part) -> bool:
        return part.about.symbol not in (*self.symbols, CLOCK_SYMBOL)

    def _merged(self, parts: Sequence[Part], elsewhere: set[str]) -> Iterator[Block]:
        """The rows of an hour's parts; the recordings `elsewhere` also have other symbols in it."""
        by_recording: dict[str, dict[str, list[Part]]] = {}
        for part in parts:
            by_recording.setdefault(part.about.recording, {}).setdefault(part.about.symbol, []).append(part)
        # A recording that has but other symbols in this hour has no say about the time of ours.
        kept = [by for name, by in by_recording.items() if name not in elsewhere or set(by) != {CLOCK_SYMBOL}]
        return merge_recordings([merge_symbols([self._chained(of) for of in by.values()]) for by in kept])

    def _chained(self, parts: Sequence[Part]) -> Iterator[Block]:
        for path, about in sorted(parts, key=lambda part: part.about.first_seq):
            yield from read_part(path, about, checked=self._is_verified(path))

    def _cut(self, blocks: Iterator[Rows]) -> Iterator[Rows]:
        for rows in blocks:
            ts = rows["ts_recv"]
            if len(ts) and self._start <= ts[0] and ts[-1] < self._end:
                yield rows
                continue
            low, high = np.searchsorted(ts, (self._start, self._end))
            if high > low:
                yield rows[low:high]


def recordings(root: Path, venue: str, symbol: str) -> dict[str, tuple[int, int]]:
    """The first and last ts_recv (ns) of each recording of `symbol`, oldest first."""
    found = [read_sidecar(path) for path in list_parts(root, venue, symbol)]
    return _joined((about.recording, (about.first_ts, about.last_ts)) for about in found)


def _joined(found: Iterable[tuple[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    spans: dict[str, tuple[int, int]] = {}
    for name, (first, last) in found:
        low, high = spans.get(name, (first, last))
        spans[name] = min(low, first), max(high, last)
    return dict(sorted(spans.items(), key=lambda item: item[1]))


def _hour(part: Part) -> int:
    return part.about.first_ts // NS_PER_HOUR


def _stamp(path: Path) -> Stamp:
    """What tells a file from what it was; zeros if it cannot be asked."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ino
