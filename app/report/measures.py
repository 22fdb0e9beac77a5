"""Measures of a run that need its whole series: equity, drawdown, markouts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from app.messages.execution import ClosedTrade, Equity


class EquityCurve(msgspec.Struct, frozen=True):
    """Equity of all accounts together: `ts` in ns ascending, `equity` in quote currency, same length.

    `start` is what they began with.
    """

    start: Decimal
    ts: list[int]
    equity: list[Decimal]

    def drawdown(self) -> list[Decimal]:
        """How far below its highest point so far equity is at each time: 0 or negative."""
        peak = self.start
        below = []
        for value in self.equity:
            peak = max(peak, value)
            below.append(value - peak)
        return below


def equity_curve(
    marks: Iterable[Equity], starting_cash: Mapping[str, Decimal], *, until: int | None = None
) -> EquityCurve:
    """Sum the accounts' marks to market; an account counts with its starting cash until its first mark.

    `starting_cash` is by strategy. Marks may come in any order. The last value holds until `until` (ns).
    """
    ordered = sorted(marks, key=lambda mark: mark.ts)
    held: dict[tuple[str, str], Decimal] = {}
    for mark in ordered:
        held.setdefault((mark.strategy, mark.model_id), starting_cash.get(mark.strategy, mark.equity))
    total = sum(held.values(), Decimal(0))
    curve = EquityCurve(total, [], [])
    for mark in ordered:
        account = (mark.strategy, mark.model_id)
        total += mark.equity - held[account]
        held[account] = mark.equity
        if curve.ts and curve.ts[-1] == mark.ts:
            curve.equity[-1] = total
        else:
            curve.ts.append(mark.ts)
            curve.equity.append(total)
    if until is not None and curve.ts and until > curve.ts[-1]:
        curve.ts.append(until)
        curve.equity.append(total)
    return curve


class Markout(msgspec.Struct, frozen=True):
    """Mean signed move of the mid after entry, in basis points, over `n` trades.

    `stderr` is the standard error of the mean, None below two trades.
    """

    n: int
    mean: float
    stderr: float | None


def markouts(trades: Sequence[ClosedTrade]) -> dict[str, Markout]:
    """Markouts by horizon in ms, shortest first; a trade counts where it lived to see the horizon."""
    values: dict[str, list[float]] = {}
    for trade in trades:
        for horizon, bps in trade.markouts_bps.items():
            values.setdefault(horizon, []).append(bps)
    return {horizon: _mean(values[horizon]) for horizon in sorted(values, key=float)}


def _mean(values: Sequence[float]) -> Markout:
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return Markout(n, mean, None)
    variance = math.fsum((value - mean) ** 2 for value in values) / (n - 1)
    return Markout(n, mean, math.sqrt(variance / n))
