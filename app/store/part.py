"""One Parquet file of event rows with their counters, and the check that it is what was written."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from app.market.rows import EVENT, Rows, check_schema
from app.store.layout import Damaged, Sidecar
from app.store.proof import Seqs
from app.store.row_check import Before, Columns, first_fault

COLUMNS: Final = pa.schema(
    [pa.field(name, pa.from_numpy_dtype(EVENT[name]), nullable=False) for name in EVENT.names or ()]
    + [pa.field("seq", pa.uint64(), nullable=False)]
)
_SEQ: Final = np.dtype(np.uint64)
#: Rows read at a time: so few that they stay in the processor's cache on their way, and their memory is used again.
_BATCH: Final = 16_384
#: What of a sidecar cannot be in the file itself.
_BESIDE: Final = ("bytes", "sha256", "footer", "seal")
#: What the Parquet library raises for bytes that are no Parquet file, or one that was damaged.
UNREADABLE: Final = (OSError, ValueError, KeyError, OverflowError, MemoryError, pa.ArrowException)


def read_part(path: Path, about: Sidecar, *, checked: bool = False) -> Iterator[tuple[Rows, Seqs]]:
    """Yield the rows of a part and their counters, some thousands at a time.

    `checked` is True if `check_file` was called for the file as it is now.

    Raises:
        SchemaMismatch: the rows have another layout.
        BadInput: the file is not what `about` describes, or a row cannot be one of its rows; the text names it.
    """
    if not checked:
        check_file(path, about)
    before = Before(0, -1, about.first_ts)
    with reading(path), pq.ParquetFile(path, pre_buffer=False) as file:
        _check_inside(path, about, file)
        for batch in file.iter_batches(_BATCH, use_threads=False):
            columns = columns_of(batch)
            fault = first_fault(columns, about, before)
            if fault is not None:
                raise Damaged(path, fault.row, fault.detail, reason=fault.kind)
            rows, seq = rows_of(columns), columns["seq"]
            if len(seq):
                before = Before(before.rows + len(seq), int(seq[-1]), int(columns["ts_recv"][-1]))
            yield rows, seq
    if before != (about.rows, about.last_seq, about.last_ts):
        found = f"the file has {before.rows} rows up to seq {before.seq} and ts_recv {before.ts}"
        said = f"its sidecar says {about.rows} up to {about.last_seq} and {about.last_ts}"
        raise Damaged(path, min(before.rows, about.rows), f"{found}, {said}", reason="row_count")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def inside(about: Sidecar) -> dict[str, str]:
    """What of the sidecar is kept in the file's own metadata too."""
    fields = msgspec.structs.asdict(about)
    return {f"aviary.{key}": str(value) for key, value in fields.items() if key not in _BESIDE}


class Damage(NamedTuple):
    """Why a file is not what was written."""

    reason: str
    detail: str


def damage_of(path: Path, about: Sidecar) -> Damage | None:
    """Why the file at `path` is not, byte for byte, what `about` describes; None if it is."""
    try:
        size = path.stat().st_size
        if size != about.bytes:
            return Damage("truncated", f"the file has {size} bytes, its sidecar says {about.bytes}")
        if not about.genuine:
            return Damage("sidecar", "the sidecar was changed after it was written (its seal does not fit it)")
        if file_sha256(path) != about.sha256:
            return Damage("checksum", "the file was changed after it was written (its SHA-256 differs)")
    except OSError as error:
        return Damage("unreadable", f"the file cannot be read ({error.strerror})")
    return None


def check_file(path: Path, about: Sidecar) -> None:
    """Raise `BadInput` or `SchemaMismatch` unless the file is what `about` describes."""
    check_schema(about.schema, where=f"{path}, row 0,")
    damage = damage_of(path, about)
    if damage is not None:
        raise Damaged(path, 0, damage.detail, reason=damage.reason)


def _check_inside(path: Path, about: Sidecar, file: pq.ParquetFile) -> None:
    told = disagreement(file, about)
    if told:
        raise Damaged(path, 0, told, reason="sidecar")
    other = other_columns(file)
    if other:
        raise Damaged(path, 0, other, reason="columns")


def disagreement(file: pq.ParquetFile, about: Sidecar) -> str:
    """Where a file says something else of itself than its sidecar; empty if nowhere."""
    metadata = file.metadata.metadata or {}
    for key, beside in inside(about).items():
        found = metadata.get(key.encode(), b"").decode(errors="replace")
        if found != beside:
            told = f"{key} is {found[:64]!r} in the file and {beside[:64]!r} beside it"
            return f"the file and its sidecar describe different rows ({told})"
    return ""


def other_columns(file: pq.ParquetFile) -> str:
    """How the columns are not those of event rows; empty if they are."""
    columns = [(field.name, field.type) for field in file.schema_arrow]
    if columns == [(field.name, field.type) for field in COLUMNS]:
        return ""
    told = ", ".join(f"{name} {kind}" for name, kind in columns)
    return f"the columns are {told}, not those of event rows"


def said_of(error: BaseException) -> str:
    """An error of the Parquet library or the file system in few words."""
    told = error.strerror if isinstance(error, OSError) else None
    return told or str(error).partition("\n")[0] or type(error).__name__


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever the Parquet library or the file system has to say about `path` becomes a `BadInput`."""
    try:
        yield
    except UNREADABLE as error:
        raise Damaged(path, 0, f"the file cannot be read ({said_of(error)})", reason="unreadable") from None


def columns_of(batch: pa.RecordBatch) -> Columns:
    """The columns of some rows as numpy."""
    found = {name: column(batch, name, EVENT[name]) for name in EVENT.names or ()}
    return {**found, "seq": column(batch, "seq", _SEQ)}


def rows_of(columns: Columns) -> Rows:
    """Columns as rows."""
    rows = np.empty(len(columns["seq"]), EVENT)
    for name in EVENT.names or ():
        rows[name] = columns[name]
    return rows


def column(batch: pa.RecordBatch, name: str, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """A column without nulls as numpy. Arrow's own `to_numpy` loads pandas where that is installed: 45 MB."""
    array = batch.column(name)
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)
