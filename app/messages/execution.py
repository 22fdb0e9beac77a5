"""What the executor tells the others: orders, fills, funding, trades, equity. Money is exact (`Decimal`)."""

from decimal import Decimal
from typing import Literal

import msgspec

from app.messages.base import Message

OrderStatus = Literal["submitted", "accepted", "partially_filled", "filled", "cancelled", "rejected"]
Leg = Literal["entry", "take_profit", "exit"]
Liquidity = Literal["maker", "taker"]


class OrderUpdate(Message, frozen=True, kw_only=True, tag="order"):
    """One step in an order's life. `ts` is when it happened: the decision for ``submitted``, else the venue.

    `filled_qty` is cumulative. `px` is the limit price, 0 for a market order. `late` marks an order that
    reached the simulated venue after that venue had moved past its arrival time (must never happen).
    """

    order_id: str
    signal_id: str
    strategy: str
    symbol: str
    leg: Leg
    side: int
    status: OrderStatus
    px: Decimal
    qty: Decimal
    filled_qty: Decimal = Decimal(0)
    reason: str = ""
    model_id: str = ""
    route: str = "paper"
    late: bool = False


class Fill(Message, frozen=True, kw_only=True, tag="fill"):
    """One execution. `fee` is positive when paid. Cash changes by -side*px*qty - fee."""

    fill_id: str
    order_id: str
    signal_id: str
    strategy: str
    symbol: str
    leg: Leg
    side: int
    px: Decimal
    qty: Decimal
    fee: Decimal
    liquidity: Liquidity
    model_id: str = ""
    route: str = "paper"


class FundingPaid(Message, frozen=True, kw_only=True, tag="funding"):
    """Funding on an open position at `ts`. `amount` is positive when paid, negative when received."""

    signal_id: str
    strategy: str
    symbol: str
    amount: Decimal
    rate: float
    mark_px: float
    model_id: str = ""


class ClosedTrade(Message, frozen=True, kw_only=True, tag="trade"):
    """A round trip, flat again at `ts`. `pnl` = `gross` - `fees` - `funding`; prices are volume-weighted.

    `markouts_bps` maps a horizon in ms to how far the mid was from the entry price that long after the entry's first
    fill: in basis points of that price, in the trade's favour when positive; horizons the trade did not live to see
    are absent.
    """

    signal_id: str
    strategy: str
    symbol: str
    side: int
    qty: Decimal
    entry_ts: int
    entry_px: Decimal
    exit_px: Decimal
    gross: Decimal
    fees: Decimal
    funding: Decimal
    pnl: Decimal
    exit_reason: str
    score: float
    model_id: str = ""
    route: str = "paper"
    markouts_bps: dict[str, float] = msgspec.field(default_factory=dict)


class Equity(Message, frozen=True, kw_only=True, tag="equity"):
    """Mark-to-market of one virtual account. `equity` = `cash` + `position_value` (at mid)."""

    strategy: str
    model_id: str
    cash: Decimal
    position_value: Decimal
    equity: Decimal
    open_positions: int
