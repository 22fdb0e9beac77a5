"""A seeded market as rows: a book that is never crossed, trades at its touch, quotes, funding, clocks, late trades."""

from functools import cache

import numpy as np

from app.core.clock import NS_PER_MS
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, FUNDING, LAST, MARK, QUOTE, SNAPSHOT, TRADE, Rows, empty
from tests.sim.feed import T0

DEPTH = 20


@cache
def market(seconds: float, *, seed: int = 0, instrument: int = 1, mid: int = 600_000) -> Rows:
    """Some 200 messages a second around tick `mid` (0.1 each); what a message says was true 1 to 30 ms before."""
    rows = _Maker(seed, instrument, mid).make(round(seconds * 1000))
    rows.flags.writeable = False
    return rows


class _Maker:
    def __init__(self, seed: int, instrument: int, mid: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.instrument, self.mid = instrument, mid
        self.books: dict[int, dict[int, float]] = {1: {}, -1: {}}
        self.rows: list[tuple] = []

    def make(self, ms: int) -> Rows:
        self.snapshot(0)
        for now in range(1, ms):
            if now % 100 == 0:
                self.put([(CLOCK, 0, 0.0, 0.0, 0)], now, 0, instrument=0)
            if self.rng.random() < 0.2:
                # Behind the clock row of its millisecond, as a collector has it.
                self.message(now + 0.5)
        rows = empty(len(self.rows))
        rows[:] = self.rows
        return rows

    def put(self, said, now: float, delay: float, *, instrument=None) -> None:
        used = self.instrument if instrument is None else instrument
        for i, (kind, side, px, qty, flags) in enumerate(said):
            last = LAST if i == len(said) - 1 and kind != CLOCK else 0
            recv = T0 + round(now * NS_PER_MS)
            self.rows.append((recv - round(delay * NS_PER_MS), recv, px, qty, used, kind, side, flags | last))

    def size(self) -> float:
        return round(float(self.rng.integers(1, 5000))) / 1000

    def level(self, side: int, tick: int, qty: float, flags: int = 0) -> tuple:
        if qty:
            self.books[side][tick] = qty
        else:
            self.books[side].pop(tick, None)
        return DEPTH_SET, side, tick / 10, qty, flags

    def snapshot(self, now: float) -> None:
        self.books = {1: {}, -1: {}}
        said = [(DEPTH_CLEAR, 0, 0.0, 0.0, SNAPSHOT)]
        for n in range(DEPTH):
            said += [self.level(s, self.mid - s * (1 + n), self.size(), SNAPSHOT) for s in (1, -1)]
        self.put(said, now, 1)

    def message(self, now: float) -> None:
        kind = self.rng.choice(["depth", "move", "trade", "quote", "mark", "funding", "anew"],
                               p=[0.5, 0.15, 0.25, 0.06, 0.02, 0.01, 0.01])  # fmt: skip
        side = int(self.rng.choice([1, -1]))
        best = max(self.books[1]) if side > 0 else min(self.books[-1])
        match str(kind):
            case "depth":
                tick = best - side * int(self.rng.integers(0, DEPTH))
                self.put([self.level(side, tick, self.size())], now, 2)
            case "move":
                self.move(now, int(self.rng.choice([1, -1])) * int(self.rng.integers(1, 4)))
            case "trade":
                # Trades come over another channel, and some of them late.
                self.put([(TRADE, -side, best / 10, self.size(), 0)], now, float(self.rng.choice([1, 2, 30])))
            case "quote":
                self.put([(QUOTE, side, best / 10, self.books[side][best], 0)], now, 2)
            case "mark":
                self.put([(MARK, 0, self.mid / 10 + 0.03, 0.0, 0)], now, 2)
            case "funding":
                self.put([(FUNDING, 0, 0.0001, float(T0 // 10**9 + 28_800), 0)], now, 2)
            case "anew":
                self.snapshot(now)

    def move(self, now: float, ticks: int) -> None:
        """The touch moves: what is in the way goes, what is left behind is filled in."""
        self.mid += ticks
        said = []
        for side in (1, -1):
            passed = [tick for tick in self.books[side] if (tick - self.mid) * side >= 0]
            said += [self.level(side, tick, 0.0) for tick in passed]
            said.append(self.level(side, self.mid - side, self.size()))
        self.put(said, now, 2)
