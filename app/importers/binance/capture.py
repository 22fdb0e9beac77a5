"""A Binance USDⓈ-M capture: depth differences, trades, best quotes, inline depth snapshots."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from app.core.errors import BadInput
from app.importers.binance.ordering import Ordering
from app.importers.binance.parse import CaptureParser
from app.importers.binance.staging import SNAPSHOT_BODY, Staging
from app.importers.clock_offset import ClockFix, OffsetEstimate
from app.importers.findings import Findings
from app.importers.format import Book, OnShare
from app.importers.report import ClockReport, Tally
from app.importers.source import Source
from app.market.instruments import Instrument, Instruments
from app.market.rows import Rows


class Capture:
    """One symbol of a capture; the one with the most messages unless `symbol` names another.

    A snapshot in a capture names no symbol, so a capture of several symbols is read one at a time.
    """

    name = "binance_usdm_capture"
    venue = "binance_usdm"

    def __init__(self, instruments: Instruments, symbol: str | None) -> None:
        self._instruments, self._wanted = instruments, symbol
        self.found = Findings()
        self._names: list[str] = []
        self._fixes: list[ClockFix] = []

    @property
    def gaps(self) -> int:
        """Breaks in the sequence of the book."""
        return len(self._ordering.sync.gaps)

    def survey(self, paths: Sequence[Path], scratch: Callable[[str], Path], on_share: OnShare) -> list[Instrument]:
        """See `Format`.

        Raises:
            BadInput: there is no market data in the files, or none of the symbol asked for.
            Misconfigured: the symbol is not in config/symbols.yml.
        """
        if self._wanted is not None:
            self._instruments[self._wanted]
        parser = CaptureParser(self.found.refused)
        total = sum(path.stat().st_size for path in paths) or 1
        done = 0

        def on_bytes(count: int) -> None:
            nonlocal done
            done += count
            on_share(min(done / total, 1.0))

        with Staging(scratch("messages"), scratch("rows")) as staged:
            for number, path in enumerate(paths):
                self._read_file(number, Source(path, on_bytes), parser, staged)
        self.found.read = parser.read
        symbol = self._choose(parser)
        instrument = self._instruments[symbol]
        self._ordering = Ordering(
            staged.messages,
            staged.rows,
            symbol=parser.symbols[symbol],
            instrument=instrument,
            fixes=self._fixes,
            names=self._names,
            refused=self.found.refused,
            repaired=self.found.repaired,
            others=len(parser.seen) > 1,
        )
        return [instrument]

    def rows(self, on_share: OnShare) -> Iterator[Rows]:
        """See `Format`."""
        for rows in self._ordering:
            yield rows
            on_share(self._ordering.share)

    def clocks(self) -> list[ClockReport]:
        """See `Format`."""
        return [fix.report() for fix in self._fixes]

    def book(self, instrument: Instrument) -> Book:
        """See `Format`."""
        applied = self._ordering.sync.applied
        if applied["snapshot"]:
            return "snapshot"
        return "differences" if applied["difference"] else "none"

    def _read_file(self, number: int, source: Source, parser: CaptureParser, staged: Staging) -> None:
        name, line, estimate = source.path.name, 1, OffsetEstimate()
        self._names.append(name)
        for lines in source.blocks():
            messages, rows = parser.parse(lines, file=number, name=name, first_line=line)
            line += len(lines)
            timed = messages[messages["kind"] != SNAPSHOT_BODY]  # a REST answer takes longer than the feed
            estimate.update(timed["local"], timed["event"])
            staged.add(messages, rows)
        self._fixes.append(estimate.get())
        self.found.lines.append(line - 1)
        self.found.truncated.append(source.truncated)

    def _choose(self, parser: CaptureParser) -> str:
        if not parser.seen:
            raise BadInput(
                f"no market data in {', '.join(self._names)}: of {sum(self.found.lines)} lines none could be used "
                f"({_reasons(self.found.refused)}); expected lines of `<local ns> <json>` with depthUpdate, trade or "
                "bookTicker events",
                reason="empty",
            )
        met = ", ".join(f"{symbol} ({count} messages)" for symbol, count in parser.seen.most_common())
        if self._wanted is not None and self._wanted not in parser.seen:
            raise BadInput(f"no {self._wanted} in {', '.join(self._names)}; it holds {met}", reason="no_symbol")
        chosen = self._wanted or parser.seen.most_common(1)[0][0]
        if len(parser.seen) > 1:
            self.found.warnings.append(f"several symbols, of which {chosen} is imported: {met}")
        return chosen


def _reasons(tally: Tally) -> str:
    return ", ".join(f"{reason}: {fault.count}" for reason, fault in tally.items()) or "they are empty"
