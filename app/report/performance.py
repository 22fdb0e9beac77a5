"""The usual figures of a strategy, each with what it needs to mean something; where it lacks that, it is None.

Sharpe, Sortino and Calmar are of equity at the ends of equal periods, open positions at their mark. The period is the
longest of a day, an hour and a minute of which the run has at least 30; a shorter run has none of them. They are scaled
to a year of 365 days, as the market never closes, with a riskless rate of 0:

    Sharpe  = mean(r) / std(r) · √(periods a year)                 std with n − 1
    Sortino = mean(r) / √mean(min(r, 0)²) · √(periods a year)
    Calmar  = ((last / first)^(1 / years) − 1) / greatest drawdown as a share of its peak       from 30 days on

Scaled from minutes they say how smooth this run was, and nothing about a year.
"""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final

import msgspec

from app.core.clock import NS_PER_S
from app.messages.base import Message
from app.messages.execution import ClosedTrade, Fill
from app.report.measures import EquityCurve

ENOUGH: Final = 30
DAY_S: Final = 86_400
YEAR_S: Final = 365 * DAY_S
_PERIODS_S: Final = (DAY_S, 3600, 60)
_ROUNDING: Final = 1e-9

#: Bid and ask that an entry was decided upon, by signal id.
Quotes = Mapping[str, tuple[float, float]]


class Performance(msgspec.Struct, frozen=True, kw_only=True):
    """The usual figures. Money is in quote currency, times are event time.

    `profit_factor` is profits over losses of closed trades, `expectancy` the mean PnL of one, `expectancy_bps` that as
    a share of what was bought or sold to enter. `exposure` is the share of time with a position open.
    `longest_drawdown_s` is the longest time that equity stayed below an earlier peak. `cancel_to_fill` is cancelled
    orders per filled one. `entry_slippage` is what entries cost against the mid they were decided at, negative where
    they earned part of the spread; exits have no such price, what they lose is in `gross`.
    """

    profit_factor: float | None
    expectancy: float | None
    expectancy_bps: float | None
    sharpe: float | None
    sortino: float | None
    calmar: float | None
    period_s: int | None
    periods: int
    max_drawdown_share: float
    longest_drawdown_s: float
    exposure: float | None
    cancel_to_fill: float | None
    fees_by_liquidity: dict[str, Decimal]
    entry_slippage: Decimal


def perform(
    money: Sequence[Message],
    curve: EquityCurve,
    span: tuple[int, int],
    *,
    quotes: Quotes,
    order_ends: Mapping[str, int],
) -> Performance:
    """The figures of a run from its executor's messages, its equity and its first and last event time (ns)."""
    trades = [message for message in money if isinstance(message, ClosedTrade)]
    fills = [message for message in money if isinstance(message, Fill)]
    period = choose_period((span[1] - span[0]) / NS_PER_S)
    returns = [] if period is None else period_returns(curve, span, period)
    return Performance(
        profit_factor=profit_factor(trades),
        expectancy=expectancy(trades),
        expectancy_bps=expectancy_bps(trades),
        sharpe=None if period is None else sharpe(returns, YEAR_S / period),
        sortino=None if period is None else sortino(returns, YEAR_S / period),
        calmar=calmar(curve, span),
        period_s=period,
        periods=len(returns),
        max_drawdown_share=max_drawdown_share(curve),
        longest_drawdown_s=longest_drawdown(curve) / NS_PER_S,
        exposure=exposure(fills, trades, span),
        cancel_to_fill=_ratio(order_ends.get("cancelled", 0), order_ends.get("filled", 0)),
        fees_by_liquidity=fees_by_liquidity(fills),
        entry_slippage=entry_slippage(fills, quotes),
    )


def profit_factor(trades: Iterable[ClosedTrade]) -> float | None:
    """Sum of profits over sum of losses; None without a loss."""
    pnl = [trade.pnl for trade in trades]
    return _ratio(float(sum(p for p in pnl if p > 0)), -float(sum(p for p in pnl if p < 0)))


def expectancy(trades: Sequence[ClosedTrade]) -> float | None:
    """Mean PnL of a trade; None without one."""
    return _ratio(float(sum(trade.pnl for trade in trades)), len(trades))


def expectancy_bps(trades: Sequence[ClosedTrade]) -> float | None:
    """PnL over the notional of all entries, in basis points; None without a trade."""
    notional = sum((trade.entry_px * trade.qty for trade in trades), Decimal(0))
    share = _ratio(float(sum(trade.pnl for trade in trades)), float(notional))
    return None if share is None else share * 10_000


def choose_period(span_s: float) -> int | None:
    """Seconds of the longest period that fits in `span_s` often enough; None if none does."""
    return next((period for period in _PERIODS_S if span_s >= ENOUGH * period), None)


def period_returns(curve: EquityCurve, span: tuple[int, int], period_s: int) -> list[float]:
    """Relative change of equity over each whole period from `span[0]` on."""
    count = (span[1] - span[0]) // (period_s * NS_PER_S)
    levels = [_equity_at(curve, span[0] + n * period_s * NS_PER_S) for n in range(count + 1)]
    # Without money, or without an account, there is nothing to relate a change to.
    return [after / before - 1 for before, after in pairwise(levels)] if min(levels) > 0 else []


def _equity_at(curve: EquityCurve, ts: int) -> float:
    at = bisect_right(curve.ts, ts)
    return float(curve.equity[at - 1] if at else curve.start)


def sharpe(returns: Sequence[float], periods_a_year: float) -> float | None:
    """None below 30 returns, or if none differs from the others by more than rounding."""
    if len(returns) < ENOUGH:
        return None
    mean = math.fsum(returns) / len(returns)
    deviation = math.sqrt(math.fsum((r - mean) ** 2 for r in returns) / (len(returns) - 1))
    # Returns that are all alike differ in their last bit from their own mean.
    return None if deviation <= _ROUNDING * abs(mean) else mean / deviation * math.sqrt(periods_a_year)


def sortino(returns: Sequence[float], periods_a_year: float) -> float | None:
    """None below 30 returns, or if none is negative."""
    if len(returns) < ENOUGH:
        return None
    downside = math.sqrt(math.fsum(min(r, 0.0) ** 2 for r in returns) / len(returns))
    mean = math.fsum(returns) / len(returns)
    return None if downside == 0 else mean / downside * math.sqrt(periods_a_year)


def calmar(curve: EquityCurve, span: tuple[int, int]) -> float | None:
    """None below 30 days, without a drawdown, or with nothing left."""
    years = (span[1] - span[0]) / NS_PER_S / YEAR_S
    worst = max_drawdown_share(curve)
    if years * YEAR_S < ENOUGH * DAY_S or worst == 0 or min(curve.start, curve.equity[-1]) <= 0:
        return None
    growth: float = float(curve.equity[-1] / curve.start) ** (1 / years)
    return (growth - 1) / worst


def max_drawdown_share(curve: EquityCurve) -> float:
    """The greatest fall from a peak as a share of that peak: 0 or above."""
    peak, worst = curve.start, Decimal(0)
    for value in curve.equity:
        peak = max(peak, value)
        if peak > 0:
            worst = max(worst, (peak - value) / peak)
    return float(worst)


def longest_drawdown(curve: EquityCurve) -> int:
    """The longest time (ns) from a peak until equity was back at it, or until the end."""
    peak, since, below, longest = curve.start, None, False, 0
    for ts, value in zip(curve.ts, curve.equity, strict=True):
        since = ts if since is None else since
        if below or value < peak:
            longest = max(longest, ts - since)
        below = value < peak
        if not below:
            peak, since = value, ts
    return longest


def exposure(fills: Iterable[Fill], trades: Iterable[ClosedTrade], span: tuple[int, int]) -> float | None:
    """Share of the time `span` (ns) in which a position was open; None if no time passed."""
    if span[1] <= span[0]:
        return None
    ends = {trade.signal_id: trade.ts for trade in trades}
    begins: dict[str, int] = {}
    for fill in fills:
        if fill.leg == "entry":
            begins[fill.signal_id] = min(fill.ts, begins.get(fill.signal_id, fill.ts))
    open_time, until = 0, span[0]
    for begin, end in sorted((begin, ends.get(signal, span[1])) for signal, begin in begins.items()):
        open_time += max(0, end - max(begin, until))
        until = max(until, end)
    return open_time / (span[1] - span[0])


def fees_by_liquidity(fills: Iterable[Fill]) -> dict[str, Decimal]:
    """Fees paid as maker and as taker."""
    found = {"maker": Decimal(0), "taker": Decimal(0)}
    for fill in fills:
        found[fill.liquidity] += fill.fee
    return found


def entry_slippage(fills: Iterable[Fill], quotes: Quotes) -> Decimal:
    """Σ side · qty · (px − mid at the signal) over the fills of entries whose quote is known."""
    total = Decimal(0)
    for fill in fills:
        if fill.leg == "entry" and fill.signal_id in quotes:
            bid, ask = quotes[fill.signal_id]
            mid = (Decimal(repr(bid)) + Decimal(repr(ask))) / 2
            total += fill.side * fill.qty * (fill.px - mid)
    return total


def _ratio(above: float, below: float) -> float | None:
    return above / below if below else None
