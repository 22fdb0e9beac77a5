"""The books: virtual accounts, and the messages that let anyone recompute them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from app.executor.positions import Order, Position
from app.executor.report import Reporter
from app.market.instruments import Instrument
from app.messages.execution import ClosedTrade, Equity, Fill, FundingPaid, Liquidity
from app.sim.account import Account
from app.sim.exchange import PaperVenue
from app.sim.fees import FlatFees
from app.sim.funding import funding_amount
from app.sim.money import EXACT, RATIO

_BPS = 10_000.0


class Desk(msgspec.Struct):
    """The account of one strategy under one model."""

    strategy: str
    model_id: str
    account: Account


class Ledger:
    """Books fills and funding, and reports them."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        fees: FlatFees,
        venue: PaperVenue,
        positions: Mapping[str, Position],
        report: Reporter,
    ) -> None:
        self._instruments = instruments
        self._fees = fees
        self._venue = venue
        self._positions = positions
        self._report = report
        self._desks: list[Desk] = []
        self._numbers: dict[tuple[str, str], int] = {}

    def account_number(self, strategy: str, model_id: str, starting: Decimal) -> int:
        """The number of the account, which is opened with `starting` cash if it is new."""
        number = self._numbers.get((strategy, model_id))
        if number is None:
            number = self._numbers[strategy, model_id] = len(self._desks)
            self._desks.append(Desk(strategy, model_id, Account.opened(starting)))
        return number

    @property
    def open_positions(self) -> int:
        """Positions held, over all accounts."""
        return sum(len(desk.account.holdings) for desk in self._desks)

    def fill(self, position: Position, order: Order, lots: int, tick: int, liquidity: Liquidity, now: int) -> None:
        """Book an execution of `order` and report it."""
        instrument = self._instruments[position.slot]
        px, qty = instrument.price(tick), instrument.quantity(lots)
        fee = self._fees.fee(px, qty, liquidity)
        account = self._desks[position.account].account
        account.fill(position.id, side=order.side, px=px, qty=qty, fee=fee)
        self._extend_trip(position, order, px, qty, fee, now)
        signal = position.signal
        fill = Fill(
            ts=now,
            fill_id=f"{order.id}-{order.fills}",
            order_id=order.id,
            signal_id=signal.id,
            strategy=signal.strategy,
            symbol=signal.symbol,
            leg=order.leg,
            side=order.side,
            px=px,
            qty=qty,
            fee=fee,
            liquidity=liquidity,
            model_id=signal.model_id,
            route=signal.route,
        )
        order.fills += 1
        order.filled += lots
        order.value += tick * lots
        self._report.send(fill)

    def _extend_trip(self, position: Position, order: Order, px: Decimal, qty: Decimal, fee: Decimal, now: int) -> None:
        trip, value = position.trip, EXACT.multiply(px, qty)
        trip.fees = EXACT.add(trip.fees, fee)
        if order.leg == "entry":
            trip.first_ts = trip.first_ts or now
            trip.in_qty, trip.in_value = EXACT.add(trip.in_qty, qty), EXACT.add(trip.in_value, value)
        else:
            trip.out_qty, trip.out_value = EXACT.add(trip.out_qty, qty), EXACT.add(trip.out_value, value)
            trip.last_exit = order.reason

    def fund(self, slot: int, now: int) -> None:
        """Book funding on every position in the instrument of `slot`, in order of their ids."""
        rate, mark = self._venue.funding(slot)
        for position in sorted(self._positions.values(), key=lambda each: each.id):
            holding = self._desks[position.account].account.holdings.get(position.id)
            if position.slot == slot and holding is not None:
                px = mark if mark is not None else float(self._mid(slot) or holding.average or 0)
                self._pay_funding(position, holding.qty, px, rate, now)

    def _pay_funding(self, position: Position, qty: Decimal, mark: float, rate: float, now: int) -> None:
        amount = funding_amount(qty, mark, rate)
        self._desks[position.account].account.pay_funding(amount)
        position.trip.funding = EXACT.add(position.trip.funding, amount)
        signal = position.signal
        paid = FundingPaid(
            ts=now,
            signal_id=signal.id,
            strategy=signal.strategy,
            symbol=signal.symbol,
            amount=amount,
            rate=rate,
            mark_px=mark,
            model_id=signal.model_id,
        )
        self._report.send(paid)
        self.mark_to_market(position.account, now)

    def sample(self, position: Position, horizon: int) -> None:
        """Take a markout: side · (mid − entry price) / entry price, in basis points."""
        mid, trip = self._mid(position.slot), position.trip
        if mid is not None:
            entry = RATIO.divide(trip.in_value, trip.in_qty)
            move = float(RATIO.divide(RATIO.subtract(mid, entry), entry))
            trip.markouts[str(horizon)] = position.side * move * _BPS

    def close(self, position: Position, now: int) -> None:
        """Report the round trip of a position that is flat for good."""
        signal, trip = position.signal, position.trip
        gross = EXACT.multiply(Decimal(position.side), EXACT.subtract(trip.out_value, trip.in_value))
        closed = ClosedTrade(
            ts=now,
            signal_id=signal.id,
            strategy=signal.strategy,
            symbol=signal.symbol,
            side=position.side,
            qty=trip.in_qty,
            entry_ts=trip.first_ts,
            entry_px=RATIO.divide(trip.in_value, trip.in_qty),
            exit_px=RATIO.divide(trip.out_value, trip.out_qty),
            gross=gross,
            fees=trip.fees,
            funding=trip.funding,
            pnl=EXACT.subtract(EXACT.subtract(gross, trip.fees), trip.funding),
            exit_reason=trip.last_exit,
            score=signal.score,
            model_id=signal.model_id,
            route=signal.route,
            markouts_bps=dict(trip.markouts),
        )
        self._report.send(closed)

    def mark_to_market(self, number: int, now: int) -> None:
        """Report the equity of one account."""
        desk = self._desks[number]
        mids = {key: self._mid(self._positions[key].slot) for key in desk.account.holdings}
        value = desk.account.value(mids)
        equity = Equity(
            ts=now,
            strategy=desk.strategy,
            model_id=desk.model_id,
            cash=desk.account.cash,
            position_value=value,
            equity=EXACT.add(desk.account.cash, value),
            open_positions=len(mids),
        )
        self._report.send(equity)

    def mark_all_to_market(self, now: int) -> bool:
        """Report the equity of every account that holds something; False if none does."""
        active = [number for number, desk in enumerate(self._desks) if desk.account.holdings]
        for number in active:
            self.mark_to_market(number, now)
        return bool(active)

    def _mid(self, slot: int) -> Decimal | None:
        mid2 = self._venue.mid2(slot)
        # Half of an exact decimal is one as well.
        return None if mid2 is None else EXACT.divide(self._instruments[slot].price(mid2), Decimal(2))

    def snapshot(self) -> list[Desk]:
        """The accounts."""
        return self._desks

    def restore(self, desks: list[Desk]) -> None:
        """Replace the accounts."""
        self._desks = desks
        self._numbers = {(desk.strategy, desk.model_id): number for number, desk in enumerate(desks)}
