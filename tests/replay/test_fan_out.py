"""Work in real processes: what comes back, and that nothing stays behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.replay.fan_out import Failure, fan_out
from app.replay.usable_cpus import usable_cpus
from tests.replay import work

_HANG = """
import sys
from app.replay.fan_out import fan_out
from tests.replay.work import tell_and_hang

if __name__ == "__main__":
    for _ in fan_out(tell_and_hang, [sys.argv[1]] * 3, jobs=2):
        pass
"""
_UNGUARDED = """
from app.replay.fan_out import fan_out
from tests.replay.work import square
list(fan_out(square, [1], jobs=1))
"""


def test_every_result_comes_with_its_index() -> None:
    assert dict(fan_out(work.square, range(20), jobs=2)) == {n: n * n for n in range(20)}
    assert list(fan_out(work.square, [], jobs=2)) == []


def test_results_come_when_they_are_there() -> None:
    assert [index for index, _ in fan_out(work.nap, [1.5, 0.01, 0.02], jobs=2)] == [1, 2, 0]


def test_workers_have_one_thread_and_this_process_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
    assert list(fan_out(work.threads, [0], jobs=1)) == [(0, ["1", "1", "1"])]
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert "NUMBA_NUM_THREADS" not in os.environ


def test_an_error_is_that_of_its_item_and_the_others_go_on() -> None:
    found = dict(fan_out(work.stumble, range(7), jobs=2))
    assert found[1] == Failure("BadInput", "row 7 of b.parquet is no row")
    assert found[2] == Failure("Rejected", "not on a Sunday")
    assert isinstance(found[3], Failure)
    assert (found[3].error, found[3].text) == ("ZeroDivisionError", "integer division or modulo by zero")
    assert "work.py" in found[3].trace
    assert isinstance(found[4], Failure)
    assert (found[4].error, found[4].text) == ("SystemExit", "leaving")
    assert [found[n] for n in (0, 5, 6)] == [0, 5, 6]


def test_a_killed_worker_is_an_error_that_names_the_item() -> None:
    found = dict(fan_out(work.die, range(6), jobs=2, name=lambda n: f"item number {n}"))
    assert {n: what for n, what in found.items() if n != 2} == {n: n for n in (0, 1, 3, 4, 5)}
    failure = found[2]
    assert isinstance(failure, Failure)
    assert failure.error == "Lost"
    assert "the worker at item number 2 ended before it was done (killed by SIGKILL), and a second one, too" in (
        failure.text
    )
    assert "(--jobs)" in failure.text


def test_who_is_killed_once_gets_another_chance(tmp_path: Path) -> None:
    items = [str(tmp_path / name) for name in ("a", "killed", "b", "c")]
    assert dict(fan_out(work.die_once, items, jobs=2)) == {0: "a", 1: "killed", 2: "b", 3: "c"}
    assert (tmp_path / "killed").exists()


def gone(pids: list[int], within: float = 10) -> bool:
    """Whether none of these processes runs any more."""
    until = time.monotonic() + within
    while any(map(running, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(running, pids))


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def begun(directory: Path, count: int) -> list[int]:
    """The workers that have begun, once there are `count`."""
    until = time.monotonic() + 60
    while len(found := [int(path.name) for path in directory.iterdir()]) < count:
        assert time.monotonic() < until, f"only {len(found)} of {count} workers began"
        time.sleep(0.05)
    return found


def test_stop_ends_promptly_and_leaves_nobody_behind(tmp_path: Path) -> None:
    pids: list[int] = []

    def stop() -> bool:
        pids[:] = [int(path.name) for path in tmp_path.iterdir()]
        return len(pids) == 2

    assert list(fan_out(work.tell_and_hang, [str(tmp_path)] * 3, jobs=2, stop=stop)) == []
    assert len(pids) == 2
    assert gone(pids, within=2)


def test_closing_the_iterator_leaves_nobody_behind() -> None:
    found = fan_out(work.nap, [0.01, 600.0, 600.0], jobs=2)
    assert next(found) == (0, 0.01)
    began = time.monotonic()
    found.close()
    assert time.monotonic() - began < 5


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Starts a script in a group of its own, as a shell does."""
    started: list[subprocess.Popen[str]] = []

    def start(text: str) -> "subprocess.Popen[str]":
        path = tmp_path / "script.py"
        path.write_text(text)
        (tmp_path / "pids").mkdir()
        root = str(Path(__file__).resolve().parents[2])
        started.append(
            subprocess.Popen(
                [sys.executable, str(path), str(tmp_path / "pids")], start_new_session=True, text=True,
                env={**os.environ, "PYTHONPATH": root}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
        )  # fmt: skip
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_everybody_and_only_the_script_says_so(
    script: Callable[[str], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    process = script(_HANG)
    pids = begun(tmp_path / "pids", 2)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=15)
    assert gone(pids)
    assert process.returncode in (1, -signal.SIGINT)
    assert err.count("Traceback") == 1
    assert err.rstrip().endswith("KeyboardInterrupt")


def test_workers_do_not_outlive_who_started_them(
    script: Callable[[str], "subprocess.Popen[str]"], tmp_path: Path
) -> None:
    process = script(_HANG)
    pids = begun(tmp_path / "pids", 2)
    process.kill()
    process.communicate()
    assert gone(pids)


def test_a_script_without_a_guard_is_told_what_it_lacks(script: Callable[[str], "subprocess.Popen[str]"]) -> None:
    _, err = (process := script(_UNGUARDED)).communicate(timeout=60)
    assert process.returncode == 1
    assert "Misconfigured: no worker could start (exit code 1); what it wrote is above. A script that starts" in err
    assert 'if __name__ == "__main__":' in err


def test_no_worker_at_all_is_refused() -> None:
    with pytest.raises(Misconfigured, match="jobs is 0, and it takes at least 1"):
        fan_out(work.square, [1], jobs=0)


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Misconfigured, match=r"Ray is not installed: pip install 'aviary\[ray\]'"):
        list(fan_out(work.square, [1], ray="auto"))


def test_cores_are_those_that_this_process_may_use(tmp_path: Path) -> None:
    here = len(os.sched_getaffinity(0))
    groups = tmp_path / "cgroup"
    assert usable_cpus(tmp_path, groups) == here
    groups.write_text("0::/a/b\n")
    assert usable_cpus(tmp_path, groups) == here
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "cpu.max").write_text("max 100000\n")
    assert usable_cpus(tmp_path, groups) == here
    (tmp_path / "a" / "cpu.max").write_text("50000 100000\n")  # of the group above
    assert usable_cpus(tmp_path, groups) == 1
    (tmp_path / "a" / "cpu.max").write_text(f"{here * 100_000 - 50_000} 100000\n")
    assert usable_cpus(tmp_path, groups) == here  # part of a core is one
    groups.write_text("7:cpu,cpuacct:/c\n3:memory:/c\n")
    (tmp_path / "cpu" / "c").mkdir(parents=True)
    (tmp_path / "cpu" / "c" / "cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu" / "c" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cpus(tmp_path, groups) == 1
    (tmp_path / "cpu" / "c" / "cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cpus(tmp_path, groups) == here
