"""What one run of a scenario came to."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from app.core.clock import NS_PER_S
from app.messages.execution import Equity, Fill, OrderUpdate
from app.replay.replay import ReplayResult, starting_cash
from app.replay.scenarios.mids import MidTrack
from app.report.measures import equity_curve, markouts
from app.report.performance import expectancy_bps, exposure

_HORIZONS = ("100", "500", "1000")
_BPS = 1e4


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Money is in quote currency. Figures that need an order, a fill or a trade are None without one.

    `pnl` is equity at the end less that at the beginning: after fees and funding, with what is still open at its last
    mark. `pnl_per_trade_bps` is that of closed trades as a share of what was bought or sold to enter. `max_drawdown` is
    the greatest fall of equity from a peak. `entry_slippage_bps` is what was paid against the mid at the signal,
    `exit_slippage_bps` what market orders paid against the mid that we saw when we sent them; negative where the price
    was better. `markout_…` is the mean of the trades'. `digest` is that of the records.
    """

    run: int
    seed: int
    digest: str
    rows: int
    pnl: float
    max_drawdown: float
    trades: int
    wins: int
    pnl_per_trade: float | None
    pnl_per_trade_bps: float | None
    entries: int
    fill_rate: float | None
    cancel_to_fill: float | None
    entry_slippage_bps: float | None
    exit_slippage_bps: float | None
    markout_100_bps: float | None
    markout_500_bps: float | None
    markout_1000_bps: float | None
    fees: float
    funding: float
    time_in_position_s: float
    late: int
    dropped: dict[str, int]
    order_ends: dict[str, int]
    exits: dict[str, int]
    dead_letters: dict[str, int]
    books_balance: bool
    differences: list[str]
    cpu_s: float


def figures(result: ReplayResult, mids: MidTrack, *, run: int, seed: int) -> Figures:
    """The figures of a finished replay whose rows went through `mids`."""
    tally, money = result.tally, result.gathered.money
    curve = equity_curve((m for m in money if isinstance(m, Equity)), starting_cash(result.settings))
    fills = [message for message in money if isinstance(message, Fill)]
    span = result.source.span
    trades = result.trades
    moves = markouts(trades)
    after = {horizon: moves[horizon].mean if horizon in moves else None for horizon in _HORIZONS}
    ends = tally.order_ends
    return Figures(
        run=run,
        seed=seed,
        digest=result.digest,
        rows=result.rows,
        pnl=float(curve.equity[-1] - curve.start) if curve.equity else 0.0,
        max_drawdown=-float(min(curve.drawdown(), default=0)),
        trades=tally.closed_trades,
        wins=tally.wins,
        pnl_per_trade=float(tally.pnl) / tally.closed_trades if tally.closed_trades else None,
        pnl_per_trade_bps=expectancy_bps(trades),
        entries=tally.entries,
        fill_rate=tally.fill_rate,
        cancel_to_fill=ends["cancelled"] / ends["filled"] if ends["filled"] else None,
        entry_slippage_bps=_slippage(_priced_entries(fills, result.gathered.quotes)),
        exit_slippage_bps=_slippage(_priced_exits(result, fills, mids)),
        markout_100_bps=after["100"],
        markout_500_bps=after["500"],
        markout_1000_bps=after["1000"],
        fees=float(tally.fees),
        funding=float(tally.funding),
        time_in_position_s=(exposure(fills, trades, span) or 0.0) * (span[1] - span[0]) / NS_PER_S,
        late=tally.late_orders,
        dropped=_sorted(tally.drops),
        order_ends=_sorted(tally.end_reasons),
        exits=_sorted(tally.exits),
        dead_letters=_sorted(tally.dead_letters),
        books_balance=result.books.balance,
        differences=result.books.differences[:5],
        cpu_s=result.cpu_s,
    )


_Priced = list[tuple[Fill, float]]


def _priced_entries(fills: list[Fill], quotes: Mapping[str, tuple[float, float]]) -> _Priced:
    entries = [fill for fill in fills if fill.leg == "entry" and fill.signal_id in quotes]
    return [(fill, sum(quotes[fill.signal_id]) / 2) for fill in entries]


def _priced_exits(result: ReplayResult, fills: list[Fill], mids: MidTrack) -> _Priced:
    """The fills of market exits with the mid at the time their order was sent."""
    sent = {
        message.order_id: message.ts
        for message in result.gathered.money
        if isinstance(message, OrderUpdate) and message.leg == "exit" and message.status == "submitted"
    }
    found = [(fill, mids.at(fill.symbol, sent[fill.order_id])) for fill in fills if fill.leg == "exit"]
    return [(fill, mid) for fill, mid in found if mid is not None]


def _slippage(priced: _Priced) -> float | None:
    """Σ side · qty · (px − mid) / Σ qty · mid, in basis points."""
    paid = sum(fill.side * float(fill.qty) * (float(fill.px) - mid) for fill, mid in priced)
    at_mid = sum(float(fill.qty) * mid for fill, mid in priced)
    return paid / at_mid * _BPS if at_mid else None


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))
