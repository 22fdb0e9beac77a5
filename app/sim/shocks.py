"""Shocks laid over recorded rows: the market as it would have looked, for everyone.

At the beginning and the end of a shock, and at each step of a moving price, every book is sent anew as a snapshot of
the distorted book; between two of these, rows are distorted one by one. So a book that is made from the rows is at any
time the distortion of the recorded one, and after the shock it is the recorded one again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import NamedTuple

import numpy as np

from app.core.clock import NS_PER_MS, NS_PER_S
from app.market.book import Book
from app.market.instruments import Instrument
from app.market.rows import CLOCK, FUNDING, LAST, REPAIRED, TRADE, Rows, concat, empty
from app.market.snapshots import snapshot_rows
from app.market.venue_messages import message_cut, without
from app.sim.distortion import Band, Distortion
from app.sim.shock_settings import ShockSettings, direction


class Turn(NamedTuple):
    """At `ts`, shock `number` takes another form: `moved` of its move is done, the rest of it is `on` or over."""

    ts: int
    number: int
    moved: float
    on: bool
    first: bool = False
    last: bool = False


def turns(shock: ShockSettings, start: int, number: int) -> list[Turn]:
    """The forms that shock `number`, which begins at `start`, takes one after the other."""
    steps = shock.steps if shock.move_ms else 1
    there = [
        Turn(start + shock.move_ms * NS_PER_MS * n // steps, number, (n + 1) / steps, True, first=n == 0)
        for n in range(steps)
    ]
    back_at, steps = start + shock.height_ns, shock.steps if shock.back_ms and shock.move_bps else 1
    back = [
        Turn(back_at + shock.back_ms * NS_PER_MS * n // steps, number, 1 - (n + 1) / steps, False, last=n == steps - 1)
        for n in range(steps)
    ]
    return there + back


@dataclass(frozen=True, slots=True)
class _Shape:
    """A shock in the ticks of one instrument."""

    move: int
    factor: float
    gone: tuple[Band, ...]

    def at(self, turn: Turn) -> Distortion:
        move = round(self.move * turn.moved)
        return Distortion(move, self.factor, self.gone) if turn.on else Distortion(move)


class Shocked:
    """Rows with a shock at each of `starts` (ns): call it with blocks of rows that end where messages end."""

    def __init__(
        self,
        shock: ShockSettings,
        starts: Sequence[int],
        instruments: Mapping[str, Instrument],
        *,
        seed: int,
        book_ticks: int,
    ) -> None:
        self._shock = shock
        self._seed = seed
        self._turns = [turn for number, start in enumerate(starts) for turn in turns(shock, start, number)]
        self._markets = [_Market(instrument, book_ticks) for instrument in instruments.values()]
        self._done = 0
        self._last = 0
        self._newest = 0
        self._floor = 0

    def __call__(self, blocks: Iterable[Rows]) -> Iterator[Rows]:
        """The rows of `blocks`, as they would have been."""
        for rows in blocks:
            begin = 0
            while self._done < len(self._turns):
                turn = self._turns[self._done]
                end = message_cut(rows, int(np.searchsorted(rows["ts_recv"], turn.ts)))
                if end == len(rows):
                    break
                yield from self._through(rows[begin:end])
                yield from self._turn(turn)
                self._done, begin = self._done + 1, end
            yield from self._through(rows[begin:])

    def _through(self, rows: Rows) -> Iterator[Rows]:
        if not len(rows):
            return
        told = rows[rows["kind"] != CLOCK]
        if len(told):
            self._newest = max(self._newest, int(np.minimum(told["ts_event"], told["ts_recv"]).max()))
        self._last = int(rows["ts_recv"][-1])
        if self._done < len(self._turns):
            for market in self._markets:
                market.see(rows)
        for market in self._markets:
            rows = market.distort(rows)
        if len(rows):
            yield self._behind_the_turn(rows)

    def _behind_the_turn(self, rows: Rows) -> Rows:
        """What was late when the market changed its form happened in the form it has now."""
        late = (rows["ts_event"] < self._floor) & (rows["kind"] != CLOCK)
        if late.any():
            rows = rows.copy()
            rows["ts_event"][late] = self._floor
            rows["flags"][late] |= REPAIRED
        return rows

    def _turn(self, turn: Turn) -> Iterator[Rows]:
        ts_recv = max(turn.ts, self._last)
        # Behind everything told so far, in the order of the venue's times as well as of ours.
        self._floor = self._newest = min(max(self._newest, self._floor), ts_recv) or ts_recv
        way = direction(self._shock, turn.number, seed=self._seed)
        parts = [part for market in self._markets for part in market.turn(self._shock, turn, way)]
        rows = concat(parts)
        if len(rows):
            rows["ts_event"], rows["ts_recv"] = self._floor, ts_recv
            yield rows


class _Market:
    """One instrument: its book as recorded, and its form."""

    def __init__(self, instrument: Instrument, book_ticks: int) -> None:
        self._instrument = instrument
        self._book = Book(instrument, book_ticks)
        self._shape: _Shape | None = None
        self._form = Distortion()
        self._funding: Rows | None = None
        self._funded = False

    def see(self, rows: Rows) -> None:
        """Rows as recorded."""
        self._book.advance(rows)
        told = rows[(rows["kind"] == FUNDING) & (rows["instrument"] == self._instrument.id)]
        if len(told):
            self._funding = told[-1:].copy()

    def distort(self, rows: Rows) -> Rows:
        """Rows as they would have been."""
        if self._funded:
            mine = (rows["kind"] == FUNDING) & (rows["instrument"] == self._instrument.id)
            rows = without(rows, mine)
        return self._form.apply(rows, self._instrument)

    def turn(self, shock: ShockSettings, turn: Turn, way: int) -> Iterator[Rows]:
        """The messages with which `shock` takes another form; times are the caller's."""
        if turn.first:
            self._shape = _shape(shock, self._book, way)
        if self._shape is None:  # a book with one side has no mid that anything could move by
            return
        if turn.first and shock.sweep_bps:
            trades = _sweep(self._book, self._instrument, self._shape.gone[-1])
            yield Distortion(factor=shock.depth_factor).apply(trades, self._instrument)
        yield from self._funding_rows(shock, turn, way)
        form = self._shape.at(turn)
        if form != self._form:
            self._form = form
            snapshot = snapshot_rows(self._book, ts_event=0, ts_recv=0, flags=REPAIRED)
            yield form.apply(snapshot, self._instrument)

    def _funding_rows(self, shock: ShockSettings, turn: Turn, way: int) -> Iterator[Rows]:
        if not shock.funding_rate:
            return
        if turn.first:
            self._funded = True
            rows = empty(1)
            rows["instrument"], rows["kind"], rows["flags"] = self._instrument.id, FUNDING, LAST | REPAIRED
            rows["px"], rows["qty"] = way * shock.funding_rate, turn.ts // NS_PER_S + 1
            yield rows
        elif turn.last:
            self._funded = False
            if self._funding is not None:
                rows = self._funding.copy()
                rows["flags"] |= LAST | REPAIRED
                yield rows


def _shape(shock: ShockSettings, book: Book, way: int) -> _Shape | None:
    bids, asks = book.levels(1)
    if not bids or not asks:
        return None
    bid, ask = bids[0][0], asks[0][0]
    mid, gone = (bid + ask) / 2, list[Band]()
    if shock.withdraw_bps:
        gone.append(Band(0, ceil(mid * (1 - shock.withdraw_bps / 1e4)), floor(mid * (1 + shock.withdraw_bps / 1e4))))
    if shock.sweep_bps:
        up = Band(-1, ask, floor(ask * (1 + shock.sweep_bps / 1e4)))
        gone.append(up if way > 0 else Band(1, ceil(bid * (1 - shock.sweep_bps / 1e4)), bid))
    return _Shape(round(way * mid * shock.move_bps / 1e4), shock.depth_factor, tuple(gone))


def _sweep(book: Book, instrument: Instrument, band: Band) -> Rows:
    """One message with the trades that take all levels of the band, best first."""
    bids, asks = book.levels(band.high - band.low + 1)
    levels = [level for level in (bids if band.side > 0 else asks) if band.low <= level[0] <= band.high]
    rows = empty(len(levels))
    rows["instrument"], rows["kind"], rows["side"] = instrument.id, TRADE, -band.side
    rows["px"] = [book.price(tick) for tick, _ in levels]
    rows["qty"] = [quantity for _, quantity in levels]
    rows["flags"] = REPAIRED
    rows["flags"][-1:] |= LAST
    return rows
