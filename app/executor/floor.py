"""The trading floor: positions and what is due, and the wire between strategy and venue."""

from app.core.ids import cancel_id
from app.executor.agenda import ANSWER, ARRIVAL, EQUITY, Agenda, Answer, Arrive, Cancel, Due, MarkToMarket
from app.executor.ledger import Ledger
from app.executor.positions import Order, Position
from app.executor.report import Reporter, order_update
from app.executor.rules import Rules
from app.messages.execution import OrderStatus
from app.sim.exchange import PaperVenue


class Floor:
    """What the strategy's side and the venue's side share.

    Messages of a position keep their order each way, as on one connection: none overtakes the one before it, even
    where its drawn latency would let it.
    """

    def __init__(self, rules: Rules, report: Reporter) -> None:
        self.rules = rules
        self.report = report
        self.venue = PaperVenue(rules.instruments, book_ticks=rules.book_ticks, model=rules.queue)
        self.positions: dict[str, Position] = {}
        self.agenda = Agenda()
        self.ledger = Ledger(rules.instruments, rules.fees, self.venue, self.positions, report)
        self.equity_due = False

    def send_order(self, position: Position, order: Order, now: int) -> None:
        """The strategy decides on `order` at `now`."""
        position.orders[order.id] = order
        self.tell(position, order, "submitted", now)
        self._send(position, Arrive(order.id), order.id, now)

    def send_cancel(self, position: Position, order: Order, why: str, now: int) -> None:
        """The strategy decides at `now` to take `order` back."""
        order.cancelling = True
        self._send(position, Cancel(order.id, why), cancel_id(order.id), now)

    def expire(self, position: Position, order: Order, at: int) -> None:
        """A cancellation of `order` is to reach the venue at `at`."""
        position.sent += 1
        self.agenda.add(Due(at, ARRIVAL, position.id, position.sent, Cancel(order.id, "ttl")))

    def _send(self, position: Position, what: Arrive | Cancel, key: str, now: int) -> None:
        leaves = now + self.rules.decision
        at = max(position.last_sent, leaves + self.rules.latency.order_ns(key, leaves))
        position.sent += 1
        position.last_sent = at
        self.agenda.add(Due(at, ARRIVAL, position.id, position.sent, what))

    def answer(self, position: Position, order: Order, reason: str, now: int, *, rejected: bool = False) -> None:
        """The venue reports the state of `order` as of `now` to the strategy."""
        position.told += 1
        delay = self.rules.latency.response_ns(f"{order.id}-{position.told}", now)
        position.last_told = max(position.last_told, now + delay)
        what = Answer(order.id, now, order.filled, order.value, order.over, reason, rejected)
        self.agenda.add(Due(position.last_told, ANSWER, position.id, position.told, what))

    def tell(self, position: Position, order: Order, status: OrderStatus, now: int, reason: str = "") -> None:
        """Publish a step in the life of `order`."""
        instrument = self.rules.instruments[position.slot]
        self.report.send(order_update(position, order, instrument, status, ts=now, reason=reason))

    def schedule_equity(self, now: int) -> None:
        """Have equity reported at the next multiple of its interval, as long as anything is held."""
        if not self.equity_due:
            self.equity_due = True
            at = (now // self.rules.equity_every + 1) * self.rules.equity_every
            self.agenda.add(Due(at, EQUITY, "", 0, MarkToMarket()))

    def forget(self, position: Position) -> None:
        """Nothing can happen to `position` any more."""
        self.venue.close_position(position.index)
        del self.positions[position.id]
