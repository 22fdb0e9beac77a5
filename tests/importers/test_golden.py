"""The recordings in the shared folder, against counts known beforehand and against a naive reading of them."""

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from app.importers import ImportReport, import_recording
from app.market.rows import (
    CLOCK,
    DEPTH_CLEAR,
    DEPTH_SET,
    LAST,
    QUOTE,
    REPAIRED,
    SNAPSHOT,
    TRADE,
    Rows,
    concat,
    faults,
)
from app.store.archive import ArchiveReader

Book = dict[int, dict[float, float]]


def events(*paths: Path) -> Iterator[dict[str, Any]]:
    for path in paths:
        for line in gzip.decompress(path.read_bytes()).splitlines():
            body = msgspec.json.decode(line.partition(b" ")[2])
            yield body.get("data", body)


def naive_book(*paths: Path) -> Book:
    """By the exchange's rule, with dictionaries and exact text."""
    found = list(events(*paths))
    snapshot = next((event for event in found if "lastUpdateId" in event), {"lastUpdateId": 0, "bids": [], "asks": []})
    book: Book = {1: dict(levels(snapshot["bids"])), -1: dict(levels(snapshot["asks"]))}
    for event in found:
        if event.get("e") == "depthUpdate" and event["u"] >= snapshot["lastUpdateId"]:
            for side, changes in ((1, event["b"]), (-1, event["a"])):
                book[side].update(levels(changes))
    return standing(book)


def levels(changes: list[list[str]]) -> Iterator[tuple[float, float]]:
    return ((float(px), float(qty)) for px, qty in changes)


def standing(book: Book) -> Book:
    return {side: {px: qty for px, qty in levels.items() if qty} for side, levels in book.items()}


def book_of(rows: Rows) -> Book:
    book: Book = {1: {}, -1: {}}
    columns = (rows[name].tolist() for name in ("kind", "side", "px", "qty"))
    for kind, side, px, qty in zip(*columns, strict=True):
        if kind == DEPTH_SET:
            book[side][px] = qty
        elif kind == DEPTH_CLEAR:
            book = {1: {}, -1: {}}
    return standing(book)


def check_stream(rows: Rows, report: ImportReport) -> None:
    """What every recording's rows obey."""
    assert report.rows_total == len(rows)
    assert not faults(rows).any()
    assert (np.diff(rows["ts_recv"]) >= 0).all()
    assert (rows["ts_event"] <= rows["ts_recv"]).all()
    ticks = rows["ts_recv"][rows["kind"] == CLOCK]
    assert (np.diff(ticks) == 100_000_000).all()
    assert (ticks % 100_000_000 == 0).all()
    assert rows["kind"][-1] == CLOCK
    market = rows[rows["kind"] != CLOCK]
    messages = np.flatnonzero(market["flags"] & LAST) + 1
    assert messages[-1] == len(market)
    for name in ("ts_recv", "instrument"):  # a message is received at once, and of one symbol
        inside = np.ones(len(market), bool)
        inside[np.concatenate(([0], messages[:-1]))] = False
        assert (market[name][1:] == market[name][:-1])[inside[1:]].all()


@pytest.fixture(scope="module")
def august(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ImportReport, Rows, Path]:
    path = shared_data / "binance_usdm" / "btcusdt_20240808.jsonl.gz"
    root = tmp_path_factory.mktemp("august")
    report = import_recording([path], root)
    return report, concat(ArchiveReader(root, "binance_usdm", ["BTCUSDT"])), path


def test_august_has_the_known_counts(august: tuple[ImportReport, Rows, Path]) -> None:
    report, rows, _ = august
    check_stream(rows, report)
    assert report.read == {
        "level_changes": 445_521, "best_quotes": 66_089, "trades": 21_313, "depth_updates": 6_551, "snapshots": 1,
    }  # fmt: skip
    assert report.files[0].lines == 93_954
    # Four differences of 82 + 78 + 44 + 55 levels ended before the snapshot, two waited for it.
    assert {reason: (fault.count, fault.first.split(":")[1]) for reason, fault in report.refused.items()} == {
        "before_snapshot": (4, "1")
    }
    assert {reason: (fault.count, fault.first.split(":")[1]) for reason, fault in report.repaired.items()} == {
        "waited_for_snapshot": (2, "42")
    }
    assert report.rows == {
        "depth_set": 445_521 - 259, "depth_clear": 1, "quote": 2 * 66_089, "trade": 21_313, "clock": 3_449,
    }  # fmt: skip
    assert (report.gaps, report.silences, report.warnings) == (0, 0, [])
    assert report.book == {"BTCUSDT": "snapshot"}
    assert (rows["flags"] & SNAPSHOT != 0).sum() == 2001
    assert (rows["flags"] & REPAIRED != 0).sum() == 29 + 40


def test_august_has_its_clock_corrected(august: tuple[ImportReport, Rows, Path]) -> None:
    report, rows, _ = august
    clock = report.files[0].clock
    assert clock is not None
    assert clock.offset_ms == pytest.approx(1272.402468)
    assert clock.drift_ppm == pytest.approx(-5.0, abs=0.1)
    assert report.delay_ms == pytest.approx({"p1": 1.3, "p50": 4.1, "p99": 58.2})
    market = rows[(rows["kind"] != CLOCK) & (rows["kind"] != DEPTH_CLEAR)]
    exact = np.percentile((market["ts_recv"] - market["ts_event"]) / 1e6, [1, 50, 99])
    assert list(report.delay_ms.values()) == pytest.approx(exact, abs=0.1)


def test_august_is_what_a_naive_reading_gives(august: tuple[ImportReport, Rows, Path]) -> None:
    _, rows, path = august
    found = list(events(path))
    trades = rows[rows["kind"] == TRADE]
    naive = [
        (event["T"] * 1_000_000, float(event["p"]), float(event["q"]), -1 if event["m"] else 1)
        for event in found
        if event.get("e") == "trade"
    ]
    assert list(zip(*(trades[name].tolist() for name in ("ts_event", "px", "qty", "side")), strict=True)) == naive
    quotes = rows[rows["kind"] == QUOTE]
    best = [event for event in found if event.get("e") == "bookTicker"]
    assert quotes["px"][0::2].tolist() == [float(event["b"]) for event in best]
    assert quotes["qty"][1::2].tolist() == [float(event["A"]) for event in best]
    assert book_of(rows) == naive_book(path)


def test_july_is_joined_at_midnight(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "binance_usdm"
    paths = [folder / "btcusdt_20240718.jsonl.gz", folder / "btcusdt_20240719.jsonl.gz"]
    report = import_recording(paths, tmp_path)
    rows = concat(ArchiveReader(tmp_path, "binance_usdm"))
    check_stream(rows, report)
    assert (report.gaps, report.silences) == (0, 0)
    assert report.read == {
        "level_changes": 402_859, "best_quotes": 52_260, "trades": 10_701, "depth_updates": 9_022, "snapshots": 1,
    }  # fmt: skip
    assert [file.clock.offset_ms for file in report.files if file.clock] == pytest.approx([1522.101448, 1523.786195])
    assert book_of(rows) == naive_book(*paths)


def test_the_second_of_july_alone_builds_up_from_differences(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "binance_usdm" / "btcusdt_20240719.jsonl.gz"
    report = import_recording([path], tmp_path)
    rows = concat(ArchiveReader(tmp_path, "binance_usdm"))
    check_stream(rows, report)
    assert report.book == {"BTCUSDT": "differences"}
    assert report.rows["depth_set"] == report.read["level_changes"] == 325_155
    assert "depth_clear" not in report.rows
    assert (report.refused, report.repaired) == ({}, {})
    assert book_of(rows) == naive_book(path)


def test_the_bybit_session(shared_data: Path, tmp_path: Path) -> None:
    report = import_recording([shared_data / "bybit" / "session_20260809.jsonl.zst"], tmp_path)
    rows = concat(ArchiveReader(tmp_path, "bybit_v5"))
    check_stream(rows, report)
    assert report.symbols == ["BTCUSDT", "DOGEUSDT", "ETHUSDT", "SOLUSDT"]
    assert report.read == {"ticker_messages": 758, "depth_updates": 1_598, "trade_messages": 102}
    assert report.rows == {
        "depth_set": 17_734, "depth_clear": 4, "trade": 327, "mark": 89, "index": 69, "funding": 6, "clock": 423,
    }  # fmt: skip
    assert set(report.book.values()) == {"snapshot"}
    assert report.gaps == 0
    assert {reason: fault.count for reason, fault in report.refused.items()} == {"other_market": 681, "other_event": 88}
    assert report.repaired == {}
    clock = report.files[0].clock
    assert clock is not None
    assert (clock.offset_ms, clock.method) == (0, "none: the smallest delay, 105.999 ms, is possible")
    for instrument in (1, 2, 3, 5):  # the venue keeps exactly 200 levels a side
        book = book_of(rows[rows["instrument"] == instrument])
        assert len(book[1]) == len(book[-1]) == 200
        assert max(book[1]) < min(book[-1])
