"""The gap scan finds each kind of fault, names it, and is silent about a whole archive."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import Misconfigured
from app.market.rows import concat
from app.store.gaps import Finding, scan, table
from app.store.layout import sidecar_of

from . import damage
from .recordings import HOUR, START, archive, recording

ROOT = Path(__file__).resolve().parent.parent.parent


def found(root: Path, max_gap_s: float = 60.0) -> dict[tuple[str, str], Finding]:
    return {(finding.kind, finding.symbol): finding for finding in scan(root, max_gap_s=max_gap_s).findings}


def part_of(root: Path, symbol: str, hour: str = "*") -> Path:
    (part,) = root.glob(f"venue=v/symbol={symbol}/date=*/hour={hour}/*.parquet")
    return part


def test_a_whole_archive_is_clean(tmp_path: Path) -> None:
    archive(tmp_path, recording(2000, start=START + HOUR - 4_000_000_000))
    done = scan(tmp_path)
    assert (done.parts, done.rows, done.findings, done.longest_gap_ms) == (6, 2000, [], 0)
    assert table(done) == "6 parts, 2000 rows: no gaps"


def test_pauses_are_found_within_parts_and_between_them(tmp_path: Path) -> None:
    before = recording(1000)
    last = int(before["ts_recv"][-1])
    after = recording(1000, start=last + 90_000_000_000, seed=1)
    next_hour = recording(500, start=START + HOUR + 10 * 60_000_000_000, seed=2)
    archive(tmp_path, concat([before, after, next_hour]))
    done = scan(tmp_path, symbols=["BTCUSDT"], max_gap_s=80)
    gaps = [finding for finding in done.findings if finding.symbol == "BTCUSDT"]
    assert [finding.kind for finding in gaps] == ["gap", "gap"]
    of_btc = before[before["instrument"] == 1]["ts_recv"][-1]
    assert gaps[0].start == of_btc
    assert gaps[0].end == after[after["instrument"] == 1]["ts_recv"][0]
    assert "hour=00" in gaps[0].where
    assert "hour=01" in gaps[1].where
    assert gaps[1].start is not None
    assert gaps[1].end is not None
    assert done.longest_gap_ms >= (gaps[1].end - gaps[1].start) / 1e6
    assert not scan(tmp_path, max_gap_s=5000).findings


def test_missing_hours_are_named_once(tmp_path: Path) -> None:
    archive(tmp_path, concat([recording(500), recording(500, start=START + 5 * HOUR, seed=1)]))
    missing = found(tmp_path)
    assert set(missing) == {("missing_hours", symbol) for symbol in ("BTCUSDT", "ETHUSDT", "_CLOCK")}
    finding = missing["missing_hours", "BTCUSDT"]
    assert (finding.start, finding.end, finding.detail) == (START + HOUR, START + 5 * HOUR, "4 h")


def test_a_part_without_sidecar_and_a_sidecar_without_part(tmp_path: Path) -> None:
    archive(tmp_path, recording(500))
    sidecar_of(part_of(tmp_path, "BTCUSDT")).unlink()
    part_of(tmp_path, "ETHUSDT").unlink()
    missing = found(tmp_path)
    assert ("missing_sidecar", "BTCUSDT") in missing
    assert ("missing_part", "ETHUSDT") in missing
    assert missing["missing_part", "ETHUSDT"].where.startswith("venue=v/symbol=ETHUSDT/date=2024-08-09/hour=00/part-")


def test_damage_and_another_layout(tmp_path: Path) -> None:
    archive(tmp_path, recording(500))
    part = part_of(tmp_path, "BTCUSDT")
    part.write_bytes(part.read_bytes()[:-1])
    sidecar = sidecar_of(part_of(tmp_path, "ETHUSDT"))
    sidecar.write_text(json.dumps(json.loads(sidecar.read_bytes()) | {"schema": "0123456789abcdef"}))
    sidecar_of(part_of(tmp_path, "_CLOCK")).write_text("[]")
    missing = found(tmp_path)
    assert "its sidecar says" in missing["damaged", "BTCUSDT"].detail
    assert "was written under row schema '0123456789abcdef'" in missing["schema", "ETHUSDT"].detail
    assert "is not a sidecar" in missing["damaged", "_CLOCK"].detail


def test_every_row_is_looked_at(tmp_path: Path) -> None:
    damage.healthy(tmp_path)
    assert scan(tmp_path, max_gap_s=7200).findings == []
    damage.changed("px", {300: float("nan")})(tmp_path)
    (finding,) = scan(tmp_path, max_gap_s=7200).findings
    assert (finding.kind, finding.symbol, finding.row) == ("damaged", "BTCUSDT", 300)
    assert "hour=00/part-" in finding.where
    damage.changed("px", {300: 123.4}, forged=True)(tmp_path)
    (finding,) = scan(tmp_path, max_gap_s=7200).findings
    assert "not the rows that were written (their SHA-256 differs)" in finding.detail


def test_files_that_are_in_the_wrong_place_or_twice(tmp_path: Path) -> None:
    damage.healthy(tmp_path)
    damage.copied(sidecar=True)(tmp_path)
    twice = found(tmp_path, 7200)
    assert set(twice) == {("repeated_part", "BTCUSDT")}
    assert twice["repeated_part", "BTCUSDT"].detail.startswith("its rows are also in venue=v/symbol=BTCUSDT/")
    next(iter(tmp_path.rglob("*-copy.json"))).unlink()
    next(iter(tmp_path.rglob("*-copy.parquet"))).unlink()
    damage.swapped(("BTCUSDT", 0), ("ETHUSDT", 0), sidecars=True)(tmp_path)
    assert set(found(tmp_path, 7200)) == {("misplaced", "BTCUSDT"), ("misplaced", "ETHUSDT")}


def test_rows_of_a_recording_that_are_in_no_part(tmp_path: Path) -> None:
    rows = recording(500)
    archive(tmp_path, rows)
    part = part_of(tmp_path, "ETHUSDT")
    sidecar_of(part).unlink()
    part.unlink()
    kept = np.flatnonzero(rows["instrument"] != 2)
    first, last = int(kept[0]), int(kept[-1])
    lost = last - first + 1 - len(kept)
    # Nothing in the archive says any more that there was such a symbol.
    finding = found(tmp_path)["missing_rows", "BTCUSDT, _CLOCK"]
    assert finding.detail == f"{lost} rows of recording r (of BTCUSDT, _CLOCK) from seq {first} on are in no file"
    assert finding.where == "venue=v/symbol=BTCUSDT/date=2024-08-09/hour=00"
    assert scan(tmp_path, symbols=["BTCUSDT"]).rows == len(kept)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"is not an archive: it has no venue=… directory; name one with --root"):
        scan(tmp_path)
    archive(tmp_path, recording(100))
    with pytest.raises(Misconfigured, match=r"has no venue 'w' \(venues there: v\)"):
        scan(tmp_path, venue="w")
    with pytest.raises(Misconfigured, match=r"has no SOLUSDT of venue v \(known: BTCUSDT, ETHUSDT\)"):
        scan(tmp_path, symbols=["SOLUSDT"])


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/scan_parquet_gaps.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_script_tells_by_its_exit_code(tmp_path: Path) -> None:
    archive(tmp_path, recording(2000))
    clean = script("--root", str(tmp_path))
    assert (clean.returncode, clean.stdout) == (0, "3 parts, 2000 rows: no gaps\n")
    gaps = script("--root", str(tmp_path), "--max-gap", "0.001", "--symbol", "BTCUSDT")
    assert gaps.returncode == 1
    head, first, *_ = gaps.stdout.splitlines()
    assert head.split() == ["what", "venue", "symbol", "from", "where", "detail"]
    assert first.startswith(
        "gap   v      BTCUSDT  2024-08-09T00:00:00Z  venue=v/symbol=BTCUSDT/date=2024-08-09/hour=00/"
    )
    as_json = json.loads(script("--root", str(tmp_path), "--max-gap", "0.001", "--json").stdout)
    assert as_json["findings"][0]["kind"] == "gap"
    misuse = script("--root", str(tmp_path / "absent"))
    assert (misuse.returncode, misuse.stdout) == (2, "")
    assert script("--max-gap", "many").returncode == 2
