"""The venue's full order book, and what a feed that shows its best levels has to say about it."""

from bisect import bisect_left, insort

Level = tuple[int, int]  # ticks, lots


class Side:
    """One side of the book: lots by price, best price found at once.

    Prices are kept under a key that grows towards the best (bids: ticks, asks: -ticks), so that the busy end of the
    sorted list is its cheap end.
    """

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._lots: dict[int, int] = {}
        self._keys: list[int] = []

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, ticks: int, lots: int) -> None:
        """The quantity at `ticks` is now `lots`; 0 deletes the level."""
        key = self._sign * ticks
        if lots:
            if key not in self._lots:
                insort(self._keys, key)
            self._lots[key] = lots
        elif self._lots.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]

    def clear(self) -> None:
        """Forget every level."""
        self._lots.clear()
        self._keys.clear()

    def best(self) -> Level | None:
        """The best level, if there is one."""
        if not self._keys:
            return None
        key = self._keys[-1]
        return abs(key), self._lots[key]

    def top(self, depth: int) -> dict[int, int]:
        """Lots by ticks of the `depth` best levels, best first."""
        lots = self._lots
        return {abs(key): lots[key] for key in reversed(self._keys[-depth:])}


class Book:
    """Both sides, with the event time of the last change and how many venue messages have changed it."""

    def __init__(self) -> None:
        self.bids = Side(+1)
        self.asks = Side(-1)
        self.changed_ns = 0
        self.version = 0

    def set(self, side: int, ticks: int, lots: int) -> None:
        """The quantity at `ticks` of `side` (+1 bid, -1 ask) is now `lots`."""
        (self.bids if side > 0 else self.asks).set(ticks, lots)

    def clear(self, side: int) -> None:
        """Forget one side (±1), or both (0)."""
        if side >= 0:
            self.bids.clear()
        if side <= 0:
            self.asks.clear()

    def changed(self, when_ns: int) -> None:
        """A venue message of event time `when_ns` has changed the book and is now applied as a whole."""
        self.changed_ns = when_ns
        self.version += 1

    def mid_ticks(self) -> float | None:
        """The mean of best bid and ask, while there are both."""
        bid, ask = self.bids.best(), self.asks.best()
        return (bid[0] + ask[0]) / 2 if bid and ask else None


class Window:
    """The best `depth` levels a side as last published.

    Levels that leave the window are deleted and levels that enter it are set, so whoever applies every change to a
    copy of the window has exactly the venue's best levels, no more and no fewer.
    """

    def __init__(self, book: Book, depth: int) -> None:
        self._book = book
        self._depth = depth
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def advance(self) -> tuple[list[Level], list[Level]]:
        """Move on to the present book; what has changed on the bid and ask side, best first, 0 lots deleting."""
        bids, asks = self._book.bids.top(self._depth), self._book.asks.top(self._depth)
        changes = _changes(self.bids, bids), _changes(self.asks, asks)
        self.bids, self.asks = bids, asks
        changes[0].sort(reverse=True)
        changes[1].sort()
        return changes


def _changes(before: dict[int, int], after: dict[int, int]) -> list[Level]:
    if before == after:
        return []
    gone = [(ticks, 0) for ticks in before if ticks not in after]
    return gone + [(ticks, lots) for ticks, lots in after.items() if before.get(ticks) != lots]
