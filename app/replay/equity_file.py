"""The accounts over time as a Parquet file, for pandas, DuckDB and their like."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa

from app.messages.base import Message
from app.messages.execution import Equity
from app.replay.table_file import write_table

EQUITY: Final = "equity.parquet"

_SCHEMA: Final = pa.schema(
    [
        ("ts", pa.timestamp("ns", "UTC")), ("strategy", pa.string()), ("model_id", pa.string()),
        ("cash", pa.float64()), ("position_value", pa.float64()), ("equity", pa.float64()),
        ("open_positions", pa.int32()),
    ]
)  # fmt: skip
_SAME: Final = ("ts", "strategy", "model_id", "open_positions")
_MONEY: Final = ("cash", "position_value", "equity")


def write_equity(path: Path, messages: Iterable[Message], span: tuple[int, int]) -> None:
    """One row a mark to market among `messages`, in order of time; money as float64, for looking at.

    An account, which is a strategy under a model, is marked at each of its fills and payments, and once an interval
    while it holds something. Between two rows its equity is that of the first, before its first row the starting cash
    in `report.json`. `span`, the first and the last event time of the replay (ns), is in the file's metadata as
    `from_ns` and `to_ns`: periods of returns are counted from there (see `app.report.performance`).
    """
    marks = sorted((message for message in messages if isinstance(message, Equity)), key=lambda mark: mark.ts)
    columns = {name: [getattr(mark, name) for mark in marks] for name in _SAME}
    columns |= {name: [float(getattr(mark, name)) for mark in marks] for name in _MONEY}
    schema = _SCHEMA.with_metadata({"from_ns": str(span[0]), "to_ns": str(span[1])})
    write_table(path, pa.table(columns, schema=schema))
