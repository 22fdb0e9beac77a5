"""Events of one kind as arrays: an entry for each message, and the rows of all of them end to end.

The rows hold price, quantity, kind, side and flags; times and instrument follow from the message.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_MS
from app.importers.binance.frames import Depth, Frame, Levels, MarkPrice, Quote, Trade
from app.importers.binance.staging import DIFFERENCE, MARKS, MESSAGE, QUOTES, SNAPSHOT_BODY, TRADES, Messages
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, FUNDING, INDEX, LAST, MARK, QUOTE, SNAPSHOT, TRADE, Rows, empty

Table = tuple[Messages, Rows]
Ints = npt.NDArray[np.int64]


def differences(events: Sequence[Depth]) -> Table:
    """A DEPTH_SET for each level, bids first."""
    entries = _entries(DIFFERENCE, events)
    entries["low"] = [event.U for event in events]
    entries["high"] = [event.u for event in events]
    entries["prev"] = [event.pu for event in events]
    sizes = np.array([(len(event.b), len(event.a)) for event in events], np.int64)
    rows = _levels([side for event in events for side in (event.b, event.a)], sizes)
    return _finished(entries, rows, sizes.sum(axis=1))


def snapshots(events: Sequence[Frame]) -> Table:
    """DEPTH_CLEAR of both sides and a DEPTH_SET for each level, all flagged SNAPSHOT."""
    entries = _entries(SNAPSHOT_BODY, events)
    entries["high"] = [event.lastUpdateId or 0 for event in events]
    sizes = np.array([(len(event.bids), len(event.asks)) for event in events], np.int64)
    levels = _levels([side for event in events for side in (event.bids, event.asks)], sizes)
    counts = sizes.sum(axis=1)
    rows = np.insert(levels, np.cumsum(counts) - counts, _clear())
    rows["flags"] = SNAPSHOT
    return _finished(entries, rows, counts + 1)


def quotes(events: Sequence[Quote]) -> Table:
    """Two QUOTE rows, bid and ask."""
    entries = _entries(QUOTES, events)
    entries["high"] = [event.u for event in events]
    rows = empty(2 * len(events))
    rows["kind"] = QUOTE
    for start, side in ((0, 1), (1, -1)):
        rows["side"][start::2] = side
    rows["px"][0::2], rows["qty"][0::2] = [event.b for event in events], [event.B for event in events]
    rows["px"][1::2], rows["qty"][1::2] = [event.a for event in events], [event.A for event in events]
    return _finished(entries, rows, np.full(len(events), 2))


def trades(events: Sequence[Trade]) -> Table:
    """A TRADE row; its side is the aggressor's, so -1 where the buyer was the maker."""
    entries = _entries(TRADES, events)
    entries["high"] = [event.t for event in events]
    rows = empty(len(events))
    rows["kind"] = TRADE
    rows["px"], rows["qty"] = [event.p for event in events], [event.q for event in events]
    rows["side"] = [-1 if event.m else 1 for event in events]
    return _finished(entries, rows, np.ones(len(events), np.int64))


def marks(events: Sequence[MarkPrice]) -> Table:
    """MARK, INDEX and FUNDING rows."""
    entries = _entries(MARKS, events)
    entries["event"] = [event.E * NS_PER_MS for event in events]  # `T` is the next funding time
    rows = empty(3 * len(events))
    for start, kind, values in (
        (0, MARK, [event.p for event in events]),
        (1, INDEX, [event.i for event in events]),
        (2, FUNDING, [event.r for event in events]),
    ):
        rows["kind"][start::3], rows["px"][start::3] = kind, values
    rows["qty"][2::3] = [event.T // 1000 for event in events]
    return _finished(entries, rows, np.full(len(events), 3))


def _entries(kind: int, events: Sequence[Depth | Quote | Trade | MarkPrice | Frame]) -> Messages:
    entries = np.zeros(len(events), MESSAGE)
    entries["kind"] = kind
    entries["event"] = [event.T * NS_PER_MS for event in events]
    return entries


def _levels(sides: Sequence[Levels], sizes: Ints) -> Rows:
    flat = np.fromiter(chain.from_iterable(chain.from_iterable(sides)), np.float64, 2 * int(sizes.sum()))
    rows = empty(len(flat) // 2)
    rows["px"], rows["qty"] = flat[0::2], flat[1::2]
    rows["kind"] = DEPTH_SET
    rows["side"] = np.repeat(np.tile([1, -1], len(sizes)), sizes.ravel())
    return rows


def _clear() -> Rows:
    row = empty(1)
    row["kind"] = DEPTH_CLEAR
    return row


def _finished(entries: Messages, rows: Rows, counts: Ints) -> Table:
    entries["rows"] = counts
    rows["flags"][np.cumsum(counts)[counts > 0] - 1] |= LAST
    return entries, rows
