"""Closed trades as a Parquet file, for pandas, DuckDB and their like."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from app.executor.venue_side import HORIZONS
from app.messages.execution import ClosedTrade
from app.replay.table_file import write_table

TRADES: Final = "trades.parquet"

_TIME = pa.timestamp("ns", "UTC")
#: Columns of the markouts by their key in `ClosedTrade.markouts_bps`.
_MARKOUTS = {str(horizon): f"markout_{horizon}ms_bps" for horizon in HORIZONS}
_SCHEMA = pa.schema(
    [
        ("signal_id", pa.string()), ("strategy", pa.string()), ("symbol", pa.string()), ("model_id", pa.string()),
        ("side", pa.int8()), ("qty", pa.float64()), ("entry_ts", _TIME), ("exit_ts", _TIME),
        ("entry_px", pa.float64()), ("exit_px", pa.float64()), ("gross", pa.float64()), ("fees", pa.float64()),
        ("funding", pa.float64()), ("pnl", pa.float64()), ("exit_reason", pa.string()), ("score", pa.float64()),
        *((name, pa.float64()) for name in _MARKOUTS.values()),
    ]
)  # fmt: skip
_SAME = ("signal_id", "strategy", "symbol", "model_id", "side", "entry_ts", "exit_reason", "score")
_MONEY = ("qty", "entry_px", "exit_px", "gross", "fees", "funding", "pnl")


def write_trades(path: Path, trades: Sequence[ClosedTrade]) -> None:
    """One row a trade; money as float64, for looking at. The exact amounts are in `records.jsonl`.

    `markout_100ms_bps` and its like are null where the trade did not live to see that horizon; see `ClosedTrade`.
    """
    columns = {name: [getattr(trade, name) for trade in trades] for name in _SAME}
    columns |= {name: [float(getattr(trade, name)) for trade in trades] for name in _MONEY}
    columns |= {name: [trade.markouts_bps.get(key) for trade in trades] for key, name in _MARKOUTS.items()}
    columns["exit_ts"] = [trade.ts for trade in trades]
    write_table(path, pa.table(columns, schema=_SCHEMA))
