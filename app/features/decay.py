"""The factors by which decaying sums shrink, one for each time constant of `catalogue.TAUS_NS`."""

import math

from app.features.catalogue import TAUS_NS
from app.market.compiled import kernel

_SLOWEST_NS = TAUS_NS[3]
# The powers below.
assert [_SLOWEST_NS // tau for tau in TAUS_NS] == [300, 30, 6, 1]
assert all(_SLOWEST_NS % tau == 0 for tau in TAUS_NS)


@kernel
def decays(elapsed: int) -> tuple[float, float, float, float]:
    """exp(-elapsed / tau) for each tau, fast to slow: one exponential, and its powers in a fixed order.

    A power of 300 is 300 times as inexact as the exponential is: some 1e-13.
    """
    if elapsed == 0:
        return 1.0, 1.0, 1.0, 1.0
    slowest = math.exp(-elapsed / _SLOWEST_NS)
    power_2 = slowest * slowest
    power_6 = power_2 * power_2 * power_2
    power_12 = power_6 * power_6
    power_30 = power_12 * power_12 * power_6
    power_60 = power_30 * power_30
    power_150 = power_60 * power_60 * power_30
    return power_150 * power_150, power_30, power_6, slowest
