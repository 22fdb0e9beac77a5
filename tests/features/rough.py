"""A tape of what markets seldom do: sides that vanish and come back elsewhere, messages of several kinds, silence."""

import numpy as np

from app.core.clock import NS_PER_MS, NS_PER_S
from app.features.catalogue import GAP_NS
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, EVENT, LAST, LOST, REPAIRED, SNAPSHOT, TRADE, Rows
from tests.features.tapes import CLOCK_NS, START
from tests.market.builders import Row, row

_TICK = 0.1
_SIDES = (1, -1)


class _Market:
    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.mid = rng, 10_000

    def any(self, count: int) -> int:
        return int(self.rng.integers(count))

    def level(self, ts: int, side: int, *, far: int = 12, flags: int = 0) -> Row:
        tick = self.mid - side * (1 + self.any(far))
        qty = 0.0 if self.rng.random() < 0.3 else (1 + self.any(900)) / 100
        return row(DEPTH_SET, side, tick * _TICK, qty, flags, ts=ts)

    def levels(self, ts: int, *, most: int = 4, flags: int = 0) -> list[Row]:
        return [self.level(ts, _SIDES[self.any(2)], flags=flags) for _ in range(1 + self.any(most))]

    def trades(self, ts: int) -> list[Row]:
        return [
            row(TRADE, _SIDES[self.any(2)], self.mid * _TICK, (1 + self.any(300)) / 100, 0, ts=ts)
            for _ in range(1 + self.any(3))
        ]

    def rebuilt(self, ts: int, *, clear: bool, flags: int) -> list[Row]:
        """A whole book at once, with or without a clear before it."""
        found = [row(DEPTH_CLEAR, 0, 0.0, 0.0, flags, ts=ts)] if clear else []
        for side in _SIDES:
            for level in range(1, 2 + self.any(9)):
                found.append(
                    row(DEPTH_SET, side, (self.mid - side * level) * _TICK, (1 + self.any(500)) / 100, flags, ts=ts)
                )
        return found

    def vanished(self, ts: int) -> list[Row]:
        """One side goes; what comes in its place comes later, and further out than it was."""
        return [row(DEPTH_CLEAR, _SIDES[self.any(2)], 0.0, 0.0, 0, ts=ts)]

    def message(self, ts: int) -> list[Row]:
        what = self.rng.random()
        if what < 0.40:
            return self.levels(ts)
        if what < 0.50:
            return self.trades(ts)
        if what < 0.70:
            mixed = [*self.trades(ts), *self.levels(ts), *self.trades(ts)]
            return [mixed[i] for i in self.rng.permutation(len(mixed))]
        if what < 0.76:
            return self.vanished(ts)
        if what < 0.84:
            return [self.level(ts, _SIDES[self.any(2)], far=60)]
        if what < 0.88:
            return self.rebuilt(ts, clear=True, flags=0)
        if what < 0.92:
            return self.rebuilt(ts, clear=False, flags=SNAPSHOT)
        self.mid += self.any(81) - 40
        return self.rebuilt(ts, clear=True, flags=SNAPSHOT)


def rough_tape(seed: int, messages: int, *, lost: bool = False) -> Rows:
    """`messages` of instrument 1, some 40 ms apart.

    Now and then nothing but clock rows comes for 12 s, or nothing at all for exactly the time that is still no gap.
    With `lost`, rows are missing in the middle.
    """
    rng = np.random.default_rng(seed)
    market, found, ts = _Market(rng), [], START
    clock = ts // CLOCK_NS * CLOCK_NS + CLOCK_NS
    for i in range(messages):
        ts += int(rng.exponential(40)) * NS_PER_MS
        if i and i % 331 == 0:
            ts += 12 * NS_PER_S
        if i and i % 401 == 0:
            ts = int(found[-1][1]) + GAP_NS
            clock = ts // CLOCK_NS * CLOCK_NS + CLOCK_NS
        while clock <= ts:
            found.append((clock, clock, 0.0, 0.0, 0, CLOCK, 0, LAST))
            clock += CLOCK_NS
        own = market.message(ts) if i else market.rebuilt(ts, clear=True, flags=SNAPSHOT)
        if lost and i == messages // 2:
            own = [*market.trades(ts), row(DEPTH_CLEAR, 0, 0.0, 0.0, REPAIRED | LOST, ts=ts)]
        found += [*own[:-1], (*own[-1][:7], own[-1][7] | LAST)]
    return np.array(found, EVENT)
