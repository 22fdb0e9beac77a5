"""Coinbase level 2 files: a snapshot of each side, and the updates after it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.errors import BadInput
from app.importers.coinbase.levels import LevelFile, Levels, level_file
from app.importers.findings import Findings
from app.importers.format import Book, OnShare
from app.importers.grid import Grid
from app.importers.report import ClockReport
from app.market.instruments import Instrument, Instruments
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, REPAIRED, SNAPSHOT, Rows, concat, empty

_SYMBOL: Final = "BTC-USD"


class Coinbase:
    """Snapshot files come first, whatever their place among `paths`; updates in order of their first time.

    The files have the exchange's time only, so ts_recv is ts_event. They name no symbol. Updates of one time are one
    message of the venue. Sizes that arithmetic in binary has left beside their lot are put on it.
    """

    name = "coinbase_level2"
    venue = "coinbase"

    def __init__(self, instruments: Instruments, symbol: str | None) -> None:
        self._instruments, self._symbol = instruments, symbol
        self.found = Findings()
        self._files: list[LevelFile] = []
        self._updates: list[LevelFile] = []
        self._first_ts = self._last_ts = 0
        self._sides: set[int] = set()

    @property
    def gaps(self) -> int:
        """None can be told: the files number nothing."""
        return 0

    def survey(self, paths: Sequence[Path], scratch: Callable[[str], Path], on_share: OnShare) -> list[Instrument]:
        """See `Format`.

        Raises:
            BadInput: there are no updates in the files, or a file is damaged.
            Misconfigured: the symbol is not in config/symbols.yml.
        """
        instrument = self._instruments[self._symbol or _SYMBOL]
        if self._symbol is None:
            self.found.warnings.append(
                f"the files name no symbol, they are taken for {_SYMBOL}; name another if they are not"
            )
        self._files = [level_file(path) for path in paths]
        starts = {}
        for number, file in enumerate(self._files):
            first = _first_ts(file)
            if first is not None:
                starts[number] = first
            on_share((number + 1) / len(paths))
        if not starts:
            raise BadInput(
                f"no updates in {', '.join(path.name for path in paths)}; a snapshot carries no time, so it is of no "
                "use without the files of `side,price,size,time` lines that follow it",
                reason="empty",
            )
        self._first_ts = self._last_ts = min(starts.values())
        self._updates = [self._files[number] for number in sorted(starts, key=starts.__getitem__)]
        return [instrument]

    def rows(self, on_share: OnShare) -> Iterator[Rows]:
        """See `Format`."""
        instrument = self._instruments[self._symbol or _SYMBOL]
        grid = Grid(instrument)
        snapshot = self._snapshot(instrument, grid)
        if len(snapshot):
            yield snapshot
        yield from self._all_updates(instrument, grid, on_share)
        for file in self._files:
            self.found.lines.append(file.lines)
            self.found.truncated.append(file.truncated)
            for reason, fault in file.refused.items():
                self.found.refused.add(reason, fault.first, fault.count)

    def clocks(self) -> list[ClockReport]:
        """See `Format`."""
        method = "none: there is no clock of a recorder, ts_recv is ts_event"
        return [ClockReport(method=method, offset_ms=0.0, drift_ppm=0.0) for _ in self._files]

    def book(self, instrument: Instrument) -> Book:
        """See `Format`."""
        return "snapshot" if self._sides == {1, -1} else "differences"

    def _snapshot(self, instrument: Instrument, grid: Grid) -> Rows:
        """Rows at the time of the first update: a snapshot carries none."""
        parts = []
        for file in self._files:
            if file.snapshot:
                for levels in file.blocks():
                    self.found.read["snapshot_levels"] += len(levels)
                    self._refuse("no_size", file, levels, levels["qty"] <= 0)
                    parts.append(self._usable(file, levels[levels["qty"] > 0], instrument, grid))
        levels = concat(parts)
        self._sides = set(np.unique(levels["side"]).tolist()) if len(levels) else set()
        if self._sides == {1, -1}:
            self.found.warnings.append("the snapshot carries no time: it is given that of the first update")
        else:
            self.found.warnings.append(
                "there is no snapshot of both sides: the book lacks levels that have not changed yet"
            )
        if not len(levels):
            return levels
        clear = empty(1)
        clear["kind"], clear["instrument"] = DEPTH_CLEAR, instrument.id
        rows = np.concatenate((clear, levels))
        rows["ts_event"] = rows["ts_recv"] = self._first_ts
        rows["flags"] |= SNAPSHOT
        rows["flags"][-1] |= LAST
        return rows

    def _all_updates(self, instrument: Instrument, grid: Grid, on_share: OnShare) -> Iterator[Rows]:
        """The updates; the last time's are kept back until it is known that no more of them follow."""
        kept = empty()
        for number, file in enumerate(self._updates):
            for levels in file.blocks():
                self.found.read["updates"] += len(levels)
                rows = concat((kept, self._in_order(file, levels, instrument, grid)))
                if len(rows):
                    whole = int(np.searchsorted(rows["ts_recv"], rows["ts_recv"][-1]))
                    if whole:
                        yield _ended(rows[:whole])
                    kept = rows[whole:]
            on_share((number + 1) / len(self._updates))
        if len(kept):
            yield _ended(kept)

    def _in_order(self, file: LevelFile, levels: Levels, instrument: Instrument, grid: Grid) -> Rows:
        """Updates whose time goes back get the time of the one before."""
        rows = self._usable(file, levels, instrument, grid)
        if not len(rows):
            return rows
        ts = np.maximum(np.maximum.accumulate(rows["ts_event"]), self._last_ts)
        changed = ts != rows["ts_event"]
        self.found.repaired.add("time_goes_back", file.path.name, int(changed.sum()))
        rows["ts_event"] = rows["ts_recv"] = ts
        rows["flags"][changed] |= REPAIRED
        self._last_ts = int(ts[-1])
        return rows

    def _usable(self, file: LevelFile, levels: Levels, instrument: Instrument, grid: Grid) -> Rows:
        """The levels as rows with their sizes on the lot, but for those that cannot be."""
        rows = empty(len(levels))
        rows["kind"], rows["instrument"] = DEPTH_SET, instrument.id
        for name in ("px", "qty", "side"):
            rows[name] = levels[name]
        rows["ts_event"] = rows["ts_recv"] = levels["ts"]
        bad_price = ~(np.isfinite(rows["px"]) & (rows["px"] > 0) & np.isfinite(rows["qty"]) & (rows["qty"] >= 0))
        self._refuse("bad_number", file, levels, bad_price)
        off = np.zeros(len(rows), np.bool_)
        off[~bad_price] = grid.off(rows[~bad_price])
        self._refuse("off_grid", file, levels, off)
        places = -int(instrument.lot_size.normalize().as_tuple().exponent)
        qty = np.round(rows["qty"], places)
        good = ~(bad_price | off)
        moved = good & (qty != rows["qty"])
        if moved.any():
            where = f"{file.path.name}:{int(levels['line'][np.argmax(moved)])}"
            self.found.repaired.add("size_beside_its_lot", where, int(moved.sum()))
        rows["qty"] = qty
        rows["flags"][moved] |= REPAIRED
        usable: Rows = rows[good]
        return usable

    def _refuse(self, reason: str, file: LevelFile, levels: Levels, bad: npt.NDArray[np.bool_]) -> None:
        if bad.any():
            self.found.refused.add(reason, f"{file.path.name}:{int(levels['line'][np.argmax(bad)])}", int(bad.sum()))


def _first_ts(file: LevelFile) -> int | None:
    """The time of the first update in `file`; None if there is none."""
    if file.snapshot:
        return None
    return next((int(levels["ts"][0]) for levels in file.blocks() if len(levels)), None)


def _ended(rows: Rows) -> Rows:
    """`rows`, each time's last one flagged so."""
    last = np.ones(len(rows), np.bool_)
    last[:-1] = rows["ts_recv"][1:] != rows["ts_recv"][:-1]
    rows["flags"][last] |= LAST
    return rows
