"""An archive through the cores of all services, in one process and as fast as it goes."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path

from app.bus.types import Delivery
from app.core.errors import BadInput
from app.core.memory import keep_freed_memory
from app.executor.warm import warm as warm_executor
from app.features.warm import warm as warm_features
from app.market.instruments import read_instruments
from app.market.rows import Rows, lent_block
from app.messages.base import Message
from app.messages.execution import ClosedTrade
from app.messages.signals import Mark
from app.messages.streams import Streams
from app.replay.cores import build_cores
from app.replay.pieces import pieces
from app.replay.received import for_two_markets
from app.replay.source import Source, open_source
from app.replay.wiring import Wiring
from app.report.books import BooksReport, check_books
from app.report.records import canonical_records, records_digest
from app.report.run_data import Gathering
from app.report.tally import Tally
from app.settings import Settings, resolve
from app.store.repairs import Repair

Transform = Callable[[Iterator[Rows]], Iterator[Rows]]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: rows handled, the ts_recv of the last (ns), and the share of the time to be replayed."""

    rows: int
    ts: int
    share: float
    tally: Tally


@dataclass(frozen=True)
class ReplayResult:
    """What came of a replay.

    `gathered` has everything a report is made from. `cpu_s` is CPU of this process over the replay itself: without
    reading kernels and models from disk, with reading the archive. `interrupted` is True if it was stopped early;
    all rows before that were handled.
    """

    settings: Settings
    source: Source
    gathered: Gathering
    rows: int
    cpu_s: float
    wall_s: float
    interrupted: bool

    @property
    def repairs(self) -> tuple[Repair, ...]:
        """What was put right or left out of a damaged archive; empty for one that is whole, or unless asked for."""
        return tuple(self.source.repairs or ())

    @property
    def tally(self) -> Tally:
        """Counts and sums."""
        return self.gathered.tally

    @property
    def rows_per_cpu_s(self) -> float:
        """Rows a second of CPU; NaN if it took none."""
        return self.rows / self.cpu_s if self.cpu_s else float("nan")

    @cached_property
    def records(self) -> list[bytes]:
        """Order updates, fills, funding and closed trades in canonical form, as in `records.jsonl`."""
        return canonical_records(self.gathered.money)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the records: equal digests mean equal orders, fills and PnL."""
        return records_digest(self.records)

    @cached_property
    def trades(self) -> list[ClosedTrade]:
        """Closed trades in order of time."""
        found = (message for message in self.gathered.money if isinstance(message, ClosedTrade))
        return sorted(found, key=lambda trade: (trade.ts, trade.signal_id))

    @cached_property
    def books(self) -> BooksReport:
        """Whether the accounts, recomputed from the messages alone, agree with what the executor said."""
        return check_books(self.gathered.money, starting_cash(self.settings))


def starting_cash(settings: Settings) -> dict[str, Decimal]:
    """What the account of each enabled strategy begins with, in quote currency."""
    return {name: strategy.capital.starting_cash for name, strategy in settings.enabled_strategies.items()}


def run(
    settings: Settings,
    archive: Path,
    *,
    venue: str | None = None,
    start: int | None = None,
    end: int | None = None,
    recording: str | None = None,
    transform: Transform | None = None,
    repair: bool = False,
    on_progress: Callable[[Progress], None] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> ReplayResult:
    """Replay the symbols of `settings.shard` with `start` ≤ ts_recv < `end` (ns) from fresh cores.

    A function of the rows and the settings alone. Where `start` is after the archive's beginning, books begin as they
    were then; features and warm-up begin anew. After each block of rows `on_progress` is told and `stop` is asked.
    Memory grows with what was traded, not with the archive. `transform` is given the blocks of rows, each of which ends
    where a venue message ends, and gives such blocks: what is replayed is what it makes of them.

    With `repair` a damaged archive is replayed as far as something can be had of it, and `repairs` of the result counts
    what was done; an archive that is whole gives the same either way.

    Raises:
        Misconfigured: as the services' start would, or the archive has nothing of that kind.
        BadInput: the archive is damaged or incomplete; the text names file and row.
        SchemaMismatch: its rows have another layout.
    """
    source = open_source(
        archive, venue=venue, symbols=settings.shard.symbols, start=start, end=end, recording=recording, repair=repair
    )
    _warm_up()
    replay = _Replay(settings, source, transform)
    cpu, wall = time.process_time(), time.perf_counter()
    interrupted = replay.through(on_progress, stop)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return ReplayResult(settings, source, replay.gathered, replay.rows, cpu, wall, interrupted)


@cache
def _warm_up() -> None:
    keep_freed_memory()
    warm_features()
    warm_executor()


class _Replay:
    def __init__(self, settings: Settings, source: Source, transform: Transform | None) -> None:
        self.gathered = Gathering()
        self.rows = 0
        self._source = source
        self._transform = transform
        self._book_ticks = settings.signal_engine.book_ticks
        instruments = read_instruments(resolve(settings.symbols_file))
        self._instruments = {symbol: instruments[symbol] for symbol in source.symbols}
        streams = Streams(settings.shard.id)
        self._md = streams.md
        down = (streams.raw, streams.scored, streams.approved, streams.execution)
        cores = build_cores(settings) if transform is None else for_two_markets(build_cores(settings))
        self._wiring = Wiring(cores, down, tap=self._tap, refused=self._refused)

    def through(self, on_progress: Callable[[Progress], None] | None, stop: Callable[[], bool]) -> bool:
        """Handle all rows; True if `stop` said so before the last."""
        first, last = self._source.span
        blocks = self._source.blocks(self._instruments, book_ticks=self._book_ticks)
        for rows in pieces(blocks if self._transform is None else self._transform(blocks)):
            self._wiring.feed_block(self._md, lent_block(rows))
            self.rows += len(rows)
            ts = int(rows["ts_recv"][-1])
            if on_progress is not None:
                on_progress(Progress(self.rows, ts, (ts - first) / max(1, last - first), self.gathered.tally))
            if stop() and ts < last:
                return True
        return False

    def _tap(self, _stream: str, messages: Sequence[Message]) -> None:
        take = self.gathered.take
        for message in messages:
            if type(message) is not Mark:
                take(message)

    def _refused(self, service: str, _delivery: Delivery, error: BadInput) -> None:
        self.gathered.tally.dead_letters[f"{service}: {error.reason}"] += 1
