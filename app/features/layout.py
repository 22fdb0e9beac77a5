"""Where kernels keep what: slots of the per-instrument statistics, of the shared plan and of the tables."""

from typing import Final

LEVELS: Final = 5  # best levels a side that are kept with the statistics
BLOCKS: Final = 64  # one-second blocks of extremes kept, a power of two above the longest window's
BUCKETS: Final = 16  # closed volume buckets kept
RING: Final = 64  # grid points kept, a power of two above the longest return's lag

# `times` (int64, per instrument). Up to TIMES_STATE it is state; the rest can be had from the book at any time.
SINCE: Final = 0  # ts of the first two-sided book; -1 before there was one
GENERATION: Final = 1  # the plan's generation these statistics belong to
CHANGED: Final = 2  # 1 if the message now open may have changed LEVELS, or statistics have just begun anew
RESYNC: Final = 3  # 1 if the message now open clears the book or is part of a snapshot
COMPARABLE: Final = 4  # 1 if the levels kept are those to compare the next book with
BOOK_DECAYED_TO: Final = 5  # ts at which the decaying sums of book events are exact
TRADES_DECAYED_TO: Final = 6  # the same for those of trades
GRID: Final = 7  # number of the last grid point that is sampled
TRADED_AT: Final = 8  # ts of the last message with a trade
MOVED_AT: Final = 9  # ts of the last message that moved the mid
MARKED_AT: Final = 10  # ts of the last mark price
NEXT_BUCKET: Final = 11  # slot of the volume bucket that closes next
# Signed ticks (ask prices negative) of the best bids, then of the best asks: on both sides, higher is better.
LEVEL_TICKS: Final = 12
TIMES_STATE: Final = LEVEL_TICKS + 2 * LEVELS
DEPTH_KNOWN: Final = TIMES_STATE  # 1 if DEPTH in `stats` is that of the book as it is
TIMES: Final = 24

# `stats` (float64, per instrument). Up to STATS_STATE it is state.
LEVEL_QTYS: Final = 0  # as LEVEL_TICKS
MESSAGE_BUY: Final = LEVEL_QTYS + 2 * LEVELS  # buyer-initiated volume of the message now open
MESSAGE_SELL: Final = MESSAGE_BUY + 1
MESSAGE_TRADES: Final = MESSAGE_BUY + 2
TRADED_BUY: Final = MESSAGE_BUY + 3  # volume since LEVELS last changed
TRADED_SELL: Final = MESSAGE_BUY + 4
# Decaying sums, one a time constant from fast to slow: 0.1 s, 1 s, 5 s, 30 s.
OFI: Final = MESSAGE_BUY + 5
MULTILEVEL_OFI: Final = OFI + 4
FLOW: Final = OFI + 8
# Decaying sums over 1 s and 5 s.
TRADES: Final = OFI + 12
DEPLETED: Final = TRADES + 2  # ask side minus bid side, 1 s
CANCELLED: Final = TRADES + 3  # ask side minus bid side, 1 s
CANCELLED_EITHER: Final = TRADES + 4  # both sides, 5 s
VARIANCES: Final = TRADES + 5  # weighted sums of squared returns: 1 s, 5 s, 10 s, 30 s
VARIANCE_WEIGHTS: Final = VARIANCES + 4  # the same sums of 0.1 s
MEANS: Final = VARIANCES + 8  # weighted sums of sampled mids: 10 s, 30 s
MEAN_WEIGHTS: Final = MEANS + 2
MID: Final = MEANS + 4  # bid + ask, in half ticks
HIGH: Final = MID + 1  # extremes of MID in the block now open
LOW: Final = MID + 2
PAST_HIGHS: Final = MID + 3  # extremes over the closed blocks: of the 10 s window, of the 60 s window
PAST_LOWS: Final = MID + 5
DAY_SIN: Final = MID + 7
DAY_COS: Final = MID + 8
MARK_PX: Final = MID + 9  # 0 if there was none
FUNDING_RATE: Final = MID + 10
SIZE_VOLUME: Final = MID + 11  # weighted sums of volume and number of trades
SIZE_TRADES: Final = MID + 12
BUCKET_BUY: Final = MID + 13  # the volume bucket now open
BUCKET_SELL: Final = MID + 14
PAST_ONE_SIDED: Final = MID + 15  # |bought - sold| and bought + sold, over the closed buckets kept
PAST_VOLUME: Final = MID + 16
NEAR_BID: Final = MID + 17  # a bid below this price, or an ask above the next, is not among LEVELS
NEAR_ASK: Final = MID + 18
MIDS: Final = MID + 19  # a ring of the mid at grid points
HIGHS: Final = MIDS + RING  # rings of closed blocks
LOWS: Final = HIGHS + BLOCKS
ONE_SIDED: Final = LOWS + BLOCKS  # rings of closed buckets
VOLUMES: Final = ONE_SIDED + BUCKETS
STATS_STATE: Final = VOLUMES + BUCKETS
DEPTH: Final = STATS_STATE  # what the walk down the book found: see `evaluate`
STATS: Final = DEPTH + 4

# `plan` (int64, shared). The first three are state, the rest is set up anew.
LAST_TS: Final = 0  # of any row; -1 before the first
RUNNING: Final = 1  # raised by a gap; statistics of an older generation restart
TOLD: Final = 2  # ts up to which the passing of time was reported; -1 before the first row
NEXT_HOLD: Final = 3  # earliest due time among the holds
FOUND: Final = 4  # rows the last call wrote
MOST_PER_ROW: Final = 5  # rows one event row can cause at most
SILENCE: Final = 6  # ns without a clock row after which any row reports that time has passed
EVERY_MESSAGE: Final = 7  # 1: evaluate at the end of each venue message, whether anything asks for it or not
FIRST_WATCH: Final = 8  # from here on, for each instrument, its first row of `watches`; then their number
PLAN_STATE: Final = 3
NO_HOLD: Final = 1 << 62

# `watches` (int64, a row each, ordered by instrument).
W_SLOT: Final = 0
W_SIDE_FEATURE: Final = 1  # EVERY: fires at each message, ready or not
W_COOLDOWN: Final = 2  # ns
W_FIRED: Final = 3  # ts of the last candidate; NEVER before one
W_BOUNDS: Final = 4  # its rows of `bounds`: first, and one past the last
W_BOUNDS_END: Final = 5
WATCH: Final = 6
EVERY: Final = -1
NEVER: Final = -(1 << 62)

# `bounds` (float64, a row a condition).
B_FEATURE: Final = 0
B_MIN: Final = 1
B_MAX: Final = 2
B_ABS_MIN: Final = 3
B_ABS_MAX: Final = 4
BOUND: Final = 5

# `holds` (int64, a row each).
H_SLOT: Final = 0
H_DUE: Final = 1  # ts
H_EVERY: Final = 2  # ns
HOLD: Final = 3

# `out_ints` (int64, a row each evaluation, and each time that passing time is reported).
O_KIND: Final = 0
O_INDEX: Final = 1  # of the watch or hold; 0 for TIME_PASSED
O_TS: Final = 2
O_TS_EVENT: Final = 3
O_SIDE: Final = 4
O_BID: Final = 5  # ticks
O_ASK: Final = 6
OUT: Final = 7

WATCH_FIRED: Final = 0
HOLD_DUE: Final = 1
TIME_PASSED: Final = 2  # all rows before O_TS have been handled

# `dropped` (int64): rows `sift` took out, by reason.
MALFORMED: Final = 0
BAD_TIME: Final = 1
OUT_OF_ORDER: Final = 2
DUPLICATE: Final = 3
UNKNOWN_INSTRUMENT: Final = 4
REASONS: Final = ("malformed", "bad_time", "out_of_order", "duplicate", "unknown_instrument")
