"""The frame of a process, as the system sees it: real processes, signals and exit codes."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.process import release_compiler_pages

ROOT = Path(__file__).resolve().parent.parent.parent
FRAME = """
import asyncio, sys
from app.core.errors import AviaryError, Misconfigured, Retryable
from app.core.process import run_main, run_process

async def body(process):
{body}

def main():
    return run_process("risk", body, metrics_host="127.0.0.1", metrics_port={port})

sys.exit(run_main(main))
"""
UNTIL_STOPPED = "process.ready()\nawait process.stop.wait()\n"

Start = Callable[..., "subprocess.Popen[str]"]


def _program(body: str, port: int = 0) -> str:
    return FRAME.format(body=textwrap.indent(body, "    "), port=port)


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[subprocess.Popen[str]] = []

    def begin(body: str, port: int = 0) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", _program(body, port)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def _event(process: "subprocess.Popen[str]", name: str) -> dict[str, Any]:
    """Wait for a log event; its fields."""
    assert process.stderr is not None
    for line in process.stderr:
        event = json.loads(line)
        if event["event"] == name:
            return dict(event)
    raise AssertionError(f"the process ended without {name!r}")


def _end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _out, err = process.communicate(timeout=20)
    return process.returncode, err


def _ready(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
        return next(line for line in reply.read().decode().splitlines() if line.startswith("service_ready"))


def test_a_body_that_returns_ends_with_0(start: Start) -> None:
    code, err = _end(start("pass\n"))
    assert code == 0
    assert json.loads(err.splitlines()[-1])["event"] == "stopped"


def test_readiness_is_told_once_it_is_so(start: Start) -> None:
    process = start(
        "from app.core.logging import get_logger\n"
        "get_logger('x').info('open', port=process.metrics_port)\n"
        "await process.stop.wait()\n"
        "process.ready()\n"
        "await asyncio.sleep(30)\n"
    )
    port = _event(process, "open")["port"]
    assert _ready(port) == 'service_ready{service="risk"} 0.0'
    process.send_signal(signal.SIGTERM)
    assert _event(process, "ready")["metrics_port"] == port
    assert _ready(port) == 'service_ready{service="risk"} 1.0'


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_body_end_in_order(start: Start, number: signal.Signals) -> None:
    process = start(UNTIL_STOPPED + "await asyncio.sleep(0.05)\nprint('flushed', flush=True)\n")
    _event(process, "ready")
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "flushed\n")
    assert f'"signal": "{number.name}"' in err


def test_a_second_signal_ends_a_body_that_hangs(start: Start) -> None:
    process = start(UNTIL_STOPPED + "await asyncio.sleep(600)\n")
    _event(process, "ready")
    process.send_signal(signal.SIGTERM)
    _event(process, "stopping")
    process.send_signal(signal.SIGTERM)
    code, err = _end(process)
    assert code == 1
    assert "second signal, leaving at once" in err


def test_a_signal_before_ready_is_heard(start: Start) -> None:
    process = start("print('up', flush=True)\nawait process.stop.wait()\n")
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.send_signal(signal.SIGTERM)
    assert _end(process)[0] == 0


@pytest.mark.parametrize(
    ("raised", "code", "event"),
    [
        ("Misconfigured('set x to y')", 2, "misconfigured"),
        ("AviaryError('it is over')", 1, "failed"),
        ("Retryable('no answer')", 1, "failed"),
    ],
)
def test_an_explained_error_is_told_by_its_text_alone(start: Start, raised: str, code: int, event: str) -> None:
    found, err = _end(start(f"raise {raised}\n"))
    assert found == code
    last = json.loads(err.splitlines()[-1])
    assert last["event"] == event
    assert last["error"] in raised
    assert "Traceback" not in err


def test_an_unexplained_error_is_told_with_its_traceback(start: Start) -> None:
    code, err = _end(start("raise KeyError('gone')\n"))
    assert code == 1
    last = json.loads(err.splitlines()[-1])
    assert last["event"] == "crashed"
    assert last["exception"].startswith("Traceback")
    assert last["exception"].endswith("KeyError: 'gone'")


def test_a_metrics_port_in_use_is_a_matter_of_configuration(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        code, err = _end(start(UNTIL_STOPPED, port))
    assert code == 2
    assert f"metrics port 127.0.0.1:{port} of risk cannot be opened" in json.loads(err)["error"]


def test_a_fault_before_the_frame_is_told_on_standard_error() -> None:
    program = (
        "import sys\nfrom app.core.errors import Misconfigured\nfrom app.core.process import run_main\n"
        "def main():\n    raise Misconfigured('a: unknown key')\n"
        "sys.exit(run_main(main))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (2, "a: unknown key\n")


def test_a_process_dies_with_its_terminal_s_interrupt_while_starting(start: Start) -> None:
    """No window in which Ctrl-C is swallowed: before the handlers stand, Python's own rule holds."""
    process = start("await asyncio.sleep(600)\n")
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert process.poll() is not None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux gives back file pages on request")
def test_giving_back_pages_leaves_the_libraries_working() -> None:
    program = (
        "from app.core.process import release_compiler_pages\n"
        "import numba\n"
        "f = numba.njit(lambda x: x + 1)\n"
        "before = f(1)\n"
        "release_compiler_pages()\n"
        "g = numba.njit(lambda x: x * 2.0)\n"
        "assert (before, f(2), g(2)) == (2, 3, 4.0)\n"
    )
    env = {**os.environ, "PYTHONWARNINGS": "error"}
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env, check=True, timeout=60)
    release_compiler_pages()
