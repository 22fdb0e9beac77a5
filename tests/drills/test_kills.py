"""Any process may be killed at any moment: a run with processes killed and garbage on its streams ends with the same
orders, fills and PnL, record by record, as one that was left alone.

The short version belongs to the suite; `make drills` runs the long ones.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="kills processes the way Linux has them")

SERVICES = ("signal_engine", "ai_scorer", "risk", "executor")
STREAMS = ("md", "sig:raw", "sig:scored", "sig:approved", "exec:events")
END_S = 300.0

GARBAGE: tuple[dict[bytes, bytes], ...] = (
    {b"m": b"\xff\xfe\x00"},
    {b"m": b'{"type":"mark"}'},
    {b"m": b'[{"type":"mark","ts":1,"v":7,"source":"intruder"}]'},
    {b"m": b'[{"type":"no such type","ts":1}]'},
    {b"b": b"\x01" * 41, b"s": b"114a289f989420b6", b"n": b"0"},
    {b"b": b"\x01" * 40, b"s": b"another layout", b"n": b"0"},
    {b"hello": b"world"},
)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    code: int
    report: dict[str, Any]
    records: bytes

    @classmethod
    def of(cls, runs: Path, launcher: "subprocess.Popen[bytes]") -> "Outcome":
        code = launcher.wait(END_S)
        (run,) = runs.iterdir()
        return cls(code, json.loads((run / "report.json").read_text()), (run / "records.jsonl").read_bytes())


def start(runs: Path, *, seconds: int, speed: int) -> "subprocess.Popen[bytes]":
    runs.mkdir()
    command = [
        *(sys.executable, "-m", "app", "up", "--runs", str(runs), "--clock", "event", "--for", str(seconds)),
        *("--speed", str(speed), "--set", "risk.loss_streak_max=1000"),
    ]
    with (runs.parent / f"{runs.name}.log").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def children(parent: int) -> dict[str, int]:
    """The launcher's processes by name."""
    found: dict[str, int] = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            command = Path(f"/proc/{entry}/cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        if int(stat[1]) == parent:
            words = [word for word in command if word.startswith("app.") or "redis-server" in word]
            if words:
                found[words[0].removeprefix("app.").removesuffix(".main")] = int(entry)
    return found


def redis_port(runs: Path) -> int:
    (run,) = runs.iterdir()
    logs = list((run / "redis").glob("redis-*.log"))
    return int(logs[0].stem.removeprefix("redis-"))


def await_trading(runs: Path, launcher: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert launcher.poll() is None, (runs.parent / f"{runs.name}.log").read_text()
        events = list(runs.glob("*/events.jsonl"))
        if events and events[0].stat().st_size > 0:
            return
        time.sleep(0.1)
    raise AssertionError("no event was recorded in time")


def disturb(
    runs: Path, launcher: "subprocess.Popen[bytes]", choose: random.Random, victims: list[str], *, seconds: float
) -> list[str]:
    """Kill processes and write garbage for `seconds`; returns what was done.

    It ends before the run does: a service killed while it is told to stop is reported as the failure it is.
    """
    done: list[str] = []
    port = redis_port(runs)
    until = time.monotonic() + seconds
    while launcher.poll() is None and time.monotonic() < until:
        time.sleep(choose.uniform(0.5, 2.0))
        victim = choose.choice(victims)
        if victim == "garbage":
            stream = f"{choose.choice(STREAMS)}:{{main}}"
            try:
                with redis.Redis(port=port, socket_timeout=2) as client:
                    client.xadd(stream, choose.choice(GARBAGE))  # type: ignore[arg-type]
            except redis.RedisError:
                continue
        else:
            name = "redis-server" if victim == "redis" else victim
            pid = next((pid for child, pid in children(launcher.pid).items() if name in child), None)
            if pid is None:
                continue
            os.kill(pid, signal.SIGKILL)
        done.append(victim)
    return done


def drill(
    tmp_path: Path, seed: int, victims: list[str], *, seconds: int, speed: int
) -> tuple[Outcome, Outcome, list[str]]:
    calm = start(tmp_path / "calm", seconds=seconds, speed=0)
    expected = Outcome.of(tmp_path / "calm", calm)
    launcher = start(tmp_path / "disturbed", seconds=seconds, speed=speed)
    await_trading(tmp_path / "disturbed", launcher)
    choose = random.Random(seed)
    done = disturb(tmp_path / "disturbed", launcher, choose, victims, seconds=0.7 * seconds / speed)
    return expected, Outcome.of(tmp_path / "disturbed", launcher), done


def check(expected: Outcome, found: Outcome) -> None:
    assert expected.code == found.code == 0
    assert expected.report["closed_trades"] > 0
    assert found.report["books_balance"] is True
    assert found.report["late_orders"] == 0
    assert found.records == expected.records


def test_services_killed_and_garbage_written_change_nothing(tmp_path: Path, seed: int) -> None:
    expected, found, done = drill(tmp_path, seed, [*SERVICES, "garbage", "garbage"], seconds=60, speed=5)
    print(done)
    assert len(done) >= 4
    check(expected, found)
    if "garbage" in done:
        assert sum(found.report["dead_letters"].values()) > 0


@pytest.mark.drill
@pytest.mark.parametrize("number", range(3))
def test_redis_killed_again_and_again_changes_nothing(tmp_path: Path, seed: int, number: int) -> None:
    expected, found, done = drill(tmp_path, seed, ["redis", *SERVICES], seconds=200, speed=5)
    print(done)
    assert "redis" in done
    check(expected, found)


@pytest.mark.drill
@pytest.mark.parametrize("number", range(3))
def test_a_long_run_of_kills_and_garbage_changes_nothing(tmp_path: Path, seed: int, number: int) -> None:
    expected, found, done = drill(tmp_path, seed, [*SERVICES, "garbage"], seconds=300, speed=5)
    print(done)
    check(expected, found)
