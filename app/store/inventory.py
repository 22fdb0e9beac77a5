"""What an archive has of a venue, and whether that is all it should have, found out before any row is read."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from app.core.clock import NS_PER_MS
from app.core.errors import BadInput, SchemaMismatch
from app.market.rows import SCHEMA
from app.store.examine import verify
from app.store.layout import (
    CLOCK_SYMBOL,
    NS_PER_HOUR,
    Damaged,
    Sidecar,
    first_count,
    hour_dir,
    hour_start,
    hours_of,
    names_in,
    read_sidecar,
    symbols_in,
    venue_dir,
)
from app.store.publish import settled

#: Clock rows do not come faster.
_CLOCK_AT_LEAST_NS: Final = 10 * NS_PER_MS


class Part(NamedTuple):
    """A Parquet file and what is said about it."""

    path: Path
    about: Sidecar


class Hole(NamedTuple):
    """Rows that a recording counted and no file has. `symbols` are those they may have been of, `place` an hour of it.

    Times are ts_recv in ns: the rows were received from `start` on, and before `end`.
    """

    place: Path
    symbols: tuple[str, ...]
    rows: int
    seq: int
    start: int
    end: int


def list_parts(root: Path, venue: str, symbol: str) -> Iterator[Path]:
    """The Parquet files of a symbol, oldest hour first; those that a sidecar names and that are gone, too."""
    directory = venue_dir(root, venue)
    for hour in hours_of(root, venue, symbol):
        with settled(directory) as unpublished:
            names = {name.rpartition(".")[0] for name in names_in(hour) if name.endswith((".parquet", ".json"))}
            paths = [path for name in sorted(names) if (path := hour / f"{name}.parquet") not in unpublished]
        yield from paths


def read_parts(root: Path, venue: str, *, end: int | None = None) -> list[Part]:
    """The parts of all symbols of a venue, the clock's included, of hours that begin before `end` (ns).

    Raises:
        BadInput: a file or a sidecar is missing, or describes what does not belong in its place.
        SchemaMismatch: its rows have another layout.
    """
    found = []
    for symbol in (*symbols_in(root, venue), CLOCK_SYMBOL):
        for path in list_parts(root, venue, symbol):
            if end is None or hour_start(path.parent) < end:
                about = read_sidecar(path)
                _refuse_strange(root, path, about)
                found.append(Part(path, about))
    return found


def _refuse_strange(root: Path, path: Path, about: Sidecar) -> None:
    if not path.exists():
        raise Damaged(path, 0, f"the file is missing, with its rows 0 to {about.rows - 1}", reason="missing_part")
    if about.schema != SCHEMA:
        raise SchemaMismatch(
            f"{path}, row 0: it was written under row schema {about.schema!r}, this program reads {SCHEMA!r}; "
            "import it again with this version, or try --repair, which reads it if its layout is provably the same"
        )
    wrong = misplaced(root, path, about)
    if wrong:
        raise Damaged(path, 0, wrong, reason="misplaced")
    if not about.genuine:
        verify(path, about)


def misplaced(root: Path, path: Path, about: Sidecar) -> str:
    """Why the part described by `about` does not belong at `path`; empty if it does."""
    venue, symbol = (path.relative_to(root).parts[at].partition("=")[2] for at in (0, 1))
    if (about.venue, about.symbol) != (venue, symbol):
        return f"it is described as rows of {about.symbol} of {about.venue} and lies among those of {symbol} of {venue}"
    low = hour_start(path.parent)
    if not low <= about.first_ts <= about.last_ts < low + NS_PER_HOUR:
        return (
            f"it is described as rows received from {about.first_ts} to {about.last_ts} ns, and lies in "
            f"{path.parent.parent.name}/{path.parent.name} ({low} to {low + NS_PER_HOUR} ns)"
        )
    if not 1 <= about.rows <= about.last_seq - about.first_seq + 1:
        return f"it is described as {about.rows} rows counted from {about.first_seq} to {about.last_seq}"
    return ""


def refuse_repeats(parts: Sequence[Part]) -> None:
    """Refuse files of one symbol and recording whose counters overlap: the rows would be read twice."""
    for before, after in repeats(parts):
        detail = (
            f"its rows, counted from {after.about.first_seq} to {after.about.last_seq} by recording "
            f"{after.about.recording}, are also in {before.path} (to {before.about.last_seq})"
        )
        raise Damaged(after.path, 0, detail, reason="repeated_part")


def repeats(parts: Iterable[Part]) -> Iterator[tuple[Part, Part]]:
    """Pairs of parts of one symbol and recording that overlap, the first of them complete by itself."""
    kept: Part | None = None
    for part in sorted(parts, key=lambda part: (part.about.symbol, part.about.recording, part.about.first_seq)):
        same = kept is not None and _whose(kept) == _whose(part)
        if kept is not None and same and part.about.first_seq <= kept.about.last_seq:
            yield kept, part
        else:
            kept = part


def refuse_overlap(parts: Iterable[Part]) -> None:
    """Refuse recordings of a symbol at the same time: one of them has to be chosen."""
    of_symbol: dict[str, list[Part]] = {}
    for part in parts:
        if part.about.symbol != CLOCK_SYMBOL:
            of_symbol.setdefault(part.about.symbol, []).append(part)
    for symbol, found in of_symbol.items():
        found.sort(key=lambda part: (part.about.first_ts, part.about.first_seq))
        for before, after in pairwise(found):
            one, other = before.about.recording, after.about.recording
            if one != other and after.about.first_ts < before.about.last_ts:
                raise BadInput(
                    f"{before.path} and {after.path} are recordings of {symbol} at the same time ({one} and {other}); "
                    "read one of them (recording=…), or keep them in different archives",
                    reason="overlap",
                )


def refuse_holes(root: Path, venue: str, parts: Sequence[Part]) -> None:
    """Refuse a recording of which files are gone together with their sidecars: its count of rows tells."""
    for recording in {part.about.recording: None for part in parts}:
        for hole in holes(root, venue, [part for part in parts if part.about.recording == recording]):
            detail = (
                f"a file is missing here: recording {recording} counted {hole.rows} more rows (of "
                f"{', '.join(hole.symbols)}) from seq {hole.seq} on than there are"
            )
            raise Damaged(hole.place / "part-*.parquet", 0, detail, reason="missing_rows")


def holes(root: Path, venue: str, parts: Sequence[Part]) -> Iterator[Hole]:
    """Where one recording's rows, which are counted over all of its symbols, are in none of `parts`."""
    every = sorted({part.about.symbol for part in parts} | {CLOCK_SYMBOL})
    expected, last_ts, before = first_count(parts[0].about.recording), None, None
    for run in _runs(parts):
        first, last = run[0].about.first_seq, max(part.about.last_seq for part in run)
        start, end = min(part.about.first_ts for part in run), max(part.about.last_ts for part in run)
        lost = last - first + 1 - sum(part.about.rows for part in run)
        here = {part.about.symbol for part in run}
        suspects = _suspects(every, here, lost, start, end)
        if expected is not None and first > expected:
            begun = start if last_ts is None else last_ts
            rows = first - expected
            earlier = _suspects(every, here if lost > 0 or before is None else here & before, rows, begun, start)
            if lost > 0 and earlier == suspects:
                rows, lost, start = rows + lost, 0, end
            yield _hole(root, venue, earlier, parts, rows=rows, seq=expected, start=begun, end=start)
        if lost > 0:
            yield _hole(root, venue, suspects, parts, rows=lost, seq=first, start=start, end=end)
        expected, last_ts, before = last + 1, end, here


def _suspects(every: Sequence[str], here: set[str], lost: int, start: int, end: int) -> list[str]:
    """The symbols that have nothing where rows are lost; all, if there are none, or none that can have had so many."""
    found = [symbol for symbol in every if symbol not in here]
    only_clock = found == [CLOCK_SYMBOL] and lost > (end - start) // _CLOCK_AT_LEAST_NS + 2
    return list(every) if not found or only_clock else found


def _runs(parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Parts whose counters interleave: what was recorded at the same time."""
    run: list[Part] = []
    reach = -1
    for part in sorted(parts, key=lambda part: part.about.first_seq):
        if run and part.about.first_seq > reach:
            yield run
            run = []
        run.append(part)
        reach = max(reach, part.about.last_seq) if len(run) > 1 else part.about.last_seq
    yield run


def _hole(
    root: Path, venue: str, suspects: Sequence[str], parts: Sequence[Part], *, rows: int, seq: int, start: int, end: int
) -> Hole:
    """Named after the first hour and symbol without a file; where all have one, a second is gone of the first."""
    directory = venue_dir(root, venue)
    there = {part.path.parent for part in parts}
    hours = range(start // NS_PER_HOUR, end // NS_PER_HOUR + 1)
    places = (directory / hour_dir(symbol, hour * NS_PER_HOUR) for hour in hours for symbol in suspects)
    place = next((place for place in places if place not in there), directory / hour_dir(suspects[0], start))
    return Hole(place, tuple(suspects), rows, seq, start, end)


def _whose(part: Part) -> tuple[str, str]:
    return part.about.symbol, part.about.recording
