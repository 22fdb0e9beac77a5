"""Exact money: decimal arithmetic that would rather raise than lose a digit, and the one place that rounds."""

from decimal import ROUND_CEILING, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow

#: 60 digits hold any sum of products of prices, quantities and rates; should one not fit, it raises `Inexact`.
EXACT = Context(prec=60, traps=[InvalidOperation, DivisionByZero, Overflow, Inexact])

#: For ratios (average prices, stop distances), which have no finite decimal form.
RATIO = Context(prec=28, traps=[InvalidOperation, DivisionByZero, Overflow])

#: Charges are booked in multiples of this.
CHARGE_STEP = Decimal("0.00000001")

_ROUNDING = Context(prec=60, rounding=ROUND_CEILING, traps=[InvalidOperation, DivisionByZero, Overflow])


def charge(amount: Decimal) -> Decimal:
    """`amount` to be paid (negative: received) as it is booked: up to the next 1e-8, so never in our favour."""
    return amount.quantize(CHARGE_STEP, context=_ROUNDING)


def exact(value: float) -> Decimal:
    """The decimal a float is written as: 60000.1 and not its binary neighbour."""
    return Decimal(repr(float(value)))
