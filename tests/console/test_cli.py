import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest


def aviary(*arguments: str, env: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **(env or {})},
    )  # fmt: skip


def test_help_answers_at_once_and_names_every_command_and_exit_code() -> None:
    best = 60.0
    for _ in range(3):
        began = time.monotonic()
        found = aviary("-h")
        best = min(best, time.monotonic() - began)
    assert found.returncode == 0
    for word in ("up", "status", "doctor", "version", "config", "0 done, 1 failed, 2 misconfigured"):
        assert word in found.stdout
    assert best < 0.5


def test_nothing_heavy_is_imported_for_help() -> None:
    code = (
        "import sys; sys.argv = ['app', 'up', '-h']\n"
        "import runpy\n"
        "try: runpy.run_module('app', run_name='__main__')\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'aiohttp', 'rich', 'matplotlib', 'yaml', 'msgspec'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("nonsense",), "No such command 'nonsense'"),
        (("up", "--speed", "fast"), "Invalid value for '--speed'"),
        (("up", "--for", "soon"), "duration 'soon' must be a number above 0"),
        (("up", "--clock", "sun"), "clock 'sun' is not known"),
        (("up", "--live", "bybit", "--seed", "1"), "--live and --seed exclude each other"),
        (("up", "--tape", "/no/such/tape"), "tape /no/such/tape does not exist"),
        (("config", "check", "--set", "risk.max_position=1"), "did you mean 'max_positions'?"),
        (("config", "show", "--overlay", "nonsense"), "nonsense.yml does not exist"),
        (("status", "--run", "/no/such/run"), "/no/such/run is not a run"),
    ],
)
def test_wrong_use_is_exit_code_2_with_a_reason(tmp_path: Path, arguments: tuple[str, ...], text: str) -> None:
    runs = ("--runs", str(tmp_path)) if arguments[0] == "up" else ()
    found = aviary(*arguments, *runs)
    assert found.returncode == 2, found
    assert text in found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    assert list(tmp_path.iterdir()) == []


def test_answers_in_json_are_json_alone() -> None:
    version = json.loads(aviary("version", "--json").stdout)
    assert {"aviary", "python", "numpy"} <= set(version)
    assert json.loads(aviary("config", "show", "--json").stdout)["shard"]["symbols"] == ["BTCUSDT"]
    check = json.loads(aviary("config", "check", "--json").stdout)
    assert check["valid"]
    assert len(check["digest"]) == 64
    doctor = aviary("doctor", "--json")
    checks = json.loads(doctor.stdout)
    assert {"python", "configuration", "redis", "model", "clock", "disk", "ports"} == {
        c["name"] for c in checks["checks"]
    }
    assert doctor.returncode == (0 if checks["healthy"] else 1)


def test_config_show_hides_the_password() -> None:
    found = aviary("config", "show", env={"REDIS_URL": "redis://:hunter2@127.0.0.1:6379/0"})
    assert found.returncode == 0
    assert "redis://***@127.0.0.1:6379/0" in found.stdout
    assert "hunter2" not in found.stdout
