"""LOBSTER days as event rows."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import BadInput, Misconfigured
from app.importers import import_recording, open_tape
from app.importers.lobster.event_rows import event_rows
from app.importers.lobster.l3 import EMPTY, L3, l3_dtype, read_l3
from app.market.instruments import Instruments
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, REPAIRED, SNAPSHOT, TRADE, Rows, faults

from .books import Book, archived, books
from .lobster_files import Day, ordinary

MIDNIGHT = 1_340_251_200 * 10**9


def test_rows_of_an_ordinary_day(tmp_path: Path, instruments: Instruments) -> None:
    report = import_recording([ordinary().zip(tmp_path / "day.zip")], tmp_path / "a", instruments=instruments)
    assert (report.format, report.venue, report.symbols) == ("lobster", "nasdaq", ["TEST"])
    assert report.book == {"TEST": "snapshot"}
    assert report.read == {
        "new_orders": 2,
        "visible_executions": 1,
        "hidden_executions": 1,
        "partial_cancels": 1,
        "deletions": 1,
        "halts": 1,
        "trades_between_ticks": 1,
    }
    assert report.files[0].lines == 7
    assert report.files[0].clock is not None
    assert report.files[0].clock.method == "none: there is no clock of a recorder, ts_recv is ts_event"
    rows = archived(tmp_path / "a", "nasdaq", "TEST")
    assert np.array_equal(rows["ts_event"], rows["ts_recv"])
    assert set(rows["instrument"].tolist()) == {900}
    fields = ("kind", "side", "px", "qty", "flags")
    listed = [
        (int(row["ts_event"]) - MIDNIGHT - 34_200 * 10**9, *(row[name].item() for name in fields)) for row in rows
    ]
    assert listed == [
        (100_000_000, DEPTH_CLEAR, 0, 0, 0, SNAPSHOT),
        (100_000_000, DEPTH_SET, 1, 100.0, 100, SNAPSHOT),
        (100_000_000, DEPTH_SET, -1, 100.02, 50, SNAPSHOT | LAST),
        (250_000_000, DEPTH_SET, 1, 100.01, 10, LAST),
        (300_000_001, TRADE, -1, 100.01, 10, 0),  # a bid was filled: the aggressor sold
        (300_000_001, DEPTH_SET, 1, 100.01, 0, LAST),
        (400_000_000, TRADE, 1, 100.015, 7, LAST),
        (500_000_000, DEPTH_SET, 1, 100.0, 60, LAST),
        (700_000_000, DEPTH_SET, -1, 100.02, 0, LAST),
    ]


def test_a_level_pushed_out_of_the_files_depth_is_gone_and_comes_back(tmp_path: Path, instruments: Instruments) -> None:
    day = Day(levels=1)
    day.add("34200.1,1,1,100,1000000,1", [(10000, 100)], [(10005, 1)])
    day.add("34200.2,1,2,10,1000100,1", [(10001, 10)], [(10005, 1)])
    day.add("34200.3,3,2,10,1000100,1", [(10000, 100)], [(10005, 1)])
    import_recording([day.zip(tmp_path / "day.zip")], tmp_path / "a", instruments=instruments)
    rows = archived(tmp_path / "a", "nasdaq", "TEST")
    bids = [dict(book[1]) for _, book in books(rows)]
    assert bids == [{100.0: 100}, {100.01: 10}, {100.0: 100}]


def test_a_day_that_starts_with_a_trade_has_a_whole_snapshot(tmp_path: Path, instruments: Instruments) -> None:
    day = Day().add("34200.1,5,0,3,1000200,-1", [(10000, 100)], [(10002, 50)])
    import_recording([day.zip(tmp_path / "day.zip")], tmp_path / "a", instruments=instruments)
    rows = archived(tmp_path / "a", "nasdaq", "TEST")
    assert rows["kind"].tolist() == [TRADE, DEPTH_CLEAR, DEPTH_SET, DEPTH_SET]
    assert rows["flags"].tolist() == [LAST, SNAPSHOT, SNAPSHOT, SNAPSHOT | LAST]


def test_the_book_is_at_no_row_crossed(tmp_path: Path, instruments: Instruments) -> None:
    """What was on one side may give way to the other side within a message."""
    day = Day(levels=1)
    day.add("34200.1,1,1,100,1000000,1", [(10000, 100)], [(10002, 50)])
    day.add("34200.2,4,2,50,1000200,-1", [(10002, 5)], [(10003, 1)])
    import_recording([day.zip(tmp_path / "day.zip")], tmp_path / "a", instruments=instruments)
    rows = archived(tmp_path / "a", "nasdaq", "TEST")[3:]
    assert [(row["kind"].item(), row["side"].item(), row["qty"].item()) for row in rows] == [
        (TRADE, 1, 50),
        (DEPTH_SET, 1, 0),
        (DEPTH_SET, -1, 0),
        (DEPTH_SET, 1, 5),
        (DEPTH_SET, -1, 1),
    ]


def test_deep_books_are_compared_in_pieces(seed: int) -> None:
    random, levels = np.random.default_rng(seed), 50
    messages = np.zeros(1000, l3_dtype(levels))
    messages["ts"] = np.arange(len(messages))
    messages["bid_ticks"], messages["ask_ticks"] = 100 - np.arange(levels), 200 + np.arange(levels)
    messages["bid_size"], messages["ask_size"] = 1, 1
    places, sizes = random.integers(levels, size=1000), random.integers(2, 9, size=1000)
    for place in range(1, 1000):
        for name in ("bid_size", "ask_size"):
            messages[name][place] = messages[name][place - 1]
        messages["bid_size"][place, places[place]] = sizes[place]
    rows = event_rows(messages, messages[:0], 1, np.zeros(1000, np.bool_))
    changed = (messages["bid_size"][1:] != messages["bid_size"][:-1]).sum()
    assert len(rows) == 1 + 2 * levels + changed


def test_times_that_go_back_are_repaired_and_flagged(tmp_path: Path, instruments: Instruments) -> None:
    day = ordinary()
    day.messages[4] = "34200.2,2,1,40,1000000,1"
    report = import_recording([day.zip(tmp_path / "day.zip")], tmp_path / "a", instruments=instruments)
    assert report.repaired["time_goes_back"].count == 1
    assert report.repaired["time_goes_back"].first == f"{day.names()[0]}:5"
    rows = archived(tmp_path / "a", "nasdaq", "TEST")
    repaired = rows[rows["flags"] & REPAIRED > 0]
    assert repaired["qty"].tolist() == [60]
    assert repaired["ts_event"].tolist() == [MIDNIGHT + 34_200_400_000_000]


def test_refused_lines_are_counted_and_the_book_stays_that_of_the_rows(
    tmp_path: Path, instruments: Instruments
) -> None:
    day = ordinary()
    day.messages[2] = "34200.3,4,2"
    report = import_recording([day.zip(tmp_path / "day.zip")], tmp_path / "a", instruments=instruments)
    assert {reason: fault.count for reason, fault in report.refused.items()} == {"malformed": 1}
    _, last = list(books(archived(tmp_path / "a", "nasdaq", "TEST")))[-1]
    assert last == {1: {100.0: 60}, -1: {}}


def test_hidden_executions_of_one_direction_are_doubted(tmp_path: Path, instruments: Instruments) -> None:
    day = ordinary()
    for number in range(99):
        day.add(f"34201.{number:02d},5,0,1,1000150,-1", [(10000, 60)], [])
    report = import_recording([day.zip(tmp_path / "day.zip")], tmp_path / "a", instruments=instruments)
    assert any("all 100 hidden executions are of one direction" in warning for warning in report.warnings)
    day.add("34202.5,5,0,1,1000150,1", [(10000, 60)], [])
    report = import_recording([day.zip(tmp_path / "day.zip")], tmp_path / "b", instruments=instruments)
    assert not any("one direction" in warning for warning in report.warnings)


def test_one_file_of_the_pair_is_enough_and_both_make_the_same(tmp_path: Path, instruments: Instruments) -> None:
    message = ordinary().write(tmp_path)
    book = tmp_path / ordinary().names()[1]
    names = [
        import_recording(paths, tmp_path / f"a{number}", instruments=instruments).recording
        for number, paths in enumerate(([message], [book], [message, book], [book, message]))
    ]
    assert len(set(names)) == 1
    book.write_text(book.read_text().replace("1000200,50", "1000200,51"))
    assert import_recording([message], tmp_path / "b", instruments=instruments).recording != names[0]


def test_a_tape_of_a_pair_is_of_both_files(tmp_path: Path) -> None:
    day = ordinary()
    day.symbol = "AAPL"
    message, book = day.write(tmp_path), tmp_path / day.names()[1]
    first = open_tape(message, tmp_path / "cache")
    assert open_tape(message, tmp_path / "cache") == first
    book.write_text(book.read_text().replace("1000200,50", "1000200,51"))
    second = open_tape(message, tmp_path / "cache")
    assert second != first
    assert (archived(second, "nasdaq", "AAPL")["qty"] == 51).any()
    book.unlink()
    with pytest.raises(Misconfigured, match="beside each other"):
        open_tape(message, tmp_path / "cache")


def test_days_in_order_make_one_recording(tmp_path: Path, instruments: Instruments) -> None:
    later = ordinary().zip(tmp_path / "later.zip")
    renamed = {name: name.replace("06-21", "06-20") for name in ordinary().names()}
    for (_, name), text in zip(renamed.items(), ordinary().texts(), strict=True):
        (tmp_path / name).write_text(text)
    earlier = tmp_path / next(iter(renamed.values()))
    report = import_recording([earlier, later], tmp_path / "a", instruments=instruments)
    assert (report.rows["depth_clear"], report.rows["trade"], report.silences) == (2, 4, 1)
    assert [file.lines for file in report.files] == [7, 7, 7]
    with pytest.raises(Misconfigured, match=r"the days are not in order \(2012-06-21, 2012-06-20\)"):
        import_recording([later, earlier], tmp_path / "b", instruments=instruments)


def test_symbols(tmp_path: Path, instruments: Instruments) -> None:
    path = ordinary().zip(tmp_path / "day.zip")
    with pytest.raises(Misconfigured, match=r"symbol 'TEST' is not in config/symbols.yml .*AAPL, AMZN, BTC-USD"):
        import_recording([path], tmp_path / "a")
    with pytest.raises(BadInput, match=r"no AAPL in day.zip; it holds TEST"):
        import_recording([path], tmp_path / "a", "AAPL", instruments=instruments)


def test_several_symbols_are_refused(tmp_path: Path, shared_data: Path) -> None:
    paths = sorted((shared_data / "lobster").glob("*.zip"))
    with pytest.raises(Misconfigured, match=r"of several symbols \(AAPL, AMZN\); import them one by one"):
        import_recording(paths, tmp_path / "a")


def test_a_zip_of_something_else_is_of_no_known_kind(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("trades.csv", "1,2,3\n")
    with pytest.raises(Misconfigured, match=r"other.zip is a zip without LOBSTER files; unpack it"):
        import_recording([tmp_path / "other.zip"], tmp_path / "a")


SIDES = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3)), max_size=3, unique_by=lambda level: level[0])


@given(st.lists(st.tuples(SIDES, SIDES), min_size=1, max_size=8), st.integers(1, 8))
def test_whatever_the_rows_the_book_after_each_message_is_its_row(
    states: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]], cut: int
) -> None:
    """Bids lie at 1 to 6, asks at 11 to 16; chunks of any length make the same rows."""
    messages = np.zeros(len(states), l3_dtype(3))
    messages["ts"], messages["type"] = np.arange(len(states)), 1
    messages["ask_ticks"] = messages["bid_ticks"] = EMPTY
    for place, (bids, asks) in enumerate(states):
        for level, (ticks, size) in enumerate(sorted(bids, reverse=True)):
            messages["bid_ticks"][place, level], messages["bid_size"][place, level] = ticks, size
        for level, (ticks, size) in enumerate(sorted(asks)):
            messages["ask_ticks"][place, level], messages["ask_size"][place, level] = ticks + 10, size
    fine = np.zeros(len(states), np.bool_)
    whole = event_rows(messages, messages[:0], 1, fine)
    parts = [
        event_rows(messages[at : at + cut], messages[max(at - 1, 0) : at], 1, fine[at : at + cut])
        for at in range(0, len(states), cut)
    ]
    assert np.concatenate(parts).tobytes() == whole.tobytes()
    expected: dict[int, Book] = {
        place: {1: {t / 100: q for t, q in bids}, -1: {(t + 10) / 100: q for t, q in asks}}
        for place, (bids, asks) in enumerate(states)
    }
    after: dict[int, Book] = {}
    for at, book in books(whole):
        after[int(whole["ts_event"][at])] = {side: dict(levels) for side, levels in book.items()}
    for place, book in expected.items():  # a message that changes nothing has no rows
        assert after.setdefault(place, after.get(place - 1, {})) == book


@pytest.mark.parametrize(
    ("name", "symbol", "kinds", "between"),
    [
        ("AAPL_2012-06-21_1", "AAPL", {"depth_set": 171_516, "trade": 34_990, "depth_clear": 1, "clock": 234_000}, 372),
        ("AMZN_2012-06-21_5", "AMZN", {"depth_set": 222_726, "trade": 11_419, "depth_clear": 1, "clock": 234_000}, 63),
    ],
)
def test_real_days(
    tmp_path: Path, shared_data: Path, name: str, symbol: str, kinds: dict[str, int], between: int
) -> None:
    path = shared_data / "lobster" / f"LOBSTER_SampleFile_{name}.zip"
    report = import_recording([path], tmp_path / "a")
    assert report.rows == kinds
    assert report.read["trades_between_ticks"] == between
    assert not report.refused
    assert not report.repaired
    rows = archived(tmp_path / "a", "nasdaq", symbol)
    assert not faults(rows).any()
    messages = read_l3(path)
    _trades_are_the_executions(rows, messages)
    _book_is_that_of_the_file(rows, messages)


def _trades_are_the_executions(rows: Rows, messages: L3) -> None:
    executions = messages[(messages["type"] == 4) | (messages["type"] == 5)]
    trades = rows[rows["kind"] == TRADE]
    assert trades["ts_event"].tolist() == executions["ts"].tolist()
    assert trades["px"].tolist() == [float(f"{price}e-4") for price in executions["price"].tolist()]
    assert trades["qty"].tolist() == executions["size"].tolist()
    assert trades["side"].tolist() == (-executions["direction"]).tolist()


def _book_is_that_of_the_file(rows: Rows, messages: L3) -> None:
    """After the last message of each time, since several may share one."""
    last = {ts: place for place, ts in enumerate(messages["ts"].tolist())}
    times = rows["ts_event"].tolist()
    sides = {
        side: [messages[f"{name}_{column}"].tolist() for column in ("ticks", "size")]
        for side, name in ((1, "bid"), (-1, "ask"))
    }
    compared = 0
    for at, book in books(rows):
        if at + 1 == len(times) or times[at + 1] != times[at]:
            place = last[times[at]]
            for side, (ticks, sizes) in sides.items():
                levels = zip(ticks[place], sizes[place], strict=True)
                assert book[side] == {tick / 100: size for tick, size in levels if tick != EMPTY}
            compared += 1
    assert compared > 50_000


def test_a_zip_is_a_tape(tmp_path: Path, shared_data: Path) -> None:
    path = shared_data / "lobster" / "LOBSTER_SampleFile_AAPL_2012-06-21_1.zip"
    root = open_tape(path, tmp_path / "cache")
    assert len(archived(root, "nasdaq", "AAPL")) == 206_507
    assert open_tape(path, tmp_path / "cache") == root
