"""Many replays: each point of a sweep over each stretch of an archive, on all cores or on a cluster."""

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from app.executor.warm import warm as warm_executor
from app.features.warm import warm as warm_features
from app.replay.fan_out import Failure, fan_out
from app.replay.kept import Kept
from app.replay.stretches import Stretch
from app.replay.sweep_points import Point
from app.replay.sweep_task import Task, look_anew, rows_identity, run_task, settings_identity
from app.report.sweep_data import TaskResult
from app.report.sweep_returns import SHORTEST, period_of


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """How far a sweep is, in replays: `again` were there from an earlier call and `done` are all that need no more
    work, `failed` among them. `left_s` is how long the others will take if they are like those of this call; None
    before the first of those.
    """

    total: int
    done: int
    again: int
    failed: int
    left_s: float | None


def sweep(
    points: Sequence[Point],
    stretches: Sequence[Stretch],
    archive: Path,
    *,
    venue: str,
    directory: Path,
    jobs: int | None = None,
    ray: str | None = None,
    on_progress: Callable[[SweepProgress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[TaskResult]:
    """Replay every stretch under every point, by `fan_out` with `jobs`, `ray` and `stop`; by point, then by stretch.

    Each is what `app.replay.run` gives from `stretch.start` to `stretch.end`. What `directory` has of an earlier call
    with the same rows, settings, models and code is not computed again, and what is finished is kept there at once. A
    replay that fails is a result with an error, and is tried again by the next call. Those that `stop` left undone are
    not among the results.

    Raises:
        Misconfigured: what `fan_out` raises; the directory cannot be used; a symbol is not in the archive.
        BadInput: a sidecar of the archive is missing or damaged.
    """
    tasks = plan_tasks(points, stretches, archive, venue=venue)
    blanks = [TaskResult(point=task.point, stretch=task.stretch.name, digest=task.digest) for task in tasks]
    period = period_of([stretch.span for stretch in stretches]) or SHORTEST
    with Kept(directory) as kept:
        results = {
            n: blank.having(figures, period_s=period, again=True)
            for n, blank in enumerate(blanks)
            if (figures := kept.get(blank.digest)) is not None
        }
        left = [n for n in range(len(tasks)) if n not in results]
        if left and ray is None:
            # Once, and not by every worker at the same time; they read what this leaves on disk.
            warm_features()
            warm_executor()
        meter = _Meter(len(tasks), len(results))
        on_progress(meter.now())
        chosen = [tasks[n] for n in left]
        work = fan_out(run_task, chosen, jobs=jobs, ray=ray, stop=stop, name=lambda task: task.name)
        with closing(work) as outcomes:
            for place, outcome in outcomes:
                n = left[place]
                if isinstance(outcome, Failure):
                    results[n] = replace(blanks[n], error=outcome.error, text=outcome.text, trace=outcome.trace)
                else:
                    kept.put(blanks[n].digest, outcome)
                    results[n] = blanks[n].having(outcome, period_s=period)
                meter.count(failed=isinstance(outcome, Failure))
                on_progress(meter.now())
    return [results[n] for n in sorted(results)]


def plan_tasks(points: Sequence[Point], stretches: Sequence[Stretch], archive: Path, *, venue: str) -> list[Task]:
    """The replays of a sweep, by point, then by stretch."""
    look_anew()
    root = archive.resolve()
    tasks = []
    for number, point in enumerate(points, 1):
        of_point = settings_identity(point.settings)
        for stretch in stretches:
            of_rows = rows_identity(root, venue, point.settings.shard.symbols, stretch)
            tasks.append(
                Task(
                    point=number,
                    settings=point.settings,
                    archive=root,
                    venue=venue,
                    stretch=stretch,
                    identity=of_point | of_rows,
                    name=f"{stretch.name} with {point.name}",
                )
            )
    return tasks


class _Meter:
    def __init__(self, total: int, again: int) -> None:
        self._total, self._again = total, again
        self._new = self._failed = 0
        self._began = time.monotonic()

    def count(self, *, failed: bool) -> None:
        self._new += 1
        self._failed += failed

    def now(self) -> SweepProgress:
        left = self._total - self._again - self._new
        pace = (time.monotonic() - self._began) / self._new if self._new else None
        return SweepProgress(
            self._total, self._again + self._new, self._again, self._failed, None if pace is None else pace * left
        )
