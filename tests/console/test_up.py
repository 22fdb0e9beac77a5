"""Whole runs: real Redis, real processes, the synthetic market."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="looks at processes the way Linux has them"
)

# A first start on a new machine compiles kernels.
START_S = 240.0


class Launcher:
    """`python -m app up` in a directory of its own."""

    def __init__(self, runs: Path, *arguments: str) -> None:
        self.runs = runs
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app", "up", "--runs", str(runs), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    @property
    def run(self) -> Path:
        return next(self.runs.iterdir())

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.run / "run.json").read_text())
        return found

    def ready(self) -> bool:
        command = [sys.executable, "-m", "app", "status", "--json", "--runs", str(self.runs)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return found.returncode == 0 and json.loads(found.stdout)["run"] is not None

    def until(self, condition: Callable[[], bool], limit_s: float = START_S) -> None:
        deadline = time.monotonic() + limit_s
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.2)

    def children(self) -> list[int]:
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent_of(pid) == self.process.pid]

    def finish(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=START_S)
        return self.process.returncode, out, err


def stat_of(pid: int) -> list[str]:
    """State, parent and so on of a process; nothing once it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def parent_of(pid: int) -> int:
    return int((stat_of(pid) or ["", "0"])[1])


def is_gone(pid: int) -> bool:
    return (stat_of(pid) or ["Z"])[0] in ("Z", "X")


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Launcher]]:
    started: list[Launcher] = []

    def start(*arguments: str) -> Launcher:
        started.append(Launcher(tmp_path / f"runs{len(started)}", *arguments))
        return started[-1]

    yield start
    for launcher in started:
        # Its children go with it.
        launcher.process.kill()
        launcher.process.communicate()


def test_two_runs_by_the_event_clock_are_equal_record_by_record(launch: Callable[..., Launcher]) -> None:
    reports, files = [], []
    for seed in ("3", "3", "4"):
        launcher = launch("--clock", "event", "--speed", "0", "--for", "60", "--seed", seed, "--json")
        code, out, err = launcher.finish()
        assert code == 0, err
        reports.append(json.loads(out))
        files.append((launcher.run / "records.jsonl").read_bytes())
        assert json.loads((launcher.run / "report.json").read_text()) == reports[-1]
        assert (launcher.run / "report.html").read_text().count("<svg") >= 2
        assert not (launcher.run / "redis").exists()
    first, second, other = reports
    assert files[0] == files[1] != files[2]
    assert first["records_digest"] == second["records_digest"] == hashlib.sha256(files[0]).hexdigest()
    for name in (
        "candidates",
        "approved",
        "dropped",
        "orders",
        "fills",
        "closed_trades",
        "pnl",
        "fees",
        "markouts_bps",
    ):
        assert first[name] == second[name], name
    assert first["candidates"] > 0
    assert first["run"]["config_digest"] == second["run"]["config_digest"] != other["run"]["config_digest"]
    assert all(report["books_balance"] and not report["books_differences"] for report in reports)
    assert all(report["run"]["ended_by"] == "end of the feed" for report in reports)
    assert all(report["late_orders"] == 0 and report["dead_letters"] == {} for report in reports)


def test_launchers_that_start_together_share_no_port(launch: Callable[..., Launcher]) -> None:
    market = ("--clock", "event", "--speed", "0", "--for", "10", "--seed", "3", "--json")
    # All of them want the configured ports and look for them at the same moment.
    launchers = [launch(*market) for _ in range(3)]
    endings = [launcher.finish() for launcher in launchers]
    assert [code for code, _, _ in endings] == [0] * 3, endings
    reports = [json.loads(out) for _, out, _ in endings]
    urls = [service["metrics_url"] for report in reports for service in report["run"]["services"].values()]
    assert len(urls) == len(set(urls)) == 3 * 6
    assert not any(service["restarts"] for report in reports for service in report["run"]["services"].values())
    assert len({report["records_digest"] for report in reports}) == 1


def test_a_killed_service_comes_back_and_an_interrupt_ends_the_run_in_order(launch: Callable[..., Launcher]) -> None:
    launcher = launch("--set", "warmup.seconds=1")
    launcher.until(lambda: any(launcher.runs.glob("*/run.json")) and launcher.ready())
    before = launcher.facts()["services"]
    os.kill(before["executor"]["pid"], signal.SIGKILL)
    launcher.until(lambda: not launcher.ready())
    launcher.until(launcher.ready)
    events = launcher.run / "events.jsonl"
    launcher.until(lambda: events.stat().st_size > 0)
    children = launcher.children()
    assert len(children) == 7
    launcher.process.send_signal(signal.SIGINT)
    code, out, err = launcher.finish()
    assert code == 0, (out, err)
    assert "executor ended (killed by SIGKILL), starting it again in 0.5 s" in out
    assert "balance: cash, positions and fees agree to the last digit" in out
    assert all(map(is_gone, children))
    report = json.loads((launcher.run / "report.json").read_text())
    assert report["run"]["ended_by"] == "interrupt"
    assert report["run"]["services"]["executor"]["restarts"] == 1
    assert {"collector", "signal_engine", "ai_scorer", "risk", "executor", "sandbox", "redis"} <= set(
        report["processes"]
    )
    for name in ("signal_engine", "ai_scorer", "risk", "executor"):
        summary = report["processes"][name]
        assert summary["age_p50_ms"] <= summary["age_p99_ms"]
        assert summary["rss_bytes_at"]["10%"] > 1e6
        # The gauge is two seconds old at most, and the last sample may catch a mark on its way.
        assert summary["lag_last"] <= 2
    # What came last was recorded too: an interrupt drains before it stops.
    kept = events.read_bytes()
    assert kept.endswith(b"\n")
    assert report["candidates"] == sum(
        b'"type":"signal"' in line and b'"kind":"entry"' in line for line in kept.splitlines()
    )


def test_a_second_interrupt_ends_everything_at_once(launch: Callable[..., Launcher]) -> None:
    launcher = launch()
    launcher.until(lambda: any(launcher.runs.glob("*/run.json")) and launcher.ready())
    children = launcher.children()
    began = time.monotonic()
    launcher.process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    launcher.process.send_signal(signal.SIGINT)
    code, out, _ = launcher.finish()
    assert code == 1
    assert "ended at once, without a report" in out
    assert time.monotonic() - began < 5
    assert all(map(is_gone, children))


def test_a_terminal_that_is_closed_ends_the_run_in_order(launch: Callable[..., Launcher]) -> None:
    launcher = launch()
    launcher.until(lambda: any(launcher.runs.glob("*/run.json")) and launcher.ready())
    assert launcher.process.stdout is not None
    # Nobody reads its output from here on, as when a connection to the machine breaks.
    launcher.process.stdout.close()
    time.sleep(6)
    assert launcher.process.poll() is None
    launcher.process.send_signal(signal.SIGHUP)
    assert launcher.process.wait(60) == 0
    assert json.loads((launcher.run / "report.json").read_text())["run"]["ended_by"] == "interrupt"


def test_nothing_outlives_a_launcher_that_was_killed(launch: Callable[..., Launcher]) -> None:
    launcher = launch()
    launcher.until(lambda: any(launcher.runs.glob("*/run.json")) and launcher.ready())
    children = launcher.children()
    launcher.process.kill()
    deadline = time.monotonic() + 10
    while not all(map(is_gone, children)):
        assert time.monotonic() < deadline, [pid for pid in children if not is_gone(pid)]
        time.sleep(0.05)


def test_a_service_that_is_misconfigured_ends_the_run_with_its_own_words(launch: Callable[..., Launcher]) -> None:
    # The launcher has no reason to look at this file; the executor does.
    launcher = launch(
        "--set", "executor.paper.latency.model=measured", "--set", "executor.paper.latency.measured_file=/no/such/file"
    )
    code, out, _ = launcher.finish()
    assert code == 2
    assert "executor: latency recording /no/such/file cannot be read" in out
    assert not list(launcher.runs.glob("*/report.json"))
