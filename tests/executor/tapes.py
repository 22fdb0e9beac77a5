"""Random but seeded sessions: a market that wanders, approvals and holds that follow it, marks that promise."""

import random

import numpy as np

from app.market.rows import LAST, Rows
from app.messages.base import Message
from app.messages.signals import Mark
from tests.executor.stage import approval, hold, mark
from tests.sim.feed import T0, Feed


class Session:
    """`blocks` are venue messages as bytes, `approved` the messages of sig:approved; both in their stream's order."""

    def __init__(self, seed: int, *, seconds: float = 6.0) -> None:
        self._choose = random.Random(seed)
        self._mid = 600_000
        self._feed = Feed()
        self.approved: list[Message] = []
        self._ids: list[str] = []
        self._book(0.0)
        self._feed.funding(1.0, 0.0001, T0 // 1_000_000_000 + 4).mark(1.5, 60_001.0)
        self.until = seconds * 1000
        ms, clock = 2.0, 100.0
        while ms < self.until:
            ms += self._choose.choice([0.0, 1.0, 5.0, 20.0, 60.0])
            while clock <= ms:
                self._feed.clock(clock)
                self.approved.append(mark(clock))
                clock += 100.0
            self._event(ms)
        self._feed.clock(self.until + 400)
        self.approved.append(mark(self.until))
        self.rows: Rows = self._feed.rows()
        self.blocks = [part.tobytes() for part in _messages(self.rows)]

    def _event(self, ms: float) -> None:
        choose = self._choose
        # Things happen at the venue up to 150 ms before we know; now and then longer ago than the hold.
        event = ms - choose.choice([0.0, 1.0, 5.0, 30.0, 150.0, 150.0, 500.0])
        kind = choose.random()
        if kind < 0.25:
            self._mid += choose.choice([-40, -15, -3, 0, 3, 15, 40])
            self._book(ms, event)
        elif kind < 0.6:
            side = choose.choice([1, -1])
            tick = self._mid + side * choose.choice([1, 1, 1, 2, 30])
            self._feed.trade(ms, side, tick / 10, choose.randint(1, 60) / 1000, event=event)
        elif kind < 0.85:
            side = choose.choice([1, -1])
            tick = self._mid - side * choose.choice([1, 1, 2, 3])
            self._feed.depth(ms, side, tick / 10, choose.randint(0, 40) / 1000, event=event)
        elif kind < 0.95:
            self._entry(ms)
        elif self._ids:
            self._approve(hold(ms, choose.random(), choose.choice(self._ids[-3:])))

    def _book(self, ms: float, event: float | None = None) -> None:
        quantities = [self._choose.randint(5, 60) / 1000 for _ in range(10)]
        self._feed.snapshot(
            ms,
            bids=[((self._mid - 1 - n) / 10, quantity) for n, quantity in enumerate(quantities[:5])],
            asks=[((self._mid + 1 + n) / 10, quantity) for n, quantity in enumerate(quantities[5:])],
            event=event,
        )

    def _entry(self, ms: float) -> None:
        choose, n = self._choose, len(self._ids)
        self._ids.append(f"s{n}")
        signal = approval(
            ms,
            f"s{n}",
            side=choose.choice([1, -1]),
            strategy=choose.choice(["scalper", "other"]),
            model_id=choose.choice(["m1", "m2"]),
            bid=(self._mid - 1) / 10,
            ask=(self._mid + 1) / 10,
            max_notional=choose.choice([600.0, 3600.0]),
            stop_loss_bps=choose.choice([1.0, 3.0]),
            take_profit_bps=choose.choice([0.5, 1.0, 3.0]),
            max_hold_ms=choose.choice([300, 2000]),
        )
        self._approve(signal)

    def _approve(self, message: Message) -> None:
        # Behind the last mark, or it would be late.
        marks = [m for m in self.approved if isinstance(m, Mark)]
        assert not marks or message.ts >= marks[-1].ts
        if not marks or message.ts > marks[-1].ts:
            self.approved.append(message)


def _messages(rows: Rows) -> list[Rows]:
    """The rows of each venue message."""
    ends = np.flatnonzero(rows["flags"] & LAST) + 1
    return [part for part in np.split(rows, ends) if len(part)]
