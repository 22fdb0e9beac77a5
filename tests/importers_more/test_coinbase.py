"""Coinbase level 2 files as event rows."""

import gzip
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import BadInput, Misconfigured
from app.importers import ImportReport, import_recording, open_tape
from app.market.instruments import Instruments
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, LAST, REPAIRED, SNAPSHOT, faults

from .books import archived, books

START = 1_524_541_937_202 * 10**6  # 2018-04-24T03:52:17.202Z
HEAD = "side,price,size,time"
BIDS = ["side,price,size", "buy,9192,7.48040715", "buy,9191.15,1.08651"]
ASKS = ["side,price,size", "sell,9192.01,4.660822", "sell,9999999999,0.02839242"]
UPDATES = [
    HEAD,
    "buy,9191.15,0.0,2018-04-24T03:52:17.202Z",
    "sell,9192.01,0.10099999999999999,2018-04-24T03:52:17.210Z",
    "sell,9193.5,4e-05,2018-04-24T03:52:17.210Z",
    "buy,9192.0,8,2018-04-24T03:52:17.3Z",
]


def write(path: Path, lines: list[str]) -> Path:
    path.write_bytes(gzip.compress("\n".join([*lines, ""]).encode()))
    return path


def three(folder: Path, updates: list[str]) -> list[Path]:
    """In the order that a shell lists them."""
    return [
        write(folder / "l2update.csv.gz", updates),
        write(folder / "snapshot_asks.csv.gz", ASKS),
        write(folder / "snapshot_bids.csv.gz", BIDS),
    ]


def reasons(report: ImportReport) -> dict[str, tuple[int, str]]:
    return {reason: (fault.count, fault.first) for reason, fault in report.refused.items()}


def test_rows_of_a_small_recording(tmp_path: Path) -> None:
    report = import_recording(three(tmp_path, UPDATES), tmp_path / "a")
    assert (report.format, report.venue, report.symbols) == ("coinbase_level2", "coinbase", ["BTC-USD"])
    assert report.book == {"BTC-USD": "snapshot"}
    assert report.read == {"snapshot_levels": 4, "updates": 4}
    assert [file.lines for file in report.files] == [5, 3, 3]
    assert not report.refused
    rows = archived(tmp_path / "a", "coinbase", "BTC-USD")
    assert np.array_equal(rows["ts_event"], rows["ts_recv"])
    assert set(rows["instrument"].tolist()) == {110}
    fields = ("kind", "side", "px", "qty", "flags")
    listed = [((int(row["ts_event"]) - START) / 1e6, *(row[name].item() for name in fields)) for row in rows]
    assert listed == [
        (0, DEPTH_CLEAR, 0, 0, 0, SNAPSHOT),
        (0, DEPTH_SET, -1, 9192.01, 4.660822, SNAPSHOT),
        (0, DEPTH_SET, -1, 9999999999, 0.02839242, SNAPSHOT),
        (0, DEPTH_SET, 1, 9192, 7.48040715, SNAPSHOT),
        (0, DEPTH_SET, 1, 9191.15, 1.08651, SNAPSHOT | LAST),
        (0, DEPTH_SET, 1, 9191.15, 0, LAST),
        (8, DEPTH_SET, -1, 9192.01, 0.101, REPAIRED),
        (8, DEPTH_SET, -1, 9193.5, 0.00004, LAST),
        (98, DEPTH_SET, 1, 9192, 8, LAST),
    ]
    assert {reason: (fault.count, fault.first) for reason, fault in report.repaired.items()} == {
        "size_beside_its_lot": (1, "l2update.csv.gz:3")
    }
    assert "the snapshot carries no time: it is given that of the first update" in report.warnings


def test_order_of_paths_does_not_matter_but_of_times(tmp_path: Path) -> None:
    updates, asks, bids = three(tmp_path, UPDATES)
    early = write(tmp_path / "z.csv.gz", [HEAD, "buy,9000,1,2018-04-24T03:52:17.100Z"])
    import_recording([updates, early, asks, bids], tmp_path / "a")
    rows = archived(tmp_path / "a", "coinbase", "BTC-USD")
    assert rows["px"][5] == 9000
    assert int(rows["ts_recv"][0]) == START - 102 * 10**6


def test_an_update_of_one_time_over_two_files_is_one_message(tmp_path: Path) -> None:
    first = write(tmp_path / "1.csv.gz", UPDATES)
    second = write(
        tmp_path / "2.csv.gz", [HEAD, "buy,9000,1,2018-04-24T03:52:17.3Z", "buy,9000,2,2018-04-24T03:52:18Z"]
    )
    import_recording([first, second], tmp_path / "a")
    rows = archived(tmp_path / "a", "coinbase", "BTC-USD")
    assert (rows["flags"] & LAST).tolist() == [LAST, 0, LAST, 0, LAST, LAST]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("buy,9192.0", "malformed"),
        ("buy,9192.0,8,2018-04-24T03:52:17.3Z,1", "malformed"),
        ("hold,9192.0,8,2018-04-24T03:52:17.3Z", "malformed"),
        ("buy,,8,2018-04-24T03:52:17.3Z", "malformed"),
        ("buy,9192.0,-8,2018-04-24T03:52:17.3Z", "bad_number"),
        ("buy,9192.0,8,2018-02-31T03:52:17.3Z", "malformed"),
        ("buy,9192.0,8,", "malformed"),
        ("", "malformed"),
        ("buy,0,8,2018-04-24T03:52:17.3Z", "bad_number"),
        ("buy,inf,8,2018-04-24T03:52:17.3Z", "bad_number"),
        ("buy,9192.001,8,2018-04-24T03:52:17.3Z", "off_grid"),
        ("buy,9192.0,0.123456785,2018-04-24T03:52:17.3Z", "off_grid"),
    ],
)
def test_a_broken_line_is_refused_alone(tmp_path: Path, line: str, reason: str) -> None:
    report = import_recording(three(tmp_path, [*UPDATES[:3], line, *UPDATES[3:]]), tmp_path / "a")
    assert reasons(report) == {reason: (1, "l2update.csv.gz:4")}
    assert report.rows["depth_set"] == 8
    # The reason does not depend on whether the lines around it are whole.
    report = import_recording(three(tmp_path, [*UPDATES[:3], line, *UPDATES[3:], "buy"]), tmp_path / "b")
    assert report.refused.pop("malformed").count == 1 + (reason == "malformed")
    assert set(reasons(report)) == {reason} - {"malformed"}


def test_a_file_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = [HEAD] + [
        f"buy,{9000 + n % 50}.01,{n}.5,2018-04-24T03:{n // 60 % 60:02d}:{n % 60:02d}Z" for n in range(3000)
    ]
    path = write(tmp_path / "cut.csv.gz", lines)
    path.write_bytes(path.read_bytes()[:-4000])
    report = import_recording([path], tmp_path / "a")
    assert report.files[0].truncated
    assert reasons(report)["malformed"][0] == 1
    assert 500 < report.rows["depth_set"] < 3000


def test_times_that_go_back_are_repaired_and_flagged(tmp_path: Path) -> None:
    late = "buy,9000,1,2018-04-24T03:52:17.200Z"
    report = import_recording(three(tmp_path, [*UPDATES, late]), tmp_path / "a")
    assert report.repaired["time_goes_back"].count == 1
    rows = archived(tmp_path / "a", "coinbase", "BTC-USD")
    assert (rows["px"][-1], int(rows["ts_event"][-1]), rows["flags"][-1]) == (9000, START + 98 * 10**6, REPAIRED | LAST)


def test_without_a_snapshot_the_book_builds_up_from_differences(tmp_path: Path) -> None:
    path = three(tmp_path, UPDATES)[0]
    report = import_recording([path], tmp_path / "a")
    assert report.book == {"BTC-USD": "differences"}
    assert "depth_clear" not in report.rows
    assert any("there is no snapshot of both sides" in warning for warning in report.warnings)
    assert archived(open_tape(path, tmp_path / "cache"), "coinbase", "BTC-USD")["kind"].tolist() == [DEPTH_SET] * 4


def test_a_snapshot_alone_is_of_no_use(tmp_path: Path) -> None:
    _, asks, bids = three(tmp_path, UPDATES)
    with pytest.raises(BadInput, match=r"no updates in snapshot_asks.csv.gz, .*a snapshot carries no time"):
        import_recording([asks, bids], tmp_path / "a")


def test_another_symbol_has_its_own_grid(tmp_path: Path, instruments: Instruments) -> None:
    lines = [HEAD] + [f"buy,{100 + n % 50}.01,0.5,2018-04-24T03:52:17.3Z" for n in range(1500)]
    with pytest.raises(Misconfigured, match=r"no multiples of its lot_size 1, such as 0.5; correct its tick_size"):
        import_recording([write(tmp_path / "a.csv.gz", lines)], tmp_path / "a", "TEST", instruments=instruments)
    with pytest.raises(Misconfigured, match="symbol 'NOPE' is not in"):
        import_recording([tmp_path / "a.csv.gz"], tmp_path / "b", "NOPE")


def test_the_real_hour(tmp_path: Path, shared_data: Path) -> None:
    paths = sorted((shared_data / "coinbase_btcusd_2018").glob("*.gz"))
    report = import_recording(paths, tmp_path / "a")
    assert report.read == {"snapshot_levels": 27_819, "updates": 193_848}
    assert report.rows == {"depth_clear": 1, "depth_set": 221_667, "clock": 36_000}
    assert not report.refused
    assert {reason: fault.count for reason, fault in report.repaired.items()} == {"size_beside_its_lot": 5_349}
    rows = archived(tmp_path / "a", "coinbase", "BTC-USD")
    assert not faults(rows).any()
    assert (rows["kind"] != CLOCK).all()
    assert (int(rows["flags"][27_819]), rows["kind"][0]) == (SNAPSHOT | LAST, DEPTH_CLEAR)
    book = {side: {px: qty for px, qty in levels.items() if qty} for side, levels in naive(paths).items()}
    *_, (_, last) = books(rows)
    assert last == book


def naive(paths: list[Path]) -> dict[int, dict[float, float]]:
    """The book at the end, from exact text."""
    book: dict[int, dict[float, float]] = {1: {}, -1: {}}
    for path in sorted(paths, key=lambda path: (path.name.startswith("l2"), path.name)):
        for line in gzip.decompress(path.read_bytes()).decode().splitlines()[1:]:
            side, px, qty = line.split(",")[:3]
            exact = Decimal(qty).quantize(Decimal("1e-8"), ROUND_HALF_EVEN)
            book[{"buy": 1, "sell": -1}[side]][float(px)] = float(exact)
    return book
