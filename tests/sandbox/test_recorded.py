"""The sandbox's frames and answers against the venue's own, recorded and documented."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.importers import open_tape
from app.sandbox.synthetic import SyntheticFlow
from app.sandbox.tape import TapeFlow
from tests.sandbox.builders import BTC, ClientBook, running

zstandard = pytest.importorskip("zstandard", reason="the dev extra is not installed: pip install aviary[dev]")

SESSION = "session_20260809.jsonl.zst"
TOPICS = ("orderbook.200.BTCUSDT", "publicTrade.BTCUSDT", "tickers.BTCUSDT")


def session(shared_data: Path) -> Iterator[dict[str, Any]]:
    """The frames the venue sent on its linear websocket."""
    with (shared_data / "bybit" / SESSION).open("rb") as file:
        for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(file)):
            entry = json.loads(line)
            if entry["t"] == "recv" and entry["conn"] == "BYBIT.ws.2":
                yield json.loads(entry["data"])


def shape(value: Any) -> Any:
    """A value without its content: keys in order, types, and how numbers in strings are written."""
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


async def sandbox_frames(*topics: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The first frame of every topic and type."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    async with running(SyntheticFlow(BTC, 7)) as wire, wire.stream(*topics) as stream:
        for _ in range(300):
            frame = await stream.read()
            found.setdefault((frame["topic"], frame["type"]), frame)
    return found


async def test_book_and_trade_frames_have_the_recorded_shape(shared_data: Path) -> None:
    ours = await sandbox_frames(*TOPICS)
    seen = set()
    for frame in session(shared_data):
        key = (frame.get("topic"), frame.get("type"))
        mine = ours.get(key)
        if mine is None or key in seen or key[0] == "tickers.BTCUSDT":
            continue
        assert list(mine) == list(frame)
        rows, theirs = mine["data"], frame["data"]
        if key[0] == "publicTrade.BTCUSDT":
            assert {name: type(value) for name, value in rows[0].items()} == {
                name: type(value) for name, value in theirs[0].items()
            }
        elif theirs["b"] and theirs["a"] and rows["b"] and rows["a"]:
            assert shape(rows) == shape(theirs)
            assert all(len(level) == 2 for side in "ba" for level in rows[side])
        else:
            continue
        seen.add(key)
    assert {("orderbook.200.BTCUSDT", "snapshot"), ("publicTrade.BTCUSDT", "snapshot")} <= seen


async def test_ticker_frames_have_the_recorded_shape(shared_data: Path) -> None:
    ours = await sandbox_frames("tickers.BTCUSDT", "publicTrade.BTCUSDT")
    recorded = [frame for frame in session(shared_data) if frame.get("topic") == "tickers.BTCUSDT"]
    assert recorded[0]["type"] == "snapshot"
    for kind in ("snapshot", "delta"):
        mine = ours["tickers.BTCUSDT", kind]
        theirs = next(frame for frame in recorded if frame["type"] == kind)
        assert list(mine) == list(theirs)
        # Every field is one of the venue's, and as there a string.
        assert set(mine["data"]) <= set(recorded[0]["data"])
        assert {type(value) for value in mine["data"].values()} == {str}


async def test_acknowledgements_have_the_recorded_shape(shared_data: Path) -> None:
    recorded = next(frame for frame in session(shared_data) if "success" in frame)
    async with running(SyntheticFlow(BTC, 7)) as wire, wire.stream() as stream:
        reply = await stream.ask("subscribe", "tickers.BTCUSDT")
    assert list(reply) == list(recorded)
    assert shape(reply) == shape(recorded)


@pytest.mark.parametrize(
    ("path", "document", "query"),
    [
        ("/v5/market/time", "market__time__0", {}),
        ("/v5/market/orderbook", "market__orderbook__0", {"symbol": "BTCUSDT"}),
        ("/v5/market/kline", "market__kline__0", {"symbol": "BTCUSDT", "interval": "1"}),
        ("/v5/market/recent-trade", "market__recent-trade__0", {"symbol": "BTCUSDT"}),
        ("/v5/market/tickers", "market__tickers__0", {"symbol": "BTCUSDT", "category": "linear"}),
    ],
)
async def test_answers_have_the_documented_shape(
    shared_data: Path, path: str, document: str, query: dict[str, str]
) -> None:
    documented = json.loads((shared_data / "bybit" / "documented_payloads" / f"{document}.json").read_text())
    async with running(SyntheticFlow(BTC, 7)) as wire, wire.stream("publicTrade.BTCUSDT") as stream:
        await stream.read()
        answer = await wire.get(path, **query)
    assert list(answer) == list(documented)
    ours, theirs = answer["result"], documented["result"]
    if path.endswith("tickers"):
        # The example is an inverse contract's: a delivery's fields mean nothing for a perpetual.
        ours, theirs = ours["list"][0], theirs["list"][0]
        delivery = {name for name in theirs if name.startswith(("basis", "delivery", "predicted"))}
        assert set(theirs) - delivery <= set(ours)
        assert all(type(ours[name]) is type(theirs[name]) for name in set(theirs) - delivery)
    else:
        assert set(ours) == set(theirs)
        assert {key: shape(value) for key, value in ours.items()} == {
            key: shape(value) for key, value in theirs.items()
        }


async def test_the_recorded_session_comes_out_as_it_went_in(shared_data: Path, tmp_path: Path) -> None:
    """A recording of the venue, imported and replayed: the book of depth 200 and every trade are the recorded ones."""
    tape = open_tape(shared_data / "bybit" / SESSION, tmp_path)
    async with running(TapeFlow(tape, ["BTCUSDT"])) as wire, wire.stream(*TOPICS[:2]) as stream:
        frames = [json.loads(frame) for frame in await stream.until_closed()]
    assert wire.exchange.state()["notes"] == {"late_messages": 0, "incomplete_messages": 0}
    results = []
    for source in (frames, session(shared_data)):
        book, trades = ClientBook(), []
        for frame in source:
            if frame.get("topic") == TOPICS[0]:
                book.apply(frame)
            elif frame.get("topic") == TOPICS[1]:
                trades += [(t["T"], t["S"], float(t["p"]), float(t["v"])) for t in frame["data"]]
        bids, asks = book.levels()
        levels = [[(float(p), float(q)) for p, q in side] for side in (bids, asks)]
        results.append((levels, trades))
    (ours, our_trades), (theirs, their_trades) = results
    assert len(their_trades) > 10
    assert our_trades == their_trades
    assert ours == theirs
