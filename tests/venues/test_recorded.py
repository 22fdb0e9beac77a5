"""The decoder on a real recorded session, against a book built from the same JSON by the plainest rules."""

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.clock import NS_PER_MS
from app.market.rows import DEPTH_CLEAR, FUNDING, INDEX, MARK, TRADE, Rows, faults
from app.venues.bybit.decode import Decoder
from tests.venues.sink import MemorySink, NaiveBook

SYMBOLS = {"BTCUSDT": 1, "ETHUSDT": 2, "SOLUSDT": 3, "DOGEUSDT": 5}


@pytest.fixture(scope="module")
def frames(shared_data: Path) -> list[bytes]:
    """The frames of the linear market's connection, as they came."""
    zstandard = pytest.importorskip("zstandard")
    path = shared_data / "bybit" / "session_20260809.jsonl.zst"
    return list(_linear(zstandard.ZstdDecompressor().decompress(path.read_bytes(), max_output_size=1 << 28)))


def _linear(session: bytes) -> Iterator[bytes]:
    connections = set()
    for line in io.BytesIO(session):
        event = json.loads(line)
        if event["t"] == "connect" and event["addr"].endswith("/linear"):
            connections.add(event["conn"])
        elif event["t"] == "recv" and event["conn"] in connections:
            yield event["data"].encode()


@pytest.fixture(scope="module")
def decoded(frames: list[bytes]) -> tuple[Rows, MemorySink]:
    sink = MemorySink()
    decoder = Decoder(SYMBOLS, 200, sink)
    for frame in frames:
        decoder.decode(frame)
    assert not decoder.lost
    return sink.rows(), sink


def messages(frames: list[bytes], kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for frame in frames:
        message = json.loads(frame)
        if message.get("topic", "").startswith(kind):
            yield message["topic"].rpartition(".")[2], message


def test_nothing_is_missed_and_nothing_but_foreign_topics_is_dropped(
    frames: list[bytes], decoded: tuple[Rows, MemorySink]
) -> None:
    rows, sink = decoded
    assert sink.drops == {"unknown_topic": sum(1 for _ in messages(frames, "kline"))}
    assert not sink.gaps
    assert not sink.clamps
    assert not faults(rows).any()


def test_books_are_the_venues(frames: list[bytes], decoded: tuple[Rows, MemorySink]) -> None:
    rows, _ = decoded
    expected: dict[str, dict[int, dict[float, float]]] = defaultdict(lambda: {1: {}, -1: {}})
    for symbol, message in messages(frames, "orderbook"):
        if message["type"] == "snapshot":
            expected[symbol] = {1: {}, -1: {}}
        for side, key in ((1, "b"), (-1, "a")):
            for px, qty in message["data"][key]:
                expected[symbol][side][float(px)] = float(qty)
                if float(qty) == 0:
                    del expected[symbol][side][float(px)]
    assert len(expected) == 4
    for symbol, number in SYMBOLS.items():
        book = NaiveBook().apply(rows[rows["instrument"] == number])
        assert book.sides == expected[symbol]
        assert book.sides is not None
        assert max(book.sides[1]) < min(book.sides[-1])
        assert len(book.sides[1]) == len(book.sides[-1]) == 200


def test_trades_are_the_venues(frames: list[bytes], decoded: tuple[Rows, MemorySink]) -> None:
    rows, _ = decoded
    expected = [
        (SYMBOLS[symbol], t["T"] * NS_PER_MS, 1 if t["S"] == "Buy" else -1, float(t["p"]), float(t["v"]))
        for symbol, message in messages(frames, "publicTrade")
        for t in message["data"]
    ]
    found = rows[rows["kind"] == TRADE]
    assert len(expected) > 100
    assert found[["instrument", "ts_event", "side", "px", "qty"]].tolist() == expected


def test_tickers_are_written_when_they_change(frames: list[bytes], decoded: tuple[Rows, MemorySink]) -> None:
    rows, _ = decoded
    seen: dict[tuple[str, str], str] = {}
    changes: Counter[int] = Counter()
    for symbol, message in messages(frames, "tickers"):
        for key, kind in (("markPrice", MARK), ("indexPrice", INDEX), ("fundingRate", FUNDING)):
            value = message["data"].get(key)
            if value and seen.get((symbol, key)) != value:
                seen[symbol, key] = value
                changes[kind] += 1
    assert changes[MARK] > 50
    assert {kind: int(np.count_nonzero(rows["kind"] == kind)) for kind in changes} == changes


def test_update_ids_of_a_real_venue_grow_by_one(frames: list[bytes], decoded: tuple[Rows, MemorySink]) -> None:
    last: dict[str, int] = {}
    for symbol, message in messages(frames, "orderbook"):
        u = message["data"]["u"]
        assert symbol not in last or u == last[symbol] + 1
        last[symbol] = u
    rows, _ = decoded
    assert np.count_nonzero(rows["kind"] == DEPTH_CLEAR) == len(last)
