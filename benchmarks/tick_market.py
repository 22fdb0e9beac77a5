"""The market that the tick-to-order benchmark writes: no news, except in one row of twenty."""

import numpy as np

from app.core.clock import NS_PER_MS, wall_ns
from app.market import rows as event

FIRE_EVERY = 20
CLOCK_MS = 100


class Market:
    """A one-tick market around 60,000 whose best quantities say nothing, except in one row of twenty."""

    def __init__(self) -> None:
        self.written = 0
        self.counter = 0
        self._clock_ms = 0

    def rows(self, count: int) -> event.Rows:
        """The next `count` rows, each a venue message of its own, stamped now; clock rows come in between."""
        now = wall_ns()
        out = event.empty(count)
        out["ts_event"] = now - 2 * NS_PER_MS
        out["ts_recv"] = now
        numbers = self.written + np.arange(count)
        fires = numbers % FIRE_EVERY == FIRE_EVERY - 1
        out["kind"], out["side"], out["px"], out["instrument"] = event.DEPTH_SET, 1, 60_000.0, 1
        # The row after a firing one brings the balance back; in between the quantity only trembles.
        out["qty"] = np.where(fires, 500.0, 1.0 + (numbers % 3) * 0.01)
        out["flags"] = event.LAST
        self.written += count
        if now // NS_PER_MS >= self._clock_ms + CLOCK_MS:
            self._clock_ms = now // NS_PER_MS
            out = event.concat([out, self._clock(now)])
        self.counter += len(out)
        return out

    def snapshot(self) -> event.Rows:
        """A full book to start from."""
        now = wall_ns()
        out = event.empty(101)
        out["ts_event"] = out["ts_recv"] = now
        out["instrument"] = 1
        out["flags"] = event.SNAPSHOT
        out[0]["kind"] = event.DEPTH_CLEAR
        out[1:]["kind"] = event.DEPTH_SET
        steps = np.arange(50) / 10
        out["px"][1:51], out["side"][1:51] = 60_000.0 - steps, 1
        out["px"][51:], out["side"][51:] = 60_000.1 + steps, -1
        out["qty"][1:] = 1.0
        out["flags"][-1] |= event.LAST
        self.counter += len(out)
        return out

    def trade(self) -> event.Rows:
        """A small trade, so that features of trades become ready."""
        out = event.empty(1)
        out["ts_event"] = out["ts_recv"] = wall_ns()
        out["kind"], out["side"], out["px"], out["qty"] = event.TRADE, -1, 60_000.0, 0.001
        out["instrument"], out["flags"] = 1, event.LAST
        self.counter += 1
        return out

    def tick(self) -> event.Rows:
        """Nothing but time."""
        out = self._clock(wall_ns())
        self.counter += 1
        return out

    def _clock(self, now: int) -> event.Rows:
        out = event.empty(1)
        out["ts_event"] = out["ts_recv"] = now
        out["kind"], out["flags"] = event.CLOCK, event.LAST
        return out
