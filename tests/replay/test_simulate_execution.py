"""`scripts/simulate_execution.py`, as a process."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.console.run_config import CONFIG
from app.replay import run
from app.settings import Settings
from tests.conftest import ROOT

Paper = tuple[Path, dict[str, Any]]

SCRIPT = ROOT / "scripts" / "simulate_execution.py"
_ENV = {name: value for name, value in os.environ.items() if not name.startswith("AVIARY_")}


def simulate(paper: Paper, *arguments: object) -> "subprocess.CompletedProcess[str]":
    base = ["--archive", paper[0] / "archive", "--config", paper[0] / CONFIG]
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, [*base, *arguments])],
        capture_output=True, text=True, env=_ENV, timeout=240, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(paper: Paper, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """A small simulation: the report, and what was told."""
    out = tmp_path_factory.mktemp("simulated") / "report.json"
    own = out.parent / "own.yml"
    own.write_text("scenarios: {mine: {about: my own, p99_over_median: 20}}\nladder: {one_way_ms: [1, 300]}\n")
    done = simulate(paper, "--scenarios", "mine,outage", "--scenario-file", own, "--runs", 2, "--seed", 3, "--out", out)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done.stdout


def test_a_report_names_its_inputs_and_its_base_is_the_replay(
    report: tuple[dict[str, Any], str], paper: Paper, settings: Settings
) -> None:
    found, told = report
    assert found["schema"] == "aviary.execution_scenarios.1"
    assert found["complete"]
    assert found["books"] == {"balance": True, "checked": 9, "failed": []}
    assert list(found["scenarios"]) == ["base", "outage", "mine"]
    inputs = found["inputs"]
    assert (inputs["symbols"], inputs["seed"], inputs["runs"]) == (["BTCUSDT"], 3, 2)
    assert inputs["config_digest"] == json.loads((paper[0] / "run.json").read_text())["config_digest"]
    assert len(inputs["versions"]["code"]) == 64
    base = found["scenarios"]["base"]
    replayed = run(settings, paper[0] / "archive")
    assert base["worst"][0]["digest"] == replayed.digest
    assert base["metrics"]["trades"]["mean"] == replayed.tally.closed_trades
    assert [rung["one_way_ms"] for rung in found["ladder"]["rungs"]] == [1.0, 300.0]
    lines = told.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["scenario", "base", "outage", "mine"]
    assert "median PnL by latency each way: 1 ms" in told


def test_the_worst_run_can_be_had_again(report: tuple[dict[str, Any], str], paper: Paper, tmp_path: Path) -> None:
    worst = report[0]["scenarios"]["outage"]["worst"][0]
    records = tmp_path / "records.jsonl"
    done = simulate(paper, "--seed", 3, "--only", worst["only"], "--records", records)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert (figures["digest"], figures["seed"], figures["pnl"]) == (worst["digest"], worst["seed"], worst["pnl"])
    assert hashlib.sha256(records.read_bytes()).hexdigest() == worst["digest"]


def test_an_interrupt_leaves_a_report_of_what_is_done(paper: Paper, tmp_path: Path) -> None:
    out = tmp_path / "report.json"
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--archive", str(paper[0] / "archive"), "--scenarios", "jitter", "--no-ladder",
         "--runs", "3000", "--jobs", "1", "--out", str(out)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_ENV,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if " of 3,001 runs" in line:
                break
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    found = json.loads(out.read_text())
    assert not found["complete"]
    assert 0 < found["done"] < found["planned"] == 3001
    assert found["failures"] == []
    assert found["scenarios"]["jitter"]["runs"] > 0
    assert f"not complete: {found['done']} of 3001 runs done, 0 of them failed" in told


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--scenarios", "fast"), "scenario 'fast' is not known; known: base, slow"),
        (("--only", "slow"), "--only 'slow' is not of the form scenario:run as a report has it"),
        (("--only", "fast:1"), "--only 'fast:1' is not of the form"),
        (("--records", "x.jsonl"), "--records writes the records of one run; name it with --only"),
        (("--runs", "0"), "--runs 0 must be 1 or more"),
        (("--jobs", "0"), "jobs is 0, and it takes at least 1"),
        (("--window", "9999"), "a window of 9999 s does not fit into"),
        (("--scenario-file", "nowhere.yml"), "nowhere.yml does not exist"),
        (("--out", "nowhere/report.json"), "there is no directory nowhere; make it, or name another"),
        (("--set", "executor.papper=1"), "unknown key; did you mean 'paper'"),
    ],
)
def test_misuse_is_explained(paper: Paper, arguments: tuple[str, ...], text: str) -> None:
    done = simulate(paper, *arguments)
    assert done.returncode == 2, done.stderr
    assert text in done.stderr
    assert done.stdout == ""
