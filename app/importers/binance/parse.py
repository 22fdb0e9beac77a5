"""Lines of a Binance USDⓈ-M capture, `<local ns> <json>`, to staged messages and rows."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from app.importers.binance import tables
from app.importers.binance.frames import UNDECODABLE, Depth, Frame, MarkPrice, Quote, Trade, decode_frame, why_not
from app.importers.binance.staging import DIFFERENCE, MARKS, MESSAGE, QUOTES, SNAPSHOT_BODY, TRADES, Messages
from app.importers.report import Tally
from app.market.rows import Rows, empty

_STAMP_DIGITS: Final = 19  # nanoseconds from 2001 to 2286
_TABLES: Final[dict[type, Callable[[Any], tables.Table]]] = {
    Depth: tables.differences,
    Quote: tables.quotes,
    Trade: tables.trades,
    MarkPrice: tables.marks,
    Frame: tables.snapshots,
}


class CaptureParser:
    """Turns blocks of lines into messages and rows, and counts in `refused` the lines that cannot be used.

    `seen` counts the messages of each symbol, which messages refer to by its place in `symbols` (0: a snapshot, which
    names none). `read` counts what there was, of all symbols.
    """

    def __init__(self, refused: Tally) -> None:
        self._refused = refused
        self.symbols: dict[str, int] = {"": 0}
        self.seen: Counter[str] = Counter()
        self.read: Counter[str] = Counter()

    def parse(self, lines: Sequence[bytes], *, file: int, name: str, first_line: int) -> tuple[Messages, Rows]:
        """The messages in `lines` and their rows, in the order of the lines; `row` counts from the first."""
        block = _Block()
        for number, line in enumerate(lines, first_line):
            stamp, _, body = line.partition(b" ")
            if len(stamp) != _STAMP_DIGITS or not stamp.isdigit():
                if line.strip():
                    self._refused.add("malformed", f"{name}:{number}")
                continue
            try:
                fault = block.add(int(stamp), number, decode_frame(body))
            except UNDECODABLE:
                fault = why_not(body)
            if fault:
                self._refused.add(fault, f"{name}:{number}")
        messages, rows = block.build(self)
        messages["file"] = file
        return messages, rows

    def symbol(self, name: str) -> int:
        """The number of the symbol `name`, one more message of which was seen."""
        self.seen[name] += 1
        return self.symbols.setdefault(name, len(self.symbols))


class _Block:
    """The good frames of a block of lines, by kind, then all of them as arrays."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._lines: list[int] = []
        self._kinds: dict[type, tuple[list[int], list[Any]]] = {kind: ([], []) for kind in _TABLES}

    def add(self, stamp: int, line: int, frame: Frame) -> str:
        """Take a frame, unless it is of no use; then say why."""
        event: Any = frame.data
        if event is None:
            if frame.lastUpdateId is None:
                return "other_event"
            if not frame.T or not (frame.bids or frame.asks):
                return "bad_value"
            event = frame
        elif type(event) is Trade and (event.X != "MARKET" or event.p <= 0 or event.q <= 0):
            return "bad_value" if event.X == "MARKET" else "off_book_trade"
        places, events = self._kinds[type(event)]
        places.append(len(self._stamps))
        events.append(event)
        self._stamps.append(stamp)
        self._lines.append(line)
        return ""

    def build(self, parser: CaptureParser) -> tuple[Messages, Rows]:
        """The messages and their rows, in the order of the lines."""
        messages = np.zeros(len(self._stamps), MESSAGE)
        made = []
        for kind, (places, events) in self._kinds.items():
            if not events:
                continue
            entries, rows = _TABLES[kind](events)
            if kind is not Frame:
                entries["symbol"] = [parser.symbol(event.s) for event in events]
            _count(parser.read, int(entries["kind"][0]), len(events), len(rows))
            messages[places] = entries
            made.append((np.array(places), rows))
        messages["local"], messages["line"] = self._stamps, self._lines
        ends = np.cumsum(messages["rows"], dtype=np.int64)
        messages["row"] = ends - messages["rows"]
        joined = empty(int(ends[-1]) if len(ends) else 0)
        for order, rows in made:
            joined[ranges(messages["row"][order], messages["rows"][order])] = rows
        return messages, joined


def ranges(starts: tables.Ints, counts: tables.Ints) -> tables.Ints:
    """The numbers start, start + 1, … for each of `starts`, as many as its count says, end to end."""
    ends = np.cumsum(counts, dtype=np.int64)
    offsets: tables.Ints = np.repeat(starts - (ends - counts), counts)
    return np.arange(len(offsets), dtype=np.int64) + offsets


def _count(read: Counter[str], kind: int, events: int, rows: int) -> None:
    if kind == DIFFERENCE:
        read["depth_updates"] += events
        read["level_changes"] += rows
    elif kind == SNAPSHOT_BODY:
        read["snapshots"] += events
        read["level_changes"] += rows - events  # one row of each clears the book
    else:
        read[{QUOTES: "best_quotes", TRADES: "trades", MARKS: "mark_prices"}[kind]] += events
