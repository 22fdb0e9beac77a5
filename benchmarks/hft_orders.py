"""Orders and what became of them, the same for both programs."""

from typing import Final, NamedTuple

#: The time of what never comes.
NEVER: Final = 1 << 62


class Execution(NamedTuple):
    """What an order got at once."""

    ts: int
    tick: int
    lots: int


class Told(NamedTuple):
    """All that an order got at one time as hftbacktest tells it: the tick and the lots of the last execution only."""

    ts: int
    lots: int
    tick: int
    last: int


class Order(NamedTuple):
    """`leg` as in hft_layout; `tick` 0 is a market order. `sent` and `cancel_at` (its arrival; 0: none known) in ns.

    `fills` are told as hftbacktest tells them.
    """

    leg: int
    side: int
    tick: int
    lots: int
    sent: int
    cancel_at: int
    fills: tuple[Told, ...]

    @property
    def plan(self) -> tuple[int, int, int, int, int]:
        """What was decided, and when."""
        return self.leg, self.side, self.tick, self.lots, self.sent

    @property
    def got(self) -> tuple[Told, ...]:
        """Its fills; those of a limit order have one price, so how a fill was divided makes no difference."""
        return self.fills if not self.tick else tuple(fill._replace(last=0) for fill in self.fills)


class Trip(NamedTuple):
    """An entry and the orders that followed from it, in order. `free_at` is when another entry may pass."""

    orders: tuple[Order, ...]
    free_at: int

    @property
    def ts(self) -> int:
        """When its entry was decided."""
        return self.orders[0].sent

    @property
    def side(self) -> int:
        return self.orders[0].side


class Account(NamedTuple):
    """What a program did: its trips in order of time, its candidates (ts → side), and up to when it simulated."""

    trips: tuple[Trip, ...]
    candidates: dict[int, int]
    until: int


def cut(account: Account, until: int, feedback: int) -> Account:
    """What of an account happened up to `until`."""
    trips = []
    for trip in account.trips:
        orders = tuple(
            order._replace(fills=tuple(fill for fill in order.fills if fill.ts <= until))
            for order in trip.orders
            if order.sent <= until
        )
        if orders:
            trips.append(Trip(orders, min(trip.free_at, until + feedback)))
    candidates = {ts: side for ts, side in account.candidates.items() if ts <= until}
    return Account(tuple(trips), candidates, until)


def told(executions: tuple[Execution, ...]) -> tuple[Told, ...]:
    """Executions in order, told as hftbacktest tells them."""
    found: dict[int, Told] = {}
    for ts, tick, lots in executions:
        before = found[ts].lots if ts in found else 0
        found[ts] = Told(ts, before + lots, tick, lots)
    return tuple(found.values())
