"""The order book of one instrument, as two plain arrays that any kernel can hold.

`state` (int64) has a header of `HEADER` slots and a bit for each level in use; `qty` (float64) has `EXTRAS` numbers
and then the quantity at every tick of a window of `W` ticks a side. Make a pair with `new_book`.

Prices are integer ticks. The window covers ticks `base … base + W - 1`; tick `t` of either side lives in slot
`t & (W - 1)`, so moving the window moves no memory. What that means for levels far from the touch:

* a level behind the window (a bid below it, an ask above it) is not kept, and counted (`OUT_OF_WINDOW`);
* a level ahead of the window (the price jumped) moves the window there; so does a touch that has left the window's
  middle half when a message ends. Levels the move leaves outside are forgotten, and counted (`EVICTED`);
* what was not kept or was forgotten is unknown until the venue sends it again.

A book may be crossed between the rows of a venue message. If it still is at the LAST row, the newer side wins: the
levels of the other side that it crosses are deleted, and the event is counted (`CROSSED`).

Kernels call the functions below; Python uses `Book`. All functions are O(1), or amortised O(1) in levels touched.
"""

# mypy: no-warn-return-any

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.core.errors import Misconfigured, SchemaMismatch
from app.market.bitset import next_down, next_up, unmark
from app.market.compiled import inlined, kernel
from app.market.instruments import Instrument
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST, QUOTE, Rows, faults
from app.market.words import META, PX, QTY, flags_of, instrument_of, kind_of, side_of, words

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

NONE = -1  # the tick of a side that is empty
MIN_WINDOW = 64

# Slots of `state`. The bits of the bid levels follow the header, then those of the asks.
WINDOW = 0  # W
BASE = 1  # lowest tick of the window
BEST_BID = 2  # ticks, NONE if the side is empty
BEST_ASK = 3
BID_LEVELS = 4
ASK_LEVELS = 5
QUOTE_BID = 6  # ticks, from QUOTE rows; NONE if unknown
QUOTE_ASK = 7
NEWER = 8  # the side whose row crossed the other last, since the last LAST row; 0 if none did
OPEN = 9  # 1 between the rows of a venue message
CROSSED = 10  # counters from here on
OUT_OF_WINDOW = 11
EVICTED = 12
OFF_GRID = 13
BAD = 14
HEADER = 16

# Slots of `qty` before the levels.
TICK_SIZE = 0
QUOTE_BID_QTY = 1
QUOTE_ASK_QTY = 2
EXTRAS = 4

# A price further than this from a multiple of the tick size means that the tick size is wrong.
GRID_TOLERANCE_TICKS = 1e-3
# Ticks beyond this cannot be told apart in a float64 price.
MAX_TICK = 1 << 51


def state_size(window: int) -> int:
    """Length of `state` for a window of `window` ticks."""
    return HEADER + 2 * (window >> 6)


def qty_size(window: int) -> int:
    """Length of `qty` for a window of `window` ticks."""
    return EXTRAS + 2 * window


def new_book(tick_size: float, window: int) -> tuple[I64, F64]:
    """The (`state`, `qty`) of an empty book.

    Raises:
        Misconfigured: `window` is not a power of two of at least 64.
    """
    check_window(window)
    state, qty = np.zeros(state_size(window), np.int64), np.zeros(qty_size(window), np.float64)
    init_book(state, qty, tick_size, window)
    return state, qty


def check_window(window: int) -> None:
    """Raise `Misconfigured` unless a book can have `window` ticks a side."""
    if window < MIN_WINDOW or window & (window - 1):
        raise Misconfigured(
            f"book_ticks must be a power of two of at least {MIN_WINDOW}, got {window}; the default is 65536"
        )


def init_book(state: I64, qty: F64, tick_size: float, window: int) -> None:
    """Make an empty book of two zeroed arrays, of the lengths `state_size` and `qty_size` give."""
    state[WINDOW] = window
    state[[BEST_BID, BEST_ASK, QUOTE_BID, QUOTE_ASK]] = NONE
    qty[TICK_SIZE] = tick_size


@kernel
def tick_of(px: float, tick_size: float) -> int:
    """The tick nearest to `px` (ties to even, as `Instrument.ticks`), or NONE if that is not in 1 … MAX_TICK."""
    tick = np.rint(px / tick_size)
    if not 1 <= tick <= MAX_TICK:
        return NONE
    return int(tick)


@kernel
def best_bid(state: I64) -> int:
    """Tick of the highest bid, NONE if there is no bid."""
    return state[BEST_BID]


@kernel
def best_ask(state: I64) -> int:
    """Tick of the lowest ask, NONE if there is no ask."""
    return state[BEST_ASK]


@kernel
def two_sided(state: I64) -> bool:
    """True if both sides have a level and they do not cross."""
    return state[BEST_BID] != NONE and state[BEST_ASK] > state[BEST_BID]


@kernel
def level_slot(state: I64, side: int, tick: int) -> int:
    """Where in `qty` a tick inside the window is kept."""
    window = state[WINDOW]
    return EXTRAS + (0 if side > 0 else window) + (tick & (window - 1))


@kernel
def in_window(state: I64, tick: int) -> bool:
    """True if a level at `tick` can be kept."""
    return state[BASE] <= tick < state[BASE] + state[WINDOW]


@kernel
def level_qty(state: I64, qty: F64, side: int, tick: int) -> float:
    """Quantity at `tick` of a side (+1 bid, -1 ask); 0 if there is none or the tick is outside the window."""
    if not in_window(state, tick):
        return 0.0
    return qty[level_slot(state, side, tick)]


@kernel
def next_level(state: I64, side: int, tick: int) -> int:
    """The first level behind `tick` (below it for bids, above it for asks), NONE if there is none."""
    window = state[WINDOW]
    base = state[BASE]
    if side > 0:
        start = min(tick - 1, base + window - 1)
        if start < base:
            return NONE
        slot = next_down(state, HEADER, window >> 6, start & (window - 1))
        found = start - ((start - slot) & (window - 1))
        return found if slot >= 0 and found >= base else NONE
    start = max(tick + 1, base)
    if start >= base + window:
        return NONE
    slot = next_up(state, HEADER + (window >> 6), window >> 6, start & (window - 1))
    found = start + ((slot - start) & (window - 1))
    return found if slot >= 0 and found < base + window else NONE


@kernel
def depth(state: I64, qty: F64, side: int, n: int, ticks: I64, quantities: F64) -> int:
    """Write the best `n` levels of a side, best first, and return how many there are (≤ n)."""
    tick = state[BEST_BID] if side > 0 else state[BEST_ASK]
    levels = min(n, state[BID_LEVELS] if side > 0 else state[ASK_LEVELS])
    for i in range(levels):
        ticks[i] = tick
        quantities[i] = qty[level_slot(state, side, tick)]
        if i + 1 < levels:
            tick = next_level(state, side, tick)
    return levels


@kernel
def _remove(state: I64, qty: F64, side: int, tick: int) -> None:
    window = state[WINDOW]
    qty[level_slot(state, side, tick)] = 0.0
    unmark(state, HEADER + (0 if side > 0 else window >> 6), tick & (window - 1))
    count, best = (BID_LEVELS, BEST_BID) if side > 0 else (ASK_LEVELS, BEST_ASK)
    state[count] -= 1
    if state[best] == tick:
        state[best] = next_level(state, side, tick) if state[count] > 0 else NONE


@kernel
def _evict(state: I64, qty: F64, side: int, start: int, stop: int) -> None:
    """Forget the levels of a side at ticks start … stop - 1, all inside the window."""
    window = state[WINDOW]
    offset = HEADER + (0 if side > 0 else window >> 6)
    while start < stop:
        slot = next_up(state, offset, window >> 6, start & (window - 1))
        if slot < 0:
            return
        start += (slot - start) & (window - 1)
        if start < stop:
            _remove(state, qty, side, start)
            state[EVICTED] += 1
            start += 1


@kernel
def _recentre(state: I64, qty: F64, tick: int) -> None:
    """Move the window so that `tick` is in its middle."""
    window = state[WINDOW]
    base = state[BASE]
    moved = tick - (window >> 1)
    start, stop = (base, min(moved, base + window)) if moved > base else (max(moved + window, base), base + window)
    _evict(state, qty, 1, start, stop)
    _evict(state, qty, -1, start, stop)
    state[BASE] = moved


@kernel
def book_set(state: I64, qty: F64, side: int, tick: int, quantity: float) -> bool:
    """The quantity at `tick` of a side is now `quantity` (≥ 0; 0 deletes). False if the tick cannot be kept."""
    if not in_window(state, tick):
        if quantity == 0.0:
            return True
        empty = state[BID_LEVELS] + state[ASK_LEVELS] == 0
        ahead = tick > state[BASE] if side > 0 else tick < state[BASE]
        if not (empty or ahead):
            state[OUT_OF_WINDOW] += 1
            return False
        _recentre(state, qty, tick)
    _put(state, qty, side, tick, quantity)
    return True


@inlined
def _put(state: I64, qty: F64, side: int, tick: int, quantity: float) -> None:
    """Set a level inside the window. Whether it is new, changed or deleted is arithmetic: a branch would be a guess."""
    asks = (1 - side) >> 1
    window = state[WINDOW]
    slot = tick & (window - 1)
    level = EXTRAS + asks * window + slot
    word = HEADER + asks * (window >> 6) + (slot >> 6)
    known, used = int(qty[level] != 0.0), int(quantity != 0.0)
    qty[level] = quantity
    state[word] = (state[word] & ~(1 << (slot & 63))) | (used << (slot & 63))
    state[BID_LEVELS + asks] += used - known
    best, other = state[BEST_BID + asks], state[BEST_ASK - asks]
    if best == NONE or (tick - best) * side >= 0:
        _follow_best(state, side, tick, used)
    if other != NONE and (tick - other) * side >= 0 and used:
        state[NEWER] = side


@kernel
def _follow_best(state: I64, side: int, tick: int, used: int) -> None:
    """A level at the best of a side, or beyond it, was set or deleted."""
    best = BEST_BID if side > 0 else BEST_ASK
    if used:
        state[best] = tick
    elif state[best] == tick:
        state[best] = next_level(state, side, tick)


@kernel
def book_clear(state: I64, qty: F64, side: int) -> None:
    """Forget one side (±1) or both (0)."""
    window = state[WINDOW]
    for one in (1, -1):
        if side != -one:
            offset = HEADER + (0 if one > 0 else window >> 6)
            levels = EXTRAS + (0 if one > 0 else window)
            for word in range(window >> 6):
                if state[offset + word] != 0:
                    state[offset + word] = 0
                    qty[levels + (word << 6) : levels + (word << 6) + 64] = 0.0
            state[BID_LEVELS if one > 0 else ASK_LEVELS] = 0
            state[BEST_BID if one > 0 else BEST_ASK] = NONE


@kernel
def book_last(state: I64, qty: F64) -> None:
    """A venue message ends: uncross the book, and follow the price with the window."""
    bid, ask = state[BEST_BID], state[BEST_ASK]
    if bid != NONE and ask != NONE and bid >= ask:
        state[CROSSED] += 1
        if state[NEWER] > 0:
            while state[BEST_ASK] != NONE and state[BEST_ASK] <= bid:
                _remove(state, qty, -1, state[BEST_ASK])
        else:
            while state[BEST_BID] >= ask:
                _remove(state, qty, 1, state[BEST_BID])
    state[NEWER] = 0
    state[OPEN] = 0
    bid, ask = state[BEST_BID], state[BEST_ASK]
    if bid == NONE and ask == NONE:
        return
    middle = (bid + ask) >> 1 if bid != NONE and ask != NONE else max(bid, ask)
    quarter = state[WINDOW] >> 2
    if not state[BASE] + quarter <= middle < state[BASE] + 3 * quarter:
        _recentre(state, qty, middle)


@kernel
def book_row(state: I64, qty: F64, kind: int, side: int, px: float, quantity: float, flags: int) -> None:
    """Apply one event row that `rows.faults` has passed. Kinds that say nothing about the book change nothing."""
    state[OPEN] = 1
    if kind in (DEPTH_SET, QUOTE):
        tick = tick_of(px, qty[TICK_SIZE])
        if tick == NONE:
            state[BAD] += 1
        else:
            if abs(px / qty[TICK_SIZE] - tick) > GRID_TOLERANCE_TICKS:
                state[OFF_GRID] += 1
            if kind == DEPTH_SET:
                book_set(state, qty, side, tick, quantity)
            else:
                state[QUOTE_BID if side > 0 else QUOTE_ASK] = tick if quantity > 0.0 else NONE
                qty[QUOTE_BID_QTY if side > 0 else QUOTE_ASK_QTY] = quantity
    elif kind == DEPTH_CLEAR:
        book_clear(state, qty, side)
    if flags & LAST:
        book_last(state, qty)


@kernel
def _book_rows(state: I64, qty: F64, ints: I64, floats: F64, instrument: int) -> int:
    foreign = 0
    for i in range(len(ints)):
        meta = ints[i, META]
        if instrument_of(meta) == instrument:
            book_row(state, qty, kind_of(meta), side_of(meta), floats[i, PX], floats[i, QTY], flags_of(meta))
        elif instrument_of(meta) != 0:
            foreign += 1
    return foreign


class Best(NamedTuple):
    """The touch: prices in quote currency (NaN for an empty side) and quantities (0 for an empty side)."""

    bid: float
    bid_qty: float
    ask: float
    ask_qty: float


class Book:
    """The order book of one instrument, for Python. `state` and `qty` are what kernels take."""

    def __init__(self, instrument: Instrument, window: int = 65_536) -> None:
        self.instrument = instrument
        self.state, self.qty = new_book(float(instrument.tick_size), window)
        self._bad = self._foreign = 0

    def advance(self, rows: Rows) -> None:
        """Apply event rows; those of other instruments and those no kernel may see are skipped and counted."""
        bad = faults(rows)
        if bad.any():
            self._bad += int(bad.sum())
            rows = rows[~bad]
        ints, floats = words(rows)
        self._foreign += _book_rows(self.state, self.qty, ints, floats, self.instrument.id)

    def best(self) -> Best:
        """The touch."""
        bid, ask = int(self.state[BEST_BID]), int(self.state[BEST_ASK])
        return Best(
            self.price(bid),
            level_qty(self.state, self.qty, 1, bid),
            self.price(ask),
            level_qty(self.state, self.qty, -1, ask),
        )

    def levels(self, n: int) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """The best `n` (tick, quantity) of the bids and of the asks, best first."""
        ticks, quantities = np.empty(n, np.int64), np.empty(n, np.float64)

        def side(sign: int) -> list[tuple[int, float]]:
            found = depth(self.state, self.qty, sign, n, ticks, quantities)
            return list(zip(ticks[:found].tolist(), quantities[:found].tolist(), strict=True))

        return side(1), side(-1)

    def price(self, tick: int) -> float:
        """The price of a tick, NaN for NONE."""
        return math.nan if tick == NONE else float(self.instrument.price(tick))

    def faults(self) -> dict[str, int]:
        """What was wrong with the data so far, by kind."""
        counters = {"crossed": CROSSED, "out_of_window": OUT_OF_WINDOW, "evicted": EVICTED, "off_grid": OFF_GRID}
        found = {name: int(self.state[slot]) for name, slot in counters.items()}
        return {**found, "bad_row": self._bad + int(self.state[BAD]), "unknown_instrument": self._foreign}

    def snapshot(self) -> bytes:
        """The book as bytes; its size grows with the levels in use, not with the window."""
        return np.array([self._bad, self._foreign], np.int64).tobytes() + pack_book(self.state, self.qty)

    def restore(self, blob: bytes) -> None:
        """Become the book of a snapshot. Raises as `unpack_book` does."""
        unpack_book(blob[16:], self.state, self.qty)
        self._bad, self._foreign = np.frombuffer(blob[:16], np.int64).tolist()


def pack_book(state: I64, qty: F64) -> bytes:
    """The header, the extras, and the (slot, quantity) of each level in use."""
    used = np.flatnonzero(np.unpackbits(state[HEADER:].view(np.uint8), bitorder="little"))
    return b"".join((state[:HEADER].tobytes(), qty[:EXTRAS].tobytes(), used.tobytes(), qty[EXTRAS:][used].tobytes()))


def unpack_book(blob: bytes, state: I64, qty: F64) -> None:
    """Fill `state` and `qty` from `pack_book`'s bytes.

    Raises:
        SchemaMismatch: the bytes were packed under another window or tick size, or are no packed book.
    """
    head = 8 * (HEADER + EXTRAS)
    levels = (len(blob) - head) // 16
    if levels < 0 or len(blob) != head + 16 * levels:
        raise SchemaMismatch(f"book snapshot of {len(blob)} bytes is cut or of another version; start without it")
    header = np.frombuffer(blob, np.int64, HEADER)
    extras = np.frombuffer(blob, np.float64, EXTRAS, 8 * HEADER)
    if header[WINDOW] != state[WINDOW] or extras[TICK_SIZE] != qty[TICK_SIZE]:
        raise SchemaMismatch(
            f"book snapshot has book_ticks {header[WINDOW]} and tick size {extras[TICK_SIZE]}, this book has "
            f"{state[WINDOW]} and {qty[TICK_SIZE]}; start without the snapshot"
        )
    used = np.frombuffer(blob, np.int64, levels, head)
    if levels and (used.min() < 0 or used.max() >= 2 * state[WINDOW]):
        raise SchemaMismatch("book snapshot has a level outside its window; start without it")
    state[HEADER:] = 0
    state[:HEADER] = header
    qty[EXTRAS:] = 0.0
    qty[:EXTRAS] = extras
    qty[EXTRAS:][used] = np.frombuffer(blob, np.float64, levels, head + 8 * levels)
    np.bitwise_or.at(state, HEADER + (used >> 6), np.int64(1) << (used & 63))
