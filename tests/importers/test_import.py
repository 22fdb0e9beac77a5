"""The import as a whole: formats, atomicity, repetition, tapes, the command."""

import json
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app.core.errors import Misconfigured
from app.importers import import_recording, open_tape
from app.market.rows import concat
from app.store.archive import Archive, ArchiveReader

from .captures import Capture, Session

ROOT = Path(__file__).resolve().parent.parent.parent


def parts(root: Path) -> list[Path]:
    return sorted(root.rglob("part-*"))


def test_importing_again_changes_nothing(tmp_path: Path) -> None:
    path = Capture().fill(300).write(tmp_path / "capture.jsonl")
    first = import_recording([path], tmp_path / "archive")
    before = {part: part.stat().st_mtime_ns for part in parts(tmp_path)}
    again = import_recording([path], tmp_path / "archive")
    assert {part: part.stat().st_mtime_ns for part in parts(tmp_path)} == before
    assert (again.recording, again.rows, again.parts) == (first.recording, first.rows, first.parts)


def test_an_interrupted_import_leaves_nothing(tmp_path: Path) -> None:
    path = Capture().fill(300).write(tmp_path / "capture.jsonl")

    def interrupt_at(least: float, share: float) -> None:
        if share >= least:
            raise KeyboardInterrupt

    for least in (0.0, 0.7, 0.9):
        with pytest.raises(KeyboardInterrupt):
            import_recording([path], tmp_path / "archive", on_progress=partial(interrupt_at, least))
        left = [path for path in (tmp_path / "archive").rglob("*") if path.is_file()]
        assert [path.name for path in left] == [".writer"]


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    shares: list[float] = []
    import_recording([Capture().fill(300).write(tmp_path / "a.jsonl")], tmp_path / "a", on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert 0 < shares[0] <= 0.7


def test_killed_at_every_file_operation_nothing_or_all_is_there(tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    path = session_of_two_symbols().write(tmp_path / "session.jsonl")
    done = subprocess.run(
        [sys.executable, "-m", "tests.store.crash_driver", "import", str(tmp_path), str(path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(runs) > 20
    (rows,) = {run["rows"] for run in runs}
    assert len({run["digest"] for run in runs}) == 1
    assert {run["seen"] for run in runs} == {0, rows}


def session_of_two_symbols() -> Session:
    session = Session()
    for number in range(20):
        session.trades(("Buy", "60000.0", "1.000"), symbol=("BTCUSDT", "ETHUSDT")[number % 2])
    return session


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "strange.csv"
    path.write_text("time,price\n1,2\n")
    with pytest.raises(
        Misconfigured,
        match=r"recording .*strange.csv is of no known kind: it starts with b'time,price1,2'; expected a Bin",
    ):
        import_recording([path], tmp_path / "archive")
    path.write_text("\n\n")
    with pytest.raises(Misconfigured, match="is of no known kind: it starts with b''"):
        import_recording([path], tmp_path / "archive")
    with pytest.raises(Misconfigured, match="no recording named; give the path of at least one file"):
        import_recording([], tmp_path / "archive")
    capture = Capture().fill(30).write(tmp_path / "capture.jsonl")
    session = session_of_two_symbols().write(tmp_path / "session.jsonl")
    with pytest.raises(Misconfigured, match="recordings of different kinds cannot be one import") as error:
        import_recording([capture, session], tmp_path / "archive")
    assert "capture.jsonl: binance_usdm_capture, session.jsonl: bybit_v5_session" in str(error.value)
    assert not (tmp_path / "archive").exists()


def test_a_tape_is_imported_once(tmp_path: Path) -> None:
    path = Capture().fill(300).write(tmp_path / "capture.jsonl")
    root = open_tape(path, tmp_path / "cache")
    rows = concat(ArchiveReader(root, "binance_usdm"))
    assert root.parent == tmp_path / "cache"
    assert root.name.startswith("capture-")
    before = {part: part.stat().st_mtime_ns for part in root.rglob("*")}
    path.rename(tmp_path / "capture.moved.jsonl")
    assert open_tape(tmp_path / "capture.moved.jsonl", tmp_path / "cache") == root
    assert {part: part.stat().st_mtime_ns for part in root.rglob("*")} == before
    assert open_tape(root, tmp_path / "cache") == root
    # An import that did not come to its end is made again.
    (root / "import.json").unlink()
    for part in parts(root)[:2]:
        part.unlink()
    assert open_tape(tmp_path / "capture.moved.jsonl", tmp_path / "cache") == root
    assert np.array_equal(concat(ArchiveReader(root, "binance_usdm")), rows)
    Capture().fill(301).write(tmp_path / "capture.moved.jsonl")
    assert open_tape(tmp_path / "capture.moved.jsonl", tmp_path / "cache") != root


def test_what_is_no_tape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        Misconfigured, match=r"tape .*absent does not exist; name an archive's directory or a recording"
    ):
        open_tape(tmp_path / "absent", tmp_path / "cache")
    with pytest.raises(
        Misconfigured, match=r"is not an archive: it has no venue=… directory; name an archive or a rec"
    ):
        open_tape(tmp_path, tmp_path / "cache")


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/import_market.py", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command(tmp_path: Path) -> None:
    path = Capture().fill(300).write(tmp_path / "capture.jsonl")
    done = script(str(path), "--root", str(tmp_path / "archive"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("binance_usdm BTCUSDT: 631 rows in 2 parts, 2024-08-09T00:00:00.000000Z to ")
    assert "book of BTCUSDT: no snapshot: builds up from differences" in done.stdout
    assert "clock of capture.jsonl: +1268.000 ms, drift +0.0 ppm (smallest delay" in done.stdout
    report = json.loads(script(str(path), "--root", str(tmp_path / "archive"), "--json").stdout)
    assert report["rows"] == {"depth_set": 300, "trade": 100, "quote": 200, "clock": 31}
    assert Archive(tmp_path / "archive").symbols == ("BTCUSDT",)
    unknown = script(str(Capture("PEPEUSDT").fill(3).write(tmp_path / "p.jsonl")), "--root", str(tmp_path / "p"))
    assert (unknown.returncode, unknown.stdout) == (2, "")
    assert unknown.stderr.startswith("symbol 'PEPEUSDT' is not in config/symbols.yml")
    (tmp_path / "bad.jsonl").write_bytes(b"1723161598732000000 {]\n")
    assert script(str(tmp_path / "bad.jsonl"), "--root", str(tmp_path / "p")).returncode == 1
    assert script().returncode == 2


def test_the_command_interrupted(tmp_path: Path) -> None:
    lines = Capture().fill(300).lines
    (tmp_path / "long.jsonl").write_bytes(b"\n".join(lines * 2000))
    root = tmp_path / "archive"
    command = [sys.executable, "scripts/import_market.py", str(tmp_path / "long.jsonl"), "--root", str(root)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (root / "venue=binance_usdm" / ".staging" / "messages").exists():
        assert child.poll() is None
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert (child.returncode, out, err) == (1, "", "interrupted; nothing was imported\n")
    assert [path.name for path in root.rglob("*") if path.is_file()] == [".writer"]
