"""The same calls on a Ray cluster: a small one of its own on this machine, reached by its address."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.errors import Misconfigured
from app.replay import fan_ray
from app.replay.fan_out import Failure, fan_out
from app.replay.stretches import Stretch
from app.replay.sweep import sweep
from app.replay.sweep_points import Point
from app.report.sweep_data import TaskResult
from tests.replay import work
from tests.replay.conftest import VENUE
from tests.replay.test_sweep import digests

ray = pytest.importorskip("ray", reason="the `ray` extra is not installed")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a cluster with two cores."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    before = {name: os.environ.get(name) for name in environ}
    os.environ.update(environ)
    # Names of sockets have to be short, and pytest's folders are not.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        head = subprocess.Popen(
            [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", f"--port={port}",
             "--node-ip-address=127.0.0.1", "--num-cpus=2", "--include-dashboard=false",
             "--object-store-memory=80000000", f"--temp-dir={folder}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            until = time.monotonic() + 60
            while not answers(port):
                assert head.poll() is None, f"ray ended with {head.returncode}"
                assert time.monotonic() < until
                time.sleep(0.1)
            yield f"127.0.0.1:{port}"
        finally:
            head.terminate()
            try:
                head.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(head.pid, signal.SIGKILL)
                head.wait()
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_items_errors_and_killed_workers_are_as_they_are_here(address: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    found = dict(fan_out(work.stumble_or_die, range(7), ray=address, name=lambda n: f"item number {n}"))
    assert [found[n] for n in (0, 6)] == [(0, "1"), (6, "1")]
    assert found[1] == Failure("BadInput", "row 7 of b.parquet is no row")
    assert found[2] == Failure("Rejected", "not on a Sunday")
    assert isinstance(found[3], Failure)
    assert "work.py" in found[3].trace
    assert isinstance(found[5], Failure)
    assert "the worker at item number 5 ended before it was done" in found[5].text
    assert not ray.is_initialized()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_sweep_has_the_digests_of_one_that_runs_here(
    address: str,
    swept: tuple[Path, list[TaskResult]],
    points: list[Point],
    stretches: list[Stretch],
    two_days: Path,
    tmp_path: Path,
) -> None:
    results = sweep(points, stretches, two_days, venue=VENUE, directory=tmp_path, ray=address)
    assert digests(results) == digests(swept[1])
    # And they are kept like those: a call without the cluster has nothing left to do.
    assert all(result.again for result in sweep(points, stretches, two_days, venue=VENUE, directory=tmp_path))


def test_stop_ends_what_runs_there(address: str, tmp_path: Path) -> None:
    began = time.monotonic()
    stop = lambda: any(tmp_path.iterdir())  # noqa: E731
    assert list(fan_out(work.tell_and_hang, [str(tmp_path)] * 2, ray=address, stop=stop)) == []
    assert time.monotonic() - began < 30
    pids = [int(path.name) for path in tmp_path.iterdir()]
    until = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_nodes_with_other_code_are_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = {**fan_ray.build_facts(), "aviary": "9.9"}
    monkeypatch.setattr(fan_ray, "build_facts", lambda: ours)
    with pytest.raises(Misconfigured, match=r"would not compute the same: aviary .* there, 9\.9 here\. Install this"):
        list(fan_out(work.square, [1, 2], ray=address))


def test_an_address_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{free.getsockname()[1]}"
    began = time.monotonic()
    with pytest.raises(Misconfigured, match=rf"no Ray cluster answers at '{nowhere}' \(.*refused\)"):
        list(fan_out(work.square, [1], ray=nowhere))
    assert time.monotonic() - began < 5
