"""What can be had of a damaged part: all of its rows that are provably as they were written, and what is wrong with it.

Nothing is guessed. Row groups that can be read are read, rows that cannot be the part's are put aside, the rest is
brought into the order of its counters, and of that only what fits the digests in the sidecar is kept.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Self

import msgspec
import numpy as np
import pyarrow.parquet as pq

from app.core.errors import SchemaMismatch
from app.market.rows import EVENT, LAST, RAW, SCHEMA, Rows, empty
from app.store.layout import Damaged, Sidecar
from app.store.legible import Places, decode
from app.store.part import UNREADABLE, damage_of, disagreement, inside, rows_of
from app.store.proof import Lost, Proof, Seqs, prove
from app.store.row_check import Before, Columns, Fault, Mask, described, first_fault, row_faults

_VAGUE: Final = ("unproven", "lost", "columns")


class Examined(NamedTuple):
    """`rows` and `seq` are proven, `lost` is what the part had besides, `faults` is what was wrong with the file.

    `first` is the first row that is wrong where it stands, if that can be told of any.
    `legible` counts the rows that could be read, whatever they are, and is -1 if the file could not even be opened.
    """

    rows: Rows
    seq: Seqs
    lost: list[Lost]
    faults: list[Fault]
    legible: int = 0
    first: Fault | None = None

    @classmethod
    def nothing(cls, about: Sidecar) -> Self:
        """What there is of a part whose file is gone."""
        return cls(empty(), np.empty(0, np.uint64), [Lost(0, about.rows, about.first_seq)], [])


def examine(path: Path, about: Sidecar) -> Examined:
    """Look at the file at `path`, whatever became of it, as the part that `about` describes.

    Raises:
        SchemaMismatch: its rows were written under another layout, unless they are, with ours, what was written.
    """
    best = _examined(path, about, about.footer)
    if best.lost and about.footer:
        # Written anew by somebody, the file has another footer, which is then the right one.
        found = _examined(path, about, "")
        if found.legible >= 0 and (len(found.rows), found.legible) >= (len(best.rows), best.legible):
            best = found
    if about.schema != SCHEMA:
        _refuse_layout(path, about, best)
        best.faults.insert(0, Fault("schema", 0, about.rows, _other_layout(about)))
    return best


def verify(path: Path, about: Sidecar) -> None:
    """Check that the file at `path` is, byte for byte, what `about` describes.

    Raises:
        Damaged: it is not; the text names the first row that is wrong, as far as that can be told.
    """
    damage = damage_of(path, about)
    if damage is not None:
        first = _first_fault(path, about) if damage.reason != "unreadable" else None
        row, detail = (0, damage.detail) if first is None else (first.row, f"{first.detail}: {damage.detail}")
        raise Damaged(path, row, detail, reason=damage.reason)


def _first_fault(path: Path, about: Sidecar) -> Fault | None:
    said = described_inside(path)
    if said is not None and inside(said) != inside(about):
        with pq.ParquetFile(path) as file:
            return Fault("sidecar", 0, about.rows, disagreement(file, about))
    found = examine(path, about)
    faults = found.faults if found.first is None else [*found.faults, found.first]
    # What says exactly which row is wrong comes before what says that one of many is.
    return min(faults, key=lambda fault: (fault.kind in _VAGUE, fault.row), default=None)


def described_inside(path: Path) -> Sidecar | None:
    """What the file at `path` says of itself, if it says so."""
    try:
        metadata = pq.read_metadata(path).metadata or {}
        said = {key.decode().removeprefix("aviary."): value.decode() for key, value in metadata.items()}
        return msgspec.convert({**said, "bytes": path.stat().st_size}, Sidecar, strict=False)
    except UNREADABLE:
        return None


def _examined(path: Path, about: Sidecar, footer: str) -> Examined:
    columns, places, faults, is_parquet = decode(path, about, footer)
    first = first_fault(columns, about, Before(0, -1, about.first_ts))
    first = first and first._replace(row=int(places[first.row]))
    mine = _of_this_part(columns, places, about, faults)
    rows, seq, places = _in_order(
        rows_of(columns).view(RAW)[mine].view(EVENT), columns["seq"][mine], places[mine], faults
    )
    proof = prove(
        rows, seq, written=about.rows, first_seq=about.first_seq, content=about.content_sha256,
        stretches=about.stretches,
    )  # fmt: skip
    usable = _usable(rows, places, about, faults)
    faults += _unproven(proof, usable, places, sum(fault.rows for fault in faults if fault.kind == "unreadable"))
    _end_messages(rows, proof.good & ~usable)
    kept = proof.good & usable
    legible = len(mine) if is_parquet else -1
    return Examined(rows.view(RAW)[kept].view(EVENT), seq[kept], proof.lost, faults, legible, first)


def _of_this_part(columns: Columns, places: Places, about: Sidecar, faults: list[Fault]) -> Mask:
    """Which rows may be the part's at all; each of the others is counted once."""
    seq = columns["seq"]
    foreign = dict(row_faults(columns, about))["mixed_symbols"]
    alien = ~foreign & ((seq < about.first_seq) | (seq > about.last_seq))
    if foreign.any():
        faults.append(_fault("mixed_symbols", columns, foreign, places, about))
    if alien.any():
        at = int(np.argmax(alien))
        detail = f"seq {seq[at]} among the rows counted from {about.first_seq} to {about.last_seq}"
        faults.append(Fault("foreign", int(places[at]), int(alien.sum()), detail))
    mine: Mask = ~foreign & ~alien
    return mine


def _in_order(rows: Rows, seq: Seqs, places: Places, faults: list[Fault]) -> tuple[Rows, Seqs, Places]:
    order = np.argsort(seq, kind="stable")
    moved = np.flatnonzero(order != np.arange(len(order)))
    if len(moved):
        at = int(np.argmax(seq[1:] < seq[:-1])) + 1
        detail = f"rows are not in order (seq {seq[at]} after {seq[at - 1]})"
        faults.append(Fault("shuffled", int(places[at]), len(moved), detail))
    rows, seq, places = rows.view(RAW)[order].view(EVENT), seq[order], places[order]
    again = np.zeros(len(seq), np.bool_)
    again[1:] = seq[1:] == seq[:-1]
    if again.any():
        at = int(np.argmax(again))
        faults.append(Fault("duplicate", int(places[at]), int(again.sum()), f"seq {seq[at]} is there already"))
    return rows.view(RAW)[~again].view(EVENT), seq[~again], places[~again]


def _usable(rows: Rows, places: Places, about: Sidecar, faults: list[Fault]) -> Mask:
    """Which rows a replay can be given, even if they are what was written: a recorder may have written what it got."""
    usable = np.ones(len(rows), np.bool_)
    for kind, mask in row_faults(rows, about):
        bad = mask & usable
        if bad.any():
            faults.append(_fault(kind, rows, bad, places, about))
            usable &= ~bad
    ts = np.where(usable, rows["ts_recv"], 0)
    backwards = usable & (ts < np.maximum.accumulate(ts))
    if backwards.any():
        at = int(np.argmax(backwards))
        detail = f"ts_recv {ts[at]} is before that of rows with a lower seq"
        faults.append(Fault("backwards", int(places[at]), int(backwards.sum()), detail))
    return usable & ~backwards


def _end_messages(rows: Rows, dropped: Mask) -> None:
    """Where the row that ends a venue message is dropped, the row before it ends it."""
    for at in np.flatnonzero(dropped & (rows["flags"] & LAST != 0)):
        before = at - 1
        while before >= 0 and dropped[before]:
            before -= 1
        if before >= 0:
            rows["flags"][before] |= LAST


def _unproven(proof: Proof, usable: Mask, places: Places, unreadable: int) -> Iterator[Fault]:
    """What is there and is not what was written, and what was written and is gone."""
    doubtful = usable & ~proof.good
    count = int(doubtful.sum())
    if count:
        row = int(places[doubtful].min())
        detail = f"of the {count} rows that fit no digest, this one being the first, some are not what was written"
        yield Fault("unproven", row, count, detail)
    missing = sum(lost.rows for lost in proof.lost) - int((~proof.good).sum()) - unreadable
    if missing > 0:
        detail = f"{missing} of the rows that were written from here on are not there"
        yield Fault("lost", proof.lost[0].row, missing, detail)


def _refuse_layout(path: Path, about: Sidecar, found: Examined) -> None:
    if found.lost or len(found.rows) != about.rows:
        raise SchemaMismatch(
            f"{path}, row 0: {_other_layout(about)}, and its rows are not what was written if read as this program's; "
            "import it again with this version"
        )


def _other_layout(about: Sidecar) -> str:
    return f"its sidecar says it was written under row schema {about.schema!r}, this program reads {SCHEMA!r}"


def _fault(kind: str, rows: Rows | Columns, mask: Mask, places: Places, about: Sidecar) -> Fault:
    at = int(np.argmax(mask))
    return Fault(kind, int(places[at]), int(mask.sum()), described(kind, rows, at, about))
