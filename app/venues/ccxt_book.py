"""From whole order books, as ccxt hands them out, to the levels that changed."""

from collections.abc import Sequence

_MAX = 1e15
_Level = tuple[int, float, float]


class BookView:
    """The book of one instrument as the rows written so far add up to."""

    def __init__(self) -> None:
        self.known = False
        self._sides: dict[int, dict[float, float]] = {1: {}, -1: {}}
        self._bad = 0

    def advance(self, bids: Sequence[Sequence[float]], asks: Sequence[Sequence[float]]) -> list[_Level]:
        """(side, price, quantity) of each level that differs from before, quantity 0 for one that is gone."""
        self.known = True
        return self._side(1, bids) + self._side(-1, asks)

    def forget(self) -> bool:
        """The book is unknown now; returns whether it was known."""
        known, self.known = self.known, False
        self._sides = {1: {}, -1: {}}
        return known

    def take_bad(self) -> int:
        """Levels that could not be used since the last call."""
        bad, self._bad = self._bad, 0
        return bad

    def _side(self, side: int, levels: Sequence[Sequence[float]]) -> list[_Level]:
        before, now = self._sides[side], {}
        for level in levels:
            px, qty = level[0], level[1]
            if px is not None and qty is not None and 0 < px <= _MAX and 0 < qty <= _MAX:
                now[px] = qty
            else:
                self._bad += 1
        self._sides[side] = now
        gone = [(side, px, 0.0) for px in before if px not in now]
        return gone + [(side, px, qty) for px, qty in now.items() if before.get(px) != qty]
