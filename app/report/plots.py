"""The plots of a report, as SVG that goes straight into the page: no scripts, no fonts, nothing to load.

Colours are the page's. Equal data give equal bytes: no creation date, ids from a fixed salt.
"""

import io
import re
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from app.core.clock import NS_PER_S
from app.messages.execution import ClosedTrade
from app.report.measures import EquityCurve, Markout
from app.report.samples import Sample
from app.report.thinning import MOST, stretches, visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, MUTED, GRID = "#1b2330", "#66707f", "#e4e8ee"
BLUE, RED, GREEN = "#2461c4", "#c0392b", "#1f8a5b"
#: A hue a process, the same in every plot.
SERIES = ("#2461c4", "#d9822b", "#1f8a5b", "#8e44ad", "#c0392b", "#16808c", "#7f8c8d", "#b8860b")

_UNITS = (
    (86_400 * NS_PER_S, "days"), (3600 * NS_PER_S, "hours"), (60 * NS_PER_S, "minutes"), (NS_PER_S, "seconds"),
)  # fmt: skip
_DOTS = 400  # more would hide the line
_FEW = 10  # a plot has room for so many trades at least, so that one is no wall

_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "aviary",
    "font.family": "sans-serif",
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.4,
}


def available() -> bool:
    """Whether the plotting library is installed (it comes with the `demo` extra)."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return False
    return True


def equity_plot(curve: EquityCurve, trades: Sequence[ClosedTrade]) -> str:
    """Equity above what the accounts began with, in quote currency; a dot for each of not too many trades."""
    change = [float(value - curve.start) for value in curve.equity]
    drawn, (unit, name) = visible(change), _unit(curve)

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.plot(_times(curve, drawn, unit), [change[i] for i in drawn], color=BLUE, drawstyle="steps-post")
        for wins, colour in ((True, GREEN), (False, RED)) if len(trades) <= _DOTS else ():
            closed = [trade for trade in trades if (trade.pnl > 0) == wins]
            at = [(trade.ts - curve.ts[0]) / unit for trade in closed]
            axes.scatter(at, [_value_at(curve, trade.ts) for trade in closed], s=14, color=colour, zorder=3)

    return _svg(draw, title="Equity after fees", y="quote currency", x=f"{name} (event time)")


def drawdown_plot(curve: EquityCurve) -> str:
    """Distance below the highest equity so far, in quote currency."""
    every = [float(value) for value in curve.drawdown()]
    drawn, (unit, name) = visible(every), _unit(curve)
    times, below = _times(curve, drawn, unit), [every[i] for i in drawn]

    def draw(axes: "Axes") -> None:
        axes.fill_between(times, below, 0, step="post", color=RED, alpha=0.18, linewidth=0)
        axes.plot(times, below, color=RED, drawstyle="steps-post", linewidth=1.0)

    return _svg(draw, title="Drawdown", y="quote currency", x=f"{name} (event time)")


def markout_plot(found: Mapping[str, Markout]) -> str:
    """Mean markout by horizon with its 95 % interval."""
    places = range(len(found))
    means = [markout.mean for markout in found.values()]
    # Of a single trade there is no interval, not one without width.
    known = [(place, m) for place, m in zip(places, found.values(), strict=True) if m.stderr is not None]
    reach = [1.96 * (markout.stderr or 0.0) for _, markout in known]

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=MUTED, linewidth=0.8)
        colours = [GREEN if mean >= 0 else RED for mean in means]
        axes.bar(places, means, width=0.5, color=colours, alpha=0.85)
        at, middle = [place for place, _ in known], [markout.mean for _, markout in known]
        axes.errorbar(at, middle, yerr=reach, fmt="none", ecolor=INK, elinewidth=1.0, capsize=4)
        axes.set_xticks(list(places), [f"{horizon} ms\nn = {m.n}" for horizon, m in found.items()])
        axes.set_xlim(-0.6, len(found) - 0.4)

    return _svg(draw, title="Markout of the mid after entry (95 % interval)", y="basis points")


def trade_plot(trades: Sequence[ClosedTrade]) -> str:
    """PnL of each trade after fees, in the order they closed; of some neighbours together where they are many."""
    from matplotlib.ticker import MaxNLocator

    parts = stretches(len(trades), MOST // 4)
    values = [float(sum(trade.pnl for trade in trades[start:stop])) for start, stop in parts]
    places = [(start + 1 + stop) / 2 for start, stop in parts]
    least, most = (f([stop - start for start, stop in parts], default=1) for f in (min, max))

    def draw(axes: "Axes") -> None:
        axes.axhline(0, color=MUTED, linewidth=0.8)
        axes.bar(places, values, width=0.7 * most, color=[GREEN if v > 0 else RED for v in values])
        axes.set_xlim(0.5, max(len(trades), _FEW) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))

    together = f"every {most}" if least == most else f"every {least} or {most}"
    what = "each trade" if most == 1 else f"{together} trades"
    return _svg(draw, title=f"PnL of {what} after fees", y="quote currency", x="trade")


def age_plot(samples: Mapping[str, Sequence[Sample]]) -> str:
    """Age of messages when handled: the median as a line, the 99th percentile as the edge of the band."""

    def draw(axes: "Axes") -> None:
        for colour, (service, series) in zip(SERIES, samples.items(), strict=False):
            seen = [s for s in series if s.age_p50_s is not None and s.age_p99_s is not None]
            if not seen:
                continue
            times = [sample.t for sample in seen]
            low, high = ([(getattr(s, key) or 0.0) * 1000 for s in seen] for key in ("age_p50_s", "age_p99_s"))
            axes.plot(times, low, color=colour, label=service)
            axes.plot(times, high, color=colour, linewidth=0.8, alpha=0.6, linestyle=(0, (3, 2)))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        _legend(axes)

    return _svg(draw, title="Age when handled: p50, p99 dashed", y="milliseconds", x="seconds (wall clock)")


def memory_plot(samples: Mapping[str, Sequence[Sample]]) -> str:
    """Resident memory of each process."""

    def draw(axes: "Axes") -> None:
        for colour, (service, series) in zip(SERIES, samples.items(), strict=False):
            seen = [sample for sample in series if sample.rss_bytes]
            if seen:
                axes.plot([s.t for s in seen], [s.rss_bytes / 2**20 for s in seen], color=colour, label=service)
        axes.set_ylim(bottom=0)
        _legend(axes)

    return _svg(draw, title="Resident memory", y="MiB", x="seconds (wall clock)")


def _svg(draw: Callable[["Axes"], None], *, title: str, y: str, x: str = "") -> str:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):
        # A Figure of its own, not pyplot's: nothing global to clean up, no window system to ask for.
        figure = Figure(figsize=(6.4, 2.9), layout="constrained")
        axes: Any = figure.add_subplot()
        axes.set_title(title)
        axes.set_ylabel(y)
        axes.set_xlabel(x)
        draw(axes)
        out = io.StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _inline(out.getvalue(), title)


def _inline(document: str, title: str) -> str:
    """The <svg> element alone, named for screen readers, without the ids that would repeat across plots."""
    body = document[document.index("<svg") :]
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    return body.replace("<svg ", f'<svg role="img" aria-label="{title}" ', 1)


def _legend(axes: Any) -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, handlelength=1.2)


def _unit(curve: EquityCurve) -> tuple[int, str]:
    """The ns of what the time of a plot is told in, and its name."""
    span = curve.ts[-1] - curve.ts[0]
    return next((unit for unit in _UNITS if span >= 3 * unit[0]), _UNITS[-1])


def _times(curve: EquityCurve, places: Sequence[int], unit: int) -> list[float]:
    return [(curve.ts[place] - curve.ts[0]) / unit for place in places]


def _value_at(curve: EquityCurve, ts: int) -> float:
    """Equity change at the first mark at or after `ts`, else at the last."""
    place = min(bisect_left(curve.ts, ts), len(curve.ts) - 1)
    return float(curve.equity[place] - curve.start)


#: For the plots of other pages.
draw_svg = _svg
