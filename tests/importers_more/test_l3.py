"""The LOBSTER reader: exact on real days, and strict with broken ones."""

import zipfile
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import BadInput, Misconfigured
from app.importers.lobster.files import companions, find_day, midnight_ns
from app.importers.lobster.l3 import EMPTY, l3_dtype, read_l3
from app.importers.report import Fault, Tally

from .lobster_files import DUMMY, Day, ordinary

MIDNIGHT = 1_340_251_200 * 10**9  # 2012-06-21T00:00 in New York, four hours behind UTC


def test_columns_of_an_ordinary_day(tmp_path: Path) -> None:
    found = read_l3(ordinary().zip(tmp_path / "day.zip"))
    assert found.dtype == l3_dtype(2)
    assert (found["ts"] - MIDNIGHT).tolist() == [
        34_200_100_000_000,
        34_200_250_000_000,
        34_200_300_000_001,
        34_200_400_000_000,
        34_200_500_000_000,
        34_200_600_000_000,
        34_200_700_000_000,
    ]
    assert found["type"].tolist() == [1, 1, 4, 5, 2, 7, 3]
    assert found["order_id"].tolist() == [1, 2, 2, 0, 1, 0, 9]
    assert found["size"].tolist() == [100, 10, 10, 7, 40, 0, 50]
    assert found["price"].tolist() == [1000000, 1000100, 1000100, 1000150, 1000000, -1, 1000200]
    assert found["price_ticks"].tolist() == [10000, 10001, 10001, 10001, 10000, -1, 10002]
    assert found["direction"].tolist() == [1, 1, 1, -1, 1, -1, -1]
    assert found["bid_ticks"][1].tolist() == [10001, 10000]
    assert found["bid_size"][1].tolist() == [10, 100]
    assert found["ask_ticks"][6].tolist() == [EMPTY, EMPTY]
    assert found["ask_size"][6].tolist() == [0, 0]
    assert found["line"].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_zip_and_pair_are_the_same(tmp_path: Path) -> None:
    day = ordinary()
    message = day.write(tmp_path)
    of_zip = read_l3(day.zip(tmp_path / "day.zip"))
    for path in companions(message):
        assert read_l3(path).tobytes() == of_zip.tobytes()


def test_midnight_follows_daylight_saving() -> None:
    summer, winter = midnight_ns(date(2012, 6, 21)), midnight_ns(date(2012, 1, 20))
    assert summer == MIDNIGHT
    assert summer % (86_400 * 10**9) == 4 * 3600 * 10**9
    assert winter % (86_400 * 10**9) == 5 * 3600 * 10**9


@pytest.mark.parametrize(
    ("line", "message", "reason"),
    [
        (3, "34200.3,8,2,10,1000100,1", "unknown_type"),
        (3, "34200.3,6,-1,10,1000100,-1", "cross_trade"),
        (3, "34200.3,300,2,10,1000100,1", "unknown_type"),
        (3, "34200.3,4,2,0,1000100,1", "bad_field"),
        (3, "34200.3,4,2,10,0,1", "bad_field"),
        (3, "34200.3,4,2,10,1000100,0", "bad_field"),
        (3, "34200.3,4,2,10,1000100,257", "bad_field"),
        (3, "86400.0,4,2,10,1000100,1", "bad_field"),
        (3, "nan,4,2,10,1000100,1", "bad_field"),
        (3, "34200.3,4,2,10", "malformed"),
        (3, "34200.3,4,2,10,1000100,1,1", "malformed"),
        (3, "", "malformed"),
        (3, "34200.3,4,,10,1000100,1", "malformed"),
        (3, "34200.3,4,2,ten,1000100,1", "malformed"),
        (3, '34200.3,4,"2",10,1000100,1', "malformed"),
    ],
)
def test_a_broken_message_is_refused_with_its_book_row(tmp_path: Path, line: int, message: str, reason: str) -> None:
    day = ordinary()
    day.messages[line - 1] = message
    refused = Tally()
    found = read_l3(day.write(tmp_path), refused)
    assert refused == {reason: Fault(1, f"{day.names()[0]}:{line}")}
    assert found["line"].tolist() == [1, 2, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("book", "reason"),
    [
        ("1000200,50,1000200,10,9999999999,0,-9999999999,0", "crossed_book"),
        ("1000200,50,1000300,10,9999999999,0,-9999999999,0", "crossed_book"),
        ("1000250,50,1000100,10,9999999999,0,-9999999999,0", "off_tick"),
        ("1000300,50,1000100,10,1000200,5,-9999999999,0", "bad_book"),
        ("1000200,50,1000000,10,9999999999,0,1000100,5", "bad_book"),
        ("1000200,0,1000100,10,9999999999,0,-9999999999,0", "bad_book"),
        ("-1000200,5,1000100,10,9999999999,0,-9999999999,0", "bad_book"),
        ("9999999999,0,1000100,10,1000200,5,-9999999999,0", "bad_book"),
        ("1000200,50,1000100,10,9999999999,0,-9999999999", "malformed"),
        ("1000200,50,1000100,10,9999999999,0,-99999", "malformed"),
        ("1000200,50,1000100,ten,9999999999,0,-9999999999,0", "malformed"),
    ],
)
def test_a_broken_book_row_is_refused_with_its_message(tmp_path: Path, book: str, reason: str) -> None:
    day = ordinary()
    day.books[2] = book
    refused = Tally()
    found = read_l3(day.write(tmp_path), refused)
    assert refused == {reason: Fault(1, f"{day.names()[1]}:3")}
    assert found["line"].tolist() == [1, 2, 4, 5, 6, 7]


def test_a_file_cut_off_in_a_line(tmp_path: Path) -> None:
    day = ordinary()
    message = day.write(tmp_path)
    message.write_bytes(message.read_bytes()[:-35])  # the last line is gone, the one before is cut
    refused = Tally()
    found = read_l3(message, refused)
    assert refused["no_counterpart"] == Fault(1, f"{day.names()[1]}:7")
    assert refused["malformed"] == Fault(1, f"{day.names()[0]}:6")
    assert found["line"].tolist() == [1, 2, 3, 4, 5]


def test_more_messages_than_book_rows(tmp_path: Path) -> None:
    day = ordinary()
    del day.books[4:]
    refused = Tally()
    assert len(read_l3(day.write(tmp_path), refused)) == 4
    assert refused == {"no_counterpart": Fault(3, f"{day.names()[0]}:5")}


def test_line_ends_of_windows_and_blank_ends_are_fine(tmp_path: Path) -> None:
    day = ordinary()
    plain = read_l3(day.write(tmp_path))
    for name, text in zip(day.names(), day.texts(), strict=True):
        (tmp_path / name).write_bytes(text.replace("\n", "\r\n").encode() + b"\r\n\r\n")
    refused = Tally()
    assert read_l3(tmp_path / day.names()[0], refused).tobytes() == plain.tobytes()
    assert not refused


def test_nothing_usable_is_an_error(tmp_path: Path) -> None:
    day = Day().add("34200.1,9,1,100,1000000,1", [(10000, 100)], [])
    with pytest.raises(BadInput, match=r"1 whole lines none could be used \(unknown_type: 1, first TEST_\S+_2.csv:1\)"):
        read_l3(day.write(tmp_path))
    with pytest.raises(BadInput, match=r"none could be used \(empty\)"):
        read_l3(Day().write(tmp_path))


def test_columns_behind_the_six_are_not_read(tmp_path: Path) -> None:
    """Younger files have one: the market participant, or `null`."""
    day = ordinary()
    plain = read_l3(day.write(tmp_path))
    day.messages = [f"{line},{'null' if number % 2 else 'ABCD'}" for number, line in enumerate(day.messages)]
    refused = Tally()
    assert read_l3(day.write(tmp_path), refused).tobytes() == plain.tobytes()
    day.messages[3] = day.messages[3].rpartition(",")[0]  # the slow way, since one line lacks it
    assert read_l3(day.write(tmp_path), refused)["line"].tolist() == [1, 2, 3, 5, 6, 7]
    assert refused == {"malformed": Fault(1, f"{day.names()[0]}:4")}


def test_another_number_of_levels_than_the_name_says_is_told_with_both(tmp_path: Path) -> None:
    day = ordinary()
    message = day.write(tmp_path)
    companions(message)[1].write_text("\n".join(line + ",1,1,1,1" for line in day.books))
    with pytest.raises(BadInput, match=r"orderbook_2.csv:1 has 12 columns, and 2 levels, .* make 8; give both"):
        read_l3(message)


@pytest.mark.parametrize("which", [0, 1])
def test_a_headline_in_one_file_would_shift_every_message_to_another_book(tmp_path: Path, which: int) -> None:
    message = ordinary().write(tmp_path)
    file = tmp_path / ordinary().names()[which]
    file.write_text("a,b,c\n" + file.read_text())
    with pytest.raises(BadInput, match=rf"{file.name}:1 is a headline, and the other file has none; remove it"):
        read_l3(message)


def test_errors_name_the_file_and_the_remedy(tmp_path: Path) -> None:
    message = ordinary().write(tmp_path)
    companions(message)[1].unlink()
    with pytest.raises(Misconfigured, match=r"orderbook_2.csv does not exist; .* beside each other"):
        read_l3(message)
    with pytest.raises(Misconfigured, match=r"nowhere.csv cannot be read: No such file"):
        read_l3(tmp_path / "nowhere.csv")
    (tmp_path / "messages.csv").write_text("34200.1,1,1,100,1000000,1\n")
    with pytest.raises(Misconfigured, match=r"messages.csv is not named as LOBSTER names its files.*or the zip"):
        read_l3(tmp_path / "messages.csv")
    wrong = tmp_path / "TEST_2012-13-21_0_0_message_1.csv"
    for path in (wrong, tmp_path / "TEST_2012-13-21_0_0_orderbook_1.csv"):
        path.write_text("")
    with pytest.raises(Misconfigured, match="2012-13-21 is no date"):
        read_l3(wrong)


def test_zips_that_are_no_day(tmp_path: Path) -> None:
    path = ordinary().zip(tmp_path / "day.zip")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadInput, match=r"the zip is damaged .*get another copy"):
        read_l3(path)
    broken = bytearray(content)
    broken[content.index(b"orderbook_2.csv") + 40] ^= 0xFF
    path.write_bytes(broken)
    with pytest.raises(BadInput, match="the zip is damaged"):
        read_l3(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(ordinary().names()[0], "")
    with pytest.raises(BadInput, match="holds 1 message and 0 orderbook files"):
        find_day(path)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("LOBSTER_SampleFile_AAPL_2012-06-21_1.zip", {1: 54818, 2: 252, 3: 28437, 4: 23658, 5: 11332}),
        ("LOBSTER_SampleFile_AMZN_2012-06-21_5.zip", {1: 77381, 2: 450, 3: 66685, 4: 8974, 5: 2445}),
    ],
)
def test_real_days_equal_a_naive_reading(shared_data: Path, name: str, counts: dict[int, int]) -> None:
    path = shared_data / "lobster" / name
    refused = Tally()
    found = read_l3(path, refused)
    assert not refused
    assert (
        dict(zip(*(column.tolist() for column in np.unique(found["type"], return_counts=True)), strict=True)) == counts
    )
    messages, books = find_day(path).texts()
    cells = [line.split(",") for line in messages.decode().split()]
    assert found["ts"].tolist() == [MIDNIGHT + int(Decimal(cell[0]) * 10**9) for cell in cells]
    for column, field in enumerate(("type", "order_id", "size", "price", "direction"), 1):
        assert found[field].tolist() == [int(cell[column]) for cell in cells]
    rows = np.array([line.split(",") for line in books.decode().split()], np.int64)
    assert np.abs(rows).max() < DUMMY
    for column, field in enumerate(("ask_ticks", "ask_size", "bid_ticks", "bid_size")):
        unit = 100 if field.endswith("ticks") else 1
        assert np.array_equal(found[field] * unit, rows[:, column::4])
