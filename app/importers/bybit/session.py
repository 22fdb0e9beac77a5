"""A recorded Bybit v5 session: its frames go through the decoder that the live feed uses."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from app.core.errors import BadInput
from app.importers.bybit.records import UNDECODABLE, Record, decode_record, topic_and_time
from app.importers.bybit.sink import RecordingSink
from app.importers.clock_offset import EARLIEST, LATEST, ClockFix, OffsetEstimate
from app.importers.findings import Findings
from app.importers.format import Book, OnShare
from app.importers.grid import Grid
from app.importers.report import ClockReport
from app.importers.source import Source
from app.market.instruments import Instrument, Instruments
from app.market.rows import Rows, from_block
from app.venues.bybit.decode import Decoder

_LINEAR: Final = "/v5/public/linear"
_BLOCK_ROWS: Final = 65_536
_READ: Final = {"orderbook": "depth_updates", "publicTrade": "trade_messages", "tickers": "ticker_messages"}


class Session:
    """The linear market of a session: all its symbols that are in config/symbols.yml, or the one asked for."""

    name = "bybit_v5_session"
    venue = "bybit_v5"

    def __init__(self, instruments: Instruments, symbol: str | None) -> None:
        self._instruments, self._wanted = instruments, symbol
        self.found = Findings()
        self._sink = RecordingSink(self.found.refused, self.found.repaired)
        self._paths: Sequence[Path] = ()
        self._chosen: list[Instrument] = []
        self._fixes: list[ClockFix] = []
        self._before: dict[str, str] = {}
        self._depth = 0
        self._last_ts = 0

    @property
    def gaps(self) -> int:
        """Breaks in the sequence of a book."""
        return self._sink.gaps

    def survey(self, paths: Sequence[Path], scratch: Callable[[str], Path], on_share: OnShare) -> list[Instrument]:
        """See `Format`.

        Raises:
            BadInput: there is no linear market data in the files, or none of the symbol asked for.
            Misconfigured: the symbol, or every symbol, is not in config/symbols.yml.
        """
        if self._wanted is not None:
            self._instruments[self._wanted]
        self._paths = paths
        seen: Counter[str] = Counter()
        for number, path in enumerate(paths):
            self._survey_file(path, seen)
            on_share((number + 1) / len(paths))
        self._chosen = self._choose(seen)
        return self._chosen

    def rows(self, on_share: OnShare) -> Iterator[Rows]:
        """See `Format`."""
        grids = {instrument.id: Grid(instrument) for instrument in self._chosen}
        for number, path in enumerate(self._paths):
            for _ in self._decode_file(path, self._fixes[number], last=number + 1 == len(self._paths)):
                rows = from_block(self._sink.buffer.take())
                for instrument, grid in grids.items():
                    grid.off(rows[rows["instrument"] == instrument])
                yield rows
            on_share((number + 1) / len(self._paths))

    def clocks(self) -> list[ClockReport]:
        """See `Format`."""
        return [fix.report() for fix in self._fixes]

    def book(self, instrument: Instrument) -> Book:
        """See `Format`."""
        return "snapshot" if instrument.symbol in self._sink.snapshots else "none"

    def _survey_file(self, path: Path, seen: Counter[str]) -> None:
        source, linear, estimate = Source(path), _Linear(), OffsetEstimate()
        times: list[tuple[int, int]] = []
        lines = 0
        for block in source.blocks():
            lines += len(block)
            for line in block:
                record = _decoded(line)
                if record is None or not linear.carries(record):
                    continue
                topic, event = topic_and_time(record.data.encode())
                kind, symbol = topic.split(".")[0], topic.rpartition(".")[2]
                if kind not in _READ:
                    continue
                seen[symbol] += 1
                self.found.read[_READ[kind]] += 1
                if kind == "orderbook":
                    self._depth = max(self._depth, int(topic.split(".")[1]))
                times.append((record.local_ns, event))
        pairs = np.array(times, np.int64).reshape(-1, 2)
        estimate.update(pairs[:, 0], pairs[:, 1])
        self._fixes.append(estimate.get())
        self.found.lines.append(lines)
        self.found.truncated.append(source.truncated)

    def _choose(self, seen: Counter[str]) -> list[Instrument]:
        names = ", ".join(path.name for path in self._paths)
        if not seen:
            raise BadInput(
                f"no linear market data in {names}: of {sum(self.found.lines)} lines none is a frame of "
                "/v5/public/linear with an order book, trades or tickers",
                reason="empty",
            )
        met = ", ".join(f"{symbol} ({count} messages)" for symbol, count in seen.most_common())
        if self._wanted is not None:
            if self._wanted not in seen:
                raise BadInput(f"no {self._wanted} in {names}; it holds {met}", reason="no_symbol")
            return [self._instruments[self._wanted]]
        known = [symbol for symbol in seen if symbol in self._instruments]
        if len(known) < len(seen):
            self.found.warnings.append(f"not all symbols are in config/symbols.yml, the others are left out: {met}")
        return [self._instruments[symbol] for symbol in known or list(seen)]

    def _decode_file(self, path: Path, fix: ClockFix, *, last: bool) -> Iterator[None]:
        """Decode into the sink's buffer; yield whenever it is worth taking, and at the end."""
        linear, decoders = _Linear(), dict[str, Decoder]()
        number = 0
        for block in Source(path).blocks():
            for line in block:
                number += 1
                self._sink.where = f"{path.name}:{number}"
                record = _decoded(line)
                if record is None:
                    self._sink.dropped("malformed", int(bool(line.strip())))
                    continue
                if record.t == "connect" and record.conn in decoders:
                    decoders.pop(record.conn).disconnected()
                if not linear.carries(record):
                    self._sink.dropped("other_market", int(record.t == "recv"))
                    continue
                self._decode(record, fix, decoders)
            if self._sink.buffer.rows >= _BLOCK_ROWS:
                yield
        if not last:  # the next file's connections begin anew, with snapshots
            for decoder in decoders.values():
                decoder.disconnected()
        yield

    def _decode(self, record: Record, fix: ClockFix, decoders: dict[str, Decoder]) -> None:
        frame = record.data.encode()
        topic, event = topic_and_time(frame)
        symbol, now = topic.rpartition(".")[2], fix.at(record.local_ns)
        if topic.split(".")[0] not in _READ:
            self._sink.dropped("other_event")
        elif all(symbol != instrument.symbol for instrument in self._chosen):
            self._sink.dropped("other_symbol")
        elif not EARLIEST <= now - event <= LATEST:
            self._sink.dropped("impossible_time")
        elif self._before.get(topic) == record.data:
            self._sink.dropped("duplicate")
        else:
            self._before[topic] = record.data
            if record.conn not in decoders:
                ids = {instrument.symbol: instrument.id for instrument in self._chosen}
                decoders[record.conn] = Decoder(ids, self._depth, self._sink)
            self._write(decoders[record.conn], frame, now)

    def _write(self, decoder: Decoder, frame: bytes, now: int) -> None:
        late = now < self._last_ts
        self._sink.now = self._last_ts = max(now, self._last_ts)
        start = self._sink.buffer.rows
        decoder.decode(frame)
        if late:
            self._sink.too_late(start)


class _Linear:
    """Which connections are of the linear market."""

    def __init__(self) -> None:
        self._connections: set[str] = set()

    def carries(self, record: Record) -> bool:
        """True if `record` is a frame received on one of them."""
        if record.t == "connect":
            (self._connections.add if record.addr.endswith(_LINEAR) else self._connections.discard)(record.conn)
        return record.t == "recv" and record.conn in self._connections


def _decoded(line: bytes) -> Record | None:
    try:
        return decode_record(line)
    except UNDECODABLE:
        return None
