"""sweep.json: the figures of a sweep, and how much of the best point is luck."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from app.report.deflated import Luck, luck_among, track_record
from app.report.performance import YEAR_S, sharpe, sortino
from app.report.sweep_data import TaskResult, added, joined
from app.report.sweep_returns import period_of, returns_of


class SweepFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What was swept. `by` is ``day``, ``recording`` or ``whole``; `spans` has the rows' first and last time (ns) of
    each stretch by name. `where` says what it ran on. Times are ISO 8601 in UTC; `duration_s` is of this call.
    """

    archive: str
    venue: str
    symbols: list[str]
    by: str
    spans: dict[str, tuple[int, int]]
    keys: list[str]
    where: str
    started: str
    duration_s: float
    interrupted: bool
    starting_cash: str
    models: dict[str, str]
    versions: dict[str, str]
    options: dict[str, str]


class PointReport(msgspec.Struct, frozen=True, kw_only=True):
    """One point. `settings` has what it sets, by key; `missing` the stretches it has no result for.

    `figures` are those of its stretches together, by the names that a run's report has. A point that lacks a stretch
    is not compared with others, and has no ratios. `sharpe` and `sortino` are scaled to a year of 365 days; the others
    are per period, as app/report/deflated.py defines them: `probabilistic` is PSR(0), `deflated` DSR, `least_s` MinTRL
    in seconds of market. They are None where the returns are too few.
    """

    number: int
    settings: dict[str, str]
    missing: list[str]
    figures: dict[str, Decimal | float | int | None]
    exits: dict[str, int]
    drops: dict[str, int]
    sharpe: float | None = None
    sortino: float | None = None
    sharpe_period: float | None = None
    skewness: float | None = None
    kurtosis: float | None = None
    probabilistic: float | None = None
    deflated: float | None = None
    least_s: float | None = None


class TaskReport(msgspec.Struct, frozen=True, kw_only=True):
    """One point over one stretch: its `figures` but for the course of equity, or its error.

    `again` is True if they are of an earlier call.
    """

    point: int
    stretch: str
    digest: str
    again: bool
    error: str
    text: str
    trace: str
    figures: dict[str, Any] | None = None


class SweepReport(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a sweep; `points` and `tasks` are in the order of their numbers, `ranking` has the best first.

    Points are ranked by their Sharpe ratio, those without one behind them by PnL, and those that lack a stretch are
    left out. `period_s` is the period of the returns and `periods` how many a whole point has. `ranked` points have a
    ratio; `trials`, `variance` and `expected_best` are N, V and SR₀ over those.
    """

    facts: SweepFacts
    period_s: int | None
    periods: int
    ranked: int
    trials: float
    variance: float
    expected_best: float
    ranking: list[int]
    points: list[PointReport]
    tasks: list[TaskReport]

    def point(self, number: int) -> PointReport:
        """The point with this number; the first has 1."""
        return self.points[number - 1]

    @property
    def best(self) -> PointReport | None:
        """The first of the ranking."""
        return self.point(self.ranking[0]) if self.ranking else None

    @property
    def failed(self) -> list[TaskReport]:
        """The tasks that ended in an error."""
        return [task for task in self.tasks if task.error]

    @property
    def undone(self) -> int:
        """How many tasks have neither a result nor an error: the sweep was interrupted."""
        return len(self.points) * len(self.facts.spans) - len(self.tasks)


class _Point:
    """A point's results by stretch, and its returns."""

    def __init__(self, number: int, results: Mapping[str, TaskResult], facts: SweepFacts, period: int | None) -> None:
        self.number = number
        parts = {name: results[name].figures for name in facts.spans if name in results}
        self.parts = {name: figures for name, figures in parts.items() if figures is not None}
        self.missing = [name for name in facts.spans if name not in self.parts]
        self.returns: list[float] = []
        if period is not None and not self.missing:
            for name in facts.spans:
                self.returns += returns_of(results[name].course)
        self.record = track_record(self.returns)

    def report(self, settings: Mapping[str, str], period: int | None, luck: Luck) -> PointReport:
        parts, record = list(self.parts.values()), self.record
        known = PointReport(
            number=self.number,
            settings=dict(settings),
            missing=self.missing,
            figures=joined(parts),
            exits=added([part.exits for part in parts]),
            drops=added([part.drops for part in parts]),
        )
        if record is None or period is None:
            return known
        least = record.least_returns()
        return msgspec.structs.replace(
            known,
            sharpe=sharpe(self.returns, YEAR_S / period),
            sortino=sortino(self.returns, YEAR_S / period),
            sharpe_period=record.sharpe,
            skewness=record.skewness,
            kurtosis=record.kurtosis,
            probabilistic=record.probabilistic(),
            deflated=luck.deflated(record),
            least_s=None if least is None else math.ceil(least) * float(period),
        )


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """The ends of the keys by key, as few parts of each as tell it from the others."""
    found = {}
    for key in keys:
        parts = key.split(".")
        ends = (".".join(parts[-count:]) for count in range(1, len(parts)))
        others = [f".{other}" for other in keys if other != key]
        found[key] = next((end for end in ends if not any(other.endswith(f".{end}") for other in others)), key)
    return found


def measure_sweep(facts: SweepFacts, points: Sequence[Mapping[str, str]], results: Sequence[TaskResult]) -> SweepReport:
    """The figures of a sweep over `points`, each given by the settings it makes, from the results there are."""
    by_point: dict[int, dict[str, TaskResult]] = {number: {} for number in range(1, len(points) + 1)}
    for result in results:
        by_point[result.point][result.stretch] = result
    period = period_of(list(facts.spans.values()))
    found = [_Point(number, by_point[number], facts, period) for number in by_point]
    records = [point for point in found if point.record is not None]
    luck = luck_among([point.returns for point in records])
    reports = [point.report(settings, period, luck) for point, settings in zip(found, points, strict=True)]
    return SweepReport(
        facts=facts,
        period_s=period,
        periods=max((len(point.returns) for point in found), default=0),
        ranked=len(records),
        trials=luck.trials,
        variance=luck.variance,
        expected_best=luck.expected_best,
        ranking=[point.number for point in sorted(filter(_whole, reports), key=_rank)],
        points=reports,
        tasks=[
            _task(result) for result in sorted(results, key=lambda r: (r.point, list(facts.spans).index(r.stretch)))
        ],
    )


def _whole(point: PointReport) -> bool:
    return not point.missing


def _rank(point: PointReport) -> tuple[bool, float, int]:
    figure = point.figures["pnl"] if point.sharpe_period is None else point.sharpe_period
    return point.sharpe_period is None, -float(figure or 0), point.number


def _task(result: TaskResult) -> TaskReport:
    figures = None
    if result.figures is not None:
        figures = msgspec.structs.asdict(result.figures)
        del figures["levels"]
    return TaskReport(
        point=result.point,
        stretch=result.stretch,
        digest=result.digest,
        again=result.again,
        error=result.error,
        text=result.text,
        trace=result.trace,
        figures=figures,
    )
