"""Event rows on hold, to be read in two orders: as they happened at the venue, and as we came to know them.

A row's venue time is its `ts_event`, kept between two bounds. It cannot be later than `ts_recv`, when we knew it
(only a clock running ahead says so). And it cannot be earlier than `hold` before the newest complete message that
came before it: up to there everything was handled already. So no row that is still to come has a venue time before

    settled = newest ts_recv of a complete message − hold,

and whatever is earlier than that may be read. A message is complete at its LAST row; a CLOCK row is one by itself.
Neither the bounds nor the order depend on how the rows were cut into blocks.
"""

# mypy: no-warn-return-any

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from app.core.errors import SchemaMismatch
from app.market.compiled import kernel
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, FUNDING, KINDS, LAST, QUOTE, TRADE, from_block
from app.market.words import META, PX, QTY, TS_EVENT, TS_RECV, WORDS, flags_of, instrument_of, kind_of, side_of
from app.sim.arrays import move_row
from app.sim.layout import END, HEADS, KEPT, RECEIVED, SETTLED, VENUE, VIEW

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

# What became of rows, as counted by `append`.
FAULTY: Final = 0
UNKNOWN: Final = 1
BACKWARDS: Final = 2
CLAMPED: Final = 3
FUTURE: Final = 4
COUNTS: Final = 5

FIRST_KIND: Final = KINDS.start
LAST_KIND: Final = KINDS.stop - 1
_FIRST_ROWS = 8192


@kernel
def faulty(meta: int, px: float, qty: float) -> bool:
    """True for a row no kernel may see; the same rule as `app.market.rows.faults`."""
    kind, side = kind_of(meta), side_of(meta)
    if not FIRST_KIND <= kind <= LAST_KIND or not -1 <= side <= 1:
        return True
    if not np.isfinite(px) or not np.isfinite(qty) or qty < 0.0:
        return True
    if px <= 0.0 and kind not in (CLOCK, DEPTH_CLEAR, FUNDING):
        return True
    if side == 0 and kind in (DEPTH_SET, TRADE, QUOTE):
        return True
    return kind == TRADE and qty == 0.0


@kernel
def _verdict(ints: I64, floats: F64, row: int, heads: I64, slots: I64) -> int:
    """Why a row is dropped, -1 if it is not."""
    meta = ints[row, META]
    if faulty(meta, floats[row, PX], floats[row, QTY]):
        return FAULTY
    if ints[row, TS_RECV] < heads[RECEIVED]:
        return BACKWARDS
    if kind_of(meta) != CLOCK and slots[instrument_of(meta)] < 0:
        return UNKNOWN
    return -1


@kernel
def _insert(keys: I64, order: I64, heads: I64, row: int, key: int) -> None:
    """Put `row` behind all rows not yet read whose venue time is not later."""
    keys[row] = key
    at = row
    while at > heads[VENUE] and keys[order[at - 1]] > key:
        order[at] = order[at - 1]
        at -= 1
    order[at] = row


@kernel
def _venue_time(event: int, received: int, floor: int, counts: I64) -> int:
    if event > received:
        counts[FUTURE] += 1
        return received
    if event < floor:
        counts[CLAMPED] += 1
        return floor
    return event


@kernel
def _take_in(ints: I64, floats: F64, keys: I64, order: I64, heads: I64, n: int, slots: I64, hold: int,
             counts: I64) -> None:  # fmt: skip
    """Take in the `n` rows written behind END: drop what is bad, give the rest its venue time and its place."""
    start, end = heads[END], heads[END]
    for row in range(start, start + n):
        meta = ints[row, META]
        ends = (flags_of(meta) & LAST) != 0 or kind_of(meta) == CLOCK
        verdict = _verdict(ints, floats, row, heads, slots)
        if verdict >= 0:
            counts[verdict] += 1
            if ends and heads[KEPT] > 0:
                # The message ends with a row that is dropped: its last good row says so instead.
                ints[end - 1, META] |= LAST << 32
        else:
            received = ints[row, TS_RECV]
            if heads[SETTLED] < 0:
                heads[SETTLED] = received
            if end != row:
                move_row(ints, row, end)
            floor = heads[SETTLED] - hold
            _insert(keys, order, heads, end, _venue_time(ints[row, TS_EVENT], received, floor, counts))
            end += 1
            heads[END] = end
            heads[RECEIVED] = received
            heads[KEPT] += 1
        if ends:
            heads[KEPT] = 0
            heads[SETTLED] = heads[RECEIVED]


@kernel
def _compact(ints: I64, keys: I64, order: I64, heads: I64) -> None:
    """Move what is still to be read to the front. Every row before VIEW has been read in both orders."""
    gone, end = heads[VIEW], heads[END]
    for row in range(gone, end):
        move_row(ints, row, row - gone)
        keys[row - gone] = keys[row]
    for at in range(heads[VENUE], end):
        order[at - gone] = order[at] - gone
    heads[END] -= gone
    heads[VENUE] -= gone
    heads[VIEW] = 0


class TapeState(msgspec.Struct, array_like=True, frozen=True):
    """A tape as plain data."""

    heads: bytes
    rows: bytes
    keys: bytes
    order: bytes


class Tape:
    """The rows on hold. `ints`, `floats`, `keys`, `order` and `heads` are what kernels take.

    `slots` maps each of the 65536 instrument ids to its slot, -1 for those whose rows are dropped. `hold` is in ns.
    `counts` adds up what became of rows: FAULTY, UNKNOWN and BACKWARDS ones were dropped, CLAMPED and FUTURE ones
    had their venue time bounded.
    """

    def __init__(self, slots: I64, *, hold: int) -> None:
        self.slots = slots
        self.hold = hold
        self.heads = np.zeros(HEADS, np.int64)
        self.heads[[SETTLED, RECEIVED]] = -1
        self.counts = np.zeros(COUNTS, np.int64)
        self._allocate(_FIRST_ROWS)

    def _allocate(self, rows: int) -> None:
        self.ints = np.zeros((rows, WORDS), np.int64)
        self.floats = self.ints.view(np.float64)
        self.keys = np.zeros(rows, np.int64)
        self.order = np.zeros(rows, np.int64)

    def __len__(self) -> int:
        """Rows held that one of the two orders has yet to reach."""
        return int(self.heads[END] - self.heads[VIEW])

    @property
    def settled(self) -> int | None:
        """No row to come has a venue time before this; None before the first row."""
        settled = int(self.heads[SETTLED])
        return None if settled < 0 else settled - self.hold

    def append(self, block: bytes | memoryview) -> None:
        """Take in a block of event rows.

        Raises:
            BadInput: `block` is not a whole number of rows; nothing has changed then.
        """
        n = len(from_block(block))
        if n == 0:
            return
        end = int(self.heads[END])
        if end + n > len(self.keys):
            self._make_room(n)
            end = int(self.heads[END])
        self.ints[end : end + n] = np.frombuffer(block, np.int64).reshape(n, WORDS)
        _take_in(self.ints, self.floats, self.keys, self.order, self.heads, n, self.slots, self.hold, self.counts)

    def _make_room(self, n: int) -> None:
        _compact(self.ints, self.keys, self.order, self.heads)
        end = int(self.heads[END])
        # Twice what is needed, so that compacting stays rare.
        if 2 * (end + n) > len(self.keys):
            ints, keys, order = self.ints, self.keys, self.order
            self._allocate(4 * (end + n))
            self.ints[:end], self.keys[:end], self.order[:end] = ints[:end], keys[:end], order[:end]

    def snapshot(self) -> TapeState:
        """The rows that are still to be read, and where reading stands."""
        _compact(self.ints, self.keys, self.order, self.heads)
        end = int(self.heads[END])
        parts = (self.heads, self.ints[:end], self.keys[:end], self.order[:end])
        return TapeState(*(part.tobytes() for part in parts))

    def restore(self, state: TapeState) -> None:
        """Become the tape of a snapshot.

        Raises:
            SchemaMismatch: its parts do not fit together.
        """
        heads = np.frombuffer(state.heads, np.int64)
        rows = np.frombuffer(state.rows, np.int64).reshape(-1, WORDS) if len(state.rows) % 40 == 0 else None
        fits = rows is not None and len(heads) == HEADS and len(state.keys) == len(state.order) == 8 * len(rows)
        if not fits or rows is None or heads[END] != len(rows):
            raise SchemaMismatch("snapshot of the rows on hold is cut or of another version; start without it")
        self._allocate(max(_FIRST_ROWS, 2 * len(rows)))
        self.heads[:] = heads
        self.ints[: len(rows)] = rows
        self.keys[: len(rows)] = np.frombuffer(state.keys, np.int64)
        self.order[: len(rows)] = np.frombuffer(state.order, np.int64)
