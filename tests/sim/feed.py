"""Event rows written by hand: one method a kind, times in ms after a fixed moment."""

from collections.abc import Iterable

import numpy as np

from app.core.clock import NS_PER_MS
from app.market.instruments import Instrument
from app.market.rows import (
    CLOCK,
    DEPTH_CLEAR,
    DEPTH_SET,
    FUNDING,
    LAST,
    MARK,
    QUOTE,
    SNAPSHOT,
    TRADE,
    Rows,
    concat,
    empty,
)

T0 = 1_700_000_000 * 1_000_000_000

BTC = Instrument.model_validate(
    {"id": 1, "symbol": "BTCUSDT", "tick_size": "0.1", "lot_size": "0.001", "min_qty": "0.001", "max_qty": "100",
     "min_notional": "5", "base": "BTC"}
)  # fmt: skip
ETH = BTC.model_copy(update={"id": 2, "symbol": "ETHUSDT"})


def at(ms: float) -> int:
    """The time `ms` after the feed's beginning, in ns since the epoch."""
    return T0 + round(ms * NS_PER_MS)


class Feed:
    """Collects rows in the order received. `event` is the venue's time where it differs from `recv`."""

    def __init__(self, instrument: int = 1) -> None:
        self.instrument = instrument
        self._parts: list[Rows] = []

    def _add(self, recv, event, kind, side=0, px=0.0, qty=0.0, flags=LAST, instrument=None) -> "Feed":
        row = empty(1)
        used = self.instrument if instrument is None else instrument
        row[0] = (at(recv if event is None else event), at(recv), px, qty, used, kind, side, flags)
        self._parts.append(row)
        return self

    def depth(self, recv, side, px, qty, *, event=None, last=True) -> "Feed":
        return self._add(recv, event, DEPTH_SET, side, px, qty, LAST if last else 0)

    def book(self, recv, *, bids: Iterable = (), asks: Iterable = (), event=None) -> "Feed":
        """A message that sets several levels, (price, quantity) each."""
        levels = [(1, *level) for level in bids] + [(-1, *level) for level in asks]
        for i, (side, px, qty) in enumerate(levels):
            self.depth(recv, side, px, qty, event=event, last=i == len(levels) - 1)
        return self

    def snapshot(self, recv, *, bids: Iterable = (), asks: Iterable = (), event=None) -> "Feed":
        """A clear and the whole book anew."""
        self._add(recv, event, DEPTH_CLEAR, flags=SNAPSHOT)
        self.book(recv, bids=bids, asks=asks, event=event)
        self._parts[-1]["flags"] |= SNAPSHOT
        return self

    def clear(self, recv, side=0, *, event=None) -> "Feed":
        return self._add(recv, event, DEPTH_CLEAR, side)

    def trade(self, recv, aggressor, px, qty, *, event=None, last=True) -> "Feed":
        return self._add(recv, event, TRADE, aggressor, px, qty, LAST if last else 0)

    def quote(self, recv, side, px, qty) -> "Feed":
        return self._add(recv, None, QUOTE, side, px, qty)

    def mark(self, recv, px) -> "Feed":
        return self._add(recv, None, MARK, px=px)

    def funding(self, recv, rate, next_s) -> "Feed":
        return self._add(recv, None, FUNDING, px=rate, qty=float(next_s))

    def clock(self, recv) -> "Feed":
        return self._add(recv, None, CLOCK, instrument=0)

    def clocks(self, start, stop, step=100) -> "Feed":
        for ms in range(start, stop + 1, step):
            self.clock(ms)
        return self

    def rows(self) -> Rows:
        """Everything so far, as one contiguous array."""
        return np.ascontiguousarray(concat(self._parts))

    def take(self) -> bytes:
        """The rows since the last call, as a block."""
        block = self.rows().tobytes()
        self._parts.clear()
        return block
