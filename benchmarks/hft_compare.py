"""Two accounts beside each other: what differs, why, and what each reason costs.

An order that both programs sent alike and that fared otherwise is explained by the fewest of hftbacktest's rules that
make it fare as it did there (`hft_rules`). What follows from it has the same cause: the other orders of its trip, and
the trips that only one side could begin because the other was still busy with that one. Whatever has no cause is
`UNEXPLAINED`. Nothing is taken for granted: every order of either side, differing or not, must fare in the second
implementation as it did in the first.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import zip_longest
from typing import Final, NamedTuple

import numpy as np

from benchmarks import hft_layout as o
from benchmarks.hft_orders import NEVER, Account, Execution, Order, Told, Trip, told
from benchmarks.hft_rules import ALL_RULES, NO_RULE, REASONS, Rule
from benchmarks.hft_tape import Tape
from benchmarks.hft_venue import Ticket, Venue

UNEXPLAINED: Final = "UNEXPLAINED"
ONE_TIME: Final = "TWO_MESSAGES_AT_ONE_TIME"
NO_ACKNOWLEDGEMENT: Final = "CANCELLED_BEFORE_ACKNOWLEDGED"

_CENT: Final = Decimal("0.01")

#: Causes that are no rule of the venue.
OTHER_REASONS: Final = {
    ONE_TIME: "two venue messages have one ts_recv; we decide after each, hftbacktest wakes once, after both",
    NO_ACKNOWLEDGEMENT: "hftbacktest takes no cancellation of an order it has not acknowledged; ours leaves at once",
    UNEXPLAINED: "no rule gives this result",
}


class Charges(NamedTuple):
    """What money is made of: prices and quantities in ticks and lots, fees as shares of notional."""

    tick_size: Decimal
    lot_size: Decimal
    maker: Decimal
    taker: Decimal

    def cash(self, order: Order, executions: Iterable[Execution]) -> Decimal:
        """What an order's executions bring in, fees unrounded."""
        rate = self.taker if order.leg == o.EXIT else self.maker
        values = (self.tick_size * tick * self.lot_size * lots for _, tick, lots in executions)
        return sum((-order.side * value - rate * value for value in values), Decimal(0))


@dataclass(frozen=True)
class Difference:
    """A trip that is not the same on both sides: fills that only one of them has, and `money`, hftbacktest's result
    less ours."""

    ts: int
    side: int
    cause: str
    ours: tuple[Told, ...]
    hft: tuple[Told, ...]
    money: Decimal


@dataclass
class Comparison:
    """`fills` are those both have; fills of one order at one time count as one. `misfits` are orders whose fate the
    second implementation does not give, by side."""

    trips: int = 0
    orders: int = 0
    fills: int = 0
    differences: list[Difference] = field(default_factory=list)
    misfits: Counter[str] = field(default_factory=Counter)
    candidates_apart: int = 0
    candidates_unexplained: int = 0
    equity_ours: Decimal = Decimal(0)
    equity_hft: Decimal = Decimal(0)

    @property
    def residual(self) -> Decimal:
        """What the differences leave of the difference in equity."""
        return self.equity_hft - self.equity_ours - sum((d.money for d in self.differences), Decimal(0))

    @property
    def unexplained(self) -> int:
        """What has no cause: fills, trips and candidates, orders that fare otherwise than they should, a cent."""
        apart = [difference for difference in self.differences if difference.cause == UNEXPLAINED]
        fills = sum(max(1, len(d.ours) + len(d.hft)) for d in apart)
        return fills + self.candidates_unexplained + self.misfits.total() + (abs(self.residual) >= _CENT)

    @property
    def by_cause(self) -> dict[str, tuple[int, int, int, Decimal]]:
        """Trips, fills of ours alone, fills of hftbacktest's alone, and money, by cause."""
        found: dict[str, tuple[int, int, int, Decimal]] = {}
        for d in self.differences:
            trips, ours, hft, money = found.get(d.cause, (0, 0, 0, Decimal(0)))
            found[d.cause] = trips + 1, ours + len(d.ours), hft + len(d.hft), money + d.money
        return found


class Comparer:
    """Compares accounts on one tape under one queue model.

    An order takes `order_ns` to the venue and its answer `response_ns` back. `whole`: hftbacktest's exchange without
    partial fills.
    """

    def __init__(
        self, tape: Tape, venue: Venue, charges: Charges, *, order_ns: int, response_ns: int, whole: bool = False
    ) -> None:
        self._venue, self._charges = venue, charges
        self._order_ns, self._response_ns = order_ns, response_ns
        self._all = ALL_RULES if whole else ALL_RULES & ~Rule.WHOLE_ORDER_AT_ONCE
        ends = tape.rows["ts_recv"][tape.message_ends]
        self._one_time = set(ends[1:][np.diff(ends) == 0].tolist())

    def compare(self, ours: Account, hft: Account, *, starting: Decimal) -> Comparison:
        """Trips of both, matched by the time and side of their entries."""
        apart = self._candidates_apart(ours.candidates, hft.candidates)
        unexplained = sum(cause == UNEXPLAINED for cause in apart.values())
        found = Comparison(candidates_apart=len(apart), candidates_unexplained=unexplained)
        mine = self._settle(ours, NO_RULE, found, "ours")
        theirs = self._settle(hft, self._all, found, "hftbacktest")
        ours_by, hft_by = ({(trip.ts, trip.side): trip for trip in account.trips} for account in (ours, hft))
        causes: dict[int, str] = {}
        for key in sorted(ours_by.keys() | hft_by.keys()):
            a, b = ours_by.get(key), hft_by.get(key)
            if a is not None and b is not None:
                cause = self._cause(a, b, hft.until)
            else:
                cause = apart.get(key[0]) or _busy((hft if b is None else ours).trips, causes, key[0])
            found.trips += 1
            found.orders += max(len(a.orders) if a else 0, len(b.orders) if b else 0)
            mine_of, theirs_of = _fills(a), _fills(b)
            found.fills += (mine_of & theirs_of).total()
            if cause:
                causes[key[0]] = cause
                money = theirs.get(key, Decimal(0)) - mine.get(key, Decimal(0))
                only_ours, only_hft = (_without_order(side) for side in (mine_of - theirs_of, theirs_of - mine_of))
                found.differences.append(Difference(*key, cause, only_ours, only_hft, money))
        found.equity_ours = starting + sum(mine.values(), Decimal(0))
        found.equity_hft = starting + sum(theirs.values(), Decimal(0))
        return found

    def compare_orders(self, ours: Sequence[Order], hft: Sequence[Order], until: int) -> Comparison:
        """The same orders, one by one, whatever became of the position."""
        found = Comparison(orders=len(ours), trips=len(ours))
        for side, orders, rule in (("ours", ours, NO_RULE), ("hftbacktest", hft, self._all)):
            fates = self._venue.fates([self._ticket(order) for order in orders], [rule] * len(orders), until)
            found.misfits[side] += sum(told(fate) != order.fills for fate, order in zip(fates, orders, strict=True))
        found.misfits += Counter()
        pairs = list(zip(ours, hft, strict=True))
        found.fills = sum(len(set(mine.got) & set(theirs.got)) for mine, theirs in pairs)
        apart = [(mine, theirs) for mine, theirs in pairs if mine.got != theirs.got]
        causes = self.explain([theirs for _, theirs in apart], until)
        for (mine, theirs), rules in zip(apart, causes, strict=True):
            cause = self._difference(mine, theirs, rules)
            only_ours, only_hft = set(mine.got) - set(theirs.got), set(theirs.got) - set(mine.got)
            found.differences.append(
                Difference(
                    mine.sent, mine.side, cause, tuple(sorted(only_ours)), tuple(sorted(only_hft)),
                    Decimal(0),
                )
            )  # fmt: skip
        return found

    def _settle(self, account: Account, rule: Rule, found: Comparison, side: str) -> dict[tuple[int, int], Decimal]:
        """The result of each trip, what is still held counted at the mid of the end. Checks every order's fate."""
        orders = [order for trip in account.trips for order in trip.orders]
        fates = iter(self._venue.fates([self._ticket(order) for order in orders], [rule] * len(orders), account.until))
        mid = self._charges.tick_size * self._venue.mid2(account.until) / 2
        results = {}
        for trip in account.trips:
            cash, held = Decimal(0), 0
            for order in trip.orders:
                fate = next(fates)
                found.misfits[side] += told(fate) != order.fills
                cash += self._charges.cash(order, fate)
                held += order.side * sum(execution.lots for execution in fate)
            results[trip.ts, trip.side] = cash + held * self._charges.lot_size * mid
        found.misfits += Counter()  # drops the zeros
        return results

    def _ticket(self, order: Order) -> Ticket:
        return Ticket(order.sent + self._order_ns, order.cancel_at or NEVER, order.side, order.tick, order.lots)

    def _candidates_apart(self, ours: Mapping[int, int], hft: Mapping[int, int]) -> dict[int, str]:
        """The candidates that only one side has, by time. After one, cooldowns differ until both have the next."""
        apart: dict[int, str] = {}
        cause = ""
        for ts in sorted(ours.keys() | hft.keys()):
            if ours.get(ts) == hft.get(ts):
                cause = ""
            else:
                cause = cause or (ONE_TIME if ts in self._one_time else UNEXPLAINED)
                apart[ts] = cause
        return apart

    def _cause(self, a: Trip, b: Trip, until: int) -> str:
        """Why a trip that both began alike differs, empty if it does not."""
        for mine, theirs in zip_longest(a.orders, b.orders):
            if mine is None or theirs is None or mine.plan != theirs.plan:
                times = {order.sent for order in (mine, theirs) if order is not None}
                return ONE_TIME if self._one_time & times else UNEXPLAINED
            if mine.got != theirs.got or (mine.cancel_at != theirs.cancel_at and self._unacknowledged(mine, theirs)):
                return self._difference(mine, theirs, self.explain([theirs], until)[0])
        return UNEXPLAINED if a.free_at != b.free_at else ""

    def _difference(self, mine: Order, theirs: Order, rules: str) -> str:
        """The cause of what became of an order that was sent alike; `rules` are those that explain it, if any."""
        return rules or (NO_ACKNOWLEDGEMENT if self._unacknowledged(mine, theirs) else UNEXPLAINED)

    def _unacknowledged(self, mine: Order, theirs: Order) -> bool:
        """Whether our cancellation left before the order was acknowledged, and theirs did not."""
        acknowledged = mine.sent + self._order_ns + self._response_ns
        early = 0 < mine.cancel_at < acknowledged + self._order_ns
        return early and theirs.cancel_at != mine.cancel_at

    def explain(self, orders: Sequence[Order], until: int) -> list[str]:
        """The fewest rules under which each of hftbacktest's `orders` fares as it did, joined by +.

        Empty if it fares so under none, that is as with us.
        """
        if not orders:
            return []
        tickets, wanted = [self._ticket(order) for order in orders], [order.fills for order in orders]
        rules = [self._all] * len(orders)
        explained = self._right(tickets, rules, wanted, until)
        for one in self._all:
            fewer = [rule & ~one for rule in rules]
            right = self._right(tickets, fewer, wanted, until)
            rules = [less if ok else rule for less, rule, ok in zip(fewer, rules, right, strict=True)]
        return [_named(rule) if ok else UNEXPLAINED for rule, ok in zip(rules, explained, strict=True)]

    def _right(
        self, tickets: Sequence[Ticket], rules: Sequence[Rule], wanted: Sequence[tuple[Told, ...]], until: int
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        fates = self._venue.fates(tickets, rules, until)
        return np.array([told(fate) == want for fate, want in zip(fates, wanted, strict=True)])


def _named(rule: Rule) -> str:
    return "+".join(str(one.name) for one in rule)


def _busy(trips: Iterable[Trip], causes: Mapping[int, str], ts: int) -> str:
    """The cause of the trip that kept one side from taking the candidate at `ts`."""
    keeping = [trip for trip in trips if trip.ts < ts < trip.free_at]
    return causes.get(keeping[-1].ts, UNEXPLAINED) if keeping else UNEXPLAINED


def _fills(trip: Trip | None) -> Counter[tuple[int, Told]]:
    """Fills with the leg of their order."""
    orders = trip.orders if trip else ()
    return Counter((order.leg, fill) for order in orders for fill in order.got)


def _without_order(fills: Counter[tuple[int, Told]]) -> tuple[Told, ...]:
    return tuple(fill for _, fill in sorted(fills.elements()))


def reason(cause: str) -> str:
    """A cause in words."""
    if cause in OTHER_REASONS:
        return OTHER_REASONS[cause]
    return "; and ".join(REASONS[Rule[name]] for name in cause.split("+"))
