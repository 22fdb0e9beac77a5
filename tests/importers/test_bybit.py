"""Bybit sessions: the live decoder over recorded frames, and what happens to lines that are wrong."""

from pathlib import Path

import numpy as np
import pytest

from app.core.errors import BadInput, Misconfigured
from app.importers import ImportReport, import_recording
from app.market.rows import (
    CLOCK,
    DEPTH_CLEAR,
    DEPTH_SET,
    FUNDING,
    INDEX,
    LAST,
    MARK,
    REPAIRED,
    SNAPSHOT,
    TRADE,
    Rows,
    concat,
    faults,
)
from app.store.archive import ArchiveReader

from .captures import Session, counts


def imported(session: Session, tmp_path: Path, symbol: str | None = None) -> tuple[ImportReport, Rows]:
    report = import_recording([session.write(tmp_path / "session.jsonl")], tmp_path / "archive", symbol)
    rows = concat(ArchiveReader(tmp_path / "archive", "bybit_v5"))
    assert report.rows_total == len(rows)
    assert not faults(rows).any()
    assert (np.diff(rows["ts_recv"]) >= 0).all()
    return report, rows[rows["kind"] != CLOCK]


def filled(symbol: str = "BTCUSDT", session: Session | None = None) -> Session:
    session = session or Session()
    session.book("snapshot", 10, [("60000.0", "1.000")], [("60000.1", "2.000")], symbol=symbol)
    for u in range(11, 41):
        session.book("delta", u, [("60000.0", f"1.{u:03}")], [], symbol=symbol)
        session.trades(("Buy", "60000.1", "0.010"), ("Sell", "60000.0", "0.020"), symbol=symbol)
    return session


def test_each_message_becomes_its_rows(tmp_path: Path) -> None:
    session = Session()
    session.book("snapshot", 10, [("60000.0", "1.000")], [("60000.1", "2.000")])
    session.book("delta", 11, [("60000.0", "0")], [("60000.2", "3.000")])
    session.trades(("Buy", "60000.1", "0.010"), ("Sell", "60000.0", "0.020"))
    session.ticker(
        "snapshot", markPrice="60000.55", indexPrice="60001.1", fundingRate="-0.0001", nextFundingTime="1786320000000"
    )
    session.ticker(lastPrice="60000.1")
    session.ticker(markPrice="60000.66")
    report, rows = imported(session, tmp_path)
    described = [(int(r["kind"]), int(r["side"]), float(r["px"]), float(r["qty"]), int(r["flags"])) for r in rows]
    assert described == [
        (DEPTH_CLEAR, 0, 0, 0, SNAPSHOT),
        (DEPTH_SET, 1, 60000.0, 1.0, SNAPSHOT),
        (DEPTH_SET, -1, 60000.1, 2.0, SNAPSHOT | LAST),
        (DEPTH_SET, 1, 60000.0, 0.0, 0),
        (DEPTH_SET, -1, 60000.2, 3.0, LAST),
        (TRADE, 1, 60000.1, 0.01, 0),
        (TRADE, -1, 60000.0, 0.02, LAST),
        (MARK, 0, 60000.55, 0, 0),
        (INDEX, 0, 60001.1, 0, 0),
        (FUNDING, 0, -0.0001, 1786320000, LAST),
        (MARK, 0, 60000.66, 0, LAST),
    ]
    assert report.book == {"BTCUSDT": "snapshot"}
    assert report.read == {"depth_updates": 2, "trade_messages": 1, "ticker_messages": 3}
    assert counts(report) == ({}, {})
    assert (rows["ts_recv"] - rows["ts_event"] < 110_000_000).all()


def test_only_the_linear_market_is_read(tmp_path: Path) -> None:
    session = filled()
    session.connect("spot")
    session.recv(
        {"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": session.venue_ms, "data": []}, market="spot"
    )
    report, _ = imported(session, tmp_path)
    assert counts(report) == ({"other_market": 1}, {})


def test_a_missed_delta_clears_the_book_until_the_next_snapshot(tmp_path: Path) -> None:
    session = filled()
    session.book("delta", 50, [("1.0", "1.000")], [])
    line = len(session.lines)
    session.book("delta", 51, [("2.0", "1.000")], [])
    session.book("snapshot", 60, [("3.0", "1.000")], [])
    session.book("delta", 61, [("4.0", "1.000")], [])
    report, rows = imported(session, tmp_path)
    assert report.gaps == 1
    assert counts(report) == ({"before_snapshot": 1}, {"book_cleared_at_gap": 1})
    assert report.repaired["book_cleared_at_gap"].first == f"session.jsonl:{line}"
    tail = rows[-4:]
    assert tail["kind"].tolist() == [DEPTH_CLEAR, DEPTH_CLEAR, DEPTH_SET, DEPTH_SET]
    assert tail["px"].tolist() == [0, 0, 3.0, 4.0]
    assert tail["flags"][0] == LAST | REPAIRED


def test_a_reconnection_clears_the_books(tmp_path: Path) -> None:
    session = filled()
    session.connect("linear")
    session.book("delta", 41, [("1.0", "1.000")], [])
    report, rows = imported(session, tmp_path)
    assert rows["kind"][-1] == DEPTH_CLEAR
    assert counts(report)[0] == {"before_snapshot": 1}


def test_so_does_the_next_file(tmp_path: Path) -> None:
    first = filled()
    second = filled(session=Session(ts=first.ts + 60))
    paths = [first.write(tmp_path / "a.jsonl"), second.write(tmp_path / "b.jsonl")]
    import_recording(paths, tmp_path / "archive")
    rows = concat(ArchiveReader(tmp_path / "archive", "bybit_v5"))
    assert rows[rows["kind"] == DEPTH_CLEAR]["flags"].tolist() == [SNAPSHOT, LAST | REPAIRED, SNAPSHOT]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"t":"recv","conn":"linear","ts":17863108', "malformed"),
        (b"what is this", "malformed"),
        (b'{"t":"recv","conn":"linear","ts":NaN,"data":"{}"}', "malformed"),
        (b'{"t":"recv","conn":"linear","ts":1786310818.0,"data":"{\\"op\\":\\"pong\\"}"}', "other_event"),
        (b'{"t":"recv","conn":"linear","ts":1786310818.0,"data":"{"}', "other_event"),
    ],
)
def test_a_broken_line_is_left_out_and_counted(tmp_path: Path, line: bytes, reason: str) -> None:
    session = filled()
    session.lines.insert(30, line)
    report, rows = imported(session, tmp_path)
    assert counts(report) == ({reason: 1}, {})
    assert report.refused[reason].first == "session.jsonl:31"
    assert (rows["kind"] == TRADE).sum() == 60


def test_a_bad_price_costs_its_message_and_the_book_knows(tmp_path: Path) -> None:
    session = filled()
    session.book("delta", 41, [("-1.0", "1.000")], [])
    report, rows = imported(session, tmp_path)
    assert counts(report) == ({"bad_value": 1}, {"book_cleared_at_gap": 1})
    assert rows["kind"][-1] == DEPTH_CLEAR


def test_repeated_late_and_impossible_lines(tmp_path: Path) -> None:
    session = filled()
    session.lines.append(session.lines[-1])
    ms = session.venue_ms
    trade = {"T": ms, "s": "BTCUSDT", "S": "Buy", "v": "0.5", "p": "60000.0", "i": "x", "BT": False}
    session.recv({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": ms, "data": [trade]}, delay_s=-0.05)
    session.recv({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": ms, "data": [trade]}, delay_s=-90_000.0)
    report, rows = imported(session, tmp_path)
    assert counts(report) == ({"duplicate": 1, "impossible_time": 1}, {"too_late": 1})
    assert (rows["kind"] == TRADE).sum() == 61
    assert rows["flags"][-1] == LAST | REPAIRED
    assert rows["ts_recv"][-1] == rows["ts_recv"][-2]


def test_symbols_that_are_not_configured(tmp_path: Path) -> None:
    session = filled("PEPEUSDT")
    with pytest.raises(
        Misconfigured, match=r"symbol 'PEPEUSDT' is not in config/symbols.yml .*; add its filters there"
    ):
        import_recording([session.write(tmp_path / "pepe.jsonl")], tmp_path / "pepe")
    report, rows = imported(filled(session=session), tmp_path)
    assert report.symbols == ["BTCUSDT"]
    assert counts(report) == ({"other_symbol": 61}, {})
    assert report.warnings == [
        "not all symbols are in config/symbols.yml, the others are left out: "
        "PEPEUSDT (61 messages), BTCUSDT (61 messages)"
    ]
    assert set(rows["instrument"]) == {1}


def test_one_symbol_of_several(tmp_path: Path) -> None:
    session = filled("ETHUSDT", filled("BTCUSDT"))
    report, rows = imported(session, tmp_path, "ETHUSDT")
    assert report.symbols == ["ETHUSDT"]
    assert set(rows["instrument"]) == {2}
    with pytest.raises(BadInput, match=r"no SOLUSDT in session.jsonl; it holds BTCUSDT \(61 messages\), ETHUSDT \(61"):
        import_recording([tmp_path / "session.jsonl"], tmp_path / "sol", "SOLUSDT")


def test_nothing_linear_is_an_error(tmp_path: Path) -> None:
    session = Session()
    with pytest.raises(
        BadInput, match=r"no linear market data in session.jsonl: of 2 lines none is a frame of /v5/pub"
    ):
        import_recording([session.write(tmp_path / "session.jsonl")], tmp_path / "archive")
