"""LOBSTER days as a recording: the order book to the files' depth, and trades."""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.errors import BadInput, Misconfigured
from app.importers.findings import Findings
from app.importers.format import Book, OnShare
from app.importers.grid import Grid
from app.importers.lobster.event_rows import event_rows
from app.importers.lobster.files import LobsterDay, find_day
from app.importers.lobster.l3 import CANCEL, DELETE, EXECUTION, HALT, HIDDEN, L3, NEW, PER_TICK, messages_of
from app.importers.lobster.table import Table
from app.importers.report import ClockReport
from app.market.instruments import Instrument, Instruments
from app.market.rows import DEPTH_SET, Rows

_READ: Final = {
    NEW: "new_orders",
    CANCEL: "partial_cancels",
    DELETE: "deletions",
    EXECUTION: "visible_executions",
    HIDDEN: "hidden_executions",
    HALT: "halts",
}
_BLOCK: Final = 32_768  # messages
_ENOUGH: Final = 100  # hidden executions before their directions mean anything


class Lobster:
    """One symbol's days. The files have the exchange's time only, so ts_recv is ts_event."""

    name = "lobster"
    venue = "nasdaq"

    def __init__(self, instruments: Instruments, symbol: str | None) -> None:
        self._instruments, self._wanted = instruments, symbol
        self.found = Findings()
        self._days: list[LobsterDay] = []
        self._paths: Sequence[Path] = ()

    @property
    def gaps(self) -> int:
        """None can be told: the files number nothing, and the book of each row is whole."""
        return 0

    def survey(self, paths: Sequence[Path], scratch: Callable[[str], Path], on_share: OnShare) -> list[Instrument]:
        """See `Format`. A day's two CSV files may both be named, or one of them.

        Raises:
            BadInput: the symbol asked for is another, or a zip is damaged.
            Misconfigured: a file is missing, the symbol is not in config/symbols.yml, the files are of several
                symbols, or the days are not in order.
        """
        self._days = list(dict.fromkeys(find_day(path) for path in paths))
        symbols = sorted({day.symbol for day in self._days})
        if len(symbols) > 1:
            raise Misconfigured(f"the files are of several symbols ({', '.join(symbols)}); import them one by one")
        dates = [day.day for day in self._days]
        if any(late >= early for late, early in pairwise(dates)):
            listed = ", ".join(day.isoformat() for day in dates)
            raise Misconfigured(f"the days are not in order ({listed}); name each day once, the first one first")
        if self._wanted not in (None, symbols[0]):
            raise BadInput(f"no {self._wanted} in {paths[0].name}; it holds {symbols[0]}", reason="no_symbol")
        self._paths = paths
        self.found.lines, self.found.truncated = [0] * len(paths), [False] * len(paths)
        on_share(1.0)
        return [self._instruments[symbols[0]]]

    def rows(self, on_share: OnShare) -> Iterator[Rows]:
        """See `Format`."""
        instrument = self._instruments[self._days[0].symbol]
        grid = Grid(instrument)
        for number, day in enumerate(self._days):
            messages = self._parse(day)
            repaired = self._in_order(messages, day)
            for start in range(0, len(messages), _BLOCK):
                block = slice(start, start + _BLOCK)
                rows = event_rows(messages[block], messages[max(start - 1, 0) : start], instrument.id, repaired[block])
                grid.off(rows[rows["kind"] == DEPTH_SET])
                yield rows
                on_share((number + min(1.0, (start + _BLOCK) / len(messages))) / len(self._days))
        self._warn()

    def clocks(self) -> list[ClockReport]:
        """See `Format`."""
        method = "none: there is no clock of a recorder, ts_recv is ts_event"
        return [ClockReport(method=method, offset_ms=0.0, drift_ppm=0.0) for _ in self.found.lines]

    def book(self, instrument: Instrument) -> Book:
        """See `Format`."""
        return "snapshot"

    def _parse(self, day: LobsterDay) -> L3:
        table = Table(day, self.found.refused)
        messages = messages_of(day, table, self.found.refused)
        for place, path in enumerate(self._paths):
            if find_day(path) == day:
                self.found.lines[place] = table.lines[int(path.name == day.orderbook_name)]
        counts = np.bincount(messages["type"], minlength=max(_READ) + 1)
        self.found.read.update({name: int(counts[kind]) for kind, name in _READ.items() if counts[kind]})
        hidden = messages[messages["type"] == HIDDEN]
        self.found.read["trades_between_ticks"] += int((hidden["price"] % PER_TICK != 0).sum())
        self.found.read["hidden_bids"] += int((hidden["direction"] > 0).sum())
        return messages

    def _in_order(self, messages: L3, day: LobsterDay) -> npt.NDArray[np.bool_]:
        """Give messages whose time goes back the time of the one before; true for those."""
        ts = np.maximum.accumulate(messages["ts"])
        changed: npt.NDArray[np.bool_] = ts != messages["ts"]
        if changed.any():
            where = f"{day.message_name}:{int(messages['line'][np.argmax(changed)])}"
            self.found.repaired.add("time_goes_back", where, int(changed.sum()))
        messages["ts"] = ts
        return changed

    def _warn(self) -> None:
        levels = min(day.levels for day in self._days)
        self.found.warnings.append(
            f"the book is {levels} {'level' if levels == 1 else 'levels'} deep: one that leaves this depth is deleted, "
            "and set again when it is back"
        )
        hidden, bids = self.found.read["hidden_executions"], self.found.read.pop("hidden_bids")
        if hidden >= _ENOUGH and bids in (0, hidden):
            self.found.warnings.append(
                f"all {hidden} hidden executions are of one direction: from July 2014 on NASDAQ does not tell it, so "
                "the aggressors of these trades are unknown"
            )
