"""Sealing: spool files become parts, once, and stay when they cannot."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from app.market.rows import concat
from app.store.archive import ArchiveReader
from app.store.seal import main
from app.store.spool import Spool, recover, spool_dir

from .recordings import HOUR, START, recording

ROOT = Path(__file__).resolve().parent.parent.parent


def sealed(capsys: pytest.CaptureFixture[str], root: Path, *options: str) -> tuple[int, dict[str, object]]:
    code = main(["--root", str(root), *options])
    return code, json.loads(capsys.readouterr().out)


def command(root: Path, *options: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "app.store.seal", "--root", str(root), *options],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.count("\n") == 1
    said: dict[str, object] = json.loads(done.stdout)
    return said


def test_the_command_seals_what_is_closed(tmp_path: Path) -> None:
    rows = recording(1000, start=START + HOUR - 1_000_000_000)
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    for start in range(0, 1000, 9):
        spool.append(rows[start : start + 9])
    spool.close()
    assert command(tmp_path, "--venue", "v") == {"sealed": 2, "left": 0, "rows": 1000, "parts": 6, "bytes_lost": 0}
    assert not list(spool_dir(tmp_path, "v", "s").glob("*.rows"))
    assert np.array_equal(concat(ArchiveReader(tmp_path, "v")), rows)
    assert recover(tmp_path, "v", "s").count == 1000


def test_a_file_being_written_is_left_even_with_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = recording(300, start=START + HOUR - 1_000_000_000)
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    spool.append(rows)
    code, done = sealed(capsys, tmp_path, "--all")
    assert (code, done["sealed"], done["left"]) == (0, 1, 1)
    spool.close()
    code, done = sealed(capsys, tmp_path)
    assert (code, done["sealed"], done["left"]) == (0, 1, 0)
    assert np.array_equal(concat(ArchiveReader(tmp_path, "v")), rows)


def test_a_file_a_dead_process_left_needs_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = recording(30)
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    spool.append(rows)
    spool.close()
    (path,) = spool_dir(tmp_path, "v", "s").glob("*.rows")
    path.write_bytes(path.read_bytes()[:-16] + b"torn")
    assert sealed(capsys, tmp_path) == (0, {"sealed": 0, "left": 1, "rows": 0, "parts": 0, "bytes_lost": 0})
    assert command(tmp_path, "--all") == {"sealed": 1, "left": 0, "rows": 30, "parts": 2, "bytes_lost": 4}


def test_sealing_again_after_a_crash_before_deletion_duplicates_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = recording(500)
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    spool.append(rows)
    spool.close()
    shutil.copytree(tmp_path / "spool", tmp_path / "kept")
    assert sealed(capsys, tmp_path)[0] == 0
    shutil.copytree(tmp_path / "kept", tmp_path / "spool", dirs_exist_ok=True)
    assert sealed(capsys, tmp_path)[0] == 0
    assert np.array_equal(concat(ArchiveReader(tmp_path, "v")), rows)


def test_a_tape_played_twice_is_kept_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = recording(100)
    for _ in range(2):
        spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
        spool.append(rows)
        spool.close()
        assert sealed(capsys, tmp_path)[0] == 0
    first = rows["ts_recv"][0]
    for name in (f"s-{first}-0", f"s-{first}-100"):
        assert np.array_equal(concat(ArchiveReader(tmp_path, "v", recording=name)), rows)


def test_an_unknown_instrument_keeps_the_spool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = recording(100, instruments=1)
    rows["instrument"][rows["instrument"] == 1] = 999
    spool = Spool(tmp_path, venue="v", shard="s", fsync_s=1)
    spool.append(rows)
    spool.close()
    code, said = sealed(capsys, tmp_path)
    assert code == 2
    assert str(said["error"]).startswith("rows carry instrument id 999, which no symbol has (known: 1=BTCUSDT")
    assert str(said["error"]).endswith("add it to config/symbols.yml and run this again")
    assert recover(tmp_path, "v", "s").count == 100
    assert not list(tmp_path.glob("venue=v/symbol=*"))


def test_misuse(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = sealed(capsys, tmp_path / "absent")
    assert (code, said["error"]) == (2, f"archive {tmp_path / 'absent'} does not exist; name another with --root")
    assert sealed(capsys, tmp_path) == (0, {"sealed": 0, "left": 0, "rows": 0, "parts": 0, "bytes_lost": 0})
