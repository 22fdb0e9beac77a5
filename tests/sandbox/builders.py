"""Instruments, venue messages and clients the sandbox tests share."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from app.core.clock import NS_PER_MS
from app.market.instruments import Instrument, read_instruments
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, EVENT, LAST, SNAPSHOT, TRADE
from app.sandbox.exchange import MAX_BACKLOG_BYTES, Exchange
from app.sandbox.flow import Flow, VenueMessage
from app.sandbox.server import serve

ROOT = Path(__file__).resolve().parents[2]
INSTRUMENTS = read_instruments(ROOT / "config" / "symbols.yml")
BTC = INSTRUMENTS["BTCUSDT"]
ETH = INSTRUMENTS["ETHUSDT"]

START = 1_700_000_000_000 * NS_PER_MS
PUBLIC = "/v5/public/linear"

Change = tuple[int, int, int, int]  # kind, side, ticks, lots


def message(at_ms: float, changes: Sequence[Change], *, flags: int = 0, instrument: Instrument = BTC) -> VenueMessage:
    """A venue message `at_ms` after START."""
    when = START + round(at_ms * NS_PER_MS)
    rows = np.array(
        [
            (
                when,
                when,
                float(instrument.price(ticks)),
                float(instrument.quantity(lots)),
                instrument.id,
                kind,
                side,
                flags,
            )
            for kind, side, ticks, lots in changes
        ],
        EVENT,
    )
    rows["flags"][-1] |= LAST
    return VenueMessage(when, rows)


def depth(at_ms: float, *levels: tuple[int, int, int], instrument: Instrument = BTC) -> VenueMessage:
    """A depth message of (side, ticks, lots)."""
    return message(at_ms, [(DEPTH_SET, *level) for level in levels], instrument=instrument)


def trade(at_ms: float, side: int, ticks: int, lots: int, *, instrument: Instrument = BTC) -> VenueMessage:
    """A message of one trade."""
    return message(at_ms, [(TRADE, side, ticks, lots)], instrument=instrument)


def snapshot(at_ms: float, *, mid: int = 600_000, levels: int = 5, instrument: Instrument = BTC) -> VenueMessage:
    """A snapshot of `levels` a side around `mid`, 10, 20, 30 … lots each."""
    sets = [(DEPTH_SET, side, mid - side * i, 10 * i) for side in (1, -1) for i in range(1, levels + 1)]
    return message(at_ms, [(DEPTH_CLEAR, 0, 0, 0), *sets], flags=SNAPSHOT, instrument=instrument)


@dataclass
class Wire:
    """A client of a running exchange."""

    exchange: Exchange
    http: aiohttp.ClientSession
    port: int
    broken: "asyncio.Future[None]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def get(self, path: str, **query: object) -> dict[str, Any]:
        async with self.http.get(self.url + path, params={k: str(v) for k, v in query.items()}) as response:
            return json.loads(await response.read())

    async def result(self, path: str, **query: object) -> Any:
        answer = await self.get(path, **query)
        assert answer["retCode"] == 0, answer
        return answer["result"]

    async def until(self, **wanted: object) -> None:
        """Wait until the exchange's state has these values."""
        for _ in range(500):
            state = await self.get("/sandbox/state")
            if all(state[name] == value for name, value in wanted.items()):
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"state never became {wanted}: {state}")

    async def fault(self, **fault: object) -> dict[str, Any]:
        async with self.http.post(self.url + "/sandbox/faults", json=fault) as response:
            assert response.status == 200, await response.text()
            return json.loads(await response.read())

    @asynccontextmanager
    async def stream(self, *topics: str) -> AsyncIterator["Stream"]:
        async with self.http.ws_connect(self.url + PUBLIC, compress=0, max_msg_size=0) as socket:
            stream = Stream(socket)
            if topics:
                await stream.subscribe(*topics)
            yield stream


class Stream:
    """A websocket client that keeps what it read."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, op: str, *args: str, req_id: object = "1") -> dict[str, Any]:
        await self.socket.send_json({"op": op, "req_id": req_id, "args": list(args)})
        return await self.read()

    async def subscribe(self, *topics: str) -> None:
        reply = await self.ask("subscribe", *topics)
        assert reply["success"], reply

    async def read(self) -> dict[str, Any]:
        return json.loads(await self.raw())

    async def raw(self) -> bytes:
        received = await self.socket.receive(timeout=10)
        assert received.type is aiohttp.WSMsgType.TEXT, (received.type, self.socket.close_code, received.extra)
        return received.data.encode()

    async def until_closed(self) -> list[bytes]:
        """Every frame up to the end of the connection."""
        frames = []
        async for received in self.socket:
            assert received.type is aiohttp.WSMsgType.TEXT
            frames.append(received.data.encode())
        return frames


@asynccontextmanager
async def running(
    flow: Flow,
    *instruments: Instrument,
    speed: float = 0.0,
    follows_wall: bool = False,
    max_backlog_bytes: int = MAX_BACKLOG_BYTES,
) -> AsyncIterator[Wire]:
    """An exchange on a free port of the loopback, and a client of it."""
    exchange = Exchange(
        flow, instruments or (BTC,), speed=speed, follows_wall=follows_wall, max_backlog_bytes=max_backlog_bytes
    )
    async with serve(exchange, host="127.0.0.1", port=0) as served, aiohttp.ClientSession() as http:
        yield Wire(exchange, http, served.port, served.broken)


class ClientBook:
    """The book a careful client builds from frames: it checks u and applies levels, nothing else."""

    def __init__(self) -> None:
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}
        self.u: int | None = None

    def apply(self, frame: dict[str, Any]) -> None:
        data = frame["data"]
        if frame["type"] == "snapshot":
            self.bids, self.asks = dict(data["b"]), dict(data["a"])
        else:
            assert self.u is not None
            assert data["u"] == self.u + 1
            for side, changes in ((self.bids, data["b"]), (self.asks, data["a"])):
                for price, quantity in changes:
                    if quantity == "0":
                        assert price in side, "a level was deleted that was never shown"
                        del side[price]
                    else:
                        side[price] = quantity
        self.u = data["u"]

    def levels(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Bids and asks, best first."""
        bids = sorted(self.bids.items(), key=lambda level: -float(level[0]))
        return bids, sorted(self.asks.items(), key=lambda level: float(level[0]))


class NaiveBook:
    """The whole book by the plainest rules, from rows."""

    def __init__(self, instrument: Instrument = BTC) -> None:
        self.instrument = instrument
        self.sides: dict[int, dict[int, int]] = {1: {}, -1: {}}

    def apply(self, rows: Any) -> None:
        for row in rows:
            side = int(row["side"])
            if row["kind"] == DEPTH_CLEAR:
                for one in (1, -1) if side == 0 else (side,):
                    self.sides[one].clear()
            elif row["kind"] == DEPTH_SET:
                ticks = self.instrument.ticks(float(row["px"]))
                lots = self.instrument.lots(float(row["qty"]))
                if lots:
                    self.sides[side][ticks] = lots
                else:
                    self.sides[side].pop(ticks, None)

    def levels(self, n: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The best `n` bids and asks as the venue writes them, best first."""

        def written(side: int) -> list[tuple[str, str]]:
            best = sorted(self.sides[side], reverse=side > 0)[:n]
            return [
                (f"{self.instrument.price(ticks):f}", f"{self.instrument.quantity(self.sides[side][ticks]):f}")
                for ticks in best
            ]

        return written(1), written(-1)
