"""The paper venue: real market data, simulated orders.

What it assumes, part by part:

* our orders move nothing: the data are what they would have been without us;
* passive orders queue and fill as `app.sim.queue` and `app.sim.matching.match_row` say;
* market orders take what is shown, level by level, at each level's price; what an account took is gone for it until
  the venue sends the level again; what is left then is cancelled. There is no price band;
* a post-only order that would cross is cancelled; a reduce-only order is clamped to its position, less what other
  resting orders would already take off it, when it arrives, and to the position while it rests;
* positions are kept apart by index, and accounts do not see each other: nothing is netted, nobody competes.
"""

from collections.abc import Iterable, Sequence
from typing import TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from app.core.errors import SchemaMismatch
from app.market.book import (
    NONE,
    check_window,
    init_book,
    pack_book,
    qty_size,
    state_size,
    unpack_book,
)
from app.market.instruments import Instrument
from app.sim.kernel import advance, crossed
from app.sim.layout import (
    DUE,
    EVENT_WIDTH,
    EVENTS,
    FACTS,
    FUNDING_TS,
    HANDLE,
    HEAD,
    LEFT,
    LOT,
    MARK_PX,
    MID2,
    NEVER,
    NOW,
    ORDER,
    ORDERS,
    POSITION,
    QUEUE,
    RATE,
    RATES,
    REDUCE,
    TAKEN,
    TAKEN_WIDTH,
    WATCH,
    WATCHES,
)
from app.sim.matching import drop_finished, reducible, rest, trim
from app.sim.orders import MARKET, NOTHING_TO_FILL, NOTHING_TO_REDUCE, WOULD_TAKE, Happening, Receipt, Ticket
from app.sim.taking import facing, sweep
from app.sim.tape import Tape

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
_T = TypeVar("_T", np.int64, np.float64)

_TAKEN_MEMORY = 1024
_FIRST_ORDERS = 64


class VenueState(msgspec.Struct, array_like=True, frozen=True):
    """A venue as plain data."""

    head: bytes
    facts: bytes
    rates: bytes
    orders: bytes
    queue: bytes
    held: bytes
    free: list[int]
    taken: bytes
    books: list[bytes]


class PaperVenue:
    """Books, resting orders and positions of a few instruments, in arrays that kernels hold.

    An instrument's slot is its place in `instruments`. `model` is the queue model's code (`app.sim.queue`).
    """

    def __init__(self, instruments: Sequence[Instrument], *, book_ticks: int, model: int) -> None:
        check_window(book_ticks)
        n = len(instruments)
        self._model = model
        self._states = np.zeros((2, n, state_size(book_ticks)), np.int64)
        self._sizes = np.zeros((2, n, qty_size(book_ticks)), np.float64)
        self._facts = np.zeros((n, FACTS), np.int64)
        self._facts[:, FUNDING_TS] = NEVER
        self._rates = np.zeros((n, RATES), np.float64)
        for slot, instrument in enumerate(instruments):
            self._rates[slot, LOT] = float(instrument.lot_size)
            for view in (0, 1):
                init_book(self._states[view, slot], self._sizes[view, slot], float(instrument.tick_size), book_ticks)
        self._head = np.zeros(HEAD, np.int64)
        self._head[DUE] = NEVER
        self._taken = np.zeros((_TAKEN_MEMORY, TAKEN_WIDTH), np.int64)
        self._orders: I64 = np.zeros((_FIRST_ORDERS, ORDER), np.int64)
        self._queue: F64 = np.zeros((_FIRST_ORDERS, QUEUE), np.float64)
        self._watches = np.zeros((_FIRST_ORDERS, WATCH), np.int64)
        self._held: I64 = np.zeros(_FIRST_ORDERS, np.int64)
        self._free = list(range(_FIRST_ORDERS))[::-1]
        self._fit_events()

    def _fit_events(self) -> None:
        # A row can fill an order twice (a trade, then a crossing) and empty it once; sweeps come back for more.
        room = 3 * len(self._orders) + len(self._watches) + len(self._facts)
        self._events = np.zeros((room, EVENT_WIDTH), np.int64)

    @property
    def now(self) -> int:
        """Time of the last thing handled, in ns."""
        return int(self._head[NOW])

    def advance(self, tape: Tape, until: int, view_until: int) -> Sequence[Happening]:
        """Run `tape` up to the limits (inclusive, view_until ≤ until) or to the first thing that happens, at `now`."""
        n = advance(
            tape.ints,
            tape.floats,
            tape.keys,
            tape.order,
            tape.heads,
            until,
            view_until,
            tape.slots,
            self._states,
            self._sizes,
            self._facts,
            self._rates,
            self._head,
            self._orders,
            self._queue,
            self._held,
            self._taken,
            self._watches,
            self._events,
            self._model,
        )
        return self._happenings() if n else ()

    def submit(self, ticket: Ticket, now: int) -> Receipt:
        """Let an order arrive at `now`."""
        lots = ticket.lots
        if ticket.reduce_only:
            lots = min(lots, self._reducible(ticket))
        if lots <= 0:
            return Receipt("rejected", 0, reason=NOTHING_TO_REDUCE)
        if ticket.tick != MARKET and not self._would_take(ticket):
            return Receipt("resting", lots, handle=self._rest(ticket, lots, now))
        if ticket.post_only:
            return Receipt("cancelled", lots, reason=WOULD_TAKE)
        fills, left = self._sweep(ticket, lots)
        reduced = self._trim(ticket.position)
        if left == 0:
            return Receipt("filled", lots, fills, reduced)
        if ticket.tick == MARKET:
            return Receipt("cancelled", lots, fills, reduced, reason=NOTHING_TO_FILL)
        return Receipt("resting", lots, fills, reduced, handle=self._rest(ticket, left, now))

    def cancel(self, handle: int) -> int:
        """Take a resting order out; returns the lots it had left, 0 if it no longer rests."""
        resting = self._orders[: self._head[ORDERS]]
        found = np.flatnonzero(resting[:, HANDLE] == handle)
        if not len(found):
            return 0
        left = int(resting[found[0], LEFT])
        resting[found[0], LEFT] = 0
        drop_finished(self._orders, self._queue, self._head)
        return left

    def open_position(self) -> int:
        """The index of a new, flat position."""
        if not self._free:
            size = len(self._held)
            self._held = np.concatenate([self._held, np.zeros(size, np.int64)])
            self._free = list(range(size, 2 * size))[::-1]
        return self._free.pop()

    def close_position(self, position: int) -> None:
        """Give back the index of a position that has no order resting."""
        self._held[position] = 0
        self._free.append(position)

    def lots_held(self, position: int) -> int:
        """Signed lots of a position."""
        return int(self._held[position])

    def mid2(self, slot: int) -> int | None:
        """Best bid plus best ask in ticks, as last seen on both sides at the venue; None before that."""
        found = int(self._facts[slot, MID2])
        return found if found > 0 else None

    def funding(self, slot: int) -> tuple[float, float | None]:
        """The funding rate last announced, and the mark price (None if none was)."""
        mark = float(self._rates[slot, MARK_PX])
        return float(self._rates[slot, RATE]), mark if mark > 0 else None

    def view_crossed(self, slot: int, side: int, tick: int) -> bool:
        """Whether the strategy's view has its bid (side +1) at `tick` or below, its ask (-1) at or above."""
        return bool(crossed(self._states[1, slot], side, tick))

    def watch(self, watches: Iterable[tuple[int, int, int, int]]) -> None:
        """Replace what the strategy's view is watched for: (slot, side, tick, position index) each.

        A watch of side +1 tells when the best bid is at `tick` or below, of -1 when the best ask is at or above, at
        the end of each venue message as long as that holds.
        """
        rows = list(watches)
        if len(rows) > len(self._watches):
            self._watches = np.zeros((2 * len(rows), WATCH), np.int64)
            self._fit_events()
        if rows:
            self._watches[: len(rows)] = rows
        self._head[WATCHES] = len(rows)

    def _happenings(self) -> list[Happening]:
        return [Happening(*row) for row in self._events[: self._head[EVENTS]].tolist()]

    def _reducible(self, ticket: Ticket) -> int:
        resting = self._orders[: self._head[ORDERS]]
        claimed = resting[(resting[:, POSITION] == ticket.position) & (resting[:, REDUCE] == 1), LEFT].sum()
        return int(reducible(self._held, ticket.position, ticket.side)) - int(claimed)

    def _would_take(self, ticket: Ticket) -> bool:
        state, size, rates = self._states[0, ticket.slot], self._sizes[0, ticket.slot], self._rates[ticket.slot]
        opposite = facing(state, size, rates, self._taken, self._head, ticket.slot, ticket.side, ticket.account)
        return bool(opposite != NONE and (ticket.tick - opposite) * ticket.side >= 0)

    def _sweep(self, ticket: Ticket, lots: int) -> tuple[list[Happening], int]:
        fills: list[Happening] = []
        while True:
            left = int(
                sweep(
                    self._states[0, ticket.slot],
                    self._sizes[0, ticket.slot],
                    self._rates[ticket.slot],
                    self._taken,
                    self._head,
                    self._held,
                    self._events,
                    ticket.slot,
                    ticket.side,
                    ticket.tick,
                    lots,
                    ticket.position,
                    ticket.account,
                )
            )
            fills += self._happenings()
            if left == 0 or left == lots or self._head[EVENTS] < len(self._events):
                return fills, left
            lots = left

    def _trim(self, position: int) -> list[Happening]:
        self._head[EVENTS] = 0
        trim(self._orders, self._held, self._events, self._head, position)
        drop_finished(self._orders, self._queue, self._head)
        return self._happenings()

    def _rest(self, ticket: Ticket, lots: int, now: int) -> int:
        if self._head[ORDERS] == len(self._orders):
            self._orders = np.concatenate([self._orders, np.zeros_like(self._orders)])
            self._queue = np.concatenate([self._queue, np.zeros_like(self._queue)])
            self._fit_events()
        return int(
            rest(
                self._states[0, ticket.slot],
                self._sizes[0, ticket.slot],
                self._rates[ticket.slot],
                self._orders,
                self._queue,
                self._head,
                ticket.slot,
                ticket.side,
                ticket.tick,
                lots,
                ticket.position,
                ticket.account,
                int(ticket.reduce_only),
                now,
            )
        )

    def snapshot(self) -> VenueState:
        """Everything but the watches, which whoever set them sets again."""
        orders, taken = self._head[ORDERS], self._head[TAKEN]
        books = [
            pack_book(state, size)
            for states, sizes in zip(self._states, self._sizes, strict=True)
            for state, size in zip(states, sizes, strict=True)
        ]
        arrays = (self._head, self._facts, self._rates, self._orders[:orders], self._queue[:orders], self._held)
        head, facts, rates, resting, queue, held = (array.tobytes() for array in arrays)
        return VenueState(head, facts, rates, resting, queue, held, self._free, self._taken[:taken].tobytes(), books)

    def restore(self, state: VenueState) -> None:
        """Become the venue of a snapshot of the same instruments.

        Raises:
            SchemaMismatch: it is one of other instruments, another book width or another version.
        """
        head = np.frombuffer(state.head, np.int64)
        fits = len(head) == HEAD and len(state.facts) == self._facts.nbytes and len(state.rates) == self._rates.nbytes
        if not fits or len(state.books) != 2 * len(self._facts):
            raise SchemaMismatch("snapshot of the paper venue has other instruments or another version; "
                                 "start without it")  # fmt: skip
        for index, blob in enumerate(state.books):
            view, slot = divmod(index, len(self._facts))
            unpack_book(blob, self._states[view, slot], self._sizes[view, slot])
        self._head[:] = head
        self._head[WATCHES] = 0
        self._facts[:] = np.frombuffer(state.facts, np.int64).reshape(self._facts.shape)
        self._rates[:] = np.frombuffer(state.rates, np.float64).reshape(self._rates.shape)
        self._orders = _padded(np.frombuffer(state.orders, np.int64).reshape(-1, ORDER))
        self._queue = _padded(np.frombuffer(state.queue, np.float64).reshape(-1, QUEUE))
        self._held = np.frombuffer(state.held, np.int64).copy()
        self._free = list(state.free)
        taken = np.frombuffer(state.taken, np.int64).reshape(-1, TAKEN_WIDTH)
        self._taken[: len(taken)] = taken
        self._fit_events()


def _padded(rows: npt.NDArray[_T]) -> npt.NDArray[_T]:
    """`rows` with room for more."""
    grown = np.zeros((max(_FIRST_ORDERS, 2 * len(rows)), rows.shape[1]), rows.dtype)
    grown[: len(rows)] = rows
    return grown
