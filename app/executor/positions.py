"""A position and its orders, from the approval of its entry to the end of its last order.

Each fact is kept twice where it matters: as it is at the venue, and as the strategy knows it, which is later.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from app.executor.backoff import Backoff
from app.messages.execution import Leg
from app.messages.signals import ApprovedSignal
from app.sim.money import RATIO, exact
from app.sim.orders import MARKET

ZERO = Decimal(0)
_BPS = Decimal(10_000)


class Order(msgspec.Struct):
    """`value` is Σ tick · lots of its fills; `handle` is the venue's while it rests; `late` as in `OrderUpdate`."""

    id: str
    leg: Leg
    side: int
    tick: int
    lots: int
    post_only: bool = False
    reduce_only: bool = False
    reason: str = ""
    late: bool = False
    # At the venue.
    handle: int = -1
    filled: int = 0
    value: int = 0
    fills: int = 0
    over: bool = False
    # As the strategy knows it.
    known: int = 0
    acknowledged: bool = False
    cancelling: bool = False

    @property
    def is_market(self) -> bool:
        """True for an order without a limit price."""
        return self.tick == MARKET


class RoundTrip(msgspec.Struct):
    """The money of one position, exact: quantities and values bought or sold on the way in and on the way out."""

    in_qty: Decimal = ZERO
    in_value: Decimal = ZERO
    out_qty: Decimal = ZERO
    out_value: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    first_ts: int = 0
    last_exit: str = ""
    markouts: dict[str, float] = msgspec.field(default_factory=dict)


class Position(msgspec.Struct):
    """Everything that follows from one approved entry.

    `orders` holds every order the strategy does not yet know to be over, and the entry for good. `closing` is the
    id of the order that now works to leave, empty if none does.
    """

    signal: ApprovedSignal
    slot: int
    index: int
    account: int
    entry_id: str
    ttl: int
    grace: int
    orders: dict[str, Order]
    trip: RoundTrip = msgspec.field(default_factory=RoundTrip)
    resolved: bool = False
    # Messages each way keep their order: counters, and the time of the last one.
    sent: int = 0
    last_sent: int = 0
    told: int = 0
    last_told: int = 0
    attempts: dict[str, int] = msgspec.field(default_factory=dict)
    # As the strategy knows it.
    closing: str = ""
    entry_over: bool = False
    known_in: int = 0
    known_out: int = 0
    known_value: int = 0
    known_since: int = 0
    exit_reason: str = ""
    starved: bool = False
    watch: int | None = None
    backoff: Backoff = msgspec.field(default_factory=Backoff)

    @property
    def id(self) -> str:
        """The id of its entry signal."""
        return self.signal.id

    @property
    def side(self) -> int:
        """+1 long, -1 short."""
        return self.signal.side

    @property
    def entry(self) -> Order:
        """Its entry order."""
        return self.orders[self.entry_id]

    @property
    def known_lots(self) -> int:
        """Lots the strategy knows to be open."""
        return self.known_in - self.known_out

    @property
    def forgettable(self) -> bool:
        """True when nothing of it is left at the venue and the strategy knows."""
        return self.resolved and self.entry_over and len(self.orders) == 1

    def stop_tick(self) -> int:
        """The best price at which the stop is hit: entry · (1 ∓ stop_loss_bps / 10⁴), rounded away from the entry."""
        return self._distant(-self.side, self.signal.stop_loss_bps)

    def target_tick(self) -> int:
        """The target's limit: entry · (1 ± take_profit_bps / 10⁴), rounded away from the entry."""
        return self._distant(self.side, self.signal.take_profit_bps)

    def _distant(self, way: int, bps: float) -> int:
        average = RATIO.divide(Decimal(self.known_value), Decimal(self.known_in))
        share = RATIO.divide(exact(bps), _BPS)
        tick = RATIO.multiply(average, RATIO.add(Decimal(1), share if way > 0 else -share))
        return int(tick.to_integral_value(ROUND_CEILING if way > 0 else ROUND_FLOOR))
