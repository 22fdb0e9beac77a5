"""The benchmark and the calibration, from files to figures, as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.sim.fills.curve import load_curve
from tests.conftest import ROOT
from tests.fills.market import drawn

MODELS = {
    "touch",
    "optimistic",
    "power_3",
    "power_2",
    "proportional",
    "log",
    "risk_averse",
    "trade_through",
    "calibrated",
    "calibrated_elsewhere",
}


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)


def figures(*arguments: str | Path) -> dict[str, Any]:
    done = run("-m", "benchmarks.fill_model", "--quick", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of a drawn market of strict priority."""
    path = tmp_path_factory.mktemp("lobster")
    drawn(11, 3000, 5).write(path, "ONE")
    drawn(12, 3000, 10).write(path, "TWO")
    return path


def test_it_scores_any_pair_of_files(folder: Path) -> None:
    found = figures("--lobster", folder)
    assert found["benchmark"] == "fill_model"
    assert set(found["models"]) == MODELS
    for one in found["models"].values():
        assert 0 <= one["brier"] <= 1
        assert 0 <= one["accuracy"] <= 1
        assert one["log_time_error"] >= 0
        low, high = one["interval"]["brier"]
        assert low <= one["brier"] <= high
    assert len(found["files"]) == 2
    assert sum(each["scored"] for each in found["files"].values()) == found["scored"] > 500
    assert found["models"]["touch"]["missed_fills"] == 0
    assert found["models"]["calibrated"]["brier"] < found["models"]["touch"]["brier"]
    # Figures are a function of the files.
    assert figures("--lobster", folder)["models"] == found["models"]


def test_groups_and_horizons_cover_all_orders(folder: Path) -> None:
    for each in figures("--lobster", folder)["files"].values():
        counts = {name: group["orders"] for name, group in each["groups"].items()}
        assert counts["touch"] + counts["1 tick"] + counts["2+ ticks"] == each["scored"]
        queues = ("nothing ahead", "short queue", "middling queue", "long queue")
        assert sum(counts[name] for name in queues) == each["scored"]
        assert min(counts.values()) > 0
        assert all(0 < one["filled"] <= one["orders"] <= each["scored"] for one in each["horizons"].values())


def test_one_file_alone_and_a_curve_that_is_given(folder: Path, tmp_path: Path) -> None:
    one, two = sorted(folder.glob("*_message_*"))
    fitted = run(
        "scripts/calibrate_fill_model.py", "--l3", two, "--out", tmp_path / "c.json", "--dump", tmp_path / "h.csv"
    )
    assert fitted.returncode == 0, fitted.stderr
    found = figures("--lobster", one, "--curve", tmp_path / "c.json")
    assert set(found["models"]) == (MODELS - {"calibrated_elsewhere"}) | {"calibrated_given"}
    both = figures("--lobster", folder)
    elsewhere = both["files"][one.stem]["models"]["calibrated_elsewhere"]
    assert found["models"]["calibrated_given"]["brier"] == elsewhere["brier"]
    again = run("scripts/calibrate_fill_model.py", "--fills", tmp_path / "h.csv", "--out", tmp_path / "d.json")
    assert again.stdout == fitted.stdout
    assert load_curve(tmp_path / "c.json") == load_curve(tmp_path / "d.json")


def test_without_json_it_is_a_table_and_the_last_line_is_json(folder: Path) -> None:
    lines = run("-m", "benchmarks.fill_model", "--quick", "--lobster", folder).stdout.splitlines()
    assert any(line.split()[:1] == ["calibrated"] for line in lines)
    assert json.loads(lines[-1])["models"].keys() == MODELS


def test_misuse_names_the_remedy(tmp_path: Path) -> None:
    done = run("-m", "benchmarks.fill_model", "--lobster", tmp_path)
    assert done.returncode == 2
    assert "no LOBSTER day there; expected its zip" in done.stderr
    done = run("-m", "benchmarks.fill_model", "--lobster", tmp_path / "none.zip")
    assert done.returncode == 2
    assert "cannot be read" in done.stderr
    assert "give --l3 or --fills" in run("scripts/calibrate_fill_model.py").stderr
    (tmp_path / "h.csv").write_text("touch,optimistic,proportional,risk_averse,filled\n0,0,0,0,0\n")
    done = run("scripts/calibrate_fill_model.py", "--fills", tmp_path / "h.csv")
    assert done.returncode == 2
    assert "none of them filled" in done.stderr


@pytest.mark.parametrize("option", ["--out", "--dump"])
def test_a_file_that_cannot_be_written_is_named(folder: Path, tmp_path: Path, option: str) -> None:
    file = tmp_path / "none" / "x.json"
    done = run("scripts/calibrate_fill_model.py", "--l3", next(folder.glob("*_message_*")), option, file)
    assert done.returncode == 2
    assert done.stderr == f"{file} cannot be written (No such file or directory); name another with --out or --dump\n"
    assert done.stdout == ""


def test_on_real_days_queues_beat_touch_and_the_curve_beats_the_pessimist(shared_data: Path) -> None:
    if not any((shared_data / "lobster").glob("*.zip")):
        pytest.skip(f"no LOBSTER days in {shared_data}")
    found = figures("--lobster", shared_data / "lobster")
    models = found["models"]
    assert found["scored"] > 10_000
    assert models["touch"]["brier"] > models["risk_averse"]["brier"] > models["proportional"]["brier"]
    assert models["calibrated"]["brier_gain_over"]["power_3"][0] > 0
    assert models["power_3"]["brier_gain_over"]["risk_averse"][0] > 0
    assert models["power_3"]["brier_gain_over"]["proportional"][0] > 0
    assert models["touch"]["missed_fills"] == 0
    assert models["touch"]["false_fills"] > 10 * models["power_3"]["false_fills"]
