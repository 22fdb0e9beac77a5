"""Sweeps in real processes: the same digests as one replay at a time, kept, and gone on with."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.console.run_config import load_config
from app.core.clock import NS_PER_S
from app.core.errors import Misconfigured
from app.market.rows import Rows
from app.replay import run
from app.replay.stretches import Stretch, find_stretches, parse_days
from app.replay.sweep import SweepProgress, plan_tasks, sweep
from app.replay.sweep_points import Point, make_points
from app.report.sweep_data import TaskResult
from tests.replay.conftest import DAY, VENUE, days_of, write_archive

Paper = tuple[Path, dict[str, Any]]


@pytest.fixture
def child(tmp_path: Path) -> Callable[[str], str]:
    """Runs a program in a process of its own and gives what it printed."""

    def start(program: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, timeout=60, check=True
        ).stdout

    return start


def digests(results: list[TaskResult]) -> list[str]:
    return [result.figures.records_digest if result.figures else result.text for result in results]


def alone(points: list[Point], stretches: list[Stretch], archive: Path) -> list[str]:
    """The digests of the same replays, one after the other in this process."""
    return [
        run(point.settings, archive, start=stretch.start, end=stretch.end).digest
        for point in points
        for stretch in stretches
    ]


def test_a_sweep_is_nothing_but_its_replays(
    swept: tuple[Path, list[TaskResult]], points: list[Point], stretches: list[Stretch], two_days: Path
) -> None:
    results = swept[1]
    assert [(result.point, result.stretch) for result in results] == [
        (1, "2024-01-01"), (1, "2024-01-02"), (2, "2024-01-01"), (2, "2024-01-02"),
    ]  # fmt: skip
    assert digests(results) == alone(points, stretches, two_days)
    assert len(set(digests(results))) == 4
    for result in results:
        figures = result.figures
        assert figures is not None
        assert figures.closed_trades > 0
        assert figures.books_balance
        assert result.course[0] == 10_000
        assert result.course[-1] == float(10_000 + figures.equity_change)


def test_what_is_done_is_not_done_again(
    swept: tuple[Path, list[TaskResult]],
    points: list[Point],
    stretches: list[Stretch],
    two_days: Path,
    tmp_path: Path,
) -> None:
    directory, first = swept
    seen: list[SweepProgress] = []
    again = sweep(points, stretches, two_days, venue=VENUE, directory=directory, on_progress=seen.append)
    assert all(result.again for result in again)
    assert [(result.figures, result.course) for result in again] == [(r.figures, r.course) for r in first]
    assert seen == [SweepProgress(total=4, done=4, again=4, failed=0, left_s=None)]
    # One that is lost, and one that is torn: these two are done anew, and nothing else.
    lost, torn = (directory / "tasks" / f"{first[n].digest}.json" for n in (1, 2))
    lost.unlink()
    torn.write_bytes(torn.read_bytes()[:100])
    seen.clear()
    again = sweep(points, stretches, two_days, venue=VENUE, directory=directory, jobs=1, on_progress=seen.append)
    assert [result.again for result in again] == [True, False, False, True]
    assert digests(again) == digests(first)
    assert [progress.done for progress in seen] == [2, 3, 4]
    assert seen[-1].left_s == 0


def test_it_ends_where_it_is_told_to_and_goes_on_from_there(
    swept: tuple[Path, list[TaskResult]], points: list[Point], stretches: list[Stretch], two_days: Path, tmp_path: Path
) -> None:
    done: list[int] = []
    some = sweep(
        points, stretches, two_days, venue=VENUE, directory=tmp_path, jobs=1,
        on_progress=lambda progress: done.append(progress.done), stop=lambda: bool(done) and done[-1] == 1,
    )  # fmt: skip
    assert len(some) == 1
    rest = sweep(points, stretches, two_days, venue=VENUE, directory=tmp_path, jobs=2)
    assert [result.again for result in rest] == [result.digest == some[0].digest for result in rest]
    assert digests(rest) == digests(swept[1])


def test_what_a_result_depends_on_is_in_its_digest(
    points: list[Point], stretches: list[Stretch], two_days: Path, paper: Paper, market: Rows, tmp_path: Path
) -> None:
    def digest_of(point: Point, stretch: Stretch, archive: Path = two_days) -> str:
        return plan_tasks([point], [stretch], archive, venue=VENUE)[0].digest

    first = digest_of(points[0], stretches[0])
    assert digest_of(points[0], stretches[0]) == first
    assert digest_of(points[1], stretches[0]) != first
    assert digest_of(points[0], stretches[1]) != first
    # The same rows elsewhere are the same; a day that is added behind changes nothing, one row before it does.
    rows = days_of(market)
    same = write_archive(tmp_path / "same", rows)
    assert digest_of(points[0], stretches[0], same) == first
    shorter = write_archive(tmp_path / "shorter", rows[rows["ts_recv"] < stretches[1].span[0]])
    assert digest_of(points[0], stretches[0], shorter) == first
    other = rows.copy()
    other["qty"][50] += 1
    assert digest_of(points[0], stretches[1], write_archive(tmp_path / "other", other)) != digest_of(
        points[0], stretches[1]
    )
    # Where things are kept is no part of it, and what they are is.
    (neutral,) = make_points([{"logging.level": "debug"}], lambda given: load_config(paper[0], given))
    (plain,) = make_points([{"risk.max_positions": "3"}], lambda given: load_config(paper[0], given))
    assert digest_of(neutral, stretches[0]) == digest_of(plain, stretches[0])


def test_a_worker_refuses_what_was_changed_in_the_meantime(
    points: list[Point], stretches: list[Stretch], market: Rows, tmp_path: Path
) -> None:
    rows = days_of(market)
    archive = write_archive(tmp_path / "archive", rows)
    damaged: list[int] = []

    def damage(_: SweepProgress) -> None:
        if not damaged:
            damaged.append(1)
            for sidecar in archive.rglob("date=2024-01-02/**/*.json"):
                tree = json.loads(sidecar.read_text())
                tree["content_sha256"] = "0" * 64
                sidecar.write_text(json.dumps(tree))

    found = sweep(points, stretches, archive, venue=VENUE, directory=tmp_path / "sweep", jobs=1, on_progress=damage)
    assert [bool(result.error) for result in found] == [False, True, False, True]
    assert found[1].error == "Misconfigured"
    assert found[1].text.startswith("not the same here as where the sweep was started: rows. Every node of a cluster")
    # It is no result, and is tried again.
    assert not list((tmp_path / "sweep" / "tasks").glob(f"{found[1].digest}*"))


def test_one_sweep_at_a_time_writes_into_a_directory(
    points: list[Point], stretches: list[Stretch], two_days: Path, tmp_path: Path
) -> None:
    def second(_: SweepProgress) -> None:
        with pytest.raises(
            Misconfigured, match=r"another sweep writes into .*; wait for it, or name another directory"
        ):
            sweep(points, stretches, two_days, venue=VENUE, directory=tmp_path)
        asked.append(1)

    asked: list[int] = []
    sweep(points, stretches, two_days, venue=VENUE, directory=tmp_path, on_progress=second, stop=lambda: True)
    assert asked
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match=r"report directory .*file cannot be made"):
        sweep(points, stretches, two_days, venue=VENUE, directory=tmp_path / "file")


def test_a_replay_imports_only_what_its_digest_covers(paper: Paper, child: Callable[[str], str]) -> None:
    # Another file that takes part would change results without changing the digest.
    found = child(
        "import sys; from pathlib import Path\n"
        "from app.replay import run\n"
        "import app.replay.sweep_task\n"
        "from app.replay.build_facts import _APART\n"
        "from app.console.run_config import load_config\n"
        f"here = Path({str(paper[0])!r})\n"
        "assert run(load_config(here), here / 'archive', stop=lambda: True).rows\n"
        "names = [n for n in sys.modules if n.startswith('app.') and n.split('.')[1] in _APART]\n"
        "print(sorted(n for n in names if n.count('.') > 1 and not n.endswith(('.settings', '.types'))))"
    )
    assert set(json.loads(found.replace("'", '"'))) <= {"app.console.run_config", "app.console.secrets"}


def test_days_are_those_that_have_rows(two_days: Path, stretches: list[Stretch], market: Rows) -> None:
    first = int(market["ts_recv"][0])
    assert [stretch.name for stretch in stretches] == ["2024-01-01", "2024-01-02"]
    one, two = stretches
    assert first == one.span[0]
    assert one.start is not None
    assert (one.start, one.end) == (first - first % DAY, first - first % DAY + DAY)
    assert two.start == one.end
    assert two.span[0] >= first + DAY + 40 * NS_PER_S
    assert two.span[1] < first + DAY + 80 * NS_PER_S
    (second,) = find_stretches(two_days, venue=VENUE, symbols=["BTCUSDT"], by="day", start=one.end)
    assert (second.name, second.span) == ("2024-01-02", two.span)
    cut = first + 20 * NS_PER_S
    (begun,) = find_stretches(two_days, venue=VENUE, symbols=["BTCUSDT"], by="day", end=cut)
    assert (begun.end, begun.span) == (cut, (first, cut))


def test_a_recording_or_the_whole_is_a_stretch_too(two_days: Path, market: Rows) -> None:
    (whole,) = find_stretches(two_days, venue=VENUE, symbols=["BTCUSDT"], by="whole")
    assert (whole.name, whole.start, whole.end, whole.recording) == ("whole", None, None, None)
    (recording,) = find_stretches(two_days, venue=VENUE, symbols=["BTCUSDT"], by="recording")
    assert (recording.name, recording.recording) == ("r", "r")
    assert recording.span[0] == whole.span[0]
    with pytest.raises(Misconfigured, match="has nothing in that time"):
        find_stretches(two_days, venue=VENUE, symbols=["BTCUSDT"], by="day", start=2**62)


def test_days_as_they_are_written() -> None:
    assert parse_days("1970-01-02") == (DAY, 2 * DAY)
    assert parse_days("1970-01-02..1970-01-04") == (DAY, 4 * DAY)
    with pytest.raises(Misconfigured, match=r"--days 'monday' is not a day or two; write 2024-08-01 or"):
        parse_days("monday")
    with pytest.raises(Misconfigured, match=r"ends before it begins; write the earlier day first"):
        parse_days("1970-01-04..1970-01-02")
