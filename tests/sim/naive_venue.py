"""The paper venue once more, written for reading: dictionaries, exact fractions, no arrays, no memory of indices."""

from dataclasses import dataclass, field
from fractions import Fraction

from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, TRADE


@dataclass
class NaiveOrder:
    side: int
    tick: int
    left: int
    account: int
    arrived: int
    ahead: Fraction | None  # None: unknown, hence everything
    shown: int
    shown_ts: int
    prior: Fraction | None = None
    traded: int = 0
    cancelled: int = 0
    share: Fraction = Fraction(0)
    dark: bool = False
    fills: list[int] = field(default_factory=list)


class NaiveVenue:
    """One instrument. `play` takes a row's fields and returns (order, lots) for each fill it causes."""

    def __init__(self, *, proportional: bool) -> None:
        self.proportional = proportional
        self.book: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self.newer = 0
        self.orders: list[NaiveOrder] = []

    def best(self, side: int) -> int | None:
        levels = self.book[side]
        return (max(levels) if side > 0 else min(levels)) if levels else None

    def further_out(self, side: int, tick: int) -> bool:
        return any((tick - other) * side > 0 for other in self.book[side])

    def place(self, side: int, tick: int, lots: int, account: int, now: int) -> NaiveOrder:
        shown = self.book[side].get(tick, 0)
        visible = bool(shown) or self.further_out(side, tick)
        order = NaiveOrder(
            side, tick, lots, account, now, Fraction(shown) if visible else None, shown, now - 1, dark=not visible
        )
        order.prior = order.ahead
        self.orders.append(order)
        return order

    def play(self, kind: int, side: int, tick: int, lots: int, ts: int, flags: int) -> list[tuple[NaiveOrder, int]]:
        self._apply(kind, side, tick, lots, flags)
        filled: list[tuple[NaiveOrder, int]] = []
        hits: dict[tuple[int, int, int], int] = {}
        for order in self.orders:
            if kind == TRADE and ts >= order.arrived:
                got = min(order.left, self._trade(order, side, tick, lots, ts, hits))
                if got > 0:
                    key = order.account, order.side, order.tick
                    hits[key] = hits.get(key, 0) + got
                    self._fill(order, got, filled)
            elif kind == DEPTH_CLEAR and side != -order.side:
                order.dark = True
            elif kind == DEPTH_SET and (side, tick) == (order.side, order.tick):
                if lots:
                    self._update(order, lots, ts)
                else:
                    order.dark = True
            if flags & LAST:
                level = self.book[order.side].get(order.tick, 0)
                if order.dark and not level and self.further_out(order.side, order.tick):
                    order.dark = False
                    self._update(order, 0, ts)
                other = self.best(-order.side)
                if other is not None and (order.tick - other) * order.side >= 0 and order.left:
                    self._fill(order, order.left, filled)
        self.orders = [order for order in self.orders if order.left]
        return filled

    def _fill(self, order: NaiveOrder, lots: int, filled: list) -> None:
        order.left -= lots
        filled.append((order, lots))

    def _apply(self, kind: int, side: int, tick: int, lots: int, flags: int) -> None:
        if kind == DEPTH_SET:
            if lots:
                self.book[side][tick] = lots
                other = self.best(-side)
                if other is not None and (tick - other) * side >= 0:
                    self.newer = side
            else:
                self.book[side].pop(tick, None)
        elif kind == DEPTH_CLEAR:
            for one in (1, -1):
                if side != -one:
                    self.book[one].clear()
        if flags & LAST:
            winner = self.best(self.newer) if self.newer else None
            if winner is not None:
                loser = self.book[-self.newer]
                for level in [level for level in loser if (winner - level) * self.newer >= 0]:
                    del loser[level]
            self.newer = 0

    def _trade(self, order: NaiveOrder, aggressor: int, tick: int, lots: int, ts: int, hits: dict) -> int:
        if (order.tick - tick) * order.side > 0:
            return order.left
        if tick != order.tick or aggressor == order.side:
            return 0
        rest = lots - min(lots, hits.get((order.account, order.side, order.tick), 0))
        reported = ts <= order.shown_ts
        before = order.prior if reported else order.ahead
        after = None if before is None else max(Fraction(0), before - rest)
        if reported:
            order.prior = after
            order.cancelled = max(0, order.cancelled - lots)
            order.ahead = self._after_update(order)
        else:
            order.ahead = after
            order.traded += lots
        return 0 if before is None else max(0, int(rest - before))

    def _update(self, order: NaiveOrder, lots: int, ts: int) -> None:
        order.prior, order.share, order.cancelled = order.ahead, Fraction(0), 0
        if not order.dark:
            rest = order.shown - order.traded
            order.cancelled = max(0, rest - lots)
            if self.proportional and order.ahead is not None:
                behind = max(Fraction(0), rest - order.ahead)
                if order.ahead + behind > 0:
                    order.share = order.ahead / (order.ahead + behind)
        order.shown, order.shown_ts = lots, max(order.shown_ts, ts)
        order.traded, order.dark = 0, False
        order.ahead = self._after_update(order)

    def _after_update(self, order: NaiveOrder) -> Fraction:
        if order.prior is None:
            return Fraction(order.shown)
        return min(max(Fraction(0), order.prior - order.cancelled * order.share), Fraction(order.shown))
