"""The executor: event rows and approved signals in, orders, fills, trades and equity out. No I/O, no clock.

An entry is decided when its approval is read, since the decision depends on nothing else; its order then arrives at
the paper venue at its own event time. Everything else happens on the timeline (`app.executor.timeline`).
"""

from collections.abc import Collection, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from app.bus.types import Delivery, Outbox
from app.core.errors import BadInput, SchemaMismatch
from app.core.ids import derived_id
from app.executor.agenda import Agenda, Due
from app.executor.approvals import Approvals
from app.executor.floor import Floor
from app.executor.intake import Intake
from app.executor.ledger import Desk
from app.executor.metrics import ExecutorMetrics
from app.executor.positions import Position
from app.executor.report import Reporter
from app.executor.rules import Rules
from app.executor.timeline import Timeline
from app.market.instruments import Instrument
from app.market.schema import SCHEMA
from app.messages.signals import Mark
from app.messages.streams import Streams
from app.sim.exchange import VenueState
from app.sim.tape import Tape, TapeState

_VERSION = 1
_MAX_AGENDA = 10_000


class _State(msgspec.Struct, array_like=True):
    version: int
    made_for: str
    approvals: tuple[int | None, dict[str, int]]
    frontier: int | None
    marked: int
    tape: TapeState
    venue: VenueState
    positions: list[Position]
    agenda: list[Due]
    desks: list[Desk]
    equity_due: bool


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_State)


class ExecutorCore:
    """The core of the executor."""

    def __init__(self, streams: Streams, rules: Rules, metrics: ExecutorMetrics) -> None:
        self.inputs: Sequence[str] = (streams.md, streams.approved)
        self._streams = streams
        self._rules = rules
        self._metrics = metrics
        self._made_for = _fingerprint(rules)
        self._report = Reporter(streams.execution, metrics)
        self._approvals = Approvals()
        self._tape = Tape(_slots(rules.instruments), hold=rules.hold)
        self._floor = Floor(rules, self._report)
        self._timeline = Timeline(self._floor, self._tape)
        self._intake = Intake(self._floor, self._approvals, metrics)
        # The last clock interval whose end was promised.
        self._marked = -1

    def advance(self, delivery: Delivery, out: Outbox) -> None:
        """Handle one entry: a block of event rows, or approved signals and marks."""
        self._report.begin(out)
        if delivery.stream == self._streams.md:
            self._take_rows(delivery)
        else:
            self._take_approvals(delivery, out)
        if self._timeline.run(self._approvals.mark):
            self._promise()
        self._metrics.open_positions.set(self._floor.ledger.open_positions)

    def paused(self) -> Collection[str]:
        """The input that is too far ahead: rows that wait for a mark, or approvals that wait for rows."""
        settled, mark = self._tape.settled, self._approvals.mark
        rows_ahead = settled is not None and (mark is None or mark < settled)
        if rows_ahead and len(self._tape) >= self._rules.max_pending_rows:
            return (self._streams.md,)
        if not rows_ahead and len(self._floor.agenda) >= _MAX_AGENDA:
            return (self._streams.approved,)
        return ()

    def _take_rows(self, delivery: Delivery) -> None:
        if delivery.messages:
            raise BadInput(f"{delivery.stream} carries blocks of event rows, not messages", reason="malformed")
        self._tape.append(delivery.block)
        if self._tape.counts.any():
            if self._report.live:
                self._metrics.count_rows(self._tape.counts)
            self._tape.counts[:] = 0
        self._metrics.pending_rows.set(len(self._tape))

    def _take_approvals(self, delivery: Delivery, out: Outbox) -> None:
        if delivery.block:
            raise BadInput(f"{delivery.stream} carries messages, not blocks of event rows", reason="malformed")
        for message in delivery.messages:
            try:
                self._intake.take(message)
            except BadInput as error:
                out.refuse(delivery, msgspec.json.encode(message), error)

    def _promise(self) -> None:
        """Tell, once a clock interval, up to when everything has been said."""
        frontier = self._timeline.frontier
        if frontier is not None and frontier // self._rules.clock > self._marked:
            self._marked = frontier // self._rules.clock
            self._report.send(Mark(ts=frontier, source="executor"))

    def snapshot(self) -> bytes:
        """The whole state."""
        state = _State(
            version=_VERSION,
            made_for=self._made_for,
            approvals=self._approvals.snapshot(),
            frontier=self._timeline.frontier,
            marked=self._marked,
            tape=self._tape.snapshot(),
            venue=self._floor.venue.snapshot(),
            positions=list(self._floor.positions.values()),
            agenda=self._floor.agenda.items(),
            desks=self._floor.ledger.snapshot(),
            equity_due=self._floor.equity_due,
        )
        return _encoder.encode(state)

    def restore(self, blob: bytes) -> None:
        """Replace the state.

        Raises:
            SchemaMismatch: not a snapshot of this version of the executor with these instruments, this width of the
                books and this reorder hold.
        """
        try:
            state = _decoder.decode(blob)
        except msgspec.MsgspecError as error:
            raise SchemaMismatch(
                f"snapshot of the executor cannot be read: {error}; delete the snapshot to start without state"
            ) from None
        if (state.version, state.made_for) != (_VERSION, self._made_for):
            raise SchemaMismatch(
                f"snapshot of the executor is version {state.version} and was made under other instruments, "
                f"book_ticks or reorder_hold_ms than those configured (version {_VERSION}); put them back, or delete "
                "the snapshot to start without state and without its open positions"
            )
        self._approvals.restore(*state.approvals)
        self._timeline.frontier = state.frontier
        self._marked = state.marked
        self._tape.restore(state.tape)
        floor = self._floor
        floor.venue.restore(state.venue)
        floor.positions.clear()
        floor.positions.update((position.id, position) for position in state.positions)
        floor.agenda = Agenda(state.agenda)
        floor.ledger.restore(state.desks)
        floor.equity_due = state.equity_due
        self._timeline.restore()


def _slots(instruments: Sequence[Instrument]) -> npt.NDArray[np.int64]:
    slots = np.full(1 << 16, -1, np.int64)
    for slot, instrument in enumerate(instruments):
        slots[instrument.id] = slot
    return slots


def _fingerprint(rules: Rules) -> str:
    """What a state cannot outlive: the meaning of its ticks, lots, slots and times."""
    grid = [(i.symbol, i.id, i.tick_size, i.lot_size) for i in rules.instruments]
    return derived_id(SCHEMA, grid, rules.book_ticks, rules.hold)
