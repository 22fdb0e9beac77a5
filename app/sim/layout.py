"""What the columns of the simulator's arrays mean. All times in ns, prices in ticks, quantities in lots."""

from typing import Final

NEVER: Final = (1 << 63) - 1

# `heads` of a tape: indices into its rows, and where its reading stands.
END: Final = 0  # rows held
VENUE: Final = 1  # next row in venue order (an index into `order`)
VIEW: Final = 2  # next row in the order received
SETTLED: Final = 3  # newest ts_recv of a complete venue message; -1 before the first
RECEIVED: Final = 4  # newest ts_recv
KEPT: Final = 5  # rows kept of the message being read
HEADS: Final = 8

# `head` of a venue.
NOW: Final = 0  # time of the last thing handled
DUE: Final = 1  # the next funding time of any instrument, NEVER if none
ORDERS: Final = 2  # resting orders
TAKEN: Final = 3  # remembered levels we took from
WATCHES: Final = 4
EVENTS: Final = 5  # events written by the last call
HANDLES: Final = 6  # orders that ever rested
HEAD: Final = 8

# `facts` (int64) and `rates` (float64) of an instrument.
MID2: Final = 0  # best bid + best ask at the venue's last consistent two-sided book; 0 before the first
FUNDING_TS: Final = 1  # next funding time, NEVER if unknown
FACTS: Final = 2
LOT: Final = 0  # lot size
RATE: Final = 1  # funding rate to be paid next
MARK_PX: Final = 2  # last mark price, 0 before the first
RATES: Final = 3

# A resting order: a row of `orders` (int64), in order of arrival, and one of `queue` (float64).
HANDLE: Final = 0
SLOT: Final = 1  # instrument
SIDE: Final = 2
TICK: Final = 3
LEFT: Final = 4
POSITION: Final = 5  # index into `held`
ACCOUNT: Final = 6
REDUCE: Final = 7  # 1: reduce-only
ARRIVED: Final = 8
SHOWN: Final = 9  # lots the level showed when last updated
SHOWN_TS: Final = 10  # as of when
TRADED: Final = 11  # lots traded there since
CANCELLED: Final = 12  # lots the last update took away that no trade explains yet
DARK: Final = 13  # 1: the level is not visible
HIT: Final = 14  # lots filled by the row being handled
ORDER: Final = 15

AHEAD: Final = 0  # lots ahead of us; infinite if unknown
PRIOR: Final = 1  # the same before the last update of the level
SHARE: Final = 2  # part of a cancellation that lay ahead, at that update
QUEUE: Final = 3

# A level we took from: a row of `taken`.
T_ACCOUNT: Final = 0
T_SLOT: Final = 1
T_SIDE: Final = 2  # the book's side
T_TICK: Final = 3
T_LOTS: Final = 4
TAKEN_WIDTH: Final = 5

# A watch for a price of the strategy's view: a row of `watches`.
W_SLOT: Final = 0
W_SIDE: Final = 1  # +1 watches the bid fall to the tick, -1 the ask rise to it
W_TICK: Final = 2
W_POSITION: Final = 3
WATCH: Final = 4

# What happened: a row of `events`.
E_KIND: Final = 0
E_SUBJECT: Final = 1  # order handle, position index (watch), instrument slot (funding)
E_LOTS: Final = 2
E_TICK: Final = 3
E_MAKER: Final = 4
EVENT_WIDTH: Final = 5

FILLED: Final = 1
REDUCED: Final = 2  # a reduce-only order was cancelled by the venue: nothing is left to reduce
WATCHED: Final = 3
FUNDING_DUE: Final = 4
