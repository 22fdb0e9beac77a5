"""Risk: scored signals in, approved or dropped out. No I/O, no clock.

Entries meet every gate; holds and marks pass as they are, in order. Control messages act on arrival, also on
signals that still wait: a halt is for now, not for an event time.
"""

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from app.bus.types import Delivery, Outbox
from app.core.errors import BadInput, SchemaMismatch
from app.core.logging import get_logger
from app.messages.base import Message
from app.messages.control import Control
from app.messages.execution import ClosedTrade, OrderUpdate
from app.messages.signals import Dropped, Mark, ScoredSignal
from app.messages.streams import Streams
from app.risk.approval import approve
from app.risk.gates.base import Limits, Refusal
from app.risk.gates.chain import build_gates
from app.risk.metrics import RiskMetrics
from app.risk.timeline import Event, Scored, Timeline

log = get_logger(__name__)

_VERSION = 1


class _State(msgspec.Struct, array_like=True):
    version: int
    timeline: tuple[bool, int | None, list[Scored], list[tuple[int, int, Event]], int]
    gates: dict[str, Any]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_State)


class RiskCore:
    """The core of the risk service."""

    def __init__(self, streams: Streams, limits: Limits, metrics: RiskMetrics) -> None:
        # Control comes last: recovery re-feeds in this order, and an entry that a halt had stopped is then only
        # counted as in flight for a moment, while the reverse would forget one that is.
        self.inputs: Sequence[str] = (streams.scored, streams.execution, streams.control)
        self._streams = streams
        self._limits = limits
        self._metrics = metrics
        self._gates = build_gates(limits)
        self._timeline = Timeline(limits.feedback_ns)

    def advance(self, delivery: Delivery, out: Outbox) -> None:
        """Handle one entry."""
        take = {
            self._streams.scored: self._take_scored,
            self._streams.execution: self._take_execution,
            self._streams.control: self._take_control,
        }[delivery.stream]
        for message in delivery.messages:
            if not take(message, out):
                out.refuse(delivery, msgspec.json.encode(message), _misplaced(message, delivery.stream))
        for due in self._timeline.due():
            self._handle(due, out)

    def paused(self) -> Collection[str]:
        """The scored stream, while too much of it waits for the executor."""
        return (self._streams.scored,) if len(self._timeline) >= self._limits.risk.max_pending_signals else ()

    def snapshot(self) -> bytes:
        """Gates, and what waits."""
        gates = {name: gate.snapshot() for name, gate in self._gates.items()}
        return _encoder.encode(_State(_VERSION, self._timeline.snapshot(), gates))

    def restore(self, blob: bytes) -> None:
        """Replace the state.

        Raises:
            SchemaMismatch: not a snapshot of this version of risk.
        """
        try:
            state = _decoder.decode(blob)
        except msgspec.MsgspecError as error:
            raise SchemaMismatch(
                f"snapshot of risk cannot be read: {error}; delete the snapshot to start without state"
            ) from None
        if state.version != _VERSION or set(state.gates) != set(self._gates):
            raise SchemaMismatch(
                f"snapshot of risk is version {state.version} with gates {', '.join(sorted(state.gates))}, this "
                f"program has version {_VERSION} with {', '.join(sorted(self._gates))}; "
                "delete the snapshot to start without state"
            )
        self._timeline.restore(state.timeline)
        for name, gate in self._gates.items():
            gate.restore(state.gates[name])

    def _take_scored(self, message: Message, out: Outbox) -> bool:
        if not isinstance(message, ScoredSignal | Mark):
            return False
        if self._timeline.add_scored(message):
            self._tell_time(message.ts)
        return True

    def _take_execution(self, message: Message, out: Outbox) -> bool:
        if isinstance(message, Mark):
            self._timeline.promise(message.ts)
        elif isinstance(message, ClosedTrade | OrderUpdate) and _counts(message):
            in_time = self._timeline.add_event(message)
            if not in_time and not out.refeeding:
                self._metrics.late_events.inc()
        return True

    def _take_control(self, message: Message, out: Outbox) -> bool:
        if not isinstance(message, Control):
            return False
        for gate in self._gates.values():
            gate.on_control(message)
        return True

    def _handle(self, due: Scored | Event, out: Outbox) -> None:
        match due:
            case ClosedTrade():
                self._learn_trade(due, out)
            case OrderUpdate():
                for gate in self._gates.values():
                    gate.on_order(due)
            case Mark():
                out.send(self._streams.approved, due)
            case ScoredSignal():
                self._tell_time(due.ts)
                self._judge(due, out)

    def _tell_time(self, ts: int) -> None:
        for gate in self._gates.values():
            gate.on_time(ts)

    def _learn_trade(self, trade: ClosedTrade, out: Outbox) -> None:
        for name, gate in self._gates.items():
            if gate.on_trade(trade) and not out.refeeding:
                self._metrics.triggers[name].inc()
                log.warning("limit reached; entries stop", gate=name, signal_id=trade.signal_id, pnl=str(trade.pnl))

    def _judge(self, signal: ScoredSignal, out: Outbox) -> None:
        if not out.refeeding:
            self._metrics.signals_of(signal.kind).inc()
        refusal = self._refusal(signal) if signal.kind == "entry" else None
        if refusal is not None:
            self._drop(signal, refusal, out)
            return
        if signal.kind == "entry":
            for gate in self._gates.values():
                gate.on_approved(signal)
            if not out.refeeding:
                self._metrics.approved.inc()
        out.send(self._streams.approved, approve(signal, self._limits.strategies.get(signal.strategy)))

    def _refusal(self, signal: ScoredSignal) -> Refusal | None:
        for gate in self._gates.values():
            refusal = gate.check(signal)
            if refusal is not None:
                return refusal
        return None

    def _drop(self, signal: ScoredSignal, refusal: Refusal, out: Outbox) -> None:
        if not out.refeeding:
            self._metrics.count_drop(refusal.reason, signal.symbol)
        dropped = Dropped(
            ts=signal.ts,
            id=signal.id,
            strategy=signal.strategy,
            symbol=signal.symbol,
            reason=refusal.reason,
            model_id=signal.model_id,
            detail=refusal.detail,
        )
        out.send(self._streams.dropped, dropped)


def _counts(event: OrderUpdate | ClosedTrade) -> bool:
    """Whether `event` says that an entry order exists, that it ended without a fill, or that a trade is over."""
    if isinstance(event, ClosedTrade):
        return True
    ended = event.status in ("cancelled", "rejected") and event.filled_qty == 0
    return event.leg == "entry" and (event.status == "submitted" or ended)


def _misplaced(message: Message, stream: str) -> BadInput:
    tag = type(message).__struct_config__.tag
    return BadInput(f"message type {tag!r} does not belong on {stream}", reason="bad_input")
