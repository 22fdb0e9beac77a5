"""What is known of a sweep: what each replay gave, and what that makes of each point."""

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from app.report.measures import Markout
from app.report.performance import Performance
from app.report.run_data import RunData
from app.report.run_report import RunReport
from app.report.sweep_returns import course_of, minute_levels

ZERO = Decimal(0)


class TaskFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one replay gave: sums, so that those of several stretches can be added up.

    `profits` and `losses` are of closed trades after fees, `notional` what their entries were worth. `exposed_s` is the
    time with a position open. Relative to what the accounts began with, equity ended at `equity_change`, and was as
    high as `highest` and as low as `lowest`; it never fell by more than `max_drawdown` (0 or negative). `performance`
    and `markouts_bps` are as in the report of a run. `levels` has equity at `first` (ns), at each full minute after it
    (UTC) and at `last`.
    """

    first: int
    last: int
    rows: int
    cpu_s: float
    records_digest: str
    books_balance: bool
    candidates: int
    approved: int
    dropped: int
    orders: int
    entry_orders: int
    entries_filled: int
    orders_filled: int
    orders_cancelled: int
    fills: int
    closed_trades: int
    wins: int
    open_positions: int
    traded: Decimal
    gross: Decimal
    fees: Decimal
    fees_maker: Decimal
    fees_taker: Decimal
    funding: Decimal
    pnl: Decimal
    profits: Decimal
    losses: Decimal
    notional: Decimal
    entry_slippage: Decimal
    exposed_s: float
    equity_change: Decimal
    highest: Decimal
    lowest: Decimal
    max_drawdown: Decimal
    dead_letters: int
    late_orders: int
    exits: dict[str, int]
    drops: dict[str, int]
    markouts_bps: dict[str, Markout]
    performance: Performance
    levels: list[float]


def task_figures(data: RunData, report: RunReport, span: tuple[int, int], *, rows: int, cpu_s: float) -> TaskFigures:
    """The figures of a replay whose rows cover `span` (ns), from its report and what that was made from."""
    tally, curve, pnl = data.tally, data.curve, [trade.pnl for trade in data.trades]
    changes = [value - curve.start for value in curve.equity] or [ZERO]
    performance = report.performance
    return TaskFigures(
        first=span[0],
        last=span[1],
        rows=rows,
        cpu_s=cpu_s,
        records_digest=report.records_digest,
        books_balance=report.books_balance,
        candidates=report.candidates,
        approved=report.approved,
        dropped=report.dropped,
        orders=report.orders,
        entry_orders=report.entry_orders,
        entries_filled=tally.entries_filled,
        orders_filled=tally.order_ends["filled"],
        orders_cancelled=tally.order_ends["cancelled"],
        fills=report.fills,
        closed_trades=report.closed_trades,
        wins=tally.wins,
        open_positions=report.open_positions,
        traded=report.traded,
        gross=report.gross,
        fees=report.fees,
        fees_maker=performance.fees_by_liquidity["maker"],
        fees_taker=performance.fees_by_liquidity["taker"],
        funding=report.funding,
        pnl=report.pnl,
        profits=sum((value for value in pnl if value > 0), ZERO),
        losses=sum((value for value in pnl if value < 0), ZERO),
        notional=sum((trade.entry_px * trade.qty for trade in data.trades), ZERO),
        entry_slippage=performance.entry_slippage,
        exposed_s=(performance.exposure or 0.0) * report.market_s,
        equity_change=changes[-1],
        highest=max(ZERO, *changes),
        lowest=min(ZERO, *changes),
        max_drawdown=report.max_drawdown,
        dead_letters=tally.dead_letters.total(),
        late_orders=tally.late_orders,
        exits=report.exits,
        drops=report.drops,
        markouts_bps=report.markouts_bps,
        performance=performance,
        levels=minute_levels(curve, sum(data.starting_cash.values(), ZERO), span),
    )


class TaskResult(msgspec.Struct, frozen=True, kw_only=True):
    """One point over one stretch: its figures, or why there are none. `again` is True if they are of an earlier call.

    `figures` are without their `levels`: a sweep has many of these in memory, and needs but `course`, equity where the
    periods begin and end.
    """

    point: int
    stretch: str
    digest: str
    figures: TaskFigures | None = None
    course: list[float] = msgspec.field(default_factory=list)
    error: str = ""
    text: str = ""
    trace: str = ""
    again: bool = False

    def having(self, figures: TaskFigures, *, period_s: int, again: bool = False) -> "TaskResult":
        """This with `figures`; `period_s` is that of the sweep."""
        course = course_of(figures.levels, (figures.first, figures.last), period_s)
        return msgspec.structs.replace(
            self, figures=msgspec.structs.replace(figures, levels=[]), course=course, again=again
        )


def joined(parts: Sequence[TaskFigures]) -> dict[str, Decimal | float | int | None]:
    """The figures of a point over its stretches, in their order, by the names that a run's report has for them.

    Each stretch begins with the whole of the starting cash. Drawdown is that of the stretches put end to end.
    """
    total = {name: sum((getattr(part, name) for part in parts), start) for name, start in _ADDED.items()}
    hours = sum(part.last - part.first for part in parts) / 3.6e12
    return {
        "hours": hours,
        **total,
        "fill_rate": _ratio(total["entries_filled"], total["entry_orders"]),
        "win_rate": _ratio(total["wins"], total["closed_trades"]),
        "profit_factor": _ratio(total["profits"], -total["losses"]),
        "expectancy": _ratio(total["pnl"], total["closed_trades"]),
        "expectancy_bps": _ratio(total["pnl"] * 10_000, total["notional"]),
        "exposure": _ratio(sum(part.exposed_s for part in parts), hours * 3600),
        "cancel_to_fill": _ratio(total["orders_cancelled"], total["orders_filled"]),
        "max_drawdown": joined_drawdown(parts),
        **_markouts(parts),
    }


_ADDED: dict[str, int | Decimal] = dict.fromkeys(
    ("rows", "candidates", "approved", "dropped", "orders", "entry_orders", "entries_filled", "orders_filled",
     "orders_cancelled", "fills", "closed_trades", "wins", "open_positions", "dead_letters", "late_orders"),
    0,
) | dict.fromkeys(
    ("traded", "gross", "fees", "fees_maker", "fees_taker", "funding", "pnl", "profits", "losses", "notional",
     "entry_slippage", "equity_change"),
    ZERO,
)  # fmt: skip


def joined_drawdown(parts: Sequence[TaskFigures]) -> Decimal:
    """How far equity fell below its highest point so far, over stretches put end to end: 0 or negative."""
    level = peak = worst = ZERO
    for part in parts:
        worst = min(worst, part.max_drawdown, level + part.lowest - peak)
        peak = max(peak, level + part.highest)
        level += part.equity_change
    return worst


def added(parts: Sequence[dict[str, int]]) -> dict[str, int]:
    """Counts by name over several stretches, the most frequent first."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(total.most_common())


def _markouts(parts: Sequence[TaskFigures]) -> dict[str, float]:
    horizons = sorted({horizon for part in parts for horizon in part.markouts_bps}, key=float)
    found = {}
    for horizon in horizons:
        of = [part.markouts_bps[horizon] for part in parts if horizon in part.markouts_bps]
        found[f"markout_{horizon}_ms_bps"] = sum(m.mean * m.n for m in of) / sum(m.n for m in of)
    return found


def _ratio(above: Decimal | float, below: Decimal | float) -> float | None:
    return float(above) / float(below) if below else None
