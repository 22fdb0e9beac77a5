"""The signal engine: event rows in; entry candidates, hold evaluations and marks out.

Executor events take effect at their time plus the feedback delay, and a row is handled only once all events that can
have taken effect by its time have arrived. So what comes out depends on the data alone, not on how the two input
streams interleave or how entries are cut; see `app.bus.types.Core`.
"""

from collections.abc import Collection, Mapping, Sequence

import msgspec

from app.bus.types import Delivery, Outbox
from app.core.errors import BadInput, SchemaMismatch
from app.core.strategy import StrategySettings
from app.features.engine import BOOK_FAULTS, EngineState, FeatureEngine, Found
from app.features.layout import REASONS, TIME_PASSED, WATCH_FIRED
from app.market.instruments import Instrument, Instruments
from app.market.schema import ROW_BYTES
from app.messages.signals import Mark
from app.messages.streams import Streams
from app.signal_engine.candidates import candidates
from app.signal_engine.feedback import Event, Feedback
from app.signal_engine.holds import Holds, Position
from app.signal_engine.metrics import EngineMetrics
from app.signal_engine.pending import PendingRows
from app.signal_engine.settings import SignalEngineSettings

SOURCE = "signal_engine"
_VERSION = 1
_MAX_EVENTS = 10_000


class CoreState(msgspec.Struct, frozen=True):
    """A snapshot of the core."""

    version: int
    engine: EngineState
    mark: int
    begun: bool
    pending: bytes
    events: list[Event]
    positions: list[tuple[str, str, str, int, int, list[str]]]
    # Snapshots without it were taken by engines that had been running.
    told: bool = True


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CoreState)


class SignalEngine:
    """The core. `symbols` are the shard's; `feedback_delay_ns` is the pipeline's."""

    def __init__(
        self,
        streams: Streams,
        settings: SignalEngineSettings,
        *,
        strategies: Mapping[str, StrategySettings],
        instruments: Instruments,
        symbols: Sequence[str],
        feedback_delay_ns: int,
        metrics: EngineMetrics,
    ) -> None:
        # Recovery feeds them in this order: with the executor's marks known, rows need not wait.
        self.inputs: Sequence[str] = (streams.execution, streams.md)
        self._streams = streams
        self._max_pending = settings.max_pending_rows
        self._metrics = metrics
        self._instruments = Instruments({symbol: instruments[symbol] for symbol in symbols})
        self._candidates = candidates(strategies, self._instruments)
        watches = [candidate.watch for candidate in self._candidates]
        # The executor advances to the last mark at most, and rows wait for the executor: over a silence as long as
        # the feedback delay they would wait for each other. Half of it leaves room for the executor's own steps.
        self._engine = FeatureEngine(
            list(self._instruments),
            watches,
            book_ticks=settings.book_ticks,
            silence_ns=feedback_delay_ns // 2,
            every_message=settings.evaluate == "every_message",
        )
        self._holds = Holds(strategies, self._instruments)
        self._positions: list[Position] = []
        self._feedback = Feedback(feedback_delay_ns)
        self._rows = PendingRows()
        # Whether the passing of time was ever told: readers count from the first mark, so it may not be left out.
        self._told = False
        self._reported_faults = self._engine.book_faults()
        self._reported_waiting = (-1, -1)

    def advance(self, delivery: Delivery, out: Outbox) -> None:
        """Handle one entry of `md` (a block) or of `exec:events` (messages).

        Raises:
            BadInput: an `md` entry that is no block of whole rows, or an entry of another stream.
        """
        if delivery.stream == self._streams.md:
            self._take_rows(delivery.block, out)
        elif delivery.stream == self._streams.execution:
            self._hear(delivery, out)
        else:
            raise BadInput(f"the signal engine does not read stream {delivery.stream!r}", reason="unknown_stream")
        self._proceed(out)
        self._report(out)

    def paused(self) -> Collection[str]:
        """Rows wait for the executor, or events for rows; never both."""
        if len(self._rows) >= self._max_pending:
            return (self._streams.md,)
        if len(self._feedback) >= _MAX_EVENTS and not len(self._rows):
            return (self._streams.execution,)
        return ()

    def _take_rows(self, block: bytes | memoryview, out: Outbox) -> None:
        if not block or len(block) % ROW_BYTES:
            raise BadInput(
                f"md entry of {len(block)} bytes is not a whole number of {ROW_BYTES}-byte event rows",
                reason="malformed",
            )
        rows, engine = self._rows, self._engine
        before = engine.dropped.tolist()
        end = rows.put(block)
        start = rows.tail
        rows.tail = engine.sift(rows.ints, rows.floats, start, end)
        if rows.tail > start and not self._feedback.begun:
            self._feedback.begin(rows.next_ts())
        if not out.refeeding:
            self._metrics.rows.inc(end - start)
            if rows.tail < end:
                for reason, was, now in zip(REASONS, before, engine.dropped.tolist(), strict=True):
                    self._metrics.dropped.labels(reason).inc(now - was)

    def _hear(self, delivery: Delivery, out: Outbox) -> None:
        for message in delivery.messages:
            event = self._feedback.hear(message)
            if event is not None and event.at <= self._engine.last_ts and not out.refeeding:
                self._metrics.late.inc()

    def _proceed(self, out: Outbox) -> None:
        """Handle all rows that may be handled, in pieces that end where an executor event takes effect."""
        rows, feedback = self._rows, self._feedback
        limit = feedback.limit
        while rows.head < rows.tail:
            ts = rows.next_ts()
            if ts >= limit:
                if self._engine.tell_time(ts):
                    self._promise(ts - 1, out)
                return
            if feedback.next_at(limit) <= ts:
                self._learn(ts)
            until = min(limit, feedback.next_at(limit))
            rows.head = self._engine.advance(rows.ints, rows.floats, rows.head, rows.tail, until)
            self._emit(out)
        rows.forget()

    def _learn(self, ts: int) -> None:
        self._holds.due(self._engine.due())
        for event in self._feedback.take(ts):
            self._holds.apply(event)
        self._engine.set_holds(self._holds.plan())
        self._positions = list(self._holds.positions.values())

    def _emit(self, out: Outbox) -> None:
        everything = self._engine.found()
        # A promise holds what those before it did, so the last is enough.
        last = max((i for i, found in enumerate(everything) if found.kind == TIME_PASSED), default=None)
        for i, found in enumerate(everything):
            if found.kind != TIME_PASSED:
                self._send_signal(i, found, out)
            elif i == last or not self._told:
                # More rows with this very ts may follow, so the promise ends just before it.
                self._promise(found.ts - 1, out)

    def _promise(self, ts: int, out: Outbox) -> None:
        self._told = True
        out.send(self._streams.raw, Mark(ts=ts, source=SOURCE))

    def _send_signal(self, i: int, found: Found, out: Outbox) -> None:
        features = self._engine.features(i)
        if found.kind == WATCH_FIRED:
            candidate = self._candidates[found.which]
            signal = candidate.signal(found, *_prices(candidate.instrument, found), features)
        else:
            position = self._positions[found.which]
            signal = self._holds.signal(position, found, *_prices(self._instruments[position.symbol], found), features)
        out.send(self._streams.raw, signal)
        if not out.refeeding:
            self._metrics.signals_of(signal.strategy, signal.symbol, signal.kind).inc()

    def _report(self, out: Outbox) -> None:
        """Bring the figures up to date."""
        waiting = len(self._rows), len(self._positions)
        if waiting != self._reported_waiting:
            self._reported_waiting = waiting
            self._metrics.pending.set(waiting[0])
            self._metrics.positions.set(waiting[1])
        faults, before = self._engine.book_faults(), self._reported_faults
        self._reported_faults = faults
        if faults == before or out.refeeding:
            return
        for instrument, counts, old in zip(self._engine.instruments, faults, before, strict=True):
            for kind, count, known in zip(BOOK_FAULTS, counts, old, strict=True):
                self._metrics.faults_of(instrument.symbol, kind).inc(count - known)

    def snapshot(self) -> bytes:
        """Books, statistics, cooldowns, rows and events that wait, open positions, the executor's mark."""
        self._holds.due(self._engine.due())
        state = CoreState(
            version=_VERSION,
            engine=self._engine.state(),
            mark=self._feedback.mark,
            begun=self._feedback.begun,
            pending=self._rows.to_bytes(),
            events=self._feedback.waiting(),
            positions=[(p.id, p.strategy, p.symbol, p.side, p.due, p.owners) for p in self._positions],
            told=self._told,
        )
        return _encoder.encode(state)

    def restore(self, blob: bytes) -> None:
        """Become the core of a snapshot.

        Raises:
            SchemaMismatch: it was taken by another version, or with other features, instruments or window.
        """
        try:
            state = _decoder.decode(blob)
        except msgspec.MsgspecError as error:
            raise SchemaMismatch(f"signal engine snapshot cannot be read: {error}; start without it") from None
        if state.version != _VERSION:
            raise SchemaMismatch(
                f"signal engine snapshot has version {state.version}, this program reads {_VERSION}; start without it"
            )
        self._engine.set_state(state.engine)
        self._feedback.mark, self._feedback.begun = state.mark, state.begun
        self._told = state.told
        self._feedback.set_waiting(state.events)
        self._rows.set_bytes(state.pending)
        self._holds.set_positions([Position(*fields) for fields in state.positions])
        self._positions = list(self._holds.positions.values())
        self._engine.set_holds(self._holds.plan())
        self._reported_faults = self._engine.book_faults()


def _prices(instrument: Instrument, found: Found) -> tuple[float, float]:
    return float(instrument.price(found.bid)), float(instrument.price(found.ask))
