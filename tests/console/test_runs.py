import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.console.runs import latest_run, load_facts, new_run
from app.core.errors import Misconfigured
from app.report.facts import FACTS

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_two_runs_of_one_second_get_different_directories(tmp_path: Path) -> None:
    assert [new_run(tmp_path / "runs", NOW).name for _ in range(3)] == [
        "20260102-030405",
        "20260102-030405-2",
        "20260102-030405-3",
    ]


def test_a_directory_that_cannot_be_made_names_the_option() -> None:
    with pytest.raises(Misconfigured, match=r"run directory /proc/runs/.* cannot be made .*; set --runs"):
        new_run(Path("/proc/runs"), NOW)


def test_the_latest_run_is_the_one_whose_facts_are_newest(tmp_path: Path) -> None:
    assert latest_run(tmp_path) is None
    for age, name in enumerate(("b", "a", "c")):
        (tmp_path / name).mkdir()
        (tmp_path / name / FACTS).write_text("{}")
        os.utime(tmp_path / name / FACTS, (1000 - age, 1000 - age))
    assert latest_run(tmp_path) == tmp_path / "b"


def test_facts_of_another_version_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / FACTS).write_text("{}")
    with pytest.raises(Misconfigured, match=r"run\.json cannot be read: .*missing required field"):
        load_facts(tmp_path)
