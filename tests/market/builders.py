"""Event rows and instruments for tests."""

import gzip
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import numpy as np

from app.market.instruments import Instrument
from app.market.rows import (
    CLOCK,
    DEPTH_CLEAR,
    DEPTH_SET,
    EVENT,
    LAST,
    QUOTE,
    SNAPSHOT,
    TRADE,
    Rows,
)

Row = tuple[int, int, float, float, int, int, int, int]


def instrument(id: int = 1, symbol: str = "BTCUSDT", tick_size: str = "0.1") -> Instrument:
    return Instrument(
        id=id,
        symbol=symbol,
        base=symbol[:3],
        tick_size=Decimal(tick_size),
        lot_size=Decimal("0.001"),
        min_qty=Decimal("0.001"),
        max_qty=Decimal(1000),
        min_notional=Decimal(5),
    )


def row(kind: int, side: int, px: float, qty: float, flags: int = LAST, *, ts: int = 1, id: int = 1) -> Row:
    return (ts, ts, px, qty, id, kind, side, flags)


def rows(*parts: Row) -> Rows:
    return np.array(list(parts), EVENT)


def clock(ts: int) -> Row:
    return row(CLOCK, 0, 0.0, 0.0, ts=ts, id=0)


def binance_rows(file: Path, *, id: int = 1, most: int | None = None) -> Rows:
    """A Binance USDⓈ-M capture as event rows, in the order received, without clock rows."""
    found: list[Row] = []
    with gzip.open(file, "rt") as lines:
        for line in lines:
            recv, _, text = line.partition(" ")
            message = _binance_message(json.loads(text), int(recv), id)
            if message:
                found += message[:-1]
                found.append((*message[-1][:7], message[-1][7] | LAST))
            if most is not None and len(found) >= most:
                break
    parsed = np.array(found, EVENT)
    parsed["ts_recv"] = np.maximum.accumulate(parsed["ts_recv"])
    return parsed


def _binance_message(entry: dict[str, object], ts: int, id: int) -> list[Row]:
    data: dict[str, str] = entry.get("data", entry)  # type: ignore[assignment]
    stream = str(entry.get("stream", ""))
    if "lastUpdateId" in entry:
        clear = [row(DEPTH_CLEAR, 0, 0.0, 0.0, SNAPSHOT, ts=ts, id=id)]
        return clear + _levels(data["bids"], 1, SNAPSHOT, ts, id) + _levels(data["asks"], -1, SNAPSHOT, ts, id)
    if "@depth" in stream:
        return _levels(data["b"], 1, 0, ts, id) + _levels(data["a"], -1, 0, ts, id)
    if "@bookTicker" in stream:
        sides = ((1, data["b"], data["B"]), (-1, data["a"], data["A"]))
        return [row(QUOTE, side, float(px), float(qty), 0, ts=ts, id=id) for side, px, qty in sides]
    px, qty = float(data["p"]), float(data["q"])
    if px <= 0 or qty <= 0:
        return []
    return [row(TRADE, -1 if data["m"] else 1, px, qty, 0, ts=ts, id=id)]


def _levels(levels: Iterable[Iterable[str]], side: int, flags: int, ts: int, id: int) -> list[Row]:
    return [row(DEPTH_SET, side, float(px), float(qty), flags, ts=ts, id=id) for px, qty in levels]
