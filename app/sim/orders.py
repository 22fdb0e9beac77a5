"""What goes to the venue and what comes back."""

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from app.market.book import NONE

MARKET: Final = NONE  # the tick of an order without a limit
WOULD_TAKE: Final = "EC_PostOnlyWillTakeLiquidity"
NOTHING_TO_FILL: Final = "EC_NoImmediateQtyToFill"
NOTHING_TO_REDUCE: Final = "110017"  # the venue's "orderQty will be truncated to zero"
BY_REDUCE_ONLY: Final = "CancelByReduceOnly"


class Ticket(NamedTuple):
    """An order as it arrives. `tick` is MARKET for an order that fills at once or not at all."""

    slot: int
    side: int
    lots: int
    tick: int
    position: int
    account: int
    post_only: bool = False
    reduce_only: bool = False


class Happening(NamedTuple):
    """Something the venue did. `kind` is FILLED, REDUCED, WATCHED or FUNDING_DUE.

    `subject` is the handle of the order, the position of the watch, or the slot of the funding. `maker` is 1 for a
    fill of a resting order.
    """

    kind: int
    subject: int
    lots: int
    tick: int
    maker: int


class Receipt(NamedTuple):
    """What became of an arriving order. `lots` is its size after clamping, `handle` is NONE unless it rests.

    `fills` are its executions so far; `reduced` are other orders that its fills left with nothing to reduce.
    """

    status: Literal["resting", "filled", "cancelled", "rejected"]
    lots: int
    fills: Sequence[Happening] = ()
    reduced: Sequence[Happening] = ()
    handle: int = NONE
    reason: str = ""
