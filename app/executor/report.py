"""What leaves the executor, and its count."""

from decimal import Decimal

from app.bus.types import Outbox
from app.executor.metrics import ExecutorMetrics
from app.executor.positions import Order, Position
from app.market.instruments import Instrument
from app.messages.base import Message
from app.messages.execution import OrderStatus, OrderUpdate


class Reporter:
    """Sends to one stream through the outbox of the delivery being handled."""

    def __init__(self, stream: str, metrics: ExecutorMetrics) -> None:
        self._stream = stream
        self._metrics = metrics
        self._out = Outbox()

    def begin(self, out: Outbox) -> None:
        """A delivery is being handled; what follows from it goes to `out`."""
        self._out = out

    @property
    def live(self) -> bool:
        """False while recovery repeats what was counted and logged before."""
        return not self._out.refeeding

    def send(self, message: Message) -> None:
        """Publish and count `message`."""
        self._out.send(self._stream, message)
        if self.live:
            self._metrics.count(message)

    def opened(self, route: str) -> None:
        """A position was opened."""
        if self.live:
            self._metrics.trades_opened.labels(route).inc()


def order_update(
    position: Position, order: Order, instrument: Instrument, status: OrderStatus, *, ts: int, reason: str = ""
) -> OrderUpdate:
    """The step `status` in the life of `order`."""
    signal = position.signal
    return OrderUpdate(
        ts=ts,
        order_id=order.id,
        signal_id=signal.id,
        strategy=signal.strategy,
        symbol=signal.symbol,
        leg=order.leg,
        side=order.side,
        status=status,
        px=Decimal(0) if order.is_market else instrument.price(order.tick),
        qty=instrument.quantity(order.lots),
        filled_qty=instrument.quantity(order.filled),
        reason=reason,
        model_id=signal.model_id,
        route=signal.route,
        late=order.late,
    )
