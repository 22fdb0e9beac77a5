"""Binance captures: what each message becomes, and what happens to lines that are wrong."""

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
    QUOTE,
    REPAIRED,
    SNAPSHOT,
    TRADE,
    Rows,
    concat,
    faults,
)
from app.store.archive import ArchiveReader

from .captures import FEED_NS, T0_MS, Capture, counts

MS = 1_000_000


def imported(capture: Capture, tmp_path: Path, symbol: str | None = None) -> tuple[ImportReport, Rows]:
    root = tmp_path / "archive"
    report = import_recording([capture.write(tmp_path / "capture.jsonl")], root, symbol)
    rows = concat(ArchiveReader(root, "binance_usdm"))
    assert report.rows_total == len(rows)
    assert not faults(rows).any()
    assert (np.diff(rows["ts_recv"]) >= 0).all()
    assert (rows["ts_event"] <= rows["ts_recv"]).all()
    assert set(np.unique(rows["instrument"][rows["kind"] != CLOCK])) <= {1}
    return report, rows


def market(rows: Rows) -> Rows:
    return rows[rows["kind"] != CLOCK]


def described(rows: Rows) -> list[tuple[int, int, float, float, int]]:
    return [(int(r["kind"]), int(r["side"]), float(r["px"]), float(r["qty"]), int(r["flags"])) for r in rows]


def test_each_message_becomes_its_rows(tmp_path: Path) -> None:
    capture = Capture()
    capture.snapshot([("60000.0", "1.000")], [("60000.1", "2.000")], update_id=1000)
    capture.diff([("60000.0", "0.000"), ("59999.9", "3.000")], [("60000.2", "4.000")])
    capture.diff()
    capture.quote("59999.9", "60000.1")
    capture.trade("60000.1", "0.010", buyer_is_maker=False)
    capture.trade("59999.9", "0.020", buyer_is_maker=True)
    capture.event("markPriceUpdate", p="60001.23", i="60002.5", r="0.0001", T=T0_MS + 3_600_000)
    report, rows = imported(capture, tmp_path)
    assert described(market(rows)) == [
        (DEPTH_CLEAR, 0, 0, 0, SNAPSHOT),
        (DEPTH_SET, 1, 60000.0, 1.0, SNAPSHOT),
        (DEPTH_SET, -1, 60000.1, 2.0, SNAPSHOT | LAST),
        (DEPTH_SET, 1, 60000.0, 0.0, 0),
        (DEPTH_SET, 1, 59999.9, 3.0, 0),
        (DEPTH_SET, -1, 60000.2, 4.0, LAST),
        (QUOTE, 1, 59999.9, 1.5, 0),
        (QUOTE, -1, 60000.1, 2.5, LAST),
        (TRADE, 1, 60000.1, 0.01, LAST),
        (TRADE, -1, 59999.9, 0.02, LAST),
        (MARK, 0, 60001.23, 0, 0),
        (INDEX, 0, 60002.5, 0, 0),
        (FUNDING, 0, 0.0001, T0_MS // 1000 + 3600, LAST),
    ]
    assert report.book == {"BTCUSDT": "snapshot"}
    assert report.read == {
        "depth_updates": 2, "level_changes": 5, "best_quotes": 1, "trades": 2, "mark_prices": 1, "snapshots": 1,
    }  # fmt: skip
    assert counts(report) == ({}, {})
    events = market(rows)["ts_event"]
    assert events[0] == T0_MS * MS
    assert events[3] == (T0_MS + 10) * MS


def test_the_clock_is_corrected_and_clock_rows_are_on_its_grid(tmp_path: Path) -> None:
    report, rows = imported(Capture().fill(300), tmp_path)
    clock = report.files[0].clock
    assert clock is not None
    assert clock.offset_ms == pytest.approx(1268.0)  # 1270 behind, and the fastest message took 2
    assert clock.method == "smallest delay (local − exchange time) that is not alone"
    assert report.delay_ms == {"p1": 0.0, "p50": 0.0, "p99": 0.0}
    first, last = market(rows)["ts_recv"][[0, -1]]
    assert first == T0_MS * MS
    ticks = rows["ts_recv"][rows["kind"] == CLOCK]
    assert ticks.tolist() == list(range(T0_MS * MS, int(last) + 100 * MS, 100 * MS))
    assert (rows["ts_event"] == rows["ts_recv"])[rows["kind"] == CLOCK].all()
    for at in np.flatnonzero(rows["kind"] == CLOCK):  # after the rows of its time, before those of the next
        assert (rows["ts_recv"][at + 1 :] > rows["ts_recv"][at]).all()


def test_a_clock_that_may_be_right_is_left_alone(tmp_path: Path) -> None:
    report, rows = imported(Capture(behind_ns=0).fill(300), tmp_path)
    clock = report.files[0].clock
    assert clock is not None
    assert (clock.offset_ms, clock.method) == (0, "none: the smallest delay, 2.000 ms, is possible")
    assert (market(rows)["ts_recv"] - market(rows)["ts_event"] == FEED_NS).all()


def test_differences_wait_for_their_snapshot(tmp_path: Path) -> None:
    capture = Capture()
    capture.diff([("1.0", "1.000")])  # u = 1010, older than the snapshot
    capture.diff([("2.0", "1.000")])  # u = 1020, reaches across it
    capture.trade("3.0", "1.000")
    capture.diff([("4.0", "1.000")])
    capture.snapshot([("5.0", "1.000")], [], update_id=1015)
    capture.diff([("6.0", "1.000")])
    report, rows = imported(capture, tmp_path)
    assert market(rows)["px"].tolist() == [3.0, 0.0, 5.0, 2.0, 4.0, 6.0]
    at_snapshot = market(rows)[1:5]
    assert len(set(at_snapshot["ts_recv"])) == 1
    assert (at_snapshot["ts_event"] == (T0_MS + 40) * MS).all()  # never before the snapshot, in any order of time
    assert [flags & REPAIRED for flags in market(rows)["flags"]] == [0, 0, 0, REPAIRED, REPAIRED, 0]
    assert counts(report) == ({"before_snapshot": 1}, {"waited_for_snapshot": 2})
    assert report.refused["before_snapshot"].first == "capture.jsonl:1"


def test_a_break_in_the_sequence_clears_the_book(tmp_path: Path) -> None:
    capture = Capture().fill(30)
    line = len(capture.lines) + 1
    capture.diff([("7.0", "1.000")], skip=5)
    capture.fill(30)
    report, rows = imported(capture, tmp_path)
    assert report.gaps == 1
    assert counts(report) == ({}, {"book_cleared_at_gap": 1})
    assert report.repaired["book_cleared_at_gap"].first == f"capture.jsonl:{line}"
    at = int(np.flatnonzero(market(rows)["kind"] == DEPTH_CLEAR)[0])
    assert described(market(rows)[at : at + 2]) == [
        (DEPTH_CLEAR, 0, 0, 0, LAST | REPAIRED),
        (DEPTH_SET, 1, 7.0, 1.0, LAST),
    ]
    assert market(rows)["ts_recv"][at] == market(rows)["ts_recv"][at + 1]


def test_without_a_snapshot_the_book_builds_up(tmp_path: Path) -> None:
    report, _ = imported(Capture().fill(30), tmp_path)
    assert report.book == {"BTCUSDT": "differences"}
    assert counts(report) == ({}, {})
    assert report.rows["depth_set"] == report.read["level_changes"] == 30


BROKEN = {
    "truncated": (b'1723161598732000000 {"stream":"btcusdt@trade","data":{"e":"trade","E":17231', "malformed"),
    "no stamp": (b'{"stream":"btcusdt@trade","data":{"e":"trade"}}', "malformed"),
    "short stamp": (b"1723161598 {}", "malformed"),
    "not text": (b"1723161598732000000 {\xff\xfe}", "malformed"),
    "nested": (b"1723161598732000000 " + b"[" * 100_000, "malformed"),
    "not JSON": (b"1723161598732000000 hello", "malformed"),
    "NaN": (b"NaN", "bad_value"),
    "infinity": (b"Infinity", "bad_value"),
    "infinite": (b"1e999", "bad_value"),
    "negative": (b"-60000.1", "bad_value"),
    "zero": (b"0", "bad_value"),
    "empty": (b"", "bad_value"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_line_is_left_out_and_counted(tmp_path: Path, name: str) -> None:
    line, reason = BROKEN[name]
    capture = Capture().fill(60)
    if reason == "bad_value":
        line = capture.trade("12345.6", "0.010").replace(b"12345.6", line)
    capture.lines[30:30] = [line]
    capture.lines[:] = [kept for kept in capture.lines if b"12345.6" not in kept]
    report, _ = imported(capture, tmp_path)
    assert counts(report) == ({reason: 1}, {})
    assert report.refused[reason].first == "capture.jsonl:31"
    assert report.rows["trade"] == report.read["trades"] == 20


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-1.0", "0.0", "x"])
def test_a_bad_level_costs_its_message_and_the_book_knows(tmp_path: Path, bad: str) -> None:
    capture = Capture().fill(30)
    capture.diff([("60000.0", "1.000"), (bad, "1.000")])
    capture.fill(30)
    report, rows = imported(capture, tmp_path)
    assert counts(report) == ({"bad_value": 1}, {"book_cleared_at_gap": 1})
    assert (market(rows)["kind"] == DEPTH_CLEAR).sum() == 1


def test_events_of_other_kinds_and_trades_off_the_book_are_left_out(tmp_path: Path) -> None:
    capture = Capture().fill(30)
    capture.event("aggTrade", p="1.0", q="1")
    capture.add({"result": None, "id": 1})
    capture.trade("0", "0", X="INSURANCE_FUND")
    capture.trade("60000.0", "1.000", X="ADL")
    report, _ = imported(capture, tmp_path)
    assert counts(report) == ({"other_event": 2, "off_book_trade": 2}, {})


def test_repeated_lines_are_left_out(tmp_path: Path) -> None:
    capture = Capture().fill(90)
    (tmp_path / "once").mkdir()
    once = imported(capture, tmp_path / "once")[1]
    capture.lines = [line for line in capture.lines for _ in range(2)]
    report, rows = imported(capture, tmp_path)
    assert counts(report) == ({"duplicate": 90}, {})
    assert np.array_equal(rows, once)


def test_lines_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    capture = Capture().fill(90)
    straight = list(capture.lines)
    for at in range(0, 80, 8):
        capture.lines[at], capture.lines[at + 3] = capture.lines[at + 3], capture.lines[at]
    report, rows = imported(capture, tmp_path)
    assert set(counts(report)[1]) == {"out_of_order"}
    assert counts(report)[0] == {}
    assert report.gaps == 0
    capture.lines = straight
    (tmp_path / "straight").mkdir()
    assert np.array_equal(imported(capture, tmp_path / "straight")[1], rows)


def test_an_impossible_time_is_left_out(tmp_path: Path) -> None:
    capture = Capture().fill(120)
    early = capture.trade("60000.0", "1.000")
    capture.lines[-1] = early.replace(str(capture.local(capture.ms - 10)).encode(), b"1600000000000000000")
    late = capture.trade("60000.0", "1.000")
    capture.lines[-1] = late.replace(b'"T":17231', b'"T":17251')
    report, _ = imported(capture, tmp_path)
    assert counts(report) == ({"impossible_time": 2}, {})
    assert report.files[0].clock is not None
    assert report.files[0].clock.offset_ms == pytest.approx(1268.0)


def test_an_event_time_after_the_arrival_is_that_of_the_arrival(tmp_path: Path) -> None:
    capture = Capture().fill(120)
    capture.ms += 30
    capture.trade("60000.0", "1.000")
    stamp = capture.lines[-1].split(b" ")[0]
    capture.lines[-1] = capture.lines[-1].replace(stamp, str(int(stamp) - 30 * MS).encode())
    report, rows = imported(capture, tmp_path)
    assert counts(report) == ({}, {"event_after_arrival": 1})
    last = market(rows)[-1]
    assert last["ts_event"] == last["ts_recv"]
    assert last["flags"] == LAST | REPAIRED


def test_a_line_that_comes_far_too_late_keeps_its_place(tmp_path: Path) -> None:
    capture = Capture()
    for _ in range(100_100):
        capture.trade("60000.0", "1.000")
    capture.ms -= 500 * 10  # five seconds ago: what was recorded then is long put in order
    capture.trade("59999.9", "1.000")
    report, rows = imported(capture, tmp_path)
    assert counts(report) == ({}, {"out_of_order": 1, "too_late": 1})
    (late,) = rows[rows["px"] == 59999.9]
    assert late["flags"] == LAST | REPAIRED
    assert late["ts_recv"] > late["ts_event"] + 1000 * MS


def test_a_recording_of_an_unknown_symbol_names_the_remedy(tmp_path: Path) -> None:
    capture = Capture("PEPEUSDT").fill(30)
    path = capture.write(tmp_path / "pepe.jsonl")
    text = r"symbol 'PEPEUSDT' is not in config/symbols.yml \(known: .*BTCUSDT, .*\); add its filters there"
    with pytest.raises(Misconfigured, match=text):
        import_recording([path], tmp_path / "archive")
    with pytest.raises(Misconfigured, match=text):
        import_recording([path], tmp_path / "archive", "PEPEUSDT")
    assert not list((tmp_path / "archive").rglob("part-*"))


def test_a_symbol_that_is_not_in_the_recording_is_refused(tmp_path: Path) -> None:
    path = Capture().fill(30).write(tmp_path / "capture.jsonl")
    with pytest.raises(BadInput, match=r"no ETHUSDT in capture.jsonl; it holds BTCUSDT \(30 messages\)"):
        import_recording([path], tmp_path / "archive", "ETHUSDT")


def test_of_several_symbols_the_most_frequent_or_the_one_asked_for(tmp_path: Path) -> None:
    capture, other = Capture().fill(60), Capture("ETHUSDT")
    for _ in range(15):
        other.ms = capture.ms
        other.trade("2500.01", "0.10")
    capture.lines += other.lines
    report, _ = imported(capture, tmp_path)
    assert report.symbols == ["BTCUSDT"]
    assert counts(report) == ({"other_symbol": 15}, {})
    assert report.warnings == [
        "several symbols, of which BTCUSDT is imported: BTCUSDT (60 messages), ETHUSDT (15 messages)"
    ]
    root = tmp_path / "other"
    capture.lines.insert(0, Capture().snapshot([("60000.0", "1.000")], [], update_id=1000))
    other.ms = T0_MS
    capture.lines.insert(1, other.snapshot([("2500.00", "1.00")], [], update_id=1000))
    report = import_recording([capture.write(tmp_path / "capture.jsonl")], root, "ETHUSDT")
    assert report.refused["other_symbol"].count == 61
    assert report.rows["depth_clear"] == 1
    assert report.rows["trade"] == 15
    assert set(concat(ArchiveReader(root, "binance_usdm", ["ETHUSDT"]))["instrument"]) == {0, 2}


def test_a_wrong_tick_or_lot_size_is_told_from_wrong_data(tmp_path: Path) -> None:
    capture = Capture().fill(30)
    capture.trade("60000.15", "0.010")
    capture.trade("60000.1", "0.0105")
    report, _ = imported(capture, tmp_path)
    assert counts(report) == ({"off_grid": 2}, {})
    for number in range(1200):
        capture.trade(f"60000.{number % 90 + 10}", "0.010")
    with pytest.raises(
        Misconfigured,
        match=r"\d+ of 1\d+ prices and quantities of BTCUSDT are no multiples of its tick_size 0.1, such as "
        r"60000\.\d+; correct its tick_size and lot_size in config/symbols.yml",
    ):
        import_recording([capture.write(tmp_path / "fine.jsonl")], tmp_path / "fine")


def test_nothing_usable_is_an_error_that_says_why(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    path.write_bytes(b"1723161598732000000 {]\n" * 5 + b'1723161598732000000 {"result":null,"id":1}\n')
    with pytest.raises(
        BadInput,
        match=r"no market data in capture.jsonl: of 6 lines none could be used \(malformed: 5, other_event: 1\); exp",
    ):
        import_recording([path], tmp_path / "archive")


def test_several_files_are_one_recording(tmp_path: Path) -> None:
    capture = Capture().fill(400)
    whole, rows = imported(capture, tmp_path)
    lines = capture.lines
    (tmp_path / "a.jsonl").write_bytes(b"\n".join(lines[:200]) + b"\n")
    (tmp_path / "b.jsonl").write_bytes(b"\n".join(lines[200:]))
    report = import_recording([tmp_path / "a.jsonl", tmp_path / "b.jsonl"], tmp_path / "split")
    assert [file.lines for file in report.files] == [200, 200]
    assert report.gaps == 0
    assert report.rows == whole.rows
    assert np.array_equal(concat(ArchiveReader(tmp_path / "split", "binance_usdm")), rows)


def test_days_apart_have_no_clock_rows_between_them(tmp_path: Path) -> None:
    first, second = Capture().fill(60), Capture(at_ms=T0_MS + 20 * 86_400_000, behind_ns=300_000_000)
    second.u = first.u + 7
    second.fill(60)
    paths = [first.write(tmp_path / "a.jsonl"), second.write(tmp_path / "b.jsonl")]
    report = import_recording(paths, tmp_path / "archive")
    assert (report.silences, report.gaps) == (1, 1)
    assert report.rows["clock"] < 20
    assert [file.clock.offset_ms for file in report.files if file.clock] == pytest.approx([1268.0, 298.0])
