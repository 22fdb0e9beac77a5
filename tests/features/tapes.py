"""Made-up tapes of event rows: a random walk with messages of several rows, trades, quotes and clock rows."""

import numpy as np

from app.core.clock import NS_PER_MS
from app.market.rows import (
    CLOCK,
    DEPTH_CLEAR,
    DEPTH_SET,
    EVENT,
    FUNDING,
    LAST,
    MARK,
    QUOTE,
    SNAPSHOT,
    TRADE,
    Rows,
)
from tests.market.builders import Row

START = 1_700_000_000_000_000_000
CLOCK_NS = 100 * NS_PER_MS


class _Tape:
    def __init__(self, rng: np.random.Generator, id: int, tick_size: float, mid: int) -> None:
        self.rng, self.id, self.tick_size, self.mid = rng, id, tick_size, mid

    def row(self, ts: int, kind: int, side: int, tick: float, qty: float, flags: int = 0) -> Row:
        return (
            ts - int(self.rng.integers(0, 30)) * NS_PER_MS,
            ts,
            tick * self.tick_size,
            qty,
            self.id,
            kind,
            side,
            flags,
        )

    def qty(self) -> float:
        return float(self.rng.integers(1, 2000)) / 1000

    def depth(self, ts: int) -> list[Row]:
        found = []
        for _ in range(int(self.rng.integers(1, 6))):
            side = int(self.rng.choice([1, -1]))
            tick = self.mid - side * int(self.rng.geometric(0.25))
            qty = 0.0 if self.rng.random() < 0.35 else self.qty()
            found.append(self.row(ts, DEPTH_SET, side, tick, qty))
        return found

    def snapshot(self, ts: int) -> list[Row]:
        found = [self.row(ts, DEPTH_CLEAR, 0, 0, 0, SNAPSHOT)]
        for side in (1, -1):
            for level in range(1, int(self.rng.integers(2, 15))):
                found.append(self.row(ts, DEPTH_SET, side, self.mid - side * level, self.qty(), SNAPSHOT))
        return found

    def trades(self, ts: int) -> list[Row]:
        sides = self.rng.choice([1, -1], int(self.rng.integers(1, 4))).tolist()
        return [self.row(ts, TRADE, side, self.mid, self.qty()) for side in sides]

    def message(self, ts: int) -> list[Row]:
        self.mid += int(self.rng.choice([-1, 0, 0, 0, 1]))
        what = self.rng.random()
        if what < 0.70:
            found = self.depth(ts)
        elif what < 0.86:
            found = self.trades(ts)
        elif what < 0.94:
            found = [self.row(ts, QUOTE, s, self.mid - s, self.qty()) for s in (1, -1)]
        elif what < 0.97:
            mark = self.row(ts, MARK, 0, self.mid + float(self.rng.integers(-30, 31)), 0)
            rate = float(self.rng.integers(-30, 31)) / 1e5
            found = [mark, (*mark[:2], rate, 0.0, self.id, FUNDING, 0, 0)]
        elif what < 0.985:
            found = [self.row(ts, DEPTH_CLEAR, int(self.rng.choice([1, -1])), 0, 0)]
        else:
            found = self.snapshot(ts)
        return [*found[:-1], (*found[-1][:7], found[-1][7] | LAST)]


def tape(
    seed: int, messages: int, *, instruments: int = 1, step_ms: float = 20.0, gap_ms: int = 0, start: int = START
) -> Rows:
    """`messages` venue messages on instruments 1 … `instruments` with tick sizes 0.1, 0.01, …, and clock rows.

    Times between messages are exponential around `step_ms`, in whole ms, so many are equal. A gap of `gap_ms`
    without any row lies in the middle.
    """
    rng = np.random.default_rng(seed)
    tapes = [_Tape(rng, i + 1, 0.1 / 10**i, 10_000) for i in range(instruments)]
    found: list[Row] = []
    ts, clock = start, start // CLOCK_NS * CLOCK_NS + CLOCK_NS
    for own in tapes:
        first = own.snapshot(ts)
        found += [*first[:-1], (*first[-1][:7], first[-1][7] | LAST)]
    for i in range(messages):
        ts += int(rng.exponential(step_ms)) * NS_PER_MS
        if gap_ms and i == messages // 2:
            ts += gap_ms * NS_PER_MS
            clock = ts // CLOCK_NS * CLOCK_NS
        while clock <= ts:
            found.append((clock, clock, 0.0, 0.0, 0, CLOCK, 0, LAST))
            clock += CLOCK_NS
        found += tapes[int(rng.integers(instruments))].message(ts)
    return np.array(found, EVENT)
