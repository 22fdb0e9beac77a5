"""What runs here talks to the venue and to Redis and to nobody else, and keeps passwords to itself."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.bus.server import RedisServer
from tests.house.reading import ROOT, compose


def test_the_model_runtime_does_not_report_to_its_maker(tmp_path: Path) -> None:
    """Where it does, it keeps an identifier of this machine in the cache folder of whoever runs it."""
    # Without the rest of the environment: on machines that look like CI it keeps still by itself.
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    program = "import app.ai_scorer.model, onnxruntime"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env, check=True, capture_output=True)
    assert [path for path in tmp_path.rglob("*") if "Microsoft" in path.parts] == []


def test_the_dashboard_does_not_either() -> None:
    environment = compose()["services"]["grafana"]["environment"]
    assert environment["GF_ANALYTICS_REPORTING_ENABLED"] == "false"
    assert environment["GF_ANALYTICS_CHECK_FOR_UPDATES"] == "false"


PASSWORD = "hunter2hunter2"
NOBODY = 1  # a port that nothing listens on


def _environment(port: int) -> dict[str, str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith(("AVIARY_", "METRICS_"))}
    return {**given, "REDIS_URL": f"redis://someone:{PASSWORD}@127.0.0.1:{port}/0", "AVIARY_SET": "metrics.risk=0"}


@pytest.mark.parametrize("command", ["config show", "config show --json", "config check", "status"])
def test_no_command_tells_the_password(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", *command.split()],
        cwd=ROOT, env=_environment(NOBODY), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout
    assert PASSWORD not in done.stdout + done.stderr


def test_a_service_that_cannot_reach_redis_does_not_tell_the_password() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "app.risk.main"],
        cwd=ROOT, env=_environment(NOBODY), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    told = process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    told += process.communicate(timeout=20)[1]
    assert "cannot be reached" in told
    assert PASSWORD not in told


def test_a_service_whose_password_is_wrong_does_not_tell_it(redis_server: RedisServer) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app.risk.main"],
        cwd=ROOT, env=_environment(redis_server.port), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "refused the connection: WRONGPASS" in done.stderr
    assert PASSWORD not in done.stderr
