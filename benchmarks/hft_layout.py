"""What the columns of the arrays mean that go in and out of the strategies run on hftbacktest. Times in ns."""

from typing import Final

# What the strategy is told, as int64: from the configuration of our own pipeline.
COOLDOWN: Final = 0
MAX_SPREAD: Final = 1  # ticks
WARM_UP: Final = 2
TTL: Final = 3
MAX_HOLD: Final = 4
FEEDBACK: Final = 5
STOP: Final = 6  # distance × 10¹⁰
TARGET: Final = 7
NOTIONAL: Final = 8  # max_notional in tick · lot, as a fraction
NOTIONAL_BY: Final = 9
WORK: Final = 10
PLAN: Final = 11

# How much the strategy computes, whether it decides by it or not: the trigger once the cooldown is over, the trigger
# at every feed event, all features at every feed event.
WHEN_DUE: Final = 0
TRIGGER: Final = 1
FEATURES: Final = 2

# An order: a row of `orders`.
TRIP: Final = 0
LEG: Final = 1
SIDE: Final = 2
TICK: Final = 3  # 0: a market order
LOTS: Final = 4
SENT: Final = 5
CANCEL_SENT: Final = 6  # 0: none was sent
FILLED: Final = 7  # lots
OVER: Final = 8  # 1: nothing can happen to it any more
ENDED: Final = 9  # when that came to be, at the venue
ALIVE: Final = 10  # 1: the venue has answered
EXPIRED: Final = 11  # 1: it ended because it could not rest, or found nobody to trade with
LATE_CANCEL: Final = 12  # 1: its cancellation waits for that answer
ORDER: Final = 13

ENTRY: Final = 0
TAKE_PROFIT: Final = 1
EXIT: Final = 2

# An execution, or several of an order at one time: a row of `fills`.
F_ORDER: Final = 0
F_TS: Final = 1
F_TICK: Final = 2
F_LOTS: Final = 3
F_TOLD: Final = 4  # lots of the last execution alone
FILL: Final = 5

# A candidate: a row of `candidates`.
C_TS: Final = 0
C_SIDE: Final = 1
CANDIDATE: Final = 2

# What came out: `result`.
N_ORDERS: Final = 0
N_FILLS: Final = 1
N_CANDIDATES: Final = 2
ERROR: Final = 3  # hftbacktest's code, 0 if all went well
ERROR_TS: Final = 4
RESULT: Final = 5
