"""What happens at the venue: orders and cancellations arrive, fills and funding happen."""

from app.core.clock import NS_PER_MS
from app.executor.agenda import SAMPLE, Arrive, Cancel, Due, Sample
from app.executor.floor import Floor
from app.executor.positions import Order, Position
from app.sim.layout import FILLED, FUNDING_DUE, REDUCED
from app.sim.orders import BY_REDUCE_ONLY, Happening, Receipt, Ticket
from app.sim.spells import BUSY

#: Markouts are taken this long (ms) after the first fill of an entry.
HORIZONS = (100, 500, 1000)


class VenueSide:
    """Turns what the paper venue does into books, messages, and answers to the strategy."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._resting: dict[int, tuple[Position, Order]] = {}

    def arrive(self, position: Position, what: Arrive, now: int) -> None:
        """An order reaches the venue."""
        order = position.orders[what.order]
        if self._floor.rules.spells.refuse(order.id, now):
            receipt = Receipt("rejected", order.lots, reason=BUSY)
        else:
            receipt = self._floor.venue.submit(_ticket(position, order), now)
        order.lots = receipt.lots or order.lots
        order.over = receipt.status != "resting"
        if receipt.status == "resting":
            self._rest(position, order, receipt, now)
        for fill in receipt.fills:
            self._fill(position, order, fill, now)
        if receipt.status in ("cancelled", "rejected"):
            self._floor.tell(position, order, receipt.status, now, receipt.reason)
        for happening in receipt.reduced:
            self._reduced(happening, now)
        self._floor.answer(position, order, receipt.reason, now, rejected=receipt.status == "rejected")
        self._settle(position, now)

    def _rest(self, position: Position, order: Order, receipt: Receipt, now: int) -> None:
        order.handle = receipt.handle
        self._resting[receipt.handle] = position, order
        self._floor.tell(position, order, "accepted", now)
        if order.leg == "entry":
            self._floor.expire(position, order, now + position.ttl)

    def cancel(self, position: Position, what: Cancel, now: int) -> None:
        """A cancellation reaches the venue; one that comes too late changes nothing."""
        order = position.orders.get(what.order)
        if order is None or not self._floor.venue.cancel(order.handle):
            return
        self._end(position, order, what.why, now)
        self._settle(position, now)

    def happen(self, happening: Happening, now: int) -> None:
        """The venue filled or reduced a resting order, or a funding time came."""
        if happening.kind == FUNDING_DUE:
            self._floor.ledger.fund(happening.subject, now)
        elif happening.kind == FILLED:
            position, order = self._resting[happening.subject]
            self._fill(position, order, happening, now)
            self._floor.answer(position, order, "", now)
            self._settle(position, now)
        elif happening.kind == REDUCED:
            self._reduced(happening, now)

    def sample(self, position: Position, what: Sample) -> None:
        """A markout horizon is reached."""
        self._floor.ledger.sample(position, what.horizon)

    def _reduced(self, happening: Happening, now: int) -> None:
        position, order = self._resting[happening.subject]
        self._end(position, order, BY_REDUCE_ONLY, now)

    def _end(self, position: Position, order: Order, reason: str, now: int) -> None:
        order.over = True
        self._resting.pop(order.handle, None)
        self._floor.tell(position, order, "cancelled", now, reason)
        self._floor.answer(position, order, reason, now)

    def _fill(self, position: Position, order: Order, fill: Happening, now: int) -> None:
        floor, first = self._floor, not position.trip.first_ts
        floor.ledger.fill(position, order, fill.lots, fill.tick, "maker" if fill.maker else "taker", now)
        complete = order.filled == order.lots
        floor.tell(position, order, "filled" if complete else "partially_filled", now)
        if complete:
            order.over = True
            self._resting.pop(order.handle, None)
        if first:
            floor.report.opened(position.signal.route)
            for horizon in HORIZONS:
                floor.agenda.add(Due(now + horizon * NS_PER_MS, SAMPLE, position.id, horizon, Sample(horizon)))
        floor.ledger.mark_to_market(position.account, now)
        floor.schedule_equity(now)

    def _settle(self, position: Position, now: int) -> None:
        """A position is resolved once its entry is over and nothing is held; a round trip is then reported."""
        trip = position.trip
        if position.resolved or not position.entry.over or trip.in_qty != trip.out_qty:
            return
        position.resolved = True
        if trip.in_qty:
            self._floor.ledger.close(position, now)

    def restore(self) -> None:
        """Find the resting orders again after the floor was restored."""
        self._resting = {
            order.handle: (position, order)
            for position in self._floor.positions.values()
            for order in position.orders.values()
            if order.handle >= 0 and not order.over
        }


def _ticket(position: Position, order: Order) -> Ticket:
    return Ticket(
        slot=position.slot,
        side=order.side,
        lots=order.lots,
        tick=order.tick,
        position=position.index,
        account=position.account,
        post_only=order.post_only,
        reduce_only=order.reduce_only,
    )
