"""Running totals over the messages of a run: what the live table shows and what the report says at the end."""

from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from app.messages.base import Message
from app.messages.control import DeadLetter
from app.messages.execution import ClosedTrade, Equity, Fill, FundingPaid, OrderUpdate
from app.messages.signals import ApprovedSignal, Dropped, ScoredSignal, Signal


class Tally:
    """Counts and sums that cost the same however long a run is.

    `fees` and `funding` are positive when paid; `pnl` is that of closed trades, after both. An entry counts as
    filled, and its position as open, from its first fill. `end_reasons` are those of orders that did not fill, with
    leg and status.
    """

    def __init__(self) -> None:
        self.candidates = self.holds = self.scored = self.approved = self.approved_holds = 0
        self.drops: Counter[str] = Counter()
        self.orders = self.entries = self.entries_filled = self.late_orders = 0
        self.order_ends: Counter[str] = Counter()
        self.end_reasons: Counter[str] = Counter()
        self.fills: Counter[str] = Counter()
        self.traded = self.fees = self.funding = Decimal(0)
        self.closed_trades = self.wins = 0
        self.gross = self.pnl = Decimal(0)
        self.exits: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()
        self.open_positions: set[str] = set()
        self.accounts: dict[tuple[str, str], Equity] = {}
        self._handlers: dict[type[Message], Callable[[Any], None]] = {
            Signal: self._signal,
            ScoredSignal: self._scored,
            ApprovedSignal: self._approved,
            Dropped: self._dropped,
            OrderUpdate: self._order,
            Fill: self._fill,
            FundingPaid: self._funding,
            ClosedTrade: self._trade,
            Equity: self._equity,
            DeadLetter: self._dead,
        }

    def update(self, message: Message) -> None:
        """Take one message into account; types without money or decisions in them pass by."""
        handler = self._handlers.get(type(message))
        if handler is not None:
            handler(message)

    @property
    def dropped(self) -> int:
        """Signals refused, whatever the reason."""
        return self.drops.total()

    @property
    def fill_rate(self) -> float | None:
        """Share of entry orders that filled at least in part; None before the first order."""
        return self.entries_filled / self.entries if self.entries else None

    @property
    def win_rate(self) -> float | None:
        """Share of closed trades with a PnL above 0 after fees; None before the first trade."""
        return self.wins / self.closed_trades if self.closed_trades else None

    @property
    def equity(self) -> Decimal | None:
        """Sum of the accounts' last marks to market; None before the first."""
        return sum((account.equity for account in self.accounts.values()), Decimal(0)) if self.accounts else None

    def _signal(self, signal: Signal) -> None:
        if signal.kind == "entry":
            self.candidates += 1
        else:
            self.holds += 1

    def _scored(self, signal: ScoredSignal) -> None:
        self.scored += signal.kind == "entry"

    def _approved(self, signal: ApprovedSignal) -> None:
        if signal.kind == "entry":
            self.approved += 1
        else:
            self.approved_holds += 1

    def _dropped(self, dropped: Dropped) -> None:
        self.drops[dropped.reason] += 1

    def _order(self, order: OrderUpdate) -> None:
        self.late_orders += order.late
        if order.status == "submitted":
            self.orders += 1
            self.entries += order.leg == "entry"
        elif order.status in ("filled", "cancelled", "rejected"):
            self.order_ends[order.status] += 1
            if order.status != "filled":
                self.end_reasons[f"{order.leg} {order.status}: {order.reason or 'no reason given'}"] += 1

    def _fill(self, fill: Fill) -> None:
        self.fills[fill.liquidity] += 1
        self.traded += fill.px * fill.qty
        self.fees += fill.fee
        if fill.leg == "entry" and fill.signal_id not in self.open_positions:
            self.open_positions.add(fill.signal_id)
            self.entries_filled += 1

    def _funding(self, funding: FundingPaid) -> None:
        self.funding += funding.amount

    def _trade(self, trade: ClosedTrade) -> None:
        self.open_positions.discard(trade.signal_id)
        self.closed_trades += 1
        self.wins += trade.pnl > 0
        self.gross += trade.gross
        self.pnl += trade.pnl
        self.exits[trade.exit_reason] += 1

    def _equity(self, equity: Equity) -> None:
        self.accounts[equity.strategy, equity.model_id] = equity

    def _dead(self, letter: DeadLetter) -> None:
        self.dead_letters[f"{letter.service}: {letter.reason}"] += 1
