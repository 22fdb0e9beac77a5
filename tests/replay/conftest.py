"""One paper run of real processes, and what is built from its archive."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.console.run_config import load_config
from app.core.clock import NS_PER_S
from app.market.rows import Rows, concat
from app.replay.stretches import Stretch, find_stretches
from app.replay.sweep import sweep
from app.replay.sweep_points import Point, grid_points, make_points
from app.report.sweep_data import TaskResult
from app.settings import Settings
from app.store.archive import ArchiveReader
from app.store.publish import Publication
from app.store.writer import ArchiveWriter

_NAMES = ("AVIARY_SET", "AVIARY_OVERLAYS", "AVIARY_CONFIG", "AVIARY_ARCHIVE", "AVIARY_SHARD", "REDIS_URL")
_PLAIN = {name: value for name, value in os.environ.items() if name not in _NAMES}
_ANY_PORTS = [
    part
    for name in ("collector", "signal_engine", "ai_scorer", "risk", "executor", "sandbox")
    for part in ("--set", f"metrics.{name}=0")
] + ["--set", "sandbox.port=0"]

VENUE = "bybit_v5"
DAY = 86_400 * NS_PER_S
GRID = ["strategies.scalper.exits.take_profit_bps=3,9"]

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def command(*arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `python -m app` with these arguments."""
    return subprocess.run(
        [sys.executable, "-m", "app", *map(str, arguments)],
        capture_output=True, text=True, env=_PLAIN, timeout=240, check=False,
    )  # fmt: skip


@pytest.fixture(scope="session")
def paper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The directory and the report of a run by the event clock, with real processes and a real Redis."""
    runs = tmp_path_factory.mktemp("paper") / "runs"
    done = command("up", "--clock", "event", "--speed", "0", "--for", "120", "--seed", "3", "--runs", runs, "--json",
                   *_ANY_PORTS)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return next(runs.iterdir()), json.loads(done.stdout)


@pytest.fixture(scope="session")
def market(paper: tuple[Path, dict[str, Any]]) -> Rows:
    """The rows of that run."""
    return concat(ArchiveReader(paper[0] / "archive", VENUE))


@pytest.fixture(scope="session")
def settings(paper: tuple[Path, dict[str, Any]]) -> Settings:
    """The configuration of that run."""
    return load_config(paper[0])


def write_archive(root: Path, rows: Rows, *, times: int = 1) -> Path:
    """`rows` as an archive, `times` one after the other."""
    length = int(rows["ts_recv"][-1] - rows["ts_recv"][0]) + 100_000_000
    with Publication(root, VENUE) as publication:
        writer = ArchiveWriter(publication, venue=VENUE, recording="r", symbols={1: "BTCUSDT"}, first_seq=0)
        for n in range(times):
            shifted = rows.copy()
            shifted["ts_recv"] += np.int64(n * length)
            shifted["ts_event"] += np.int64(n * length)
            writer.append(shifted)
        writer.close()
        publication.commit()
    return root


def days_of(market: Rows) -> Rows:
    """The market's first 40 seconds on the day they were, and its second 40 on the next."""
    first = int(market["ts_recv"][0])
    place = np.searchsorted(market["ts_recv"], [first + 40 * NS_PER_S, first + 80 * NS_PER_S])
    parts = [market[: place[0]].copy(), market[place[0] : place[1]].copy()]
    parts[1]["ts_recv"] += DAY
    parts[1]["ts_event"] += DAY
    return concat(parts)


@pytest.fixture(scope="session")
def two_days(market: Rows, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_archive(tmp_path_factory.mktemp("days"), days_of(market))


@pytest.fixture(scope="session")
def points(paper: tuple[Path, dict[str, Any]]) -> list[Point]:
    return make_points(grid_points(GRID), lambda given: load_config(paper[0], ["warmup.seconds=1", *given]))


@pytest.fixture(scope="session")
def stretches(two_days: Path) -> list[Stretch]:
    return find_stretches(two_days, venue=VENUE, symbols=["BTCUSDT"], by="day")


@pytest.fixture(scope="session")
def swept(
    points: list[Point], stretches: list[Stretch], two_days: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[TaskResult]]:
    """A sweep of two points over two days, and where it is kept."""
    directory = tmp_path_factory.mktemp("swept") / "sweep"
    return directory, sweep(points, stretches, two_days, venue=VENUE, directory=directory, jobs=2)
