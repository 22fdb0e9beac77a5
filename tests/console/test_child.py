import os
import signal
import sys
import time
from pathlib import Path

import pytest

from app.console.child import Child, describe_exit


def child(tmp_path: Path, code: str) -> Child:
    return Child("risk", [sys.executable, "-c", code], os.environ, tmp_path / "logs" / "risk.log")


def wait(made: Child) -> int:
    deadline = time.monotonic() + 5
    while (code := made.exit_code()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return code


def test_its_output_goes_to_its_log_and_is_appended_when_started_again(tmp_path: Path) -> None:
    made = child(tmp_path, "import sys; print('hello'); sys.exit(3)")
    assert (made.pid, made.exit_code(), made.alive) == (0, None, False)
    for _ in range(2):
        made.start()
        assert wait(made) == 3
    assert made.log.read_text() == "hello\nhello\n"


@pytest.mark.parametrize(
    ("output", "explained"),
    [
        ('{"event": "misconfigured", "error": "no such key", "level": "error"}', "misconfigured: no such key"),
        (
            '{"event": "crashed", "exception": "Traceback\\n  x\\nKeyError: 1", "level": "error"}\n{"level": "info"}',
            "crashed: KeyError: 1",
        ),
        ("one\ntwo\nthree\nfour\n", "two; three; four"),
        ('{"event": "recovered", "level": "info"}\n{"event": "ready", "level": "info"}\n', "recovered; ready"),
        ("", "it wrote no log"),
    ],
)
def test_it_is_explained_by_the_error_its_log_ends_with(tmp_path: Path, output: str, explained: str) -> None:
    made = child(tmp_path, "")
    made.log.parent.mkdir()
    made.log.write_text(output)
    assert made.explain() == explained


def test_a_terminals_interrupt_does_not_reach_it(tmp_path: Path) -> None:
    made = child(tmp_path, "import time; time.sleep(60)")
    made.start()
    assert os.getpgid(made.pid) == made.pid != os.getpgid(0)
    made.kill()


def test_kill_takes_what_it_started_along(tmp_path: Path) -> None:
    code = "import subprocess, sys; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    made = child(tmp_path, code)
    made.start()
    while not made.log.read_text().strip():
        time.sleep(0.01)
    grandchild = int(made.log.read_text())
    made.kill()
    assert made.exit_code() == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while Path(f"/proc/{grandchild}").exists() and "Z" not in Path(f"/proc/{grandchild}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's parent-death signal is Linux's")
def test_children_die_with_a_launcher_that_was_killed(tmp_path: Path) -> None:
    launcher = child(
        tmp_path,
        "import os, sys, time; from pathlib import Path; from app.console.child import Child\n"
        f"c = Child('x', ['sleep', '60'], os.environ, Path({str(tmp_path / 'inner.log')!r})); c.start()\n"
        "print(c.pid, flush=True); time.sleep(60)",
    )
    launcher.start()
    deadline = time.monotonic() + 5
    while not launcher.log.read_text().strip():
        assert time.monotonic() < deadline, launcher.explain()
        time.sleep(0.01)
    orphan = int(launcher.log.read_text())
    os.kill(launcher.pid, signal.SIGKILL)
    wait(launcher)
    while Path(f"/proc/{orphan}/stat").exists() and Path(f"/proc/{orphan}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_exits_are_described_in_words() -> None:
    assert [describe_exit(code) for code in (1, -9, -99)] == ["exit code 1", "killed by SIGKILL", "killed by signal 99"]
