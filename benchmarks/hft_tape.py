"""An archive's rows as hftbacktest's events.

| row | becomes |
|---|---|
| depth set | `DEPTH_EVENT`, in a snapshot `DEPTH_SNAPSHOT_EVENT`, with the side's flag |
| depth clear | `DEPTH_CLEAR_EVENT`, with the side's flag unless it clears both |
| trade | `TRADE_EVENT` with the aggressor's flag |
| quote | `DEPTH_BBO_EVENT`: passes through the feed and changes no book, there as here |
| mark, funding, index | an event of a kind that neither side handles: it passes through the feed |
| clock | nothing: hftbacktest waits with a timeout where we need a clock |

`local_ts` is `ts_recv`. `exch_ts` is the venue time our executor gives the row: `ts_event`, bounded as in
`app.sim.tape`. A row that both orders have at one place is one event with both flags; any other is two, one at its
place among the venue's events and one at its place among those received. hftbacktest's own converters do the same.
"""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from hftbacktest import types as hft
from hftbacktest.data import validate_event_order

from app.features.catalogue import GAP_NS
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, LAST, QUOTE, SNAPSHOT, TRADE, Rows
from benchmarks.hft_features import DEPTH_CAME, SNAPSHOT_CAME, TRADES_CAME

I64 = npt.NDArray[np.int64]
Events = npt.NDArray[np.void]

#: A kind that is none of hftbacktest's.
PASSING: Final = 100
_ROOM: Final = 0.02  # prices kept on either side of all that traded


class Tape(NamedTuple):
    """`rows` without clock rows, their venue times, which of them end a message, and the same as hftbacktest's events.

    `wakes` (n, 2) are the times at which hftbacktest wakes a strategy, and what came then; `restarts` are the ts_recv
    at which features begin anew after a silence; `lowest` and `highest` bound the prices hftbacktest keeps; `counts`
    says how many rows of each kind there are, and how many had their venue time bounded.
    """

    rows: Rows
    venue_ts: I64
    message_ends: npt.NDArray[np.bool_]
    events: Events
    wakes: I64
    restarts: I64
    lowest: float
    highest: float
    counts: dict[str, int]


def convert(rows: Rows, hold: int) -> Tape:
    """`rows` of one instrument and the clock rows between them, as both programs read them; `hold` is in ns.

    Raises:
        ValueError: hftbacktest would refuse the events.
    """
    venue_ts, bounded = venue_times(rows, hold)
    silences = np.flatnonzero(np.diff(rows["ts_recv"]) > GAP_NS)
    restarts = rows["ts_recv"][silences + 1].astype(np.int64)
    market = rows["kind"] != CLOCK
    kept, times = rows[market], venue_ts[market]
    events = _interleaved(_events(kept, times))
    validate_event_order(events)
    traded = kept["px"][kept["kind"] == TRADE]
    prices = traded if len(traded) else kept["px"][kept["kind"] == DEPTH_SET]
    return Tape(
        rows=kept,
        venue_ts=times,
        message_ends=kept["flags"] & LAST != 0,
        events=events,
        wakes=wakes_of(kept),
        restarts=restarts,
        lowest=float(prices.min()) * (1 - _ROOM),
        highest=float(prices.max()) * (1 + _ROOM),
        counts={**_counts(rows), "bounded_venue_time": bounded, "events": len(events)},
    )


def venue_times(rows: Rows, hold: int) -> tuple[I64, int]:
    """The venue time of each row by the rules of `app.sim.tape`, and how many of them are not its ts_event."""
    received = rows["ts_recv"].astype(np.int64)
    ends = np.flatnonzero((rows["flags"] & LAST != 0) | (rows["kind"] == CLOCK))
    # The message that was complete before each row; before the first, the first row stands for it.
    before = np.searchsorted(ends, np.arange(len(rows)), side="left") - 1
    settled = np.where(before >= 0, received[ends[np.maximum(before, 0)]], received[0])
    times = np.where(rows["ts_event"] > received, received, np.maximum(rows["ts_event"], settled - hold))
    return times.astype(np.int64), int((times != rows["ts_event"]).sum())


def wakes_of(rows: Rows) -> I64:
    """Each ts_recv once, and what came then, as `hft_features` names it."""
    times, which = np.unique(rows["ts_recv"], return_inverse=True)
    kind, anew = rows["kind"], (rows["flags"] & SNAPSHOT != 0) | (rows["kind"] == DEPTH_CLEAR)
    came = np.zeros(len(times), np.int64)
    for rows_of, bit in (
        ((kind == DEPTH_SET) | (kind == DEPTH_CLEAR), DEPTH_CAME),
        (kind == TRADE, TRADES_CAME),
        (anew, SNAPSHOT_CAME),
    ):
        came[which[rows_of]] |= bit
    return np.column_stack([times.astype(np.int64), came])


def _events(rows: Rows, venue_ts: I64) -> Events:
    events = np.zeros(len(rows), hft.event_dtype)
    kind = rows["kind"]
    what = np.full(len(rows), PASSING, np.uint64)
    snapshot = rows["flags"] & SNAPSHOT != 0
    what[kind == DEPTH_SET] = hft.DEPTH_EVENT
    what[(kind == DEPTH_SET) & snapshot] = hft.DEPTH_SNAPSHOT_EVENT
    what[kind == DEPTH_CLEAR] = hft.DEPTH_CLEAR_EVENT
    what[kind == TRADE] = hft.TRADE_EVENT
    what[kind == QUOTE] = hft.DEPTH_BBO_EVENT
    what[rows["side"] > 0] |= np.uint64(hft.BUY_EVENT)
    what[rows["side"] < 0] |= np.uint64(hft.SELL_EVENT)
    events["ev"] = what
    events["exch_ts"], events["local_ts"] = venue_ts, rows["ts_recv"]
    # A clear without a price clears its whole side.
    events["px"] = np.where(kind == DEPTH_CLEAR, np.nan, rows["px"])
    events["qty"] = rows["qty"]
    return events


def _interleaved(events: Events) -> Events:
    """Events in the order received, as one sequence that has them in both orders."""
    n = len(events)
    rank = np.empty(n, np.int64)
    rank[np.argsort(events["exch_ts"], kind="stable")] = np.arange(n)
    # A row that no row before it outranks has the same rows of this sort before it in both orders.
    steady = rank == np.maximum.accumulate(rank)
    late = np.flatnonzero(~steady)
    anchors = np.flatnonzero(steady)
    place = np.concatenate([anchors, late, late])
    before = np.concatenate(
        [np.arange(len(anchors)), np.searchsorted(rank[anchors], rank[late]), np.searchsorted(anchors, late)]
    )
    part = np.repeat([2, 0, 1], [len(anchors), len(late), len(late)])
    sequence = np.lexsort((np.concatenate([anchors, rank[late], late]), part, before))
    whole = events[place[sequence]]
    flags = np.array([hft.EXCH_EVENT, hft.LOCAL_EVENT, hft.EXCH_EVENT | hft.LOCAL_EVENT], np.uint64)
    whole["ev"] |= flags[part[sequence]]
    return whole


def _counts(rows: Rows) -> dict[str, int]:
    names = {DEPTH_SET: "depth_set", DEPTH_CLEAR: "depth_clear", TRADE: "trade", QUOTE: "quote", CLOCK: "clock"}
    found = {name: int((rows["kind"] == kind).sum()) for kind, name in names.items()}
    return {**found, "other": len(rows) - sum(found.values())}


def write_npz(path: Path, events: Events) -> None:
    """The events as hftbacktest reads them fastest: an uncompressed npz."""
    np.savez(path, data=events)
