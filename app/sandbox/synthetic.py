"""A seeded model of an order flow, with the habits of a real one that matter to a scalper.

Arrivals cluster, volatility comes in regimes, spread and depth move, imbalance of the queues leads the price (but not
always: some pressure is only for show), large trades sweep several levels, returns have fat tails.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from random import Random
from typing import Final

import numpy as np

from app.core.clock import NS_PER_S
from app.market.instruments import Instrument
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, EVENT, LAST, SNAPSHOT, TRADE
from app.sandbox.arrivals import Arrivals
from app.sandbox.flow import VenueMessage
from app.sandbox.latent import BASIS_POINT, Latent

START_NS: Final = 1_704_067_200 * NS_PER_S  # 2024-01-01T00:00:00Z
START_PRICES: Final = {"BTC": 60_000, "ETH": 3_000, "SOL": 150, "XRP": 0.5, "DOGE": 0.1}
START_TICKS: Final = 10_000  # for a base that is not in the list
TOUCH_NOTIONAL: Final = 20_000.0  # median value resting at the best price, quote currency

RANGE_TICKS: Final = 700  # how far from the best price the book reaches
DENSITY: Final = 0.55  # how many of the prices away from the best have orders
NEAR_TICKS: Final = 6  # up to here from the best every price has orders
MAX_TRADED_LEVELS: Final = 3  # the rest of a move is makers stepping aside
SWEEP_BP: Final = 0.25  # the least a large trade moves the price, basis points
SWEEP_TAIL: Final = 1.5  # exponent of the Pareto law of its size
MAX_SWEEP_BP: Final = 5.0

Change = tuple[int, int, int, int]  # kind, side, ticks, lots


class SyntheticFlow:
    """An endless flow of one instrument; `seed` decides everything."""

    def __init__(self, instrument: Instrument, seed: int) -> None:
        self._instrument = instrument
        self._seed = seed

    def messages(self) -> Iterator[VenueMessage]:
        """A snapshot, then the flow."""
        # Instruments under one seed must not move alike.
        return _Model(self._instrument, Random(self._seed * 65_536 + self._instrument.id)).messages()

    def notes(self) -> dict[str, int]:
        """Nothing to say."""
        return {}


class _Model:
    def __init__(self, instrument: Instrument, random: Random) -> None:
        tick, lot = float(instrument.tick_size), float(instrument.lot_size)
        price = START_PRICES.get(instrument.base, START_TICKS * tick)
        self._random = random
        self._message = _Writer(instrument)
        self._touch_lots = math.log(max(TOUCH_NOTIONAL / price / lot, 3.0))
        self._arrivals = Arrivals(random, branching=0.6, decay=20.0)
        self._latent = Latent(random, price / tick + 0.5)
        self._lots: dict[int, dict[int, int]] = {+1: {}, -1: {}}
        self._best = {+1: round(price / tick), -1: round(price / tick) + 1}
        self._far = {side: best + side for side, best in self._best.items()}
        self._ticks_per_bp = price * BASIS_POINT / tick
        self._patience = 1.0

    def messages(self) -> Iterator[VenueMessage]:
        yield self._message.write(START_NS, [(DEPTH_CLEAR, 0, 0, 0), *self._reach(+1), *self._reach(-1)], SNAPSHOT)
        while True:
            self._latent.advance(self._arrivals.wait(self._latent.regime.rate))
            when = START_NS + round(self._latent.now * NS_PER_S)
            for changes in self._happens():
                if changes:
                    yield self._message.write(when, changes)

    def _happens(self) -> tuple[list[Change], list[Change]]:
        """One arrival: the trades it makes, and what becomes of the book."""
        gap = self._latent.price - (self._best[+1] + self._best[-1]) / 2
        chance = self._random.random()
        if abs(gap) > self._patience:
            # How far quotes lag behind differs from move to move; where a tick is wide, it is about one tick.
            self._patience = max(self._random.uniform(0.75, 1.25), self._random.uniform(0.05, 0.2) * self._ticks_per_bp)
            return self._move(1 if gap > 0 else -1, abs(gap))
        if self._best[-1] - self._best[+1] > 1 and chance < 0.7:
            return [], self._narrow(1 if gap > 0 else -1)
        if chance < 0.0015:
            return self._sweep()
        if chance < 0.25:
            return self._small_trade()
        return [], self._requote(cancel=chance > 0.85)

    def _move(self, side: int, ticks: float) -> tuple[list[Change], list[Change]]:
        """Price goes `ticks` towards `side`: the levels in its way are traded or pulled, the other side follows."""
        target = self._best[-side] + side * max(1, round(ticks))
        trades, changes = self._consume(side, target, traded=self._random.random() < 0.6)
        if self._random.random() < 0.65:
            changes += self._follow(side)
        return trades, changes + self._reach(+1) + self._reach(-1)

    def _sweep(self) -> tuple[list[Change], list[Change]]:
        """A large order takes several levels at once; half of the way is there to stay."""
        side = self._aggressor()
        pareto = (1 - self._random.random()) ** (-1 / SWEEP_TAIL)
        ticks = max(2, round(min(SWEEP_BP * pareto, MAX_SWEEP_BP) * self._ticks_per_bp))
        self._latent.push(side * ticks / 2)
        trades, changes = self._consume(side, self._best[-side] + side * ticks, traded=True, deepest=RANGE_TICKS)
        return trades, changes + self._reach(-side)

    def _small_trade(self) -> tuple[list[Change], list[Change]]:
        """An order takes part of the best level, now and then all of it."""
        side = self._aggressor()
        price, resting = self._best[-side], self._lots[-side]
        lots = min(resting[price], max(1, round(math.exp(self._random.gauss(self._touch_lots - 3.0, 1.2)))))
        changes = [self._set(-side, price, resting[price] - lots)]
        self._find_best(-side)
        return [(TRADE, side, price, lots)], changes

    def _requote(self, *, cancel: bool) -> list[Change]:
        """A maker changes its mind about a level near the best; queues lean the way the market is pressed."""
        side = 1 if self._random.random() < 0.5 else -1
        offset = int(-math.log(1 - self._random.random()) * 3.0)
        price = self._best[side] - side * offset
        lots = 0 if cancel and (offset or self._random.random() < 0.3) else self._draw(side, offset)
        changes = [self._set(side, price, lots)]
        self._find_best(side)
        return changes

    def _narrow(self, leading: int) -> list[Change]:
        """A wide spread closes: buyers step up if the price is on its way up, else sellers down."""
        return self._follow(leading) + self._reach(+1) + self._reach(-1)

    def _follow(self, side: int) -> list[Change]:
        """Orders of `side` are placed up to one tick from the other side."""
        before, self._best[side] = self._best[side], self._best[-side] - side
        changes = []
        for offset in range(min(abs(self._best[side] - before), RANGE_TICKS)):
            if offset < NEAR_TICKS or self._random.random() < DENSITY:
                changes.append(self._set(side, self._best[side] - side * offset, self._draw(side, offset)))
        return changes

    def _consume(
        self, side: int, target: int, *, traded: bool, deepest: int = MAX_TRADED_LEVELS
    ) -> tuple[list[Change], list[Change]]:
        """Everything of the other side before `target` goes: the best levels by trades of `side`, if `traded`."""
        resting = self._lots[-side]
        trades: list[Change] = []
        changes: list[Change] = []
        for price in range(self._best[-side], target, side):
            lots = resting.get(price, 0)
            if lots:
                if traded and len(trades) < deepest:
                    trades.append((TRADE, side, price, lots))
                changes.append(self._set(-side, price, 0))
        self._best[-side] = target
        if target not in resting:
            changes.append(self._set(-side, target, self._draw(-side, 0)))
        return trades, changes

    def _reach(self, side: int) -> list[Change]:
        """Extend a side to its full reach from the best price, and drop what lies too far beyond."""
        best, far = self._best[side], self._best[side] - side * RANGE_TICKS
        changes = []
        for price in range(self._far[side] - side, far, -side):
            offset = abs(best - price)
            if offset < NEAR_TICKS or self._random.random() < DENSITY:
                changes.append(self._set(side, price, self._draw(side, offset)))
        if (far - self._far[side]) * side > RANGE_TICKS:
            changes += [self._set(side, price, 0) for price in list(self._lots[side]) if (price - far) * side < 0]
            self._far[side] = far
        elif (self._far[side] - far) * side > 0:
            self._far[side] = far + side
        return changes

    def _aggressor(self) -> int:
        """Who trades: buyers more often when they mean it."""
        return 1 if self._random.random() < 0.5 + 0.35 * self._latent.conviction else -1

    def _draw(self, side: int, offset: int) -> int:
        """Lots for a level `offset` ticks behind the best: most at the best, tilted by what presses near it."""
        gap = self._latent.price - (self._best[+1] + self._best[-1]) / 2
        lean = (
            0.9 * self._latent.pressure + 0.5 * max(-1.0, min(1.0, gap / self._patience))
            if offset < 2 * NEAR_TICKS
            else 0.0
        )
        depth = self._touch_lots - (0.0 if offset == 0 else 1.0 if offset < NEAR_TICKS else 0.5)
        return max(1, round(math.exp(self._random.gauss(depth + side * lean, 0.8))))

    def _set(self, side: int, ticks: int, lots: int) -> Change:
        if lots:
            self._lots[side][ticks] = lots
        else:
            self._lots[side].pop(ticks, None)
        return DEPTH_SET, side, ticks, lots

    def _find_best(self, side: int) -> None:
        levels, price = self._lots[side], self._best[side]
        while price not in levels:
            price -= side
        self._best[side] = price


class _Writer:
    """Makes event rows of changes."""

    def __init__(self, instrument: Instrument) -> None:
        self._id = instrument.id
        self._tick, self._tick_places = float(instrument.tick_size), _places(instrument.tick_size)
        self._lot, self._lot_places = float(instrument.lot_size), _places(instrument.lot_size)

    def write(self, when: int, changes: list[Change], flags: int = 0) -> VenueMessage:
        """One venue message."""
        kind, side, ticks, lots = zip(*changes, strict=True)
        rows = np.zeros(len(changes), EVENT)
        rows["ts_event"] = rows["ts_recv"] = when
        # Rounded, so that a price is the same float as its decimal text.
        rows["px"] = np.round(np.array(ticks) * self._tick, self._tick_places)
        rows["qty"] = np.round(np.array(lots) * self._lot, self._lot_places)
        rows["instrument"] = self._id
        rows["kind"] = kind
        rows["side"] = side
        rows["flags"] = flags
        rows["flags"][-1] |= LAST
        return VenueMessage(when, rows)


def _places(step: Decimal) -> int:
    return max(0, -int(step.normalize().as_tuple().exponent))
