"""The plots of a sweep: the ratio over one key or two, and what luck alone would look like."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.report.plots import BLUE, GREEN, INK, MUTED, RED, SERIES, draw_svg
from app.report.sweep_report import PointReport, SweepReport, short_names

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: More curves than this cannot be told apart.
CURVES = 5
_CELLS_WITH_TEXT = 120
PERIODS = {86_400: "day", 3600: "hour", 60: "minute"}


def measure_of(report: SweepReport) -> tuple[str, dict[int, float]]:
    """What points are compared by, and that of each point that has it: their ratio, or PnL if none has one."""
    ratios = {p.number: p.sharpe_period for p in report.points if p.sharpe_period is not None}
    if ratios:
        return f"Sharpe ratio per {PERIODS.get(report.period_s or 0, 'period')}", ratios
    return "PnL after fees", {p.number: float(p.figures["pnl"] or 0) for p in report.points if not p.missing}


def line_plot(report: SweepReport, key: str) -> str:
    """The measure over the values of `key`; where other keys vary too, the best for each value above the others."""
    title, values = measure_of(report)
    ticks = axis_values(report.points, key)
    places = {value: place for place, value in enumerate(ticks)}
    at = [places[report.point(n).settings[key]] for n in values if key in report.point(n).settings]
    found = [value for n, value in values.items() if key in report.point(n).settings]
    best = {place: max(v for p, v in zip(at, found, strict=True) if p == place) for place in sorted(set(at))}

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.plot(list(best), list(best.values()), color=BLUE)
        axes.scatter(at, found, s=22, color=BLUE, alpha=0.7, zorder=3)
        axes.set_xticks(range(len(ticks)), ticks)
        _star(axes, report, {n: (places[report.point(n).settings[key]], value) for n, value in values.items()})

    return draw_svg(draw, title=f"{title}, by {_short(report, key)}", y=title, x=key)


def heat_map(report: SweepReport, down: str, across: str) -> str:
    """The measure over the values of two keys; where others vary too, the best of each cell."""
    title, values = measure_of(report)
    rows, columns = axis_values(report.points, down), axis_values(report.points, across)
    cells: dict[tuple[int, int], float] = {}
    for n, value in values.items():
        settings = report.point(n).settings
        cell = rows.index(settings[down]), columns.index(settings[across])
        cells[cell] = max(value, cells.get(cell, value))
    grid = [[cells.get((row, column), float("nan")) for column in range(len(columns))] for row in range(len(rows))]
    reach = max((abs(value) for value in cells.values()), default=1.0) or 1.0

    def draw(axes: Any) -> None:
        shown = axes.imshow(grid, cmap="RdBu", vmin=-reach, vmax=reach, aspect="auto")
        axes.set_xticks(range(len(columns)), columns)
        axes.set_yticks(range(len(rows)), rows)
        axes.grid(visible=False)
        axes.figure.colorbar(shown, ax=axes, pad=0.01).outline.set_visible(False)
        for (row, column), value in cells.items() if len(cells) <= _CELLS_WITH_TEXT else ():
            ink = "white" if abs(value) > 0.65 * reach else INK
            axes.text(column, row, f"{value:.3g}", ha="center", va="center", color=ink, fontsize=8)
        if report.best is not None and report.best.number in values:
            at = columns.index(report.best.settings[across]), rows.index(report.best.settings[down])
            axes.add_patch(_frame(at))

    return draw_svg(draw, title=f"{title}, the best framed", y=_short(report, down), x=_short(report, across))


def luck_plot(report: SweepReport) -> str:
    """All ratios from the highest to the lowest, and the highest to expect of as many without any skill."""
    ranked = [point for point in map(report.point, report.ranking) if point.sharpe_period is not None]
    ratios = [point.sharpe_period or 0.0 for point in ranked]

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.bar(range(1, len(ratios) + 1), ratios, width=0.7, color=[GREEN if r > 0 else RED for r in ratios])
        axes.axhline(report.expected_best, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.annotate(
            f"best of {report.trials:.1f} without skill: {report.expected_best:.3f}",
            (1.0, report.expected_best), xycoords=("axes fraction", "data"), xytext=(-4, 3),
            textcoords="offset points", ha="right", color=INK, fontsize=8,
        )  # fmt: skip
        axes.locator_params(axis="x", integer=True)

    title = f"Sharpe ratio per {PERIODS.get(report.period_s or 0, 'period')}"
    return draw_svg(draw, title=f"{title}, from the best point down", y=title, x="rank")


def course_plot(report: SweepReport, courses: Mapping[int, Sequence[float]]) -> str:
    """Change of equity of the best points over their stretches, put end to end, by point."""

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=MUTED, linewidth=0.8)
        for colour, (number, course) in zip(SERIES, courses.items(), strict=False):
            axes.plot(range(len(course)), course, color=colour, label=f"point {number}")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, handlelength=1.2)
        axes.locator_params(axis="x", integer=True)

    x = f"{PERIODS.get(report.period_s or 60, 'period')}s of market, stretches end to end"
    return draw_svg(draw, title="Change of equity after fees, of the best points", y="quote currency", x=x)


def axis_values(points: Sequence[PointReport], key: str) -> list[str]:
    """The values of `key`, rising if they are all numbers, else as they came."""
    found = list(dict.fromkeys(point.settings[key] for point in points if key in point.settings))
    try:
        return sorted(found, key=float)
    except ValueError:
        return found


def _short(report: SweepReport, key: str) -> str:
    return short_names(report.facts.keys)[key]


def _star(axes: Any, report: SweepReport, places: Mapping[int, tuple[int, float]]) -> None:
    if report.best is not None and report.best.number in places:
        axes.scatter(*places[report.best.number], s=70, facecolors="none", edgecolors=INK, linewidths=1.4, zorder=4)


def _frame(at: tuple[int, int]) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((at[0] - 0.5, at[1] - 0.5), 1, 1, fill=False, edgecolor=SERIES[1], linewidth=2.5)
