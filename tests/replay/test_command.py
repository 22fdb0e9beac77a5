"""`python -m app replay`, as a process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from app.console.interrupts import Interrupts
from app.console.replay_options import ReplayOptions, parse_time
from app.core.errors import Misconfigured
from app.market.rows import Rows
from tests.replay.conftest import VENUE, command, write_archive
from tests.store.test_archive import parts_of

Paper = tuple[Path, dict[str, Any]]

_PEAK = """
import json, resource, sys
from pathlib import Path
from app.console.run_config import load_config
from app.replay import run
result = run(load_config(Path(sys.argv[1]), ["warmup.seconds=1000000"]), Path(sys.argv[2]))
print(json.dumps([result.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
"""


@pytest.fixture(scope="session")
def long_archive(market: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some two million rows."""
    return write_archive(tmp_path_factory.mktemp("long"), market, times=24)


def peak(run: Path, archive: Path) -> tuple[int, int]:
    """Rows, and the greatest resident memory in bytes of a process that replays them without trading."""
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, str(run), str(archive)],
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=True,
    )
    rows, size = json.loads(done.stdout.splitlines()[-1])
    return rows, size


def test_memory_does_not_grow_with_the_archive(paper: Paper, market: Rows, long_archive: Path, tmp_path: Path) -> None:
    short_rows, short = peak(paper[0], write_archive(tmp_path, market, times=6))
    long_rows, long = peak(paper[0], long_archive)
    assert long_rows == 4 * short_rows
    # The rows alone that there are more of are several times as much.
    assert (long_rows - short_rows) * 40 > 60e6
    # Allocators differ by some 20 MB from run to run, whatever the length.
    assert long - short < 35e6


def test_an_interrupt_writes_the_report_and_says_so(paper: Paper, long_archive: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "replay", "--archive", str(long_archive), "--report", str(tmp_path), "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if " archive " in line:
                break
        time.sleep(0.4)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "interrupted, and stopped after" in err
    report = json.loads(out)
    assert report["replay"]["interrupted"]
    assert report["run"]["ended_by"] == "interrupt"
    assert report["books_balance"]
    assert "The replay was interrupted." in (tmp_path / "report.html").read_text()
    assert (tmp_path / "records.jsonl").exists()


def test_a_damaged_archive_fails_and_a_wrong_question_is_told_apart(paper: Paper, market: Rows, tmp_path: Path) -> None:
    root = write_archive(tmp_path / "archive", market[:20_000])
    part = parts_of(root, "BTCUSDT")[0]
    part.write_bytes(part.read_bytes()[:-1])
    done = command("replay", "--archive", root)
    assert done.returncode == 1
    assert f"{part.name}, row 0: the file has" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    spool = root / "spool" / VENUE / "main"
    spool.mkdir(parents=True)
    (spool / "2024010100-1.rows").touch()
    done = command("replay", "--archive", root, "--symbols", "BTCUSDT,PEPEUSDT")
    assert "1 file(s) of its spool are not sealed yet and are left out" in done.stdout
    assert f"python -m app.store.seal --root {root} --all" in done.stdout
    assert done.returncode == 2
    assert "has no PEPEUSDT (there: BTCUSDT)" in done.stdout


def test_part_of_the_time_by_the_clock_on_the_wall(paper: Paper, market: Rows) -> None:
    done = command(
        "replay", "--archive", paper[0] / "archive", "--from", "2024-01-01T00:00:30", "--to", "2024-01-01T00:01:00Z",
        "--json",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert 15 < report["market_s"] <= 30
    assert report["replay"]["rows"] < len(market) / 2
    assert report["run"]["options"]["from"] == str(parse_time("2024-01-01T00:00:30", "--from"))
    assert report["replay"]["compared"] is None


def test_times_are_utc_unless_they_say_otherwise() -> None:
    assert parse_time("1970-01-02", "--from") == 86_400 * 10**9
    assert parse_time("1970-01-01T00:00:01.000001", "--from") == 1_000_001_000
    assert parse_time("1970-01-01T02:00:00+02:00", "--to") == 0
    with pytest.raises(Misconfigured, match=r"--to 'noon' is not a time; write it as in 2024-08-09T00:05:00"):
        parse_time("noon", "--to")


def test_options_that_exclude_each_other() -> None:
    for options in (ReplayOptions(), ReplayOptions(archive=Path("a"), run=Path("b"))):
        with pytest.raises(Misconfigured, match="either --archive DIR or --run runs/<id>"):
            options.check()
    with pytest.raises(Misconfigured, match="--run takes the configuration the run had; leave out --config"):
        ReplayOptions(run=Path("b"), config=Path("c")).check()


def test_the_first_interrupt_asks_and_the_second_insists() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        assert not interrupts.asked
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_replay_loads_nothing_that_it_does_not_use() -> None:
    code = (
        "import sys, app.console.replay_command; print(sorted({'aiohttp', 'matplotlib', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
