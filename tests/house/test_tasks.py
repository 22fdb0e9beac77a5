"""The task file and what CI runs."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.house.reading import ROOT, module_exists, modules_run

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))
CI = (ROOT / ".ci" / "run").read_text()

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def _make(*arguments: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    # The variables of a `make` that runs these tests are none of theirs.
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE") and key != "MFLAGS"}
    return subprocess.run(
        ["make", "-C", str(folder), "--no-print-directory", *arguments],
        env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_first_thing_make_does_is_help() -> None:
    assert _make().stdout == _make("help").stdout != ""


def test_help_lists_every_target_meant_for_people() -> None:
    listed = set(re.findall(r"^  make (\S+)", _make("help").stdout, re.MULTILINE))
    assert listed >= {"setup", "paper", "test", "gates", "bench", "clean"}
    assert listed <= TARGETS


def test_every_target_is_phony() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony
    assert set(phony[1].split()) == TARGETS


def test_modules_that_make_runs_exist() -> None:
    commands = MAKEFILE.replace("$(PY)", "python").replace("$(NAME)", "bus")
    assert {name for name in modules_run(commands) if not module_exists(name)} == set()


def test_options_of_paper_become_options_of_up() -> None:
    given = {"FOR": "60", "TAPE": "a b", "SPEED": "0", "SEED": "0", "LIVE": "bybit"}
    shown = _make("-n", "paper", *(f"{name}={value}" for name, value in given.items()), "ARGS=--json").stdout
    command = " ".join(shown.replace("\\\n", " ").split())
    assert command.endswith("-m app up --for '60' --tape 'a b' --speed '0' --seed '0' --live 'bybit' --json")


def test_options_are_not_taken_from_the_environment() -> None:
    env = {**os.environ, "NAME": "laptop", "SEED": "3"}
    done = subprocess.run(
        ["make", "-n", "paper", "bench"], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert "laptop" not in done.stdout
    assert "--seed" not in done.stdout


def test_bench_lists_what_it_can_run() -> None:
    listed = set(re.findall(r"NAME=(\w+)", _make("bench", "-o", ".venv/.warmed").stdout))
    runnable = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text()}
    assert listed == runnable


def test_a_machine_without_a_fitting_python_is_told_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(MAKEFILE)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "app").mkdir()
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("make", "sh", "grep", "touch", "echo", "env", "rm"):
        os.symlink(shutil.which(tool) or "", tools / tool)
    old = tools / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(
        ["make", "setup"], cwd=tmp_path, env={"PATH": str(tools)}, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Aviary needs Python 3.11 or newer; install it, or name one with PYTHON=/path/to/python" in done.stderr


def test_ci_runs_what_anyone_runs_with_the_tests_last() -> None:
    commands = [line.strip() for line in CI.splitlines() if line.strip() and not line.startswith("#")]
    assert commands[-2:] == ["make gates", "make test"]
    assert "set -euo pipefail" in commands
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=False).returncode == 0


def test_gates_are_all_the_checks_there_are() -> None:
    found = re.search(r"^gates: ([^#]*)", MAKEFILE, re.MULTILINE)
    assert found
    assert found[1].split() == ["format-check", "lint", "types", "imports", "docs"]
