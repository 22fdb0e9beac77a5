"""Writes Binance USDⓈ-M captures and Bybit sessions as recorders do, line by line."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from app.importers import ImportReport

T0_MS = 1_723_161_600_000  # 2024-08-09T00:00:00Z
#: The recorder's clock is this far behind; the feed takes 2 ms.
BEHIND_NS = 1_270_000_000
FEED_NS = 2_000_000

Level = tuple[str, str]


class Capture:
    """A capture of one symbol, a message a call, 10 ms apart. `lines` may be tampered with before `write`."""

    def __init__(self, symbol: str = "BTCUSDT", *, at_ms: int = T0_MS, behind_ns: int = BEHIND_NS) -> None:
        self.symbol, self.lines = symbol, list[bytes]()
        self.ms, self.behind_ns = at_ms, behind_ns
        self.u, self.t, self.quote_u = 1000, 500, 1

    def local(self, ms: int) -> int:
        return ms * 1_000_000 - self.behind_ns + FEED_NS

    def add(self, body: Any, *, delay_ms: int = 0) -> bytes:
        line = f"{self.local(self.ms + delay_ms)} {json.dumps(body, separators=(',', ':'))}".encode()
        self.lines.append(line)
        self.ms += 10
        return line

    def event(self, kind: str, **fields: Any) -> bytes:
        data = {"e": kind, "E": self.ms, "T": self.ms, "s": self.symbol, **fields}
        return self.add({"stream": f"{self.symbol.lower()}@{kind}", "data": data})

    def diff(self, bids: Sequence[Level] = (), asks: Sequence[Level] = (), *, skip: int = 0) -> bytes:
        """A difference of 10 updates; `skip` updates before it are missing."""
        pu = self.u + skip
        self.u = pu + 10
        return self.event("depthUpdate", U=pu + 1, u=self.u, pu=pu, b=bids, a=asks)

    def snapshot(self, bids: Sequence[Level], asks: Sequence[Level], *, update_id: int) -> bytes:
        return self.add({"lastUpdateId": update_id, "E": self.ms, "T": self.ms, "bids": bids, "asks": asks})

    def trade(self, px: str, qty: str, *, buyer_is_maker: bool = False, **more: Any) -> bytes:
        self.t += 1
        fields = {"t": self.t, "p": px, "q": qty, "X": "MARKET", "m": buyer_is_maker, **more}
        return self.event("trade", **fields)

    def quote(self, bid: str = "60000.0", ask: str = "60000.1") -> bytes:
        self.quote_u += 1
        return self.event("bookTicker", u=self.quote_u, b=bid, B="1.5", a=ask, A="2.5")

    def fill(self, count: int) -> "Capture":
        """`count` ordinary messages: differences, quotes and trades in turn."""
        for number in range(count):
            if number % 3 == 0:
                self.diff([("60000.0", f"{1 + number % 7}.000")], [("60000.1", "2.000"), ("60001.0", "0.000")])
            elif number % 3 == 1:
                self.quote()
            else:
                self.trade("60000.1", "0.010", buyer_is_maker=number % 2 == 0)
        return self

    def write(self, path: Path) -> Path:
        path.write_bytes(b"".join(line + b"\n" for line in self.lines))
        return path


class Session:
    """A Bybit session; linear frames unless `market` says otherwise."""

    def __init__(self, *, ts: float = 1_786_310_817.5) -> None:
        self.ts = ts
        self.lines: list[bytes] = [json.dumps({"t": "header", "format": 2, "exchange": "BYBIT"}).encode()]
        self.connect("linear")

    def connect(self, market: str) -> None:
        addr = f"wss://stream.bybit.com/v5/public/{market}"
        self.lines.append(json.dumps({"t": "connect", "conn": market, "ts": self.ts, "addr": addr}).encode())

    def recv(self, frame: Any, *, market: str = "linear", delay_s: float = 0.0) -> bytes:
        self.ts = round(self.ts + 0.01, 6)
        record = {"t": "recv", "conn": market, "ts": self.ts + delay_s, "data": json.dumps(frame)}
        self.lines.append(json.dumps(record).encode())
        return self.lines[-1]

    @property
    def venue_ms(self) -> int:
        """The venue's time of the next frame, 100 ms before it is received."""
        return round((self.ts + 0.01 - 0.1) * 1000)

    def book(
        self, kind: str, u: int, bids: Iterable[Level], asks: Iterable[Level], *, symbol: str = "BTCUSDT"
    ) -> bytes:
        data = {"s": symbol, "b": list(bids), "a": list(asks), "u": u, "seq": 7 * u}
        ms = self.venue_ms
        return self.recv({"topic": f"orderbook.50.{symbol}", "type": kind, "ts": ms, "data": data, "cts": ms - 1})

    def trades(self, *trades: tuple[str, str, str], symbol: str = "BTCUSDT") -> bytes:
        ms = self.venue_ms
        data = [
            {"T": ms, "s": symbol, "S": side, "v": qty, "p": px, "L": "PlusTick", "i": f"{ms}-{number}", "BT": False}
            for number, (side, px, qty) in enumerate(trades)
        ]
        return self.recv({"topic": f"publicTrade.{symbol}", "type": "snapshot", "ts": ms, "data": data})

    def ticker(self, kind: str = "delta", *, symbol: str = "BTCUSDT", **values: str) -> bytes:
        frame = {"topic": f"tickers.{symbol}", "type": kind, "ts": self.venue_ms, "data": {"symbol": symbol, **values}}
        return self.recv(frame)

    def write(self, path: Path) -> Path:
        path.write_bytes(b"".join(line + b"\n" for line in self.lines))
        return path


def counts(report: ImportReport) -> tuple[dict[str, int], dict[str, int]]:
    """How often which reason was refused, and how often which repaired."""
    return (
        {reason: fault.count for reason, fault in report.refused.items()},
        {reason: fault.count for reason, fault in report.repaired.items()},
    )
