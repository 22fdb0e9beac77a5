"""A damaged archive is refused by file and row, or read with every repair counted; never in silence."""

import functools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import BadInput, SchemaMismatch
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, LOST, REPAIRED, SNAPSHOT, TRADE, Rows, concat
from app.store.archive import ArchiveReader
from app.store.layout import read_sidecar
from app.store.repairs import KINDS, Repairs

from . import damage as d
from .recordings import HOUR, START, archive, recording

NAN = float("nan")
PART = r"symbol=BTCUSDT/date=2024-08-09/hour=00/part-\d+\.parquet, row {row}: "
#: Repairs that leave less than what was written.
LOSSES = {"unproven", "lost", "unreadable", "missing_part", "missing_hour", "no_book", "clock"}
#: Damage, the first row that is named, what is said of it, and the repairs if they are asked for.
CASES: dict[str, tuple[d.Damage, int, str, Sequence[str]]] = {
    "shuffled": (d.shuffled, 101, r"rows are not in order \(seq \d+ after \d+", ["shuffled"]),
    "shuffled, forged": (
        functools.partial(d.shuffled, forged=True), 101, r"rows are not in order \(seq \d+ after \d+", ["shuffled"]
    ),
    "foreign rows": (d.foreign_rows, 500, "instrument 2 and kind 1 among the rows of BTCUSDT", ["mixed_symbols"]),
    "rows twice": (d.rows_twice, 500, r"rows are not in order \(seq", ["shuffled", "duplicate"]),
    "rows gone": (d.rows_gone, 0, "of the 1004 rows that fit no digest", ["unproven", "lost", "no_book"]),
    "NaN": (d.changed("px", {300: NAN}), 300, "no market data has px nan", ["malformed", "unproven", "no_book"]),
    "NaN, forged": (
        d.changed("px", {300: NAN}, forged=True), 300, "no market data has px nan", ["malformed", "unproven", "no_book"]
    ),
    "negative": (
        d.changed("qty", {300: -1.0}, forged=True), 300, r"no market data has .*qty -1\.0",
        ["malformed", "unproven", "no_book"],
    ),
    "no kind": (
        d.changed("kind", {300: 77}, forged=True), 300, "no market data has .*kind 77",
        ["malformed", "unproven", "no_book"],
    ),
    "far future": (
        d.changed("ts_event", {300: 2**62}, forged=True), 300, "ts_event 4611686018427387904 and ts_recv",
        ["bad_time", "unproven", "no_book"],
    ),
    "received in the future": (
        d.changed("ts_recv", {300: 2**62}), 300, r"ts_event \d+ and ts_recv 4611686018427387904",
        ["bad_time", "unproven", "no_book"],
    ),
    "received in the past": (d.changed("ts_recv", {300: 5}), 300, r"ts_event \d+ and ts_recv 5,",
                             ["bad_time", "unproven", "no_book"]),
    "instrument": (
        d.changed("instrument", {300: 2, 301: 2}, forged=True), 300, "instrument 2 and kind",
        ["mixed_symbols", "unproven", "lost", "no_book"],
    ),
    "counter": (
        d.changed("seq", {300: 1}, forged=True), 300, r"rows are not in order \(seq 1 after",
        ["foreign", "unproven", "lost", "no_book"],
    ),
    "another price": (
        d.changed("px", {300: 123.4}), 0, "of the 1024 rows that fit no digest", ["unproven", "no_book"]
    ),
    "another price, a new sidecar": (
        d.another_price, 0, "of the 1024 rows that fit no digest", ["unproven", "no_book"]
    ),
    "half": (
        d.cut(lambda size: size // 2), 0, "this row and the 2789 behind it cannot be read", ["unreadable", "no_book"]
    ),
    "without its end": (d.cut(lambda size: size - 1), 0, r"the file has \d+ bytes, its sidecar says", ["changed_file"]),
    "empty": (d.cut(lambda size: 0), 0, ".*the file has 0 bytes, its sidecar says", ["unreadable", "no_book"]),
    "a bit of the data": (
        d.flipped(lambda size: size // 2), 0, ".*the file was changed after it was written", ["unreadable", "no_book"]
    ),
    "a bit of the footer": (
        d.flipped(lambda size: size - 200), 0, ".*the file was changed after it was written", ["changed_file"]
    ),
    "a bit of the magic": (d.flipped(lambda size: 1), 0, ".*was changed after it was written", ["changed_file"]),
    "text": (d.other_bytes(b"hello\n" * 1000), 0, "this row and the 2789 behind it cannot", ["unreadable", "no_book"]),
    "schema in the sidecar": (
        d.sidecar_says(schema="0" * 16), 0, "it was written under row schema '0000000000000000'", ["schema"]
    ),
    "schema in the file": (
        d.file_says(schema="0" * 16), 0, ".*aviary.schema is '0000000000000000' in the file", ["schema"]
    ),
    "rows in the sidecar": (
        d.sidecar_says(rows=5), 0, ".*aviary.rows is '2790' in the file and '5' beside it", ["missing_sidecar"]
    ),
    "symbol in the sidecar": (
        d.sidecar_says(symbol="ETHUSDT"), 0, "it is described as rows of ETHUSDT of v and lies among those of BTCUSDT",
        ["missing_sidecar"],
    ),
    "instrument in the sidecar": (
        d.sidecar_says(instrument=7), 0, ".*aviary.instrument is '1' in the file and '7' beside it", ["missing_sidecar"]
    ),
    "recording in the sidecar": (d.sidecar_says(recording="x"), 0, ".*aviary.recording is", ["missing_sidecar"]),
    "time in the sidecar": (
        d.sidecar_says(last_ts=1), 0, "it is described as rows received from", ["missing_sidecar"]
    ),
    "hash in the sidecar": (
        d.sidecar_says(sha256="0"), 0, "the sidecar was changed after it was written", ["changed_file"]
    ),
    "empty sidecar": (d.sidecar_is(b""), 0, r"part-\d+\.json beside it is not a sidecar", ["missing_sidecar"]),
    "sidecar of bytes": (d.sidecar_is(b"\xff\xfe"), 0, r"part-\d+\.json beside it is not", ["missing_sidecar"]),
    "no file": (d.gone(sidecar=False), 0, "the file is missing, with its rows 0 to 2789", ["missing_part", "no_book"]),
    "no sidecar": (d.gone(file=False), 0, r"it has no sidecar part-\d+\.json", ["missing_sidecar"]),
    "swapped symbols": (
        d.swapped(("BTCUSDT", 0), ("ETHUSDT", 0), sidecars=True), 0,
        "it is described as rows of ETHUSDT of v and lies among those of BTCUSDT", ["misplaced", "misplaced"],
    ),
    "swapped hours": (
        d.swapped(("BTCUSDT", 0), ("BTCUSDT", 1), sidecars=True), 0,
        r"it is described as rows received from \d+ to \d+ ns, and lies in date=2024-08-09/hour=00",
        ["misplaced", "misplaced"],
    ),
    "swapped hours, without sidecars": (
        d.swapped(("BTCUSDT", 0), ("BTCUSDT", 1), sidecars=False), 0,
        "the file and its sidecar describe different rows",
        ["missing_sidecar", "missing_sidecar", "misplaced", "misplaced"],
    ),
    "columns of other types": (d.other_columns, 0, "the columns are .*flags int64", ["columns"]),
    "columns of other types, forged": (
        functools.partial(d.other_columns, forged=True), 0, "the columns are .*flags int64", ["columns"]
    ),
    "a column more": (d.more_columns, 0, "the columns are .*note string", ["columns"]),
    "a column less": (d.fewer_columns, 0, ".*there is no column side", ["columns", "unreadable", "no_book"]),
    "written by another program": (d.plain_rewrite, 0, r"the file has \d+ bytes, its sidecar says", ["changed_file"]),
    "a link to itself": (d.link_loop, 0, "the file is missing, with its rows", ["missing_part", "no_book"]),
    "a directory": (d.directory_instead, 0, r".*cannot be read \(Is a directory\)", ["missing_part", "no_book"]),
}  # fmt: skip
#: The same where it is not this file that is named.
ELSEWHERE: dict[str, tuple[d.Damage, str, Sequence[str]]] = {
    "file and sidecar gone": (
        d.gone(), r"BTCUSDT/.+/hour=00/part-\*\.parquet, row 0: a file is missing here: .+ 2790 more rows \(of BTC",
        ["missing_hour", "no_book"],
    ),
    "the last file gone": (
        d.gone(hour=1), r"BTCUSDT/.+/hour=01/part-\*\.parquet, row 0: a file is missing here: .+ \(of BTCUSDT\)",
        ["missing_hour"],
    ),
    "the first hour gone": (
        d.no_first_hour, r"hour=01/part-\*\.parquet, row 0: .+ 6000 more rows \(of BTCUSDT, ETHUSDT, _CLOCK\)",
        ["missing_hour", "no_book", "no_book"],
    ),
    "a clock file gone": (d.gone(symbol="_CLOCK"), r"_CLOCK/.+, row 0: .+ \(of _CLOCK\)", ["missing_hour", "clock"]),
    "the clock gone": (d.no_clock, r"_CLOCK/.+, row 0: .+ \(of _CLOCK\)", ["missing_hour", "missing_hour", "clock"]),
    "a file twice": (
        d.copied(sidecar=True), r"-copy\.parquet, row 0: its rows, counted from \d+ to \d+ by recording .+ are also in",
        ["repeated_part"],
    ),
    "a file twice, without its sidecar": (
        d.copied(sidecar=False), r"-copy\.parquet, row 0: it has no sidecar", ["repeated_part"]
    ),
    "an hour in another's place": (
        d.moved_hour, r"hour=07/part-\d+\.parquet, row 0: it is described as rows received from", ["misplaced"]
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Rows]:
    """An archive that nothing is wrong with, and its rows."""
    root = tmp_path_factory.mktemp("whole")
    return root, d.healthy(root)


@pytest.fixture
def copy(whole: tuple[Path, Rows], tmp_path: Path) -> tuple[Path, Rows]:
    """A copy of it, to be damaged."""
    return shutil.copytree(whole[0], tmp_path / "archive"), whole[1]


def read(root: Path, repairs: Repairs | None = None) -> Rows:
    return concat(ArchiveReader(root, "v", repairs=repairs))


def kinds(repairs: Repairs) -> list[str]:
    return [repair.kind for repair in repairs]


@pytest.mark.parametrize("name", CASES)
def test_damage_is_named_by_file_and_row_before_any_row_is_given(copy: tuple[Path, Rows], name: str) -> None:
    damage, row, said, _ = CASES[name]
    damage(copy[0])
    seen = []
    with pytest.raises(BadInput, match=PART.format(row=row) + said) as caught:
        seen += list(ArchiveReader(copy[0], "v"))
    assert "--repair" in str(caught.value)
    assert not seen


@pytest.mark.parametrize("name", ELSEWHERE)
def test_files_in_the_wrong_place_or_none_are_named(copy: tuple[Path, Rows], name: str) -> None:
    damage, said, _ = ELSEWHERE[name]
    damage(copy[0])
    with pytest.raises(BadInput, match=said) as caught:
        read(copy[0])
    assert "--repair" in str(caught.value)


@pytest.mark.parametrize("name", [*CASES, *ELSEWHERE])
def test_repairs_are_counted_and_what_they_give_is_what_was_written(copy: tuple[Path, Rows], name: str) -> None:
    root, rows = copy
    damage, wanted = (CASES.get(name) or ELSEWHERE[name])[0], (CASES.get(name) or ELSEWHERE[name])[-1]
    damage(root)
    before = {path: path.lstat().st_mtime_ns for path in root.rglob("part-*")}
    repairs = Repairs()
    got = read(root, repairs)
    assert kinds(repairs) == list(wanted)
    assert all(repair.rows > 0 and repair.kind in KINDS and repair.file for repair in repairs)
    if not LOSSES & set(wanted):
        assert got.tobytes() == rows.tobytes()
    made = (got["flags"] & REPAIRED) != 0
    assert is_within(got[~made], rows)
    assert (np.diff(got["ts_recv"]) >= 0).all()
    # It is the same each time, and nothing was written.
    again = Repairs()
    assert read(root, again).tobytes() == got.tobytes()
    assert list(again) == list(repairs)
    assert {path: path.lstat().st_mtime_ns for path in root.rglob("part-*")} == before


def is_within(some: Rows, rows: Rows) -> bool:
    """True if `some` are rows of `rows`, in their order."""
    left = iter(row.tobytes() for row in rows)
    return all(row.tobytes() in left for row in some)


def test_a_whole_archive_reads_the_same_with_repairs(whole: tuple[Path, Rows]) -> None:
    repairs = Repairs()
    assert read(whole[0], repairs).tobytes() == whole[1].tobytes()
    assert not len(repairs)


def test_rows_are_counted(copy: tuple[Path, Rows]) -> None:
    d.foreign_rows(copy[0])
    repairs = Repairs()
    read(copy[0], repairs)
    (repair,) = repairs
    assert (repair.kind, repair.rows, repair.row) == ("mixed_symbols", 10, 500)
    assert repair.file == str(d.part_of(copy[0]).relative_to(copy[0]))
    assert repairs.rows() == {"mixed_symbols": 10}


def test_what_a_recorder_wrote_is_left_out_by_itself(tmp_path: Path) -> None:
    rows = recording(3000)
    bad = np.flatnonzero(rows["kind"] != CLOCK)[[100, 500]]
    rows["px"][bad] = NAN
    archive(tmp_path, rows)
    with pytest.raises(BadInput, match=r"row \d+: no market data has px nan"):
        read(tmp_path)
    repairs = Repairs()
    got = read(tmp_path, repairs)
    assert repairs.rows() == {"malformed": 2}
    assert len(got) == len(rows) - 2
    assert (got["flags"] & LOST == 0).all()


def test_another_layout_is_refused_even_with_repairs(copy: tuple[Path, Rows]) -> None:
    # A part whose rows are not what was written if they are read as ours.
    d.file_says(schema="0123456789abcdef", content_sha256="0" * 64, stretches="")(copy[0])
    d.sidecar_says(schema="0123456789abcdef", content_sha256="0" * 64, stretches="")(copy[0])
    with pytest.raises(SchemaMismatch, match=r"row 0: it was written under row schema '0123456789abcdef'"):
        read(copy[0])
    with pytest.raises(SchemaMismatch, match=r"row 0: .+ its rows are not what was written if read as this program's"):
        read(copy[0], Repairs())


def test_behind_a_gap_the_book_is_unknown_until_a_snapshot(copy: tuple[Path, Rows]) -> None:
    root, rows = copy
    d.gone()(root)
    got = read(root, Repairs())
    mine = got[got["instrument"] == 1]
    assert mine[0]["kind"] == DEPTH_CLEAR
    assert mine[0]["flags"] & LOST
    assert got[got["flags"] & LOST != 0]["instrument"].tolist() == [1]
    book = np.isin(mine["kind"], (DEPTH_SET, DEPTH_CLEAR)) & (mine["flags"] & REPAIRED == 0)
    first = int(np.argmax(book))
    assert mine[first]["kind"] == DEPTH_CLEAR
    assert mine[first]["flags"] & SNAPSHOT
    # Trades do not need a book, and other symbols' books are what they were.
    hour = rows["ts_recv"] >= START + HOUR
    assert (mine["kind"] == TRADE).sum() == ((rows["kind"] == TRADE) & hour & (rows["instrument"] == 1)).sum()
    assert got[got["instrument"] == 2].tobytes() == rows[rows["instrument"] == 2].tobytes()


@pytest.mark.parametrize(("share", "row"), [(0.8, 131_072), (0.4, 65_536)])
def test_what_is_left_of_a_large_file_is_read(tmp_path: Path, share: float, row: int) -> None:
    rows = recording(200_000, step=4_000_000, instruments=1)
    archive(tmp_path, rows, name="import-0123456789abcdef")
    part = d.part_of(tmp_path)
    part.write_bytes(part.read_bytes()[: int(part.stat().st_size * share)])
    with pytest.raises(BadInput, match=rf"row {row}: this row and the \d+ behind it cannot be read"):
        read(tmp_path)
    repairs = Repairs()
    got = read(tmp_path, repairs)
    (lost,) = repairs
    assert (lost.kind, lost.row) == ("unreadable", row)
    assert lost.rows == read_sidecar(part).rows - row
    assert (got["flags"] & LOST != 0).sum() == 1
    assert len(got) == len(rows) - lost.rows + 1


def test_clock_rows_are_made_anew_where_they_were(tmp_path: Path) -> None:
    rows = recording(4000, step=1_000_000)
    rows = rows[rows["kind"] != CLOCK]
    clock = np.zeros(40, rows.dtype)
    clock["ts_event"] = clock["ts_recv"] = START + 100_000_000 * np.arange(40)
    clock["kind"] = CLOCK
    clock = clock[clock["ts_recv"] < rows["ts_recv"][-1]]
    rows = np.insert(rows, np.searchsorted(rows["ts_recv"], clock["ts_recv"], side="right"), clock)
    archive(tmp_path, rows, name="import-0123456789abcdef")
    d.gone(symbol="_CLOCK", sidecar=False)(tmp_path)
    repairs = Repairs()
    got = read(tmp_path, repairs)
    assert repairs.rows() == {"missing_part": len(clock), "clock": len(clock)}
    made = got["kind"] == CLOCK
    assert (got["flags"][made] == REPAIRED).all()
    got["flags"][made] = 0
    assert got.tobytes() == rows.tobytes()


def test_a_file_that_may_not_be_read_is_named(copy: tuple[Path, Rows]) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    d.unreadable(copy[0])
    with pytest.raises(BadInput, match=PART.format(row=0) + r"the file cannot be read \(Permission denied\)"):
        read(copy[0])


def test_a_directory_that_is_none_is_named(copy: tuple[Path, Rows], tmp_path: Path) -> None:
    d.renamed_hour(shutil.copytree(copy[0], tmp_path / "renamed"))
    with pytest.raises(BadInput, match=r"hour=0x is no directory of an hour, .+ move it elsewhere"):
        read(tmp_path / "renamed")
    d.directory_loop(copy[0])
    with pytest.raises(BadInput, match=r"hour=00 cannot be listed \(Too many levels of symbolic links\)"):
        read(copy[0])


def test_parts_of_earlier_versions_are_read_and_repaired_as_a_whole(copy: tuple[Path, Rows]) -> None:
    root, rows = copy
    for part in root.rglob("part-*.parquet"):
        d.as_earlier_versions_wrote(part)
    assert read(root).tobytes() == rows.tobytes()
    repairs = Repairs()
    assert read(root, repairs).tobytes() == rows.tobytes()
    assert not len(repairs)
    before = d.part_of(root).read_bytes()
    d.shuffled(root)
    assert read(root, repairs).tobytes() == rows.tobytes()
    assert kinds(repairs) == ["shuffled"]
    d.part_of(root).write_bytes(before)
    d.changed("px", {300: NAN})(root)
    with pytest.raises(BadInput, match="row 300: no market data has px nan"):
        read(root)
    repairs = Repairs()
    read(root, repairs)
    assert repairs.rows()["unproven"] == 2789
