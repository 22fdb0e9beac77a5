"""A damaged archive is replayed only if that is asked for, and then the report says what was done to it."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from app.core.clock import NS_PER_S
from app.core.errors import BadInput
from app.features.catalogue import FEATURES
from app.market.instruments import read_instruments
from app.market.rows import CLOCK, DEPTH_SET, LAST, Rows, concat
from app.messages.execution import OrderUpdate
from app.replay import ReplayResult, run
from app.replay.opening import opening
from app.settings import Settings, resolve
from tests.replay.conftest import command, write_archive
from tests.store import damage
from tests.store.test_archive import parts_of

Paper = tuple[Path, dict[str, Any]]


@pytest.fixture
def archive(paper: Paper, tmp_path: Path) -> Path:
    """A copy of the run's archive."""
    return shutil.copytree(paper[0] / "archive", tmp_path / "archive")


def submitted(result: ReplayResult) -> list[int]:
    """When entries were ordered."""
    found = (message for message in result.gathered.money if isinstance(message, OrderUpdate))
    return sorted(order.ts for order in found if order.leg == "entry" and order.status == "submitted")


def without(part: Path, gone: Sequence[int]) -> None:
    """Take rows out of a part."""
    table = pq.read_table(part)
    damage.rewrite(part, table.take(np.delete(np.arange(len(table)), gone)))


def test_a_whole_archive_is_replayed_the_same_with_repairs(paper: Paper, settings: Settings) -> None:
    plain = run(settings, paper[0] / "archive")
    asked = run(settings, paper[0] / "archive", repair=True)
    assert asked.records == plain.records
    assert asked.rows == plain.rows
    assert asked.repairs == ()
    assert plain.records


def test_shuffled_rows_are_put_back_in_order(paper: Paper, settings: Settings, archive: Path) -> None:
    (part,) = parts_of(archive, "BTCUSDT")
    damage.shuffle_rows(part, 0)
    with pytest.raises(BadInput, match=rf"{part.name}, row \d+: rows are not in order"):
        run(settings, archive)
    repaired = run(settings, archive, repair=True)
    assert repaired.records == run(settings, paper[0] / "archive").records
    assert [repair.kind for repair in repaired.repairs] == ["shuffled"]


def test_behind_a_gap_nothing_is_traded_until_the_book_is_known(
    settings: Settings, archive: Path, paper: Paper
) -> None:
    (part,) = parts_of(archive, "BTCUSDT")
    table = pq.read_table(part)
    begin = len(table) // 2
    without(part, range(begin, begin + 500))
    gap = int(table["ts_recv"][begin - 1024].as_py())
    first, second = run(settings, archive, repair=True), run(settings, archive, repair=True)
    assert first.records == second.records
    assert first.repairs == second.repairs
    assert [repair.kind for repair in first.repairs] == ["unproven", "lost", "no_book"]
    assert first.books.balance
    whole = submitted(run(settings, paper[0] / "archive"))
    assert max(whole) > gap + 20 * NS_PER_S
    # There is no snapshot behind it.
    kept = submitted(first)
    assert kept
    assert kept == [ts for ts in whole if ts <= max(kept)]
    assert max(kept) < gap + NS_PER_S


def test_a_beginning_behind_a_gap_knows_no_book_either(settings: Settings, archive: Path) -> None:
    (part,) = parts_of(archive, "BTCUSDT")
    table = pq.read_table(part, columns=["ts_recv"])
    middle = len(table) // 2
    without(part, range(middle, middle + 500))
    start = int(table["ts_recv"][middle].as_py()) + 5 * NS_PER_S
    with pytest.raises(BadInput, match=rf"{part.name}, row \d+: "):
        run(settings, archive, start=start)
    repaired = run(settings, archive, start=start, repair=True)
    assert repaired.rows > 1000
    assert not repaired.trades
    assert not submitted(repaired)
    assert repaired.repairs == run(settings, archive, repair=True).repairs
    # What is damaged behind the end is not read.
    early = int(table["ts_recv"][middle].as_py()) - 5 * NS_PER_S
    assert submitted(run(settings, archive, end=early, repair=True))


def test_features_begin_anew_behind_a_gap(settings: Settings, market: Rows, tmp_path: Path) -> None:
    """The same rows with a snapshot of the book soon behind the gap: it is traded again once all is warm."""
    instruments = read_instruments(resolve(settings.symbols_file))
    ends = np.flatnonzero((market["flags"] & LAST != 0) | (market["kind"] == CLOCK)) + 1
    at = int(ends[np.searchsorted(ends, len(market) // 2)])
    ts = int(market["ts_recv"][at - 1])
    snapshot = opening([market[:at]], {"BTCUSDT": instruments["BTCUSDT"]}, ts, book_ticks=65_536)
    root = write_archive(tmp_path, concat([market[:at], snapshot, market[at:]]))
    whole = submitted(run(settings, root))
    (part,) = parts_of(root, "BTCUSDT")
    table = pq.read_table(part, columns=["ts_recv", "kind"])
    behind = int(np.searchsorted(table["ts_recv"].to_numpy(), ts))
    gone = [row for row in range(behind - 3000, behind - 2000) if table["kind"][row].as_py() == DEPTH_SET]
    without(part, gone)
    repaired = run(settings, root, repair=True)
    warm = max(feature.warm_up_ns for feature in FEATURES)
    assert [when for when in whole if ts < when < ts + warm]
    assert not [when for when in submitted(repaired) if ts - NS_PER_S // 10 < when < ts + warm]
    assert [when for when in submitted(repaired) if when > ts + warm]
    assert repaired.books.balance


def test_the_command_refuses_and_with_repair_says_what_it_did(archive: Path, paper: Paper, tmp_path: Path) -> None:
    (part,) = parts_of(archive, "BTCUSDT")
    damage.shuffle_rows(part, 0)
    refused = command("replay", "--archive", archive, "--report", tmp_path / "refused")
    assert refused.returncode == 1
    assert f"{part.name}, row " in refused.stdout
    assert "with --repair" in refused.stdout
    assert "Traceback" not in refused.stdout + refused.stderr
    assert not list((tmp_path / "refused").glob("report.*"))
    done = command("replay", "--archive", archive, "--repair", "--report", tmp_path / "out", "--json")
    assert done.returncode == 0, done.stderr
    name = str(part.relative_to(archive))
    rows = json.loads(done.stdout)["run"]["repairs"][0]["rows"]
    assert f"{name}: {rows:,} × rows out of order, put back in order" in done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    (repair,) = report["run"]["repairs"]
    assert (repair["kind"], repair["file"], repair["rows"]) == ("shuffled", name, rows)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "The archive is damaged, and was read with repairs." in page
    assert name in page


def test_a_run_whose_archive_was_repaired_need_not_be_met(paper: Paper, tmp_path: Path) -> None:
    copy = shutil.copytree(paper[0], tmp_path / "run", ignore=shutil.ignore_patterns("redis"))
    (part,) = parts_of(copy / "archive", "BTCUSDT")
    without(part, range(5000, 5100))
    assert command("replay", "--run", copy).returncode == 1
    done = command("replay", "--run", copy, "--repair")
    assert done.returncode == 0, done.stdout
    assert "because of the repairs of its archive" in done.stdout


def test_rows_of_an_instrument_that_the_symbols_file_does_not_mean_are_refused(
    settings: Settings, archive: Path
) -> None:
    for part in parts_of(archive, "BTCUSDT"):
        table = pq.read_table(part)
        at = table.schema.get_field_index("instrument")
        other = np.full(len(table), 9, np.uint16)
        damage.written_for(part, table.set_column(at, table.schema.field(at), [other]), instrument=9)
    with pytest.raises(BadInput, match=r"row 0: its rows are of instrument 9, and the symbols file says .+ BTCUSDT is"):
        run(settings, archive)
