"""How orders fare under our paper venue's rules, under hftbacktest's, and under any mixture of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, TRADE, Rows
from benchmarks.hft_fates import RESTING, WAITING, mid2_at, run
from benchmarks.hft_orders import Execution
from benchmarks.hft_rules import Rule
from benchmarks.hft_tape import Tape

I64 = npt.NDArray[np.int64]


class Ticket(NamedTuple):
    """An order as the venue gets it: arrival, arrival of its cancellation (NEVER), side, tick (0: market), lots."""

    at: int
    cancel_at: int
    side: int
    tick: int
    lots: int


class Venue:
    """The rows in venue order, and the models both venues have in common: `exponent` 0 is risk-averse, else power."""

    def __init__(self, tape: Tape, *, tick_size: float, lot_size: float, exponent: float) -> None:
        order = np.argsort(tape.venue_ts, kind="stable")
        rows: Rows = tape.rows[order]
        kept = np.isin(rows["kind"], (DEPTH_SET, DEPTH_CLEAR, TRADE)) | (rows["flags"] & LAST != 0)
        rows = rows[kept]
        last = rows["flags"] & LAST != 0
        ticks, lots = np.rint(rows["px"] / tick_size), np.rint(rows["qty"] / lot_size)
        columns = (rows["ts_event"], rows["kind"], rows["side"], last, ticks, lots)
        self._rows = tape.venue_ts[order][kept], *(np.ascontiguousarray(column, np.int64) for column in columns)
        self._low, self._high = round(tape.lowest / tick_size), round(tape.highest / tick_size)
        self._exponent = exponent

    def fates(self, tickets: Sequence[Ticket], rules: Sequence[Rule], until: int) -> list[tuple[Execution, ...]]:
        """What each order got up to `until`, under its own rules, in order."""
        table = np.array(tickets, np.int64).reshape(-1, len(Ticket._fields))
        masks = np.array([int(rule) for rule in rules], np.int64)
        rank, n = np.argsort(table[:, 0], kind="stable"), len(table)
        room = 64 * n + 64
        while True:
            out = np.zeros((room, 4), np.int64)
            resting, waiting = np.zeros((n, RESTING), np.int64), np.zeros((n, WAITING))
            written = run(
                *self._rows, self._low, self._high, self._exponent, table, masks, rank, until, *self._book(),
                np.zeros((2, self._high - self._low + 1), np.int64), resting, waiting, np.zeros(n, np.int64), out,
            )  # fmt: skip
            if written < room:
                return _by_order(out[:written], n)
            room *= 2

    def mid2(self, until: int) -> int:
        """Best bid plus best ask when the last message up to `until` ended; 0 if a side was always empty."""
        keys, _, *others = self._rows
        return int(mid2_at(keys, *others, self._low, self._high, until, *self._book()))

    def _book(self) -> tuple[I64, I64]:
        """Levels by view and side, and the best of each."""
        return np.zeros((2, 2, self._high - self._low + 1), np.int64), np.full((2, 2), -1, np.int64)


def _by_order(found: I64, count: int) -> list[tuple[Execution, ...]]:
    fates: list[list[Execution]] = [[] for _ in range(count)]
    for order, ts, tick, lots in found.tolist():
        fates[order].append(Execution(ts, tick, lots))
    return [tuple(fate) for fate in fates]
