"""Fee models, named by what they assume."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from app.sim.money import EXACT, charge
from app.sim.settings import FeeSettings

Liquidity = Literal["maker", "taker"]


@dataclass(frozen=True, slots=True)
class FlatFees:
    """A fixed share of notional for each side of the trade, whatever the volume; a negative rate is a rebate.

    fee = px · qty · rate, rounded up to 1e-8 of the quote currency: what is paid is never booked too small, what is
    received never too large. Source of the default rates: the venue's published non-VIP schedule.
    """

    maker: Decimal
    taker: Decimal

    def fee(self, px: Decimal, qty: Decimal, liquidity: Liquidity) -> Decimal:
        """The fee of one execution in quote currency, positive when paid."""
        rate = self.maker if liquidity == "maker" else self.taker
        return charge(EXACT.multiply(EXACT.multiply(px, qty), rate))


def fee_model(settings: FeeSettings) -> FlatFees:
    """The model of the configuration's `fees`."""
    return FlatFees(settings.maker, settings.taker)
