"""One Parquet file of event rows with their counters, and the check that it is what was written."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from app.core.errors import BadInput
from app.market.rows import EVENT, SCHEMA, Rows, check_schema, empty
from app.store.layout import Sidecar

Seqs = npt.NDArray[np.uint64]

ROW_GROUP: Final = 65_536
_COLUMNS: Final = pa.schema(
    [pa.field(name, pa.from_numpy_dtype(EVENT[name]), nullable=False) for name in EVENT.names or ()]
    + [pa.field("seq", pa.uint64(), nullable=False)]
)
# Times and counters rise steadily and are small as differences; the other columns have few distinct values.
_DELTAS: Final = ("ts_event", "ts_recv", "seq")


class PartWriter:
    """Writes the rows of one symbol and hour to `path`; `close` gives the sidecar."""

    def __init__(self, path: Path, *, venue: str, symbol: str, instrument: int, recording: str) -> None:
        self.path = path
        self._venue, self._symbol, self._instrument, self._recording = venue, symbol, instrument, recording
        self._writer = pq.ParquetWriter(
            path,
            _COLUMNS,
            compression="zstd",
            compression_level=3,
            use_dictionary=[name for name in _COLUMNS.names if name not in _DELTAS],
            column_encoding=dict.fromkeys(_DELTAS, "DELTA_BINARY_PACKED"),
        )
        self._buffer: list[tuple[Rows, Seqs]] = []
        self._buffered = 0
        self._rows = 0
        self._first = self._last = (0, 0)
        self._content = hashlib.sha256()

    def append(self, rows: Rows, seq: Seqs) -> None:
        """Add `rows`, counted by `seq`, which must go on rising."""
        if not self._rows:
            self._first = int(seq[0]), int(rows["ts_recv"][0])
        self._last = int(seq[-1]), int(rows["ts_recv"][-1])
        self._rows += len(rows)
        # Row groups of one size whatever the sizes appended: the same rows always make the same file.
        while self._buffered + len(rows) >= ROW_GROUP:
            room = ROW_GROUP - self._buffered
            self._buffer.append((rows[:room], seq[:room]))
            self._flush()
            rows, seq = rows[room:], seq[room:]
        if len(rows):
            self._buffer.append((rows, seq))
            self._buffered += len(rows)

    def close(self) -> Sidecar:
        """Finish the file. Its size and hash are in the sidecar, which cannot be in the file itself."""
        self._flush()
        about = Sidecar(
            schema=SCHEMA,
            venue=self._venue,
            symbol=self._symbol,
            instrument=self._instrument,
            recording=self._recording,
            rows=self._rows,
            first_seq=self._first[0],
            last_seq=self._last[0],
            first_ts=self._first[1],
            last_ts=self._last[1],
            content_sha256=self._content.hexdigest(),
        )
        self._writer.add_key_value_metadata({key: str(value) for key, value in _inside(about).items()})
        self._writer.close()
        return msgspec.structs.replace(about, bytes=self.path.stat().st_size, sha256=file_sha256(self.path))

    def _flush(self) -> None:
        if not self._buffer:
            return
        rows = np.concatenate([rows for rows, _ in self._buffer])
        seq = np.concatenate([seq for _, seq in self._buffer])
        self._buffer, self._buffered = [], 0
        self._content.update(rows.tobytes())
        self._content.update(seq.tobytes())
        columns = [pa.array(np.ascontiguousarray(rows[name])) for name in EVENT.names or ()]
        table = pa.Table.from_arrays([*columns, pa.array(seq)], schema=_COLUMNS)
        self._writer.write_table(table, row_group_size=ROW_GROUP)


def read_part(path: Path, about: Sidecar) -> Iterator[tuple[Rows, Seqs]]:
    """Yield the rows of a part and their counters, one row group at a time.

    Raises:
        SchemaMismatch: the rows have another layout.
        BadInput: the file is not what `about` describes, or its rows are not in order.
    """
    _check_file(path, about)
    with pq.ParquetFile(path, pre_buffer=False) as file:
        count, last = 0, (-1, about.first_ts)
        for group in range(file.num_row_groups):
            table = file.read_row_group(group, use_threads=False)
            rows, seq = _rows_of(table)
            last = _check_order(path, rows, seq, last, count)
            count += len(rows)
            yield rows, seq
    if count != about.rows or last[1] != about.last_ts:
        raise BadInput(
            f"{path} has {count} rows up to ts_recv {last[1]}, its sidecar says {about.rows} up to {about.last_ts}; "
            "restore it from a copy or import it again",
            reason="row_count",
        )


def read_times(path: Path, about: Sidecar) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the ts_recv of a part's rows, one row group at a time; raises what `read_part` raises for the file."""
    _check_file(path, about)
    with pq.ParquetFile(path, pre_buffer=False) as file:
        for group in range(file.num_row_groups):
            yield _column(file.read_row_group(group, columns=["ts_recv"]), "ts_recv", EVENT["ts_recv"])


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _inside(about: Sidecar) -> dict[str, Any]:
    """What of the sidecar is kept in the file's own metadata too."""
    fields = msgspec.structs.asdict(about)
    return {f"aviary.{key}": value for key, value in fields.items() if key not in ("bytes", "sha256")}


def _check_file(path: Path, about: Sidecar) -> None:
    check_schema(about.schema, where=str(path))
    size = path.stat().st_size
    remedy = "restore it from a copy or import it again"
    if size != about.bytes:
        raise BadInput(f"{path} has {size} bytes, its sidecar says {about.bytes}; {remedy}", reason="truncated")
    if file_sha256(path) != about.sha256:
        raise BadInput(f"{path} was changed after it was written (its SHA-256 differs); {remedy}", reason="checksum")
    inside = pq.read_metadata(path).metadata or {}
    found = {key: inside.get(key.encode(), b"").decode() for key in _inside(about)}
    if found != {key: str(value) for key, value in _inside(about).items()}:
        raise BadInput(f"{path} and its sidecar describe different rows; {remedy}", reason="sidecar")


def _rows_of(table: pa.Table) -> tuple[Rows, Seqs]:
    rows = empty(table.num_rows)
    for name in EVENT.names or ():
        rows[name] = _column(table, name, EVENT[name])
    return rows, _column(table, "seq", np.dtype(np.uint64))


def _column(table: pa.Table, name: str, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """A column without nulls as numpy. Arrow's own `to_numpy` loads pandas where that is installed: 45 MB."""
    array = table.column(name).combine_chunks()
    return np.frombuffer(array.buffers()[1], dtype, len(array), array.offset * dtype.itemsize)


def _check_order(path: Path, rows: Rows, seq: Seqs, last: tuple[int, int], before: int) -> tuple[int, int]:
    counters = np.concatenate(([last[0]], seq.astype(np.int64)))
    times = np.concatenate(([last[1]], rows["ts_recv"]))
    wrong = (counters[1:] <= counters[:-1]) | (times[1:] < times[:-1])
    if wrong.any():
        at = int(np.argmax(wrong))
        raise BadInput(
            f"{path}, row {before + at}: rows are not in order (seq {counters[at + 1]} after {counters[at]}, "
            f"ts_recv {times[at + 1]} after {times[at]}); restore the file from a copy or import it again",
            reason="shuffled",
        )
    return int(counters[-1]), int(times[-1])
