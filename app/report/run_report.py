"""report.json: the figures of a run, worked out from its recorded events and process samples."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from app.core.clock import NS_PER_S
from app.report.books import check_books
from app.report.facts import RunFacts
from app.report.measures import Markout, markouts
from app.report.performance import Performance, perform
from app.report.records import records_digest
from app.report.run_data import RunData
from app.report.samples import ProcessSummary, summarise


class RunReport(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of a run.

    `market_s` is the event time between the first and the last thing recorded. Money is exact and written as text.
    `order_end_reasons` says why orders were cancelled or rejected: leg, status and the reason the venue gave.
    `pnl` is that of closed trades after fees and funding; `equity_change` also has what open positions are worth.
    `books_balance` is True if cash, positions and fees, recomputed from the recorded events alone, agree exactly with
    what the executor said; `books_differences` lists what does not.
    `records_digest` is the SHA-256 of `records.jsonl`: equal digests mean equal orders, fills and PnL.
    """

    run: RunFacts
    market_s: float
    candidates: int
    holds: int
    approved: int
    approved_holds: int
    dropped: int
    drops: dict[str, int]
    orders: int
    entry_orders: int
    order_ends: dict[str, int]
    order_end_reasons: dict[str, int]
    late_orders: int
    fills: int
    fills_by_liquidity: dict[str, int]
    closed_trades: int
    exits: dict[str, int]
    open_positions: int
    fill_rate: float | None
    win_rate: float | None
    traded: Decimal
    gross: Decimal
    fees: Decimal
    funding: Decimal
    pnl: Decimal
    equity_change: Decimal | None
    max_drawdown: Decimal
    performance: Performance
    markouts_bps: dict[str, Markout]
    dead_letters: dict[str, int]
    books_balance: bool
    books_differences: list[str]
    records: int
    records_digest: str
    processes: dict[str, ProcessSummary]


def measure(data: RunData, records: Sequence[bytes]) -> RunReport:
    """The figures of a run; `records` are its canonical records."""
    tally = data.tally
    curve = data.curve
    books = check_books(data.money, data.starting_cash)
    summaries = {name: summarise(samples) for name, samples in data.samples.items()}
    return RunReport(
        run=data.facts,
        market_s=(data.span[1] - data.span[0]) / NS_PER_S,
        candidates=tally.candidates,
        holds=tally.holds,
        approved=tally.approved,
        approved_holds=tally.approved_holds,
        dropped=tally.dropped,
        drops=dict(tally.drops.most_common()),
        orders=tally.orders,
        entry_orders=tally.entries,
        order_ends=dict(tally.order_ends),
        order_end_reasons=dict(tally.end_reasons.most_common()),
        late_orders=tally.late_orders,
        fills=tally.fills.total(),
        fills_by_liquidity=dict(tally.fills),
        closed_trades=tally.closed_trades,
        exits=dict(tally.exits.most_common()),
        open_positions=len(tally.open_positions),
        fill_rate=tally.fill_rate,
        win_rate=tally.win_rate,
        traded=tally.traded,
        gross=tally.gross,
        fees=tally.fees,
        funding=tally.funding,
        pnl=tally.pnl,
        equity_change=curve.equity[-1] - curve.start if curve.equity else None,
        max_drawdown=min(curve.drawdown(), default=Decimal(0)),
        performance=perform(data.money, curve, data.span, quotes=data.quotes, order_ends=tally.order_ends),
        markouts_bps=markouts(data.trades),
        dead_letters=dict(tally.dead_letters),
        books_balance=books.balance,
        books_differences=books.differences,
        records=len(records),
        records_digest=records_digest(records),
        processes={name: summary for name, summary in summaries.items() if summary is not None},
    )
