"""`python -m app sweep`, as a process."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from app.console.sweep_options import SweepOptions, parse_by
from app.core.errors import Misconfigured
from app.importers import import_recording

_PLAIN = {name: value for name, value in os.environ.items() if not name.startswith("AVIARY_")}
DAYS = ("btcusdt_20240718.jsonl.gz", "btcusdt_20240719.jsonl.gz")


def arguments(*given: object) -> list[str]:
    return [sys.executable, "-m", "app", "sweep", *map(str, given)]


def sweep(*given: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(arguments(*given), capture_output=True, text=True, env=_PLAIN, timeout=240, check=False)


@pytest.fixture(scope="session")
def recorded(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three minutes before a midnight and five after it, as they were recorded."""
    root = tmp_path_factory.mktemp("recorded")
    import_recording([shared_data / "binance_usdm" / name for name in DAYS], root, "BTCUSDT")
    return root


def test_a_sweep_from_the_command_line_and_once_more(recorded: Path, tmp_path: Path) -> None:
    given = (
        "--archive", recorded, "--grid", "risk.max_positions=1,3", "--set", "warmup.seconds=1", "--report", tmp_path,
        "--jobs", 2,
    )  # fmt: skip
    done = sweep(*given, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert list(report["facts"]["spans"]) == ["2024-07-18", "2024-07-19"]
    assert [task["stretch"] for task in report["tasks"]] == ["2024-07-18", "2024-07-19"] * 2
    assert report["facts"]["options"]["grid"] == "risk.max_positions=1,3"
    assert report["ranking"]
    assert "is it more than luck? not to be told" in done.stderr
    for name in ("sweep.html", "sweep.json", "points.parquet", "tasks.parquet"):
        assert (tmp_path / name).stat().st_size
    tasks = pq.read_table(tmp_path / "tasks.parquet").to_pydict()
    assert tasks["risk.max_positions"] == [1, 1, 3, 3]
    assert all(tasks["books_balance"])
    assert np.isfinite(tasks["pnl"]).all()
    again = sweep(*given)
    assert again.returncode == 0
    assert "4 of 4 replays done, 4 of them by an earlier call" in again.stdout
    # A day less is no reason to do the other again.
    other = sweep(*given, "--days", "2024-07-19")
    assert "one day: 2024-07-19" in other.stdout
    assert "2 of 2 replays done, 2 of them by an earlier call" in other.stdout


def test_ctrl_c_keeps_what_is_done_and_the_next_call_goes_on(recorded: Path, tmp_path: Path) -> None:
    given = (
        "--archive", recorded, "--grid", "strategies.scalper.trigger.cooldown_ms=250,350,500,700,1000,1400", "--jobs",
        1, "--days", "2024-07-19", "--report", tmp_path,
    )  # fmt: skip
    process = subprocess.Popen(
        arguments(*given), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_PLAIN, start_new_session=True
    )
    try:
        until = time.monotonic() + 120
        while not list(tmp_path.glob("tasks/*.json")):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.02)
        # As a terminal does: everybody in the foreground.
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 1
    assert "Traceback" not in out + err
    assert "the same command goes on with what is left" in out
    done = len(list(tmp_path.glob("tasks/*.json")))
    assert 1 <= done < 6
    assert f"{done} of 6 replays done" in out
    assert "<b>The sweep was interrupted.</b>" in (tmp_path / "sweep.html").read_text()
    again = sweep(*given)
    assert again.returncode == 0, again.stdout
    assert f"6 of 6 replays done, {done} of them by an earlier call" in again.stdout
    assert "interrupted" not in (tmp_path / "sweep.html").read_text()


def test_what_is_wrong_is_said_before_anything_starts(recorded: Path, tmp_path: Path) -> None:
    done = sweep("--archive", recorded, "--grid", "risk.max_position=1,2", "--report", tmp_path / "r")
    assert done.returncode == 2
    assert "point 1 of the sweep (risk.max_position=1)" in done.stdout
    assert "did you mean 'max_positions'?" in done.stdout
    conditions = "strategies.scalper.trigger.conditions=[{feature: spread, max: 2}]"
    done = sweep("--archive", recorded, "--grid", conditions, "--report", tmp_path / "r")
    assert done.returncode == 2
    assert "feature 'spread' is not in the catalogue" in done.stdout
    assert not (tmp_path / "r").exists()
    done = sweep("--archive", recorded, "--grid", "risk.max_positions=1,2", "--report", tmp_path / "r",
                 "--days", "2020-01-01")  # fmt: skip
    assert done.returncode == 2
    assert "has nothing in that time: it reaches from 2024-07-18T" in done.stdout


def test_a_replay_that_fails_is_told_and_the_others_are_done(recorded: Path, tmp_path: Path) -> None:
    # Nothing is wrong with so much money until a fee of it has to fit into sixty digits.
    done = sweep(
        "--archive", recorded, "--grid", "strategies.scalper.capital.starting_cash=10000,1e58", "--days", "2024-07-19",
        "--set", "ai_scorer.tau_entry=0", "--report", tmp_path,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 of 2 replays done" in done.stdout
    assert "2024-07-19 with strategies.scalper.capital.starting_cash=1e58: Inexact" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    report = json.loads((tmp_path / "sweep.json").read_text())
    assert report["ranking"] == [1]
    assert [task["error"] for task in report["tasks"]] == ["", "Inexact"]
    assert "decimal.Inexact" in report["tasks"][1]["trace"]


def test_options_that_exclude_each_other() -> None:
    here = Path()
    for options in (
        SweepOptions(archive=here, report=here),
        SweepOptions(archive=here, report=here, grid=["a=1"], points=here),
    ):
        with pytest.raises(
            Misconfigured, match=r"either --grid key.path=value,value \(once or more\) or --points FILE"
        ):
            options.check()
    with pytest.raises(Misconfigured, match="--days and --from or --to exclude each other"):
        SweepOptions(archive=here, report=here, grid=["a=1"], days="2024-01-01", end=1).check()
    assert parse_by("whole") == "whole"
    with pytest.raises(Misconfigured, match="--by 'week' is not known; known: day, recording, whole"):
        parse_by("week")
