"""How tables for pandas, DuckDB and their like are written."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from app.store.files import replace_with


def write_table(path: Path, table: pa.Table) -> None:
    """Write `table` as Parquet: all of it or, whatever happens, nothing."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    replace_with(path, sink.getvalue().to_pybytes())
