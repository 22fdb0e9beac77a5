"""Where `python -m app replay --report` may write, and what it compares with."""

import shutil
from pathlib import Path
from typing import Any

from tests.replay.conftest import command

Paper = tuple[Path, dict[str, Any]]


def changed_copy(run: Path, to: Path) -> Path:
    """The run with its first four records missing."""
    shutil.copytree(run, to)
    lines = (to / "records.jsonl").read_bytes().splitlines(keepends=True)
    (to / "records.jsonl").write_bytes(b"".join(lines[4:]))
    return to


def test_a_run_is_compared_with_what_it_recorded_and_never_written_into(paper: Paper, tmp_path: Path) -> None:
    run = changed_copy(paper[0], tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    done = command("replay", "--run", run, "--report", run)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"--report {run} is the directory of a run (it has a run.json)" in done.stdout
    assert "name another directory with --report" in done.stdout
    # Refused before any work: neither is the archive opened nor a log begun.
    assert "replay " not in done.stdout.replace("the replay would", "")
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before
    done = command("replay", "--run", run, "--report", tmp_path / "out")
    assert done.returncode == 1
    assert "4 records differ" in done.stdout
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


def test_the_recorded_records_are_read_before_a_report_is_written(paper: Paper, tmp_path: Path) -> None:
    run = changed_copy(paper[0], tmp_path / "run")
    # The report of an earlier replay may be the very file, by another name.
    (tmp_path / "out").mkdir()
    kept = tmp_path / "out" / "records.jsonl"
    (run / "records.jsonl").rename(kept)
    (run / "records.jsonl").symlink_to(kept)
    done = command("replay", "--run", run, "--report", tmp_path / "out")
    assert done.returncode == 1
    assert "4 records differ" in done.stdout
