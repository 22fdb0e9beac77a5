"""An in-memory `RowSink`, a plain book, and Bybit frames."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from app.core.clock import NS_PER_MS
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, Rows, from_block
from app.venues.row_buffer import RowBuffer

T0 = 1_700_000_000_000  # ms
DELAY_NS = 5 * NS_PER_MS


class MemorySink:
    """Keeps everything. Messages are received `DELAY_NS` after they happened, or at `now` if it is set."""

    def __init__(self) -> None:
        self.buffer = RowBuffer(16)  # small, so that it has to grow
        self.last = T0 * NS_PER_MS
        self.now: int | None = None
        self.open = True
        self.messages = 0
        self.drops: Counter[str] = Counter()
        self.gaps: Counter[str] = Counter()
        self.snapshots: Counter[str] = Counter()
        self.clamps = 0

    def stamp(self, ts_event: int) -> int:
        if not self.open:
            return 0
        arrived = self.now if self.now is not None else ts_event + DELAY_NS if ts_event else self.last
        self.last = max(self.last, arrived)
        return self.last

    def written(self) -> None:
        self.messages += 1

    def dropped(self, reason: str, count: int = 1) -> None:
        self.drops[reason] += count

    def clamped(self) -> None:
        self.clamps += 1

    def gap(self, symbol: str) -> None:
        self.gaps[symbol] += 1

    def synced(self, symbol: str) -> None:
        self.snapshots[symbol] += 1

    def rows(self) -> Rows:
        """Everything since the last call."""
        return from_block(self.buffer.take())


class NaiveBook:
    """The book that rows add up to, by the plainest rules; None while it is unknown."""

    def __init__(self) -> None:
        self.sides: dict[int, dict[float, float]] | None = None

    def apply(self, rows: Rows) -> "NaiveBook":
        for row in rows:
            if row["kind"] == DEPTH_CLEAR:
                assert row["side"] == 0
                self.sides = {1: {}, -1: {}} if row["flags"] & 2 else None
            elif row["kind"] == DEPTH_SET:
                assert self.sides is not None, "a level of an unknown book"
                if row["qty"]:
                    self.sides[int(row["side"])][float(row["px"])] = float(row["qty"])
                else:
                    self.sides[int(row["side"])].pop(float(row["px"]), None)
        return self


Levels = Sequence[tuple[str, str]]


def book_frame(
    kind: str, u: int, bids: Levels = (), asks: Levels = (), *, symbol: str = "BTCUSDT", depth: int = 50, **extra: Any
) -> bytes:
    """An order book frame as Bybit writes it; `extra` replaces top-level fields, None leaves one out."""
    frame = {
        "topic": f"orderbook.{depth}.{symbol}",
        "type": kind,
        "ts": T0 + u,
        "data": {"s": symbol, "b": [list(x) for x in bids], "a": [list(x) for x in asks], "u": u, "seq": 7 * u},
        "cts": T0 + u - 2,
        **extra,
    }
    return encode({key: value for key, value in frame.items() if value is not None})


def snapshot(u: int = 10, **extra: Any) -> bytes:
    """A snapshot of two levels a side."""
    return book_frame("snapshot", u, [("100.5", "1"), ("100", "2")], [("101", "3"), ("101.5", "4")], **extra)


def delta(u: int, bids: Levels = (("100.5", "9"),), asks: Levels = (), **extra: Any) -> bytes:
    """A delta; by default the best bid becomes 9."""
    return book_frame("delta", u, bids, asks, **extra)


def trade_frame(*trades: dict[str, Any], symbol: str = "BTCUSDT") -> bytes:
    """A publicTrade frame of trades, each given as the fields that differ from a buy of 1 at 100."""
    usual = {"T": T0, "s": symbol, "S": "Buy", "v": "1", "p": "100", "L": "PlusTick", "i": "x", "BT": False, "seq": 1}
    rows = [{**usual, **trade} for trade in trades]
    return encode({"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": T0, "data": rows})


def ticker_frame(symbol: str = "BTCUSDT", ts: int = T0, **fields: Any) -> bytes:
    """A tickers frame with these fields."""
    data = {"symbol": symbol, **fields}
    return encode({"topic": f"tickers.{symbol}", "type": "delta", "data": data, "cs": 1, "ts": ts})


def encode(frame: Any) -> bytes:
    return json.dumps(frame, separators=(",", ":")).encode()
