"""Funding of perpetual contracts."""

from decimal import Decimal

from app.sim.money import EXACT, charge, exact


def funding_amount(qty: Decimal, mark_px: float, rate: float) -> Decimal:
    """What a position pays at a funding time: qty · mark price · rate, in quote currency.

    `qty` is signed (negative for a short). Positive means paid: a long pays when the rate is positive, a short when
    it is negative. Rounded up to 1e-8. Source: the venue's funding rules for linear perpetuals.
    """
    return charge(EXACT.multiply(EXACT.multiply(qty, exact(mark_px)), exact(rate)))
