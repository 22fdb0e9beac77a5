"""Where a passive order stands in the queue at its price.

The venue shows how much rests at a price, not in which order. What is certain: trades at the price take its front,
new orders join behind us, and no more can be ahead of us than is shown. What must be assumed is how much of what is
cancelled lay ahead of us, and that is all that tells one queue model from another:

* RISK_AVERSE: none; every cancellation was behind us (the pessimist's bound);
* PROPORTIONAL: ahead / (ahead + behind); every order is as likely to be cancelled as any other of its size;
* POWER n: ahead^n / (ahead^n + behind^n); above n = 1 the longer part of the queue loses more than its share;
* LOG: log(1 + ahead) / (log(1 + ahead) + log(1 + behind)); the shorter part loses more than its share;
* OPTIMISTIC: all of it, as far as there is anything ahead (the other bound; for scoring models, not for trading).

docs/fill-assumptions.md scores them on orders whose fate is known.

A depth update that shrinks the level after trades were printed contains those trades; only the rest was cancelled.
A trade that bears the update's own time or an earlier one, though it comes after, was in the update as well: the
update is then redone with the trade before it.

A level that vanishes from the data without another one showing further out may merely have left the visible window.
The order then stands in the dark: it keeps its place until the level is seen again. An order that arrives at a price
further out than all that is visible knows of no place: everything is ahead of it until the level is seen.
"""

# mypy: no-warn-return-any

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from app.market.compiled import kernel
from app.sim.layout import AHEAD, CANCELLED, DARK, PRIOR, SHARE, SHOWN, SHOWN_TS, TRADED

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

RISK_AVERSE: Final = 0
PROPORTIONAL: Final = 1
LOG: Final = 2
OPTIMISTIC: Final = 3
#: The code of a power model is its exponent in hundredths; anything above the codes before it is one.
POWER: Final = 100

QueueName = Literal["risk_averse", "proportional", "power_2", "power_3", "log"]


def queue_code(name: QueueName) -> int:
    """The number by which kernels know the configuration's `queue`."""
    return {
        "risk_averse": RISK_AVERSE,
        "proportional": PROPORTIONAL,
        "power_2": 2 * POWER,
        "power_3": 3 * POWER,
        "log": LOG,
    }[name]


@kernel
def share_ahead(model: int, ahead: float, behind: float) -> float:
    """Which part, in [0, 1], of a cancelled quantity lay ahead of us, by `model`; quantities in lots."""
    if model == RISK_AVERSE or not np.isfinite(ahead) or not ahead + behind > 0.0:
        return 0.0
    if model == PROPORTIONAL:
        return ahead / (ahead + behind)
    if model == LOG:
        return np.log1p(ahead) / (np.log1p(ahead) + np.log1p(behind))
    if model == OPTIMISTIC:
        return 1.0
    # Of the shares, not of the quantities: large quantities to a high power would overflow.
    n = model / POWER
    part = ahead / (ahead + behind)
    return part**n / (part**n + (1.0 - part) ** n)


@kernel
def join(order: I64, queue: F64, shown: int, visible: bool, now: int) -> None:
    """The order arrives at `now` behind `shown` lots; `visible` says whether its price is within what is shown."""
    order[SHOWN] = shown
    # Only trades from here on are told to the order, so none of them can be in what is shown.
    order[SHOWN_TS] = now - 1
    order[TRADED] = 0
    order[CANCELLED] = 0
    order[DARK] = 0 if visible else 1
    queue[AHEAD] = float(shown) if visible else np.inf
    queue[PRIOR] = queue[AHEAD]
    queue[SHARE] = 0.0


@kernel
def shown_now(order: I64, queue: F64, lots: int, ts: int, model: int) -> None:
    """The level now shows `lots`, as of `ts`."""
    queue[PRIOR] = queue[AHEAD]
    queue[SHARE] = 0.0
    order[CANCELLED] = 0
    if not order[DARK]:
        rest = order[SHOWN] - order[TRADED]
        order[CANCELLED] = max(0, rest - lots)
        queue[SHARE] = share_ahead(model, queue[AHEAD], max(0.0, rest - queue[AHEAD]))
    order[SHOWN] = lots
    order[SHOWN_TS] = max(order[SHOWN_TS], ts)
    order[TRADED] = 0
    order[DARK] = 0
    queue[AHEAD] = _after_update(order, queue)


@kernel
def traded(order: I64, queue: F64, lots: int, own: int, ts: int) -> int:
    """`lots` traded at the order's price at `ts`, `own` of which went to earlier orders of the same account.

    Returns how many of the rest went past all that was ahead of the order.
    """
    rest = lots - own
    if ts <= order[SHOWN_TS]:
        past = rest - queue[PRIOR]
        queue[PRIOR] = max(0.0, queue[PRIOR] - rest)
        order[CANCELLED] = max(0, order[CANCELLED] - lots)
        queue[AHEAD] = _after_update(order, queue)
    else:
        past = rest - queue[AHEAD]
        queue[AHEAD] = max(0.0, queue[AHEAD] - rest)
        order[TRADED] += lots
    return int(past) if past > 0.0 else 0


@kernel
def _after_update(order: I64, queue: F64) -> float:
    left = queue[PRIOR]
    if np.isfinite(left):
        left = max(0.0, left - order[CANCELLED] * queue[SHARE])
    return min(left, float(order[SHOWN]))
