"""Staged messages to the stream the collector would have recorded: corrected times, in order, books in sequence."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.clock import NS_PER_S
from app.importers.binance.depth_sync import DepthSync, Difference
from app.importers.binance.parse import ranges
from app.importers.binance.staging import DIFFERENCE, QUOTES, SNAPSHOT_BODY, TRADES, Messages
from app.importers.clock_offset import EARLIEST, LATEST, ClockFix
from app.importers.grid import Grid
from app.importers.report import Tally
from app.market.instruments import Instrument
from app.market.rows import DEPTH_CLEAR, LAST, REPAIRED, Rows, empty

Ints = npt.NDArray[np.int64]

# What becomes of a message: its place among the others, when it is known, and whether that was changed.
_ENTRY: Final = np.dtype(
    [("place", "<i8"), ("index", "<i8"), ("ts", "<i8"), ("changed", "?"), ("moved", "?"), ("clear", "?")]
)

_WINDOW: Final = 100_000
_FAR: Final = 0.3
_HOLD_NS: Final = NS_PER_S  # lines are put in order within this time


class Ordering:
    """Yields the rows of one symbol's messages (and of snapshots, which name none), ts_recv corrected.

    With `others`, there are messages of other symbols, and snapshots at other prices are theirs.

    Left out, and counted in `refused`: other symbols' messages, impossible times, repeated quotes and trades, and what
    the book's sequence forbids. Changed, flagged REPAIRED and counted in `repaired`: lines out of order, event times
    after the arrival, differences that had to wait for their snapshot, and books cleared at a gap.
    """

    def __init__(
        self,
        messages: Messages,
        rows: Rows,
        *,
        symbol: int,
        instrument: Instrument,
        fixes: Sequence[ClockFix],
        names: Sequence[str],
        refused: Tally,
        repaired: Tally,
        others: bool = False,
    ) -> None:
        self._messages, self._rows = messages, rows
        self._symbol, self._instrument = symbol, instrument.id
        self._grid = Grid(instrument)
        self._fixes, self._names = fixes, names
        self._refused, self._repaired = refused, repaired
        self._foreign_snapshots = self._far_snapshots() if others else np.zeros(0, np.int64)
        self._last_ts = -(2**63)
        self._ids: dict[int, Ints] = {kind: np.zeros(0, np.int64) for kind in (QUOTES, TRADES)}
        self.sync = DepthSync(self._snapshot_times())
        self.share = 0.0

    def __iter__(self) -> Iterator[Rows]:
        held: Ints = np.zeros(0, np.int64)
        for start in range(0, len(self._messages), _WINDOW):
            stop = min(start + _WINDOW, len(self._messages))
            index, ts = self._usable(np.concatenate((held, np.arange(start, stop))))
            if not len(ts):
                continue
            upto = len(ts) if stop == len(self._messages) else int(np.searchsorted(ts, ts[-1] - _HOLD_NS))
            held = index[upto:]
            self.share = stop / len(self._messages)
            if upto:
                yield self._emit(index[:upto], ts[:upto])

    def _far_snapshots(self) -> Ints:
        """Snapshots whose prices are not those of the symbol: among several symbols' they must be another's."""
        kind, own = self._messages["kind"], self._messages["symbol"] == self._symbol
        priced = np.flatnonzero(own & np.isin(kind, (DIFFERENCE, QUOTES, TRADES)) & (self._messages["rows"] > 0))
        if not len(priced):
            return np.zeros(0, np.int64)
        usual = float(np.median(self._rows["px"][self._messages["row"][priced]]))
        snapshots = np.flatnonzero(kind == SNAPSHOT_BODY)
        # Row 0 clears the book; the best level of one side or the other follows.
        best = self._rows["px"][self._messages["row"][snapshots] + 1]
        far: Ints = snapshots[np.abs(best / usual - 1) > _FAR]
        return far

    def _snapshot_times(self) -> list[int]:
        index = np.flatnonzero(self._messages["kind"] == SNAPSHOT_BODY)
        times: list[int] = self._usable(index, count=False)[1].tolist()
        return times

    def _usable(self, index: Ints, *, count: bool = True) -> tuple[Ints, Ints]:
        """Those of the messages that may be used and their corrected times, in the order of these."""
        messages = self._messages[index]
        ts = self._corrected(messages)
        delay = ts - messages["event"]
        foreign = (messages["symbol"] != self._symbol) & (messages["kind"] != SNAPSHOT_BODY)
        foreign |= np.isin(index, self._foreign_snapshots)
        impossible = ~foreign & ((delay < EARLIEST) | (delay > LATEST))
        off_grid = ~foreign & self._off_grid(messages)
        kept = ~(foreign | impossible | off_grid)
        order = np.argsort(ts[kept], kind="stable")
        if count:
            late = ts[kept][1:] < np.maximum.accumulate(ts[kept])[:-1]
            self._count(self._refused, "other_symbol", index[foreign])
            self._count(self._refused, "impossible_time", index[impossible])
            self._count(self._refused, "off_grid", index[off_grid])
            self._count(self._repaired, "out_of_order", index[kept][1:][late])
        return index[kept][order], ts[kept][order]

    def _off_grid(self, messages: Messages) -> npt.NDArray[np.bool_]:
        counts = messages["rows"].astype(np.int64)
        wrong = self._grid.off(self._rows[ranges(messages["row"], counts)])
        before = np.concatenate(([0], np.cumsum(wrong)))
        ends = np.cumsum(counts)
        found: npt.NDArray[np.bool_] = before[ends] > before[ends - counts]
        return found

    def _corrected(self, messages: Messages) -> Ints:
        ts = messages["local"].copy()
        for file, fix in enumerate(self._fixes):
            of_it = messages["file"] == file
            ts[of_it] = fix.apply(ts[of_it])
        return ts

    def _emit(self, index: Ints, ts: Ints) -> Rows:
        """The rows of messages in order, as far as the sequence of their book lets them be used."""
        changed = ts < self._last_ts
        self._count(self._repaired, "too_late", index[changed])
        ts = np.maximum(ts, self._last_ts)
        self._last_ts = int(ts[-1])
        kind = self._messages["kind"][index]
        book = (kind == DIFFERENCE) | (kind == SNAPSHOT_BODY)
        plain = np.flatnonzero(~book & ~self._repeated(index, kind))
        entries: npt.NDArray[np.void] = np.zeros(len(plain), _ENTRY)
        entries["place"], entries["index"], entries["ts"] = plain, index[plain], ts[plain]
        entries["changed"] = changed[plain]
        entries = np.concatenate((entries, self._book_entries(index, ts, np.flatnonzero(book))))
        return self._gather(entries[np.argsort(entries["place"], kind="stable")])

    def _repeated(self, index: Ints, kind: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """True for quotes and trades that came before."""
        repeated = np.zeros(len(index), bool)
        for of_kind in (QUOTES, TRADES):
            places = np.flatnonzero(kind == of_kind)
            ids = self._messages["high"][index[places]]
            known = np.concatenate((self._ids[of_kind], ids))
            first = np.unique(known, return_index=True)[1]
            again = np.ones(len(known), bool)
            again[first] = False
            repeated[places] = again[len(known) - len(ids) :]
            if len(ids):
                self._ids[of_kind] = np.unique(ids)
        self._count(self._refused, "duplicate", index[repeated])
        return repeated

    def _book_entries(self, index: Ints, ts: Ints, places: Ints) -> npt.NDArray[np.void]:
        """What becomes of the book messages at `places`, in the sequence the exchange prescribes."""
        sync, messages = self.sync, self._messages[index[places]]
        gaps, dropped = len(sync.gaps), len(sync.dropped)
        made: list[tuple[int, int, int, bool, bool, bool]] = []
        for place, at, time, kind, low, high, prev in zip(
            places.tolist(),
            index[places].tolist(),
            ts[places].tolist(),
            *(messages[name].tolist() for name in ("kind", "low", "high", "prev")),
            strict=True,
        ):
            if kind == DIFFERENCE:
                sync.difference(Difference(at, time, low, high, prev))
            else:
                sync.snapshot(at, time, high)
            made.extend((place, step.message, step.ts, step.moved, step.moved, step.clear) for step in sync.steps)
            sync.steps.clear()
        for at, reason in sync.dropped[dropped:]:
            self._count(self._refused, reason, np.array([at]))
        self._count(self._repaired, "book_cleared_at_gap", np.array(sync.gaps[gaps:], np.int64))
        return np.array(made, _ENTRY)

    def _gather(self, entries: npt.NDArray[np.void]) -> Rows:
        """The rows of the messages in `entries`, with the times and instrument that are theirs."""
        messages, clear = self._messages[entries["index"]], entries["clear"]
        counts = np.where(clear, 1, messages["rows"]).astype(np.int64)
        ends = np.cumsum(counts)
        rows = empty(int(ends[-1]) if len(ends) else 0)
        firsts, whole = ends - counts, ~clear
        rows[ranges(firsts[whole], counts[whole])] = self._rows[ranges(messages["row"][whole], counts[whole])]
        rows["kind"][firsts[clear]], rows["flags"][firsts[clear]] = DEPTH_CLEAR, LAST
        event = self._event_times(entries, messages["event"])
        early = event < messages["event"]
        self._count(self._repaired, "event_after_arrival", entries["index"][early])
        self._count(self._repaired, "waited_for_snapshot", entries["index"][entries["moved"]])
        changed = entries["changed"] | clear | (event != messages["event"])
        rows["ts_event"], rows["ts_recv"] = np.repeat(event, counts), np.repeat(entries["ts"], counts)
        rows["instrument"] = self._instrument
        rows["flags"] |= np.repeat(np.where(changed, REPAIRED, 0).astype(np.uint32), counts)
        return rows

    def _event_times(self, entries: npt.NDArray[np.void], event: Ints) -> Ints:
        """The exchange's times: none after the arrival, and none of a difference before its snapshot's."""
        event = np.minimum(event, entries["ts"])
        for place in np.flatnonzero(entries["moved"]):
            if place and entries["place"][place] == entries["place"][place - 1]:
                event[place] = max(event[place], event[place - 1])
        return event

    def _count(self, tally: Tally, reason: str, index: Ints) -> None:
        if len(index):
            first = self._messages[index[0]]
            tally.add(reason, f"{self._names[first['file']]}:{first['line']}", len(index))
