"""What of a damaged archive can be used: every part that is provably what was recorded, wherever it lies."""

import os
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from app.core.errors import BadInput, SchemaMismatch
from app.market.rows import SCHEMA
from app.store.examine import Examined, described_inside, examine
from app.store.inventory import Hole, Part, holes, list_parts, misplaced, refuse_repeats, repeats
from app.store.layout import CLOCK_SYMBOL, Sidecar, hour_start, read_sidecar, symbols_in
from app.store.part import inside, read_part
from app.store.repairs import Repairs


class State(Enum):
    """How much of a part there is."""

    SOUND = "all of it"
    DAMAGED = "some of it, or all of it in another form"
    GONE = "nothing"


class Treated(NamedTuple):
    """A part and what there is of it."""

    path: Path
    about: Sidecar
    state: State


def salvage(root: Path, venue: str, repairs: Repairs, *, end: int | None) -> list[Treated]:
    """All parts of a venue of hours that begin before `end` (ns); what is wrong with them goes to `repairs`.

    Raises:
        SchemaMismatch: a part was written under another layout, and not provably under one equal to ours.
        BadInput: files overlap and differ, or a directory cannot be read.
    """
    found: list[Treated] = []
    claimed: list[Part] = []
    for symbol in (*symbols_in(root, venue), CLOCK_SYMBOL):
        for path in list_parts(root, venue, symbol):
            if end is None or hour_start(path.parent) < end:
                found += _treat(root, path, repairs, claimed)
    found += _unclaimed(root, found, claimed, repairs)
    found = _once(root, found, repairs)
    return [*found, *_lost(root, venue, found, repairs)]


def _treat(root: Path, path: Path, repairs: Repairs, claimed: list[Part]) -> Iterator[Treated]:
    about = _sidecar(path)
    if about is not None and about.schema == SCHEMA and not misplaced(root, path, about) and _reads(path, about):
        yield Treated(path, about, State.SOUND)
        return
    best = _best(root, path, about)
    name = str(path.relative_to(root))
    if about is not None and not misplaced(root, path, about) and (best is None or misplaced(root, path, best[0])):
        claimed.append(Part(path, about))
    if best is None:
        if about is None and os.path.lexists(path):
            repairs.put("unreadable", name, 0, detail="nothing that can be read says what it is")
        return
    chosen, examined = best
    for kind in {fault.kind: None for fault in examined.faults}:
        alike = sorted((fault for fault in examined.faults if fault.kind == kind), key=lambda fault: fault.row)
        rows = sum(fault.rows for fault in alike)
        repairs.put(kind, name, rows, row=alike[0].row, detail=alike[0].detail)
    if about is not None and about.schema != SCHEMA and chosen is not about:
        repairs.put("schema", name, chosen.rows, detail=f"{about.schema!r} beside the file, {chosen.schema!r} in it")
    elif chosen is not about:
        repairs.put("missing_sidecar", name, chosen.rows, detail=f"it says of itself that it is {_named(chosen)}")
    if misplaced(root, path, chosen):
        repairs.put("misplaced", name, chosen.rows, detail=f"it is {_named(chosen)}")
    elif chosen is about and not examined.faults:
        said = described_inside(path)
        if said is not None and said.schema != chosen.schema:
            detail = f"{said.schema!r} in the file, {chosen.schema!r} beside it"
            repairs.put("schema", name, chosen.rows, detail=detail)
        else:
            repairs.put("changed_file", name, chosen.rows, detail="the file differs, the rows in it do not")
    yield Treated(path, chosen, State.DAMAGED)


def _sidecar(path: Path) -> Sidecar | None:
    try:
        return read_sidecar(path)
    except BadInput:
        return None


def _reads(path: Path, about: Sidecar) -> bool:
    try:
        for _ in read_part(path, about):
            pass
    except BadInput:
        return False
    return True


def _best(root: Path, path: Path, about: Sidecar | None) -> tuple[Sidecar, Examined] | None:
    """By whom most is proven, what is said beside the file or in it; else by whom it is more to be believed."""
    best: tuple[Sidecar, Examined] | None = None
    refused: SchemaMismatch | None = None
    for said in _said_of(root, path, about):
        if not os.path.isfile(path):  # unlike `Path.is_file`, it is quiet about what cannot be asked
            continue
        try:
            found = examine(path, said)
        except SchemaMismatch as error:
            refused = error
            continue
        if best is None or len(found.rows) > len(best[1].rows):
            best = said, found
    if refused is not None and (best is None or not len(best[1].rows)):
        raise refused
    return best


def _said_of(root: Path, path: Path, about: Sidecar | None) -> list[Sidecar]:
    said = described_inside(path)
    if about is None or said is None or inside(said) == inside(about):
        return [one for one in (about, said) if one is not None][:1]
    in_place = not misplaced(root, path, about)
    return [about, said] if about.genuine and (in_place or about.seal) else [said, about]


def _unclaimed(root: Path, found: Sequence[Treated], claimed: Sequence[Part], repairs: Repairs) -> Iterator[Treated]:
    """The parts of which there is a sidecar, and nowhere a file."""
    there = {_rows_of(part.about) for part in found}
    for path, about in claimed:
        if _rows_of(about) not in there:
            repairs.put("missing_part", str(path.relative_to(root)), about.rows, detail=f"it was {_named(about)}")
            yield Treated(path, about, State.GONE)


def _once(root: Path, found: Sequence[Treated], repairs: Repairs) -> list[Treated]:
    """Each part once: of two that have the same rows, the one of which there is more."""
    kept: dict[tuple[str, str, str], Treated] = {}
    for part in sorted(found, key=lambda part: (list(State).index(part.state), len(part.path.name), part.path)):
        if _rows_of(part.about) in kept:
            name = str(part.path.relative_to(root))
            repairs.forget(name)
            repairs.put(
                "repeated_part", name, part.about.rows, detail=f"also in {kept[_rows_of(part.about)].path.name}"
            )
        else:
            kept[_rows_of(part.about)] = part
    parts = [Part(part.path, part.about) for part in kept.values()]
    if next(repeats(parts), None) is not None:
        refuse_repeats(parts)
    return list(kept.values())


def _lost(root: Path, venue: str, found: Sequence[Treated], repairs: Repairs) -> Iterator[Treated]:
    """What a recording counted and no sidecar knows of, for each symbol that it may have been of."""
    for recording in {part.about.recording: None for part in found}:
        parts = [Part(part.path, part.about) for part in found if part.about.recording == recording]
        for hole in holes(root, venue, parts):
            name = hole.place.relative_to(root) / "part-*.parquet"
            detail = f"of {', '.join(hole.symbols)}, from seq {hole.seq} of recording {recording} on"
            repairs.put("missing_hour", str(name), hole.rows, detail=detail)
            yield from (_nothing(hole, symbol, parts) for symbol in hole.symbols)


def _nothing(hole: Hole, symbol: str, parts: Sequence[Part]) -> Treated:
    ids = {part.about.symbol: part.about.instrument for part in parts}
    like = parts[0].about
    about = Sidecar(
        schema=SCHEMA, venue=like.venue, symbol=symbol, instrument=ids.get(symbol, 0), recording=like.recording,
        rows=hole.rows, first_seq=hole.seq, last_seq=hole.seq, first_ts=hole.start, last_ts=hole.end,
        content_sha256="",
    )  # fmt: skip
    return Treated(hole.place, about, State.GONE)


def _rows_of(about: Sidecar) -> tuple[str, str, str]:
    return about.recording, about.symbol, about.content_sha256


def _named(about: Sidecar) -> str:
    return f"{about.rows} rows of {about.symbol} from {about.first_ts} to {about.last_ts} ns"
