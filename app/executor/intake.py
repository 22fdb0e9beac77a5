"""Approved signals as they are read: entries are decided at once, holds are put on the agenda."""

from collections.abc import Mapping
from decimal import Decimal

from app.core.clock import NS_PER_MS
from app.core.errors import BadInput, Rejected
from app.core.ids import client_order_id
from app.core.logging import get_logger
from app.core.strategy import StrategySettings
from app.executor.agenda import HOLD, Due, GiveUp
from app.executor.approvals import Approvals
from app.executor.entries import Plan, plan_entry
from app.executor.floor import Floor
from app.executor.metrics import ExecutorMetrics
from app.executor.positions import Order, Position
from app.messages.base import Message
from app.messages.execution import OrderUpdate
from app.messages.signals import ApprovedSignal, Mark

log = get_logger(__name__)

_UNPLANNED = Plan(0, 0)


class Intake:
    """What the executor does with sig:approved."""

    def __init__(self, floor: Floor, approvals: Approvals, metrics: ExecutorMetrics) -> None:
        self._floor = floor
        self._approvals = approvals
        self._metrics = metrics
        self._slots: Mapping[str, int] = {
            instrument.symbol: slot for slot, instrument in enumerate(floor.rules.instruments)
        }

    def take(self, message: Message) -> None:
        """Act on one message of the stream.

        Raises:
            BadInput: it does not belong there, or is too old to tell whether it was seen before.
        """
        match message:
            case Mark():
                self._approvals.promise(message.ts)
            case ApprovedSignal(kind="entry"):
                if self._approvals.is_new(message):
                    self._enter(message)
                elif self._floor.report.live:
                    self._metrics.duplicates.inc()
                    log.warning("duplicate approval ignored", signal_id=message.id, strategy=message.strategy)
            case ApprovedSignal():
                self._reconsider(message)
            case _:
                tag = type(message).__struct_config__.tag
                raise BadInput(f"message type {tag!r} does not belong among approved signals")

    def _enter(self, signal: ApprovedSignal) -> None:
        late = self._approvals.is_late(signal)
        if late and self._floor.report.live:
            self._metrics.late.inc()
            log.error("approval came after the mark that covers it", signal_id=signal.id, mark=self._approvals.mark)
        strategy = self._floor.rules.strategies.get(signal.strategy)
        slot = self._slots.get(signal.symbol)
        plan = _UNPLANNED
        try:
            if strategy is None:
                raise Rejected(f"strategy {signal.strategy!r} is not enabled here", reason="unknown_strategy")
            if slot is None:
                raise Rejected(f"symbol {signal.symbol!r} is not of this shard", reason="unknown_symbol")
            instrument = self._floor.rules.instruments[slot]
            plan = plan_entry(signal, instrument)
            instrument.check_order(plan.tick, plan.lots)
        except Rejected as rejected:
            self._reject(signal, plan, slot, rejected, late=late)
            return
        self._open(signal, strategy, slot, plan, late=late)

    def _open(self, signal: ApprovedSignal, strategy: StrategySettings, slot: int, plan: Plan, *, late: bool) -> None:
        floor, rules = self._floor, self._floor.rules
        order = Order(
            id=client_order_id(signal.id, "entry", 0),
            leg="entry",
            side=signal.side,
            tick=plan.tick,
            lots=plan.lots,
            post_only=rules.post_only or rules.maker_only,
            late=late,
        )
        position = Position(
            signal=signal,
            slot=slot,
            index=floor.venue.open_position(),
            account=floor.ledger.account_number(signal.strategy, signal.model_id, strategy.capital.starting_cash),
            entry_id=order.id,
            ttl=strategy.entry.ttl_ms * NS_PER_MS,
            grace=strategy.exits.hold_grace_ms * NS_PER_MS,
            orders={},
        )
        floor.positions[position.id] = position
        floor.send_order(position, order, self._approvals.not_before(signal))

    def _reject(self, signal: ApprovedSignal, plan: Plan, slot: int | None, rejected: Rejected, *, late: bool) -> None:
        instrument = None if slot is None else self._floor.rules.instruments[slot]
        update = OrderUpdate(
            ts=self._approvals.not_before(signal),
            order_id=client_order_id(signal.id, "entry", 0),
            signal_id=signal.id,
            strategy=signal.strategy,
            symbol=signal.symbol,
            leg="entry",
            side=signal.side,
            status="rejected",
            px=Decimal(0) if instrument is None else instrument.price(plan.tick),
            qty=Decimal(0) if instrument is None else instrument.quantity(plan.lots),
            reason=rejected.reason,
            model_id=signal.model_id,
            route=signal.route,
            late=late,
        )
        self._floor.report.send(update)
        if self._floor.report.live:
            log.warning("entry rejected", signal_id=signal.id, reason=rejected.reason, error=str(rejected))

    def _reconsider(self, signal: ApprovedSignal) -> None:
        # A score at or above the threshold asks for nothing.
        if signal.score < signal.tau_hold:
            at = self._approvals.not_before(signal)
            self._floor.agenda.add(Due(at, HOLD, signal.position_id, 0, GiveUp()))
