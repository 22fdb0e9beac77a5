"""The books, recomputed from what was published: do fills, funding, trades and equity agree to the last digit?

For each account (strategy, model), in the order of the messages:

    cash = starting cash − Σ side · px · qty − Σ fees − Σ funding

must be what every `Equity` says. For each entry signal its fills and funding alone must give the `ClosedTrade`, each
order's fills must add up to its `filled_qty`, and each funding payment must be that of the position held then.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from app.messages.base import Message
from app.messages.execution import ClosedTrade, Equity, Fill, FundingPaid, OrderUpdate
from app.sim.funding import funding_amount
from app.sim.money import EXACT, RATIO

ZERO = Decimal(0)
_ENDED = ("filled", "cancelled", "rejected")


class BooksReport(msgspec.Struct, frozen=True):
    """`balance` is True if nothing differs; `differences` says what does, in order of discovery."""

    balance: bool
    differences: list[str]


def check_books(messages: Iterable[Message], starting_cash: Mapping[str, Decimal]) -> BooksReport:
    """Recompute the books of a run; `starting_cash` is by strategy. Other types of messages pass by."""
    books = _Books(starting_cash)
    for message in messages:
        books.read(message)
    books.finish()
    return BooksReport(not books.differences, books.differences)


class _Trip:
    """The fills and funding of one entry signal."""

    def __init__(self, first: Fill) -> None:
        self.first = first
        self.bought = self.sold = self.bought_value = self.sold_value = ZERO
        self.fees = self.funding = ZERO
        self.entry_over = self.closed = False

    def add(self, fill: Fill) -> None:
        value = EXACT.multiply(fill.px, fill.qty)
        if fill.side > 0:
            self.bought, self.bought_value = EXACT.add(self.bought, fill.qty), EXACT.add(self.bought_value, value)
        else:
            self.sold, self.sold_value = EXACT.add(self.sold, fill.qty), EXACT.add(self.sold_value, value)
        self.fees = EXACT.add(self.fees, fill.fee)

    @property
    def net(self) -> Decimal:
        """Signed quantity held."""
        return EXACT.subtract(self.bought, self.sold)

    @property
    def gross(self) -> Decimal:
        """Sold less bought, before fees and funding."""
        return EXACT.subtract(self.sold_value, self.bought_value)

    def expected(self) -> dict[str, object]:
        """What its `ClosedTrade` has to say."""
        long = self.first.side > 0
        into, out = (self.bought_value, self.sold_value) if long else (self.sold_value, self.bought_value)
        qty = self.bought if long else self.sold
        return {
            "side": self.first.side,
            "qty": qty,
            "entry_ts": self.first.ts,
            "entry_px": RATIO.divide(into, qty),
            "exit_px": RATIO.divide(out, qty),
            "gross": self.gross,
            "fees": self.fees,
            "funding": self.funding,
            "pnl": EXACT.subtract(EXACT.subtract(self.gross, self.fees), self.funding),
        }


class _Account:
    """One strategy under one model."""

    def __init__(self, starting: Decimal) -> None:
        self.starting = self.cash = starting
        self.closed_pnl = ZERO
        self.trips: dict[str, _Trip] = {}
        self.told: Equity | None = None

    def pay(self, amount: Decimal) -> None:
        self.cash = EXACT.subtract(self.cash, amount)

    @property
    def open(self) -> list[_Trip]:
        return [trip for trip in self.trips.values() if trip.net]


class _Books:
    def __init__(self, starting_cash: Mapping[str, Decimal]) -> None:
        self._starting_cash = starting_cash
        self._accounts: dict[tuple[str, str], _Account] = {}
        self._fill_ids: set[str] = set()
        self._filled: dict[str, Decimal] = {}
        self._told: dict[str, Decimal] = {}
        self.differences: list[str] = []

    def read(self, message: Message) -> None:
        match message:
            case Fill():
                self._fill(message)
            case FundingPaid():
                self._funding(message)
            case OrderUpdate():
                self._order(message)
            case ClosedTrade():
                self._trade(message)
            case Equity():
                self._equity(message)
            case _:
                pass

    def _expect(self, what: str, told: object, found: object) -> None:
        if told != found:
            self.differences.append(f"{what} is {told}, recomputed {found}")

    def _account(self, strategy: str, model_id: str) -> _Account:
        account = self._accounts.get((strategy, model_id))
        if account is None:
            starting = self._starting_cash.get(strategy)
            if starting is None:
                self.differences.append(f"strategy {strategy!r} has no starting cash")
            account = self._accounts[strategy, model_id] = _Account(starting or ZERO)
        return account

    def _fill(self, fill: Fill) -> None:
        if fill.fill_id in self._fill_ids:
            self.differences.append(f"fill {fill.fill_id} is reported twice")
        self._fill_ids.add(fill.fill_id)
        account = self._account(fill.strategy, fill.model_id)
        trip = account.trips.setdefault(fill.signal_id, _Trip(fill))
        if trip.closed:
            self.differences.append(f"fill {fill.fill_id} comes after trade {fill.signal_id} was closed")
        trip.add(fill)
        account.pay(EXACT.add(EXACT.multiply(Decimal(fill.side), EXACT.multiply(fill.px, fill.qty)), fill.fee))
        self._filled[fill.order_id] = EXACT.add(self._filled.get(fill.order_id, ZERO), fill.qty)

    def _funding(self, paid: FundingPaid) -> None:
        account = self._account(paid.strategy, paid.model_id)
        account.pay(paid.amount)
        trip = account.trips.get(paid.signal_id)
        if trip is None or not trip.net:
            self.differences.append(f"funding of {paid.amount} is paid on {paid.signal_id}, which holds nothing")
            return
        trip.funding = EXACT.add(trip.funding, paid.amount)
        self._expect(
            f"funding of {paid.signal_id} at {paid.ts}", paid.amount, funding_amount(trip.net, paid.mark_px, paid.rate)
        )

    def _order(self, order: OrderUpdate) -> None:
        self._told[order.order_id] = order.filled_qty
        self._expect(
            f"filled_qty of order {order.order_id} ({order.status})",
            order.filled_qty,
            self._filled.get(order.order_id, ZERO),
        )
        if order.status == "filled":
            self._expect(f"filled_qty of filled order {order.order_id}", order.filled_qty, order.qty)
        # An order alone opens no account: one may be refused because nobody knows its strategy.
        account = self._accounts.get((order.strategy, order.model_id))
        trip = account.trips.get(order.signal_id) if account else None
        if trip is not None and order.leg == "entry" and order.status in _ENDED:
            trip.entry_over = True

    def _trade(self, trade: ClosedTrade) -> None:
        account = self._account(trade.strategy, trade.model_id)
        trip = account.trips.get(trade.signal_id)
        if trip is None or trip.closed:
            self.differences.append(f"trade {trade.signal_id} is closed {'twice' if trip else 'without a fill'}")
            return
        trip.closed = True
        if trip.net or not trip.bought:
            self.differences.append(f"trade {trade.signal_id} is closed while {trip.net} of {trip.bought} is held")
            return
        for field, found in trip.expected().items():
            self._expect(f"{field} of trade {trade.signal_id}", getattr(trade, field), found)
        account.closed_pnl = EXACT.add(account.closed_pnl, trade.pnl)

    def _equity(self, equity: Equity) -> None:
        account = self._account(equity.strategy, equity.model_id)
        account.told = equity
        name = f"of account {equity.strategy}/{equity.model_id} at {equity.ts}"
        held = account.open
        self._expect(f"cash {name}", equity.cash, account.cash)
        self._expect(f"equity {name}", equity.equity, EXACT.add(equity.cash, equity.position_value))
        self._expect(f"open_positions {name}", equity.open_positions, len(held))
        signs = {trip.net > 0 for trip in held}
        if len(signs) < 2 and (equity.position_value > 0, equity.position_value < 0) != (True in signs, False in signs):
            self.differences.append(f"position_value {name} is {equity.position_value} with {len(held)} held")

    def finish(self) -> None:
        """What must hold at the end: nothing was left unsaid, and trades and cash tell one story."""
        for order, filled in self._filled.items():
            self._expect(f"last filled_qty of order {order}", self._told.get(order, ZERO), filled)
        for (strategy, model_id), account in self._accounts.items():
            name = f"of account {strategy}/{model_id}"
            for signal, trip in account.trips.items():
                if not trip.net and trip.entry_over and not trip.closed:
                    self.differences.append(f"position {signal} is flat, but its trade was not reported")
            if account.trips:
                told = None if account.told is None else account.told.cash
                self._expect(f"last cash {name}", told, account.cash)
            running = account.starting
            for trip in account.trips.values():
                if not trip.closed:
                    running = EXACT.add(running, EXACT.subtract(EXACT.subtract(trip.gross, trip.fees), trip.funding))
            self._expect(f"cash {name} from its trades", EXACT.add(running, account.closed_pnl), account.cash)
