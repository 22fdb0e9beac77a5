"""The order book's rules, written with dictionaries and no thought of speed."""

from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST


class NaiveBook:
    """One instrument, ticks in, with the window rules of `app.market.book`."""

    def __init__(self, window: int) -> None:
        self.window = window
        self.base = 0
        self.sides: dict[int, dict[int, float]] = {1: {}, -1: {}}
        self.newer = 0
        self.crossed = self.out_of_window = self.evicted = 0

    def best(self, side: int) -> int:
        levels = self.sides[side]
        if not levels:
            return -1
        return max(levels) if side > 0 else min(levels)

    def row(self, kind: int, side: int, tick: int, quantity: float, flags: int) -> None:
        if kind == DEPTH_SET:
            self._set(side, tick, quantity)
        elif kind == DEPTH_CLEAR:
            for one in (1, -1):
                if side in (0, one):
                    self.sides[one].clear()
        if flags & LAST:
            self._last()

    def _set(self, side: int, tick: int, quantity: float) -> None:
        inside = self.base <= tick < self.base + self.window
        if not inside:
            if quantity == 0:
                return
            ahead = tick > self.base if side > 0 else tick < self.base
            if (self.sides[1] or self.sides[-1]) and not ahead:
                self.out_of_window += 1
                return
            self._recentre(tick)
        if quantity == 0:
            self.sides[side].pop(tick, None)
            return
        self.sides[side][tick] = quantity
        other = self.best(-side)
        if other != -1 and (tick - other) * side >= 0:
            self.newer = side

    def _recentre(self, tick: int) -> None:
        self.base = tick - self.window // 2
        for levels in self.sides.values():
            for gone in [t for t in levels if not self.base <= t < self.base + self.window]:
                del levels[gone]
                self.evicted += 1

    def _last(self) -> None:
        bid, ask = self.best(1), self.best(-1)
        if bid != -1 and ask != -1 and bid >= ask:
            self.crossed += 1
            winner = 1 if self.newer > 0 else -1
            at = self.best(winner)
            losers = self.sides[-winner]
            for tick in [t for t in losers if (at - t) * winner >= 0]:
                del losers[tick]
        self.newer = 0
        bid, ask = self.best(1), self.best(-1)
        if bid == -1 and ask == -1:
            return
        middle = (bid + ask) // 2 if bid != -1 and ask != -1 else max(bid, ask)
        quarter = self.window // 4
        if not self.base + quarter <= middle < self.base + 3 * quarter:
            self._recentre(middle)
