"""A virtual account: cash, holdings at average cost, and what they have earned and paid.

Everything is exact. At any moment and for every account

    cash = starting + realised − fees − funding − Σ cost over holdings

and with it equity at prices p: cash + Σ qty · p = starting + realised + Σ (qty · p − cost) − fees − funding.
"""

from collections.abc import Mapping
from decimal import Decimal

import msgspec

from app.core.errors import BadInput
from app.sim.money import EXACT, RATIO

ZERO = Decimal(0)


class Holding(msgspec.Struct):
    """A signed quantity (negative: short) and the signed money it was acquired for."""

    qty: Decimal = ZERO
    cost: Decimal = ZERO

    @property
    def average(self) -> Decimal | None:
        """Average entry price to 28 digits, None when flat."""
        return RATIO.divide(self.cost, self.qty) if self.qty else None


class Account(msgspec.Struct):
    """The money of one strategy under one model. Holdings are kept apart by key: nothing is netted across keys."""

    starting: Decimal
    cash: Decimal
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    holdings: dict[str, Holding] = msgspec.field(default_factory=dict)

    @classmethod
    def opened(cls, starting: Decimal) -> "Account":
        """An account with `starting` cash and nothing else."""
        return cls(starting, starting)

    def fill(self, key: str, *, side: int, px: Decimal, qty: Decimal, fee: Decimal) -> Decimal:
        """Book an execution and return the PnL it realised, before its fee.

        `side` is +1 for a buy. A fill past zero closes the holding and opens the opposite one with the rest.

        Raises:
            BadInput: `qty` is not above 0, `px` is below 0, or `side` is not ±1.
        """
        if qty <= 0 or px < 0 or side not in (1, -1):
            raise BadInput(f"fill of side {side}, quantity {qty} at {px}: expected side ±1, quantity > 0, price ≥ 0")
        signed = qty if side > 0 else -qty
        value = EXACT.multiply(px, signed)
        holding = self.holdings.setdefault(key, Holding())
        realised = _trade(holding, signed, px)
        if not holding.qty:
            del self.holdings[key]
        self.cash = EXACT.subtract(EXACT.subtract(self.cash, value), fee)
        self.realised = EXACT.add(self.realised, realised)
        self.fees = EXACT.add(self.fees, fee)
        return realised

    def pay_funding(self, amount: Decimal) -> None:
        """Book funding, positive when paid."""
        self.cash = EXACT.subtract(self.cash, amount)
        self.funding = EXACT.add(self.funding, amount)

    def value(self, prices: Mapping[str, Decimal | None]) -> Decimal:
        """Σ qty · price over holdings; a holding whose price is None counts at cost.

        Raises:
            KeyError: a holding has no entry in `prices`.
        """
        total = ZERO
        for key, holding in self.holdings.items():
            px = prices[key]
            total = EXACT.add(total, holding.cost if px is None else EXACT.multiply(holding.qty, px))
        return total


def _trade(holding: Holding, signed: Decimal, px: Decimal) -> Decimal:
    """Apply a signed quantity to `holding`; what leaves it takes its share of the cost along."""
    closing = ZERO
    if holding.qty and (signed > 0) != (holding.qty > 0):
        closing = min(abs(signed), abs(holding.qty)).copy_sign(signed)
    realised = ZERO
    if closing:
        # The share is rounded once and the rest stays in the holding: nothing is lost, and flat means cost 0.
        whole = abs(closing) == abs(holding.qty)
        share = holding.cost if whole else _share(holding.cost, -closing, holding.qty)
        holding.cost = EXACT.subtract(holding.cost, share)
        realised = EXACT.subtract(EXACT.multiply(-closing, px), share)
    opening = EXACT.subtract(signed, closing)
    holding.qty = EXACT.add(holding.qty, signed)
    holding.cost = EXACT.add(holding.cost, EXACT.multiply(opening, px))
    return realised


_SHARE_STEP = Decimal("1e-12")


def _share(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    return RATIO.divide(RATIO.multiply(cost, part), whole).quantize(_SHARE_STEP, context=RATIO)
