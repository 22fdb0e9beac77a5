"""The rows of a damaged Parquet file that can be decoded at all, in whatever state they are."""

import zlib
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from app.market.rows import EVENT
from app.store.layout import Sidecar
from app.store.part import COLUMNS, UNREADABLE, columns_of, other_columns, said_of
from app.store.row_check import Columns, Fault

# A damaged footer may claim any number of rows or bytes; what it claims beyond these is not believed.
_ROWS_AT_MOST: Final = 8
_BYTES_A_ROW: Final = 256

Places = npt.NDArray[np.int64]


class Legible(NamedTuple):
    """Columns of the rows that can be decoded, the number in the file of each, and what cannot be.

    `is_parquet` is False if not even that much could be made of the file.
    """

    columns: Columns
    places: Places
    faults: list[Fault]
    is_parquet: bool


def decode(path: Path, about: Sidecar, footer: str) -> Legible:
    """What can be read of the file at `path`; with a `footer`, what its sidecar says stood at its end is put there."""
    faults: list[Fault] = []
    found: list[tuple[Columns, Places]] = []
    is_parquet = False
    try:
        # Pages that do not fit their own checksum are not handed to a decoder.
        with pq.ParquetFile(_source(path, about, footer), page_checksum_verification=True) as file:
            is_parquet = True
            found = list(_groups(file, about, faults))
    except UNREADABLE as error:
        faults.append(Fault("unreadable", 0, about.rows, f"the file cannot be read ({said_of(error)})"))
    names = (*(EVENT.names or ()), "seq")
    columns = {name: np.concatenate([_none(name), *(group[name] for group, _ in found)]) for name in names}
    places = np.concatenate([np.empty(0, np.int64), *(places for _, places in found)])
    return Legible(columns, places, faults, is_parquet)


def _source(path: Path, about: Sidecar, footer: str) -> pa.BufferReader:
    data = path.read_bytes()
    if footer:
        try:
            end = zlib.decompress(b64decode(footer, validate=True))
        except zlib.error as error:
            raise ValueError(f"the sidecar's footer is damaged: {error}") from None
        body = about.bytes - len(end)
        if body < 0:
            raise ValueError("the sidecar's footer is longer than the file was")
        data = data[:body].ljust(body, b"\0") + end
    return pa.BufferReader(data)


def _groups(file: pq.ParquetFile, about: Sidecar, faults: list[Fault]) -> Iterator[tuple[Columns, Places]]:
    row = 0
    other = other_columns(file)
    if other:
        faults.append(Fault("columns", 0, file.metadata.num_rows, other))
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        try:
            _believable(file.metadata.row_group(group), row + count, about)
            table = file.read_row_group(group, use_threads=False).combine_chunks()
            yield columns_of(_as_columns(table)), np.arange(row, row + count)
        except UNREADABLE as error:
            detail = f"this row and the {count - 1} behind it cannot be read ({said_of(error)})"
            faults.append(Fault("unreadable", row, count, detail))
        row += max(0, count)


def _believable(group: pq.RowGroupMetaData, rows: int, about: Sidecar) -> None:
    size = max(group.column(number).total_uncompressed_size for number in range(group.num_columns))
    if not 0 <= group.num_rows <= rows <= _ROWS_AT_MOST * about.rows + 1024 or size > _BYTES_A_ROW * (rows + 1024):
        raise ValueError(f"the footer claims {rows} rows and columns of {size} bytes")


def _as_columns(table: pa.Table) -> pa.RecordBatch:
    """The columns of event rows, as their types where nothing is lost by that."""
    missing = sorted(set(COLUMNS.names) - set(table.column_names))
    if missing:
        raise ValueError(f"there is no column {', '.join(missing)}")
    arrays = [table.column(field.name).combine_chunks().cast(field.type, safe=True) for field in COLUMNS]
    if any(array.null_count for array in arrays):
        raise ValueError("there are rows without a value")
    arrays = [array.chunk(0) if isinstance(array, pa.ChunkedArray) else array for array in arrays]
    return pa.RecordBatch.from_arrays(arrays, schema=COLUMNS)


def _none(name: str) -> npt.NDArray[np.generic]:
    return np.empty(0, EVENT[name] if name != "seq" else np.uint64)
