"""What a sweep leaves: a page to read, JSON for programs, and tables for pandas, DuckDB and their like."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from app.report.sweep_data import TaskResult
from app.report.sweep_page import render_sweep
from app.report.sweep_report import PointReport, SweepReport, TaskReport
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
    replace_with(directory / POINTS, _parquet(_point_rows(report), {}))
    replace_with(directory / TASKS, _parquet(_task_rows(report), {"first": _TIME, "last": _TIME}))
    replace_with(directory / PAGE, render_sweep(report, results).encode())


def _point_rows(report: SweepReport) -> list[dict[str, Any]]:
    """One a point. What it sets has columns named after the keys; money is float64, for looking at."""
    ranks = {number: rank for rank, number in enumerate(report.ranking, 1)}
    return [
        {
            "point": point.number,
            "rank": ranks.get(point.number),
            "stretches_missing": len(point.missing),
            **_settings(report, point),
            **_plain(point.figures),
            **{name: getattr(point, name) for name in _RATIOS},
            "exits": json.dumps(point.exits),
            "drops": json.dumps(point.drops),
        }
        for point in report.points
    ]


def _task_rows(report: SweepReport) -> list[dict[str, Any]]:
    """One a replay: the figures of a run's report, or the error in their place."""
    return [
        {
            "point": task.point,
            "stretch": task.stretch,
            "digest": task.digest,
            "error": task.error,
            "text": task.text,
            **_settings(report, report.point(task.point)),
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


def _settings(report: SweepReport, point: PointReport) -> dict[str, Any]:
    return {key: _value(report, key, point.settings.get(key)) for key in report.facts.keys}


def _value(report: SweepReport, key: str, text: str | None) -> Any:
    """What `text` means, if all values of that key are numbers or all are true or false; else `text`."""
    kinds = {type(yaml.safe_load(p.settings[key])) for p in report.points if key in p.settings}
    if text is None or not (kinds <= {int, float} or kinds == {bool}):
        return text
    value = yaml.safe_load(text)
    return float(value) if kinds == {int, float} else value


def _parquet(rows: Sequence[Mapping[str, Any]], types: Mapping[str, Any]) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    arrays = {name: pa.array(values, types.get(name) or _type(values)) for name, values in columns.items()}
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(arrays), sink, compression="zstd")
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _type(values: Sequence[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    # A figure that no point has is still a number: the column's type must not depend on how the sweep went.
    return pa.float64() if kinds in ({int, float}, {float}, set()) else None
