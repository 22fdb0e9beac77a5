"""report.html: a run on one page."""

from collections.abc import Iterator
from decimal import Decimal
from html import escape

from app.core.clock import NS_PER_MS
from app.messages.execution import ClosedTrade
from app.report import plots
from app.report.facts import RepairFacts
from app.report.page import Html, card, facts_table, grid, page, section, table
from app.report.performance_page import performance_rows
from app.report.run_data import RunData
from app.report.run_report import RunReport
from app.report.samples import ProcessSummary

_TRADES_SHOWN = 200
_REPAIRS_SHOWN = 20


def render(data: RunData, report: RunReport) -> str:
    """The page of a run; without the plotting library it says how to get the plots."""
    return page(f"Aviary run {report.run.id}", _parts(data, report))


def _parts(data: RunData, report: RunReport) -> Iterator[str]:
    run = report.run
    market = f"{_duration(report.market_s)} from first to last message, in {_duration(run.duration_s)}"
    lead = f"{run.source} · {', '.join(run.symbols)} · {market} · {run.started}"
    title = f"{run.kind.capitalize()} {'of' if run.kind == 'replay' else 'run'} {run.id}"
    yield f'<h1>{escape(title)}</h1>\n<p class="lead">{escape(lead)}</p>'
    yield from _banners(report)
    yield grid("cards", _cards(report))
    yield section("Money", *_money_plots(data, report))
    yield section("Performance", facts_table(performance_rows(report)))
    yield section("What happened to the signals", grid("columns", _signal_tables(report)))
    yield section("Trades", _trade_table(data.trades))
    if run.kind != "replay":
        yield section("Processes", _process_table(report), *_process_plots(data))
    yield section("The run", facts_table(_facts(report)))
    yield (
        "<footer>Money is in quote currency and comes from paper fills; PnL is after fees and funding. "
        "Times are event times unless said otherwise.</footer>"
    )


def _banners(report: RunReport) -> Iterator[str]:
    if report.run.failure:
        yield Html(f'<div class="banner"><b>The run failed.</b> {_text(report.run.failure)}</div>')
    if report.run.kind == "replay" and report.run.ended_by == "interrupt":
        yield Html('<div class="banner"><b>The replay was interrupted.</b> What follows covers its beginning.</div>')
    if report.run.repairs:
        yield _repaired(report.run.repairs)
    if not report.books_balance:
        shown = "<br>".join(_text(difference) for difference in report.books_differences[:5])
        yield Html(f'<div class="banner"><b>The books do not balance.</b> Trust no figure below.<br>{shown}</div>')
    if report.late_orders:
        yield Html(f'<div class="banner">{report.late_orders} orders reached the paper venue late.</div>')


def _repaired(repairs: list[RepairFacts]) -> Html:
    """A damaged archive, with what was done about it: whatever else the page says is about what was left."""
    shown = "<br>".join(
        f"{escape(repair.file)}: {repair.rows:,} × {_text(repair.meaning)} (from row {repair.row})"
        for repair in repairs[:_REPAIRS_SHOWN]
    )
    more = f"<br>… and {len(repairs) - _REPAIRS_SHOWN} more, in report.json" if len(repairs) > _REPAIRS_SHOWN else ""
    return Html(f'<div class="banner"><b>The archive is damaged, and was read with repairs.</b><br>{shown}{more}</div>')


def _cards(report: RunReport) -> Iterator[Html]:
    yield card("PnL after fees", _signed(report.pnl), note=f"{_money(report.fees)} fees paid", tone=_tone(report.pnl))
    yield card("Closed trades", f"{report.closed_trades:,}", note=f"win rate {_share(report.win_rate)}")
    cash = sum(map(Decimal, report.run.starting_cash.values()))
    share = f"{report.max_drawdown / cash:.2%} of {cash:,.0f}" if cash else ""
    yield card("Max drawdown", _money(report.max_drawdown), note=share)
    yield card("Fills", f"{report.fills:,}", note=f"fill rate {_share(report.fill_rate)}")
    yield card("Signals", f"{report.candidates:,}", note=f"{report.approved:,} approved")
    balance = ("balance", "good") if report.books_balance else ("do not balance", "bad")
    yield card("Books", balance[0], note=f"{report.records:,} records", tone=balance[1])


def _money_plots(data: RunData, report: RunReport) -> Iterator[str]:
    if not plots.available():
        yield Html('<div class="panel"><div class="empty">Plots need matplotlib: ')
        yield Html("<code>pip install 'aviary[demo]'</code>, then make the report again.</div></div>")
        return
    curve, trades = data.curve, data.trades
    drawn = []
    if curve.ts:
        drawn += [plots.equity_plot(curve, trades), plots.drawdown_plot(curve)]
    if trades:
        drawn.append(plots.trade_plot(trades))
    if report.markouts_bps:
        drawn.append(plots.markout_plot(report.markouts_bps))
    yield _panels(drawn) if drawn else Html('<div class="panel"><div class="empty">No account was marked.</div></div>')


def _process_plots(data: RunData) -> Iterator[str]:
    if data.samples and plots.available():
        yield Html('<div style="height:14px"></div>')
        yield _panels([plots.age_plot(data.samples), plots.memory_plot(data.samples)])


def _panels(drawn: list[str]) -> Html:
    return grid("plots", [f'<div class="panel">{svg}</div>' for svg in drawn])


def _signal_tables(report: RunReport) -> Iterator[Html]:
    funnel = [
        ("entry candidates", report.candidates),
        ("approved entries", report.approved),
        ("entry orders", report.entry_orders),
        ("all orders", report.orders),
        ("fills", report.fills),
        ("closed trades", report.closed_trades),
        ("open positions at the end", report.open_positions),
        ("hold evaluations", report.holds),
    ]
    yield table(("step", "count"), [(name, f"{count:,}") for name, count in funnel])
    yield table(("drop reason", "count"), _counts(report.drops), empty="No signal was dropped.")
    ends = {f"order {status}": n for status, n in report.order_ends.items()}
    exits = {f"exit by {reason}": n for reason, n in report.exits.items()}
    liquidity = {f"{kind} fill": n for kind, n in report.fills_by_liquidity.items()}
    dead = {f"dead letter, {reason}": n for reason, n in report.dead_letters.items()}
    yield table(("outcome", "count"), _counts({**ends, **liquidity, **exits, **dead}), empty="No order was sent.")
    yield table(("why orders ended unfilled", "count"), _counts(report.order_end_reasons), empty="All orders filled.")


def _counts(counts: dict[str, int]) -> list[tuple[str, str]]:
    return [(name, f"{count:,}") for name, count in counts.items()]


def _trade_table(trades: list[ClosedTrade]) -> Html:
    heads = ("strategy", "symbol", "side", "quantity", "entry", "exit", "held", "gross", "fees", "PnL", "exit by")
    rows = [
        (
            trade.strategy,
            trade.symbol,
            "long" if trade.side > 0 else "short",
            f"{trade.qty.normalize():f}",
            f"{trade.entry_px:,.2f}" if trade.entry_px >= 100 else f"{trade.entry_px.normalize():f}",
            f"{trade.exit_px:,.2f}" if trade.exit_px >= 100 else f"{trade.exit_px.normalize():f}",
            _duration((trade.ts - trade.entry_ts) / NS_PER_MS / 1000),
            _signed(trade.gross),
            _money(trade.fees),
            Html(f'<span class="{_tone(trade.pnl)}">{_signed(trade.pnl)}</span>'),
            trade.exit_reason,
        )
        for trade in trades[-_TRADES_SHOWN:]
    ]
    shown = table(heads, rows, empty="No trade was closed.")
    if len(trades) <= _TRADES_SHOWN:
        return shown
    return Html(f'{shown}<p class="lead">The last {_TRADES_SHOWN} of {len(trades):,}; all are in records.jsonl.</p>')


def _process_table(report: RunReport) -> Html:
    heads = (
        "process", "received", "sent", "lag at most", "age p50", "age p99",
        "memory at 10 %", "at 100 %", "CPU", "retries", "restarts",
    )  # fmt: skip
    rows = [(service, *_process_cells(summary)) for service, summary in report.processes.items()]
    return table(heads, rows, empty="No process was sampled.")


def _process_cells(summary: ProcessSummary) -> tuple[str, ...]:
    return (
        f"{summary.received:,}",
        f"{summary.sent:,}",
        f"{summary.lag_max:,}",
        _ms(summary.age_p50_ms),
        _ms(summary.age_p99_ms),
        _mib(summary.rss_bytes_at["10%"]),
        _mib(summary.rss_bytes_at["100%"]),
        f"{summary.cpu_share:.0%}",
        str(summary.retries),
        str(summary.restarts),
    )


def _facts(report: RunReport) -> Iterator[tuple[str, str]]:
    run = report.run
    yield "Source", run.source
    if run.tape:
        yield "Tape", run.tape
    yield "Clock", f"{run.clock}, speed {run.speed:g}" + ("" if run.seed is None else f", seed {run.seed}")
    yield "Started, ended", f"{run.started} to {run.ended} ({run.ended_by})"
    if run.rows:
        yield "Replayed", f"{run.rows:,} rows with {run.cpu_s:.2f} s of CPU"
    yield "Traded", f"{_money(report.traded)} in quote currency, {_money(report.fees)} fees"
    yield "Starting cash", ", ".join(f"{name}: {amount}" for name, amount in run.starting_cash.items())
    for slot, model in run.models.items():
        yield f"Model, {slot}", model
    yield "Configuration digest", Html(f"<code>{run.config_digest}</code>")
    yield "Records digest", Html(f"<code>{report.records_digest}</code>")
    yield "Versions", ", ".join(f"{name} {version}" for name, version in run.versions.items())


def _text(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _money(value: Decimal) -> str:
    return f"{value:,.2f}" if abs(value) >= 100 else f"{value:,.4f}"


def _signed(value: Decimal) -> str:
    return ("+" if value > 0 else "") + _money(value)


def _tone(value: Decimal) -> str:
    return "good" if value > 0 else "bad" if value < 0 else ""


def _share(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1%}"


def _ms(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.1f} ms"


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _duration(seconds: float) -> str:
    if 0 < seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
