"""What `replay` says when it is asked wrongly, interrupted at its start, or watched on a narrow terminal."""

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.console.bar import make_bar
from app.console.replay_command import progress_texts
from app.replay import Progress
from app.report.tally import Tally
from tests.conftest import ROOT
from tests.replay.conftest import VENUE, command
from tests.report.factory import small_run

Paper = tuple[Path, dict[str, Any]]

# A Ctrl-C at the moment when something is imported.
_INTERRUPTED = """
import os, runpy, signal, sys
def press(event, args):
    if event == "import" and args[0] == {module!r}:
        os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.addaudithook(press)
sys.argv = {argv!r}
runpy.run_module("app", run_name="__main__")
"""


def test_a_venue_that_is_not_there_is_named_beside_those_that_are(paper: Paper) -> None:
    archive = paper[0] / "archive"
    done = command("replay", "--archive", archive, "--venue", "binance")
    assert done.returncode == 2
    assert f"archive {archive} has no venue 'binance' (venues there: {VENUE})" in done.stdout


def test_a_wrong_setting_is_told_by_its_option(paper: Paper) -> None:
    done = command("replay", "--archive", paper[0] / "archive", "--set", "risk.max_position=1")
    assert done.returncode == 2
    assert "risk.max_position: unknown key; did you mean 'max_positions'?; given with --set risk.max_pos" in done.stdout


def interrupted(module: str, *argv: object) -> "subprocess.CompletedProcess[str]":
    """Run `python -m app`, and press Ctrl-C when `module` is imported."""
    program = _INTERRUPTED.format(module=module, argv=["app", *map(str, argv)])
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_an_interrupt_while_it_starts_is_a_failure_that_says_so(tmp_path: Path) -> None:
    done = interrupted("app.console.replay_command", "replay", "--archive", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "interrupted\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_bar_keeps_its_length_on_a_narrow_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    tally, out = Tally(), Terminal()
    for message in small_run():
        tally.update(message)
    bar = make_bar(out)
    progress = Progress(rows=12_345_678, ts=0, share=0.5, tally=tally)
    bar.update(progress.share, *progress_texts(progress))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    bar.close()
    line = next(line for line in re.split(r"[\r\n]", text) if "PnL" in line)
    assert len(re.findall("[━╸╺]", line)) == 20
    assert "1 trades, PnL +0.9300" in line
    assert ("12,345,678 rows" in line) == (width >= 80)
    assert ("3 fills" in line) == (width == 120)
    assert len(line) <= width
