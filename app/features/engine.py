"""The feature kernel with its state, for Python: rows in, evaluations out.

The same engine runs live (a few rows a call), in replay (blocks) and in research (a whole day in one call). How rows
are cut into calls never changes a result.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from app.core.errors import SchemaMismatch
from app.core.strategy import Condition
from app.features.catalogue import COUNT, SCHEMA, index_of
from app.features.evaluate import GROUP_OF
from app.features.layout import (
    BOUND,
    EVERY,
    EVERY_MESSAGE,
    FIRST_WATCH,
    FOUND,
    H_DUE,
    HOLD,
    LAST_TS,
    MOST_PER_ROW,
    NEVER,
    NEXT_HOLD,
    NO_HOLD,
    O_KIND,
    OUT,
    PLAN_STATE,
    REASONS,
    RUNNING,
    SILENCE,
    STATS,
    STATS_STATE,
    TIME_PASSED,
    TIMES,
    TIMES_STATE,
    TOLD,
    W_FIRED,
    W_SLOT,
    WATCH,
    WATCH_FIRED,
)
from app.features.run import run, silent
from app.features.sift import sift
from app.features.statistics import restart
from app.market.book import (
    BAD,
    CROSSED,
    EVICTED,
    OFF_GRID,
    OUT_OF_WINDOW,
    check_window,
    init_book,
    pack_book,
    qty_size,
    state_size,
    unpack_book,
)
from app.market.instruments import Instrument
from app.market.rows import Rows
from app.market.words import WORDS, words

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

_OUT_ROWS = 256

BOOK_FAULTS: Mapping[str, int] = {
    "crossed": CROSSED,
    "out_of_window": OUT_OF_WINDOW,
    "evicted": EVICTED,
    "off_grid": OFF_GRID,
    "bad_price": BAD,
}

# They lie side by side, so that reading them is one slice.
_FAULTS = slice(CROSSED, CROSSED + len(BOOK_FAULTS))
assert list(BOOK_FAULTS.values()) == list(range(_FAULTS.start, _FAULTS.stop))


@dataclass(frozen=True, slots=True)
class Watch:
    """When to evaluate an instrument: every condition holds, the side is known, the cooldown is over.

    Without `side_feature` it fires at the end of every venue message, ready or not, with side 0. `name` is what its
    cooldown is remembered by in a snapshot.
    """

    name: str
    instrument: int
    side_feature: str | None = None
    conditions: tuple[Condition, ...] = ()
    cooldown_ns: int = 0


class Hold(NamedTuple):
    """A position to evaluate at the first row at or after `due`, then every `every_ns` after `due`."""

    instrument: int
    due: int
    every_ns: int


class Found(NamedTuple):
    """One evaluation (`kind` WATCH_FIRED or HOLD_DUE), or word that all rows before `ts` are handled (TIME_PASSED).

    `which` is the number of the watch or hold, as given to the engine; `bid` and `ask` are ticks.
    """

    kind: int
    which: int
    ts: int
    ts_event: int
    side: int
    bid: int
    ask: int


class InstrumentState(msgspec.Struct, frozen=True):
    """A snapshot of one instrument."""

    tick_size: str
    book: bytes
    times: bytes
    stats: bytes


class EngineState(msgspec.Struct, frozen=True):
    """A snapshot: everything but the watches and holds, which the owner gives anew. Instruments are keyed by id."""

    schema: str
    instruments: dict[int, InstrumentState]
    plan: bytes
    before: bytes
    dropped: bytes
    fired: dict[str, int]


class FeatureEngine:
    """Books and statistics of some instruments, and the watches and holds on them.

    Passing time is reported at clock rows, and at any row after `silence_ns` without one. Features are computed as far
    as watches and holds ask for them, or with `every_message` all of them at the end of each venue message; what comes
    out is the same.
    """

    def __init__(
        self,
        instruments: Sequence[Instrument],
        watches: Sequence[Watch],
        *,
        book_ticks: int,
        silence_ns: int = NO_HOLD,
        every_message: bool = False,
    ) -> None:
        check_window(book_ticks)
        self.instruments = tuple(instruments)
        self._slots = {instrument.id: slot for slot, instrument in enumerate(self.instruments)}
        n = len(self.instruments)
        self._books = np.zeros((n, state_size(book_ticks)), np.int64)
        self._levels = np.zeros((n, qty_size(book_ticks)), np.float64)
        self._times = np.zeros((n, TIMES), np.int64)
        self._stats = np.zeros((n, STATS), np.float64)
        for slot, instrument in enumerate(self.instruments):
            init_book(self._books[slot], self._levels[slot], float(instrument.tick_size), book_ticks)
            restart(self._times[slot], self._stats[slot], 0)
        self._ids = np.full(max(self._slots) + 1, -1, np.int64)
        self._ids[list(self._slots)] = range(n)
        self._before = np.full(WORDS, -1, np.int64)
        self.dropped = np.zeros(len(REASONS), np.int64)
        self._plan = np.zeros(FIRST_WATCH + n + 1, np.int64)
        self._plan[[LAST_TS, TOLD]] = -1
        self._plan[SILENCE] = silence_ns
        self._plan[EVERY_MESSAGE] = every_message
        self._out_ints, self._out_floats = np.zeros((0, OUT), np.int64), np.zeros((0, COUNT), np.float64)
        self._set_watches(watches)
        self.set_holds(())

    def _set_watches(self, watches: Sequence[Watch]) -> None:
        # The kernel's tables are sorted by instrument; `_order` leads back to the caller's numbers.
        self._order = sorted(range(len(watches)), key=lambda i: self._slots[watches[i].instrument])
        self._names = [watches[i].name for i in self._order]
        self._watches, self._bounds = _tables([watches[i] for i in self._order], self._slots)
        slots = np.arange(len(self.instruments) + 1)
        self._plan[FIRST_WATCH:] = np.searchsorted(self._watches[:, W_SLOT], slots)

    def set_holds(self, holds: Sequence[Hold]) -> None:
        """Replace the holds."""
        rows = [(self._slots[hold.instrument], hold.due, hold.every_ns) for hold in holds]
        self._holds = np.array(rows, np.int64).reshape(-1, HOLD)
        self._plan[NEXT_HOLD] = min((hold.due for hold in holds), default=NO_HOLD)
        self._plan[MOST_PER_ROW] = most = len(self._watches) + len(holds) + 1
        if most > len(self._out_ints) - _OUT_ROWS:
            self._out_ints = np.zeros((_OUT_ROWS + 2 * most, OUT), np.int64)
            self._out_floats = np.zeros((_OUT_ROWS + 2 * most, COUNT), np.float64)

    def due(self) -> list[int]:
        """When each hold is due next, in the order they were given."""
        return [int(due) for due in self._holds[:, H_DUE]]

    def sift(self, ints: I64, floats: F64, start: int, stop: int) -> int:
        """Move the usable rows of start … stop - 1 to the front of that range and return where they end.

        What is dropped is counted in `dropped`, by `layout.REASONS`.
        """
        return sift(ints, floats, start, stop, self._ids, self._before, self.dropped)

    def advance(self, ints: I64, floats: F64, start: int, stop: int, until: int = NO_HOLD) -> int:
        """Handle the sifted rows start … stop - 1 before `until` (ns); return the first row not handled.

        That may be earlier than either when much was found: take `found()` and call again.
        """
        return run(
            self._books,
            self._levels,
            self._times,
            self._stats,
            self._plan,
            self._ids,
            self._watches,
            self._bounds,
            self._holds,
            ints,
            floats,
            start,
            stop,
            until,
            self._out_ints,
            self._out_floats,
        )

    def found(self) -> list[Found]:
        """What the last `advance` found, in order."""
        found = [Found._make(row) for row in self._out_ints[: self._plan[FOUND]].tolist()]
        order = self._order
        if order != sorted(order):
            found = [f._replace(which=order[f.which]) if f.kind == WATCH_FIRED else f for f in found]
        return found

    def features(self, i: int) -> list[float]:
        """The features of the i-th thing the last `advance` found (meaningless for TIME_PASSED)."""
        values: list[float] = self._out_floats[i].tolist()
        return values

    def table(self, rows: Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Handle all of `rows`; return what was found as (n, OUT) int64 (columns `layout.O_*`) and (n, COUNT).

        TIME_PASSED is left out. Rows the engine cannot use are dropped and counted.
        """
        ints, floats = words(np.array(rows))
        stop, row = self.sift(ints, floats, 0, len(ints)), 0
        parts: list[tuple[I64, F64]] = []
        while row < stop:
            row = self.advance(ints, floats, row, stop)
            found = self._out_ints[: self._plan[FOUND]]
            evaluated = found[:, O_KIND] != TIME_PASSED
            parts.append((found[evaluated], self._out_floats[: len(found)][evaluated]))
        if not parts:
            return np.zeros((0, OUT), np.int64), np.zeros((0, COUNT), np.float64)
        return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])

    def tell_time(self, ts: int) -> bool:
        """The next row is at `ts` and has to wait. True if the passing of time is to be reported before it.

        `advance` will not report it again.
        """
        told = silent(self._plan, ts)
        if told:
            self._plan[TOLD] = ts - 1
        return told

    @property
    def last_ts(self) -> int:
        """`ts_recv` of the last row handled; -1 before the first."""
        return int(self._plan[LAST_TS])

    def book_faults(self) -> list[list[int]]:
        """Counters so far: for each instrument, those of `BOOK_FAULTS`."""
        counts: list[list[int]] = self._books[:, _FAULTS].tolist()
        return counts

    def state(self) -> EngineState:
        """The state as plain data."""
        return EngineState(
            schema=SCHEMA,
            instruments={
                instrument.id: InstrumentState(
                    tick_size=str(instrument.tick_size),
                    book=pack_book(self._books[slot], self._levels[slot]),
                    times=self._times[slot, :TIMES_STATE].tobytes(),
                    stats=self._stats[slot, :STATS_STATE].tobytes(),
                )
                for slot, instrument in enumerate(self.instruments)
            },
            plan=self._plan[:PLAN_STATE].tobytes(),
            before=self._before.tobytes(),
            dropped=self.dropped.tobytes(),
            fired=dict(zip(self._names, self._watches[:, W_FIRED].tolist(), strict=True)),
        )

    def set_state(self, state: EngineState) -> None:
        """Become what `state` says; for a fresh engine.

        What `state` does not know begins anew: an instrument, the cooldown of a watch. If it was taken under another
        catalogue, the books stay and the statistics begin anew. The holds stay.

        Raises:
            SchemaMismatch: an instrument has another tick size, or the books another window.
        """
        self._plan[:PLAN_STATE] = np.frombuffer(state.plan, np.int64)
        self._before[:] = np.frombuffer(state.before, np.int64)
        self.dropped[:] = np.frombuffer(state.dropped, np.int64)
        self._watches[:, W_FIRED] = [state.fired.get(name, NEVER) for name in self._names]
        for slot, instrument in enumerate(self.instruments):
            restart(self._times[slot], self._stats[slot], int(self._plan[RUNNING]))
            known = state.instruments.get(instrument.id)
            if known is not None:
                _check_tick_size(instrument, known)
                unpack_book(known.book, self._books[slot], self._levels[slot])
                if state.schema == SCHEMA:
                    self._times[slot, :TIMES_STATE] = np.frombuffer(known.times, np.int64)
                    self._stats[slot, :STATS_STATE] = np.frombuffer(known.stats, np.float64)


def _check_tick_size(instrument: Instrument, known: InstrumentState) -> None:
    if known.tick_size != str(instrument.tick_size):
        raise SchemaMismatch(
            f"feature snapshot has {instrument.symbol} (id {instrument.id}) with tick size {known.tick_size}, the "
            f"configuration says {instrument.tick_size}; start without it"
        )


def _tables(watches: Sequence[Watch], slots: Mapping[int, int]) -> tuple[I64, F64]:
    """The kernel's `watches` and `bounds`, the cheapest conditions of each watch first."""
    table = np.zeros((len(watches), WATCH), np.int64)
    bounds: list[tuple[float, ...]] = []
    for i, watch in enumerate(watches):
        first = len(bounds)
        side = EVERY if watch.side_feature is None else index_of(watch.side_feature)
        conditions = sorted(watch.conditions, key=lambda condition: GROUP_OF[index_of(condition.feature)])
        bounds += [_bound(condition) for condition in conditions]
        table[i] = (slots[watch.instrument], side, watch.cooldown_ns, NEVER, first, len(bounds))
    return table, np.array(bounds, np.float64).reshape(-1, BOUND)


def _bound(condition: Condition) -> tuple[float, ...]:
    def either(value: float | None, otherwise: float) -> float:
        return otherwise if value is None else value

    return (
        float(index_of(condition.feature)),
        either(condition.min, -math.inf),
        either(condition.max, math.inf),
        either(condition.abs_min, 0.0),
        either(condition.abs_max, math.inf),
    )
