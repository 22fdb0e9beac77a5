"""What a sweep leaves: a page to read, JSON for programs, and tables for pandas, DuckDB and their like."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import yaml

from app.replay.table_file import write_table
from app.report.sweep_data import TaskResult
from app.report.sweep_page import render_sweep
from app.report.sweep_report import SweepReport, TaskReport
from app.store.files import replace_with

PAGE: Final = "sweep.html"
REPORT: Final = "sweep.json"
POINTS: Final = "points.parquet"
TASKS: Final = "tasks.parquet"

_RATIOS: Final = (
    "sharpe", "sortino", "sharpe_period", "skewness", "kurtosis", "probabilistic", "deflated", "least_s",
)  # fmt: skip
_TIME: Final = pa.timestamp("ns", "UTC")


def write_sweep(directory: Path, report: SweepReport, results: Sequence[TaskResult]) -> None:
    """Write sweep.html, sweep.json, points.parquet and tasks.parquet; each replaces the one that was there."""
    replace_with(directory / REPORT, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    write_table(directory / POINTS, _table(_point_rows(report), {}))
    write_table(directory / TASKS, _table(_task_rows(report), {"first": _TIME, "last": _TIME}))
    replace_with(directory / PAGE, render_sweep(report, results).encode())


def _point_rows(report: SweepReport) -> list[dict[str, Any]]:
    """One a point. What it sets has columns named after the keys; money is float64, for looking at."""
    ranks, settings = {number: rank for rank, number in enumerate(report.ranking, 1)}, _settings(report)
    return [
        {
            "point": point.number,
            "rank": ranks.get(point.number),
            "stretches_missing": len(point.missing),
            **settings[point.number],
            **_plain(point.figures),
            **{name: getattr(point, name) for name in _RATIOS},
            "exits": json.dumps(point.exits),
            "drops": json.dumps(point.drops),
        }
        for point in report.points
    ]


def _task_rows(report: SweepReport) -> list[dict[str, Any]]:
    """One a replay: the figures of a run's report, or the error in their place."""
    settings = _settings(report)
    return [
        {
            "point": task.point,
            "stretch": task.stretch,
            "digest": task.digest,
            "error": task.error,
            "text": task.text,
            **settings[task.point],
            **_figures(task),
        }
        for task in report.tasks
    ]


def _figures(task: TaskReport) -> dict[str, Any]:
    if task.figures is None:
        return {}
    markouts = {f"markout_{horizon}_ms_bps": found.mean for horizon, found in task.figures["markouts_bps"].items()}
    performance = msgspec.structs.asdict(task.figures["performance"])
    counts = {name: json.dumps(task.figures[name]) for name in ("exits", "drops")}
    return {**_plain(performance), **_plain(task.figures), **markouts, **counts}


def _plain(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that fit into a cell."""
    found = {name: float(value) if isinstance(value, Decimal) else value for name, value in figures.items()}
    return {name: value for name, value in found.items() if value is None or isinstance(value, (bool, int, float, str))}


def _settings(report: SweepReport) -> dict[int, dict[str, Any]]:
    """By the number of each point what it sets, by key."""
    meant = {key: _meant([point.settings.get(key) for point in report.points]) for key in report.facts.keys}
    return {point.number: {key: values[at] for key, values in meant.items()} for at, point in enumerate(report.points)}


def _meant(texts: Sequence[str | None]) -> Sequence[Any]:
    """What `texts` mean, if all of them are numbers or all are true or false; else `texts`."""
    values = [None if text is None else yaml.safe_load(text) for text in texts]
    kinds = {type(value) for value, text in zip(values, texts, strict=True) if text is not None}
    if not (kinds <= {int, float} or kinds == {bool}):
        return texts
    return [None if value is None else float(value) for value in values] if kinds == {int, float} else values


def _table(rows: Sequence[Mapping[str, Any]], types: Mapping[str, Any]) -> pa.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return pa.table({name: pa.array(values, types.get(name) or _type(values)) for name, values in columns.items()})


def _type(values: Sequence[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    # A figure that no point has is still a number: the column's type must not depend on how the sweep went.
    return pa.float64() if kinds in ({int, float}, {float}, set()) else None
