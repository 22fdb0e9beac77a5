"""sweep.html: a sweep on one page."""

from collections.abc import Iterator, Sequence
from html import escape

from app.report import plots
from app.report.deflated import SURE
from app.report.page import Html, card, facts_table, grid, page, section, table
from app.report.performance import ENOUGH
from app.report.sweep_data import TaskResult
from app.report.sweep_plots import CURVES, PERIODS, axis_values, course_plot, heat_map, line_plot, luck_plot
from app.report.sweep_report import PointReport, SweepReport, short_names

_SHOWN = 200


def render_sweep(report: SweepReport, results: Sequence[TaskResult]) -> str:
    """The page of a sweep; without the plotting library it says how to get the plots."""
    return page(f"Aviary sweep of {report.facts.archive}", _parts(report, results))


def _parts(report: SweepReport, results: Sequence[TaskResult]) -> Iterator[str]:
    facts = report.facts
    lead = (
        f"{facts.archive} · {', '.join(facts.symbols)} · {_count(len(report.points), 'point')} over "
        f"{_count(len(facts.spans), _stretch(facts.by))} · {facts.started}"
    )
    yield f'<h1>Sweep</h1>\n<p class="lead">{escape(lead)}</p>'
    yield from _banners(report)
    yield grid("cards", _cards(report))
    yield section("The best point, and luck", facts_table(_best(report)))
    yield section("Plots", *_plots(report, results))
    yield section("Points, the best first", _points(report))
    if report.failed:
        yield section("What failed", facts_table(_failures(report)))
    if report.best is not None and len(facts.spans) > 1:
        yield section(f"The best point by {_stretch(facts.by)}", _by_stretch(report, report.best))
    yield section("The sweep", facts_table(_facts(report)))
    yield (
        "<footer>Money is in quote currency and comes from paper fills; PnL is after fees and funding. Each "
        "stretch begins with the whole of the starting cash and fresh cores.</footer>"
    )


def _banners(report: SweepReport) -> Iterator[Html]:
    if report.undone:
        yield Html(
            f'<div class="banner"><b>The sweep was interrupted.</b> {report.undone} of its replays are not done; '
            "points that lack one are not compared. The same command goes on where it was left.</div>"
        )
    if report.failed:
        yield Html(
            f'<div class="banner"><b>{_count(len(report.failed), "replay")} failed.</b> Points that lack one are not '
            "compared; what went wrong is below.</div>"
        )
    unbalanced = [task for task in report.tasks if task.figures is not None and not task.figures["books_balance"]]
    if unbalanced:
        yield Html(
            f'<div class="banner"><b>The books of {_count(len(unbalanced), "replay")} do not balance.</b> Trust no '
            f"figure of point {unbalanced[0].point}.</div>"
        )


def _cards(report: SweepReport) -> Iterator[Html]:
    best = report.best
    yield card("Points", f"{len(report.points):,}", note=f"{report.ranked:,} with enough returns")
    done = sum(task.figures is not None for task in report.tasks)
    kept = sum(task.again for task in report.tasks)
    yield card("Replays", f"{done:,}", note=f"{kept:,} of them from before")
    if best is None:
        return
    pnl = best.figures["pnl"] or 0
    names = short_names(report.facts.keys)
    sets = ", ".join(f"{names[key]} {value}" for key, value in best.settings.items())
    yield card("Best point", f"{best.number}", note=sets)
    yield card("Its PnL after fees", f"{pnl:+,.4f}", note=_trades(best), tone="good" if pnl > 0 else "bad")
    yield card("Its Sharpe ratio", _ratio(best.sharpe_period), note=_per(report))
    tone = "" if best.deflated is None else "good" if best.deflated >= SURE else "bad"
    yield card("Deflated Sharpe", _share(best.deflated), note=f"sure from {SURE:.0%} on", tone=tone)


def _best(report: SweepReport) -> Iterator[tuple[str, str]]:
    best = report.best
    if best is None:
        yield "Best point", "none: no point has a result for every stretch"
        return
    yield "Point", f"{best.number}: {settings_text(best) or 'the configuration as it is'}"
    yield "Is it more than luck?", verdict(report)
    if best.sharpe_period is None:
        return
    period = PERIODS[report.period_s or 60]
    yield (
        "Sharpe ratio",
        f"{best.sharpe_period:+.4f} {_per(report)}; {_number(best.sharpe)} scaled to a year of 365 days",
    )
    yield (
        "Returns",
        (
            f"{report.periods:,} {period}s: the longest of day, hour and minute of which there are at least {ENOUGH}; "
            f"skewness {_number(best.skewness)}, kurtosis {_number(best.kurtosis)} (3 if they were normal)"
        ),
    )
    yield (
        "Probabilistic Sharpe",
        (f"{_share(best.probabilistic)} sure that the true ratio is above 0, if this had been the only point tried"),
    )
    yield (
        "Trials",
        (
            f"{report.ranked:,} points that differ like {report.trials:.1f} independent ones (by the correlation of "
            f"their returns); the best of those without any skill would show {report.expected_best:+.4f} {_per(report)}"
        ),
    )
    yield "Deflated Sharpe", f"{_share(best.deflated)} sure that the true ratio is above that of the luckiest"
    yield "Least track record", _least(best)


def verdict(report: SweepReport) -> str:
    """What the deflated Sharpe ratio of the best point says, in a sentence."""
    best = report.best
    if best is None or best.deflated is None:
        return f"not to be told: it takes at least {ENOUGH} periods in which equity changed"
    if best.deflated >= SURE:
        return f"likely: deflated for the choice among {report.ranked:,} points, it is {best.deflated:.1%} sure"
    if best.probabilistic is not None and best.probabilistic >= SURE:
        return (
            f"no: by itself it would look {best.probabilistic:.1%} sure, but as the best of {report.ranked:,} points "
            f"it is {best.deflated:.1%} sure"
        )
    return f"no: it is {best.deflated:.1%} sure, and {SURE:.0%} is what one asks for"


def _least(best: PointReport) -> str:
    if best.least_s is None:
        return "none: a ratio of 0 or below never makes sure of one above 0"
    had = float(best.figures["hours"] or 0)
    return f"{best.least_s / 3600:,.1f} hours of market for {SURE:.0%} without any choice; it has {had:,.1f}"


def _plots(report: SweepReport, results: Sequence[TaskResult]) -> Iterator[str]:
    if not plots.available():
        yield Html(
            '<div class="panel"><div class="empty">Plots need matplotlib: '
            "<code>pip install 'aviary[demo]'</code>, then run the sweep again; what is done is kept.</div></div>"
        )
        return
    drawn = list(_drawn(report, results))
    if not drawn:
        yield Html('<div class="panel"><div class="empty">No point has a result for every stretch.</div></div>')
        return
    yield grid("plots", (f'<div class="panel">{plot}</div>' for plot in drawn))


def _drawn(report: SweepReport, results: Sequence[TaskResult]) -> Iterator[str]:
    if not report.ranking:
        return
    varied = [key for key in report.facts.keys if len(axis_values(report.points, key)) > 1]
    complete = all(key in point.settings for key in varied for point in report.points)
    if len(varied) == 2 and complete:
        yield heat_map(report, varied[0], varied[1])
    else:
        yield from (line_plot(report, key) for key in varied[:4])
    if report.ranked > 1:
        yield luck_plot(report)
    courses = _courses(report, results)
    if courses:
        yield course_plot(report, courses)


def _courses(report: SweepReport, results: Sequence[TaskResult]) -> dict[int, list[float]]:
    """Change of equity of the best points at the ends of the periods."""
    chosen = report.ranking[:CURVES]
    parts = {(r.point, r.stretch): r.course for r in results if r.point in chosen}
    found: dict[int, list[float]] = {}
    for number in chosen:
        course = [0.0]
        for name in report.facts.spans:
            begin, *levels = parts[number, name]
            course += [course[-1] + level - begin for level in levels]
        found[number] = course
    return found if any(len(course) > 1 for course in found.values()) else {}


def _points(report: SweepReport) -> Html:
    heads = (
        "point", *short_names(report.facts.keys).values(), "PnL", "trades", f"Sharpe {_per(report)}", "PSR", "DSR",
        "win rate", "profit factor", "bps a trade", "drawdown", "exposure",
    )  # fmt: skip
    others = [point.number for point in report.points if point.missing]
    rows = [_point_row(report, report.point(n)) for n in (*report.ranking, *others)[:_SHOWN]]
    text = f'<p class="lead">The first {_SHOWN} of {len(report.points):,}; points.parquet has all.</p>'
    return Html((text if len(report.points) > _SHOWN else "") + table(heads, rows))


def _point_row(report: SweepReport, point: PointReport) -> tuple[str, ...]:
    figures, number = point.figures, str(point.number)
    missing = Html(f'<span class="bad">lacks {len(point.missing)}</span>') if point.missing else None
    return (
        Html(f"<b>{number}, the best</b>") if report.best is point else number,
        *(point.settings.get(key, "–") for key in report.facts.keys),
        f"{figures['pnl'] or 0:+,.4f}" if figures["rows"] else "n/a",
        f"{figures['closed_trades']:,}" if figures["rows"] else "n/a",
        missing or _ratio(point.sharpe_period),
        _share(point.probabilistic),
        _share(point.deflated),
        _share(_float(figures["win_rate"])),
        _number(_float(figures["profit_factor"])),
        _number(_float(figures["expectancy_bps"])),
        f"{figures['max_drawdown'] or 0:,.4f}" if figures["rows"] else "n/a",
        _share(_float(figures["exposure"])),
    )


def _by_stretch(report: SweepReport, best: PointReport) -> Html:
    rows = []
    for task in report.tasks:
        if task.point == best.number and task.figures is not None:
            figures = task.figures
            hours = (figures["last"] - figures["first"]) / 3.6e12
            rows.append(
                (task.stretch, f"{hours:.2f} h", f"{figures['rows']:,}", f"{figures['pnl']:+,.4f}",
                 f"{figures['closed_trades']:,}", f"{figures['max_drawdown']:,.4f}")
            )  # fmt: skip
    return table((report.facts.by, "market", "rows", "PnL", "trades", "max drawdown"), rows[:_SHOWN])


def _failures(report: SweepReport) -> Iterator[tuple[str, str]]:
    for task in report.failed[:_SHOWN]:
        settings = settings_text(report.point(task.point))
        yield f"point {task.point}, {task.stretch}", f"{settings}: {task.error}: {task.text}"


def _facts(report: SweepReport) -> Iterator[tuple[str, str]]:
    facts = report.facts
    yield "Archive", f"{facts.archive}, venue {facts.venue}"
    yield "Swept", ", ".join(facts.keys)
    names = list(facts.spans)
    yield "Stretches", f"by {facts.by}: {names[0]}" + (f" to {names[-1]}, {len(names)} of them" if names[1:] else "")
    yield "Starting cash", f"{facts.starting_cash}, anew for every stretch"
    cpu = sum(task.figures["cpu_s"] for task in report.tasks if task.figures is not None)
    rows = sum(task.figures["rows"] for task in report.tasks if task.figures is not None)
    yield "Work", f"{rows:,} rows in {cpu:,.1f} CPU seconds; this call took {facts.duration_s:,.1f} s on {facts.where}"
    for name, values in (("Models", facts.models), ("Versions", facts.versions), ("Options", facts.options)):
        yield name, Html("<br>".join(f"{escape(key)}: <code>{escape(value)}</code>" for key, value in values.items()))


def settings_text(point: PointReport) -> str:
    """What the point sets, in one line."""
    return ", ".join(f"{key}={value}" for key, value in point.settings.items())


def _trades(point: PointReport) -> str:
    return f"{_count(int(point.figures['closed_trades'] or 0), 'trade')}"


def _stretch(by: str) -> str:
    return "stretch" if by == "whole" else by


def _count(number: int, noun: str) -> str:
    plural = f"{noun}es" if noun.endswith("ch") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _float(value: object) -> float | None:
    return None if value is None else float(str(value))


def _share(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1%}"


def _per(report: SweepReport) -> str:
    return f"a {PERIODS[report.period_s]}" if report.period_s else "a period"


def _ratio(value: float | None) -> str:
    return "n/a" if value is None else f"{value:+.3f}"


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.2f}"
