"""A paper venue with its tape, driven by rows written by hand."""

import numpy as np

from app.market.instruments import Instrument
from app.sim.exchange import PaperVenue
from app.sim.orders import MARKET, Happening, Receipt, Ticket
from app.sim.queue import RISK_AVERSE
from app.sim.tape import Tape
from tests.sim.feed import BTC, Feed, at


def slots_of(*instruments: Instrument) -> np.ndarray:
    slots = np.full(1 << 16, -1, np.int64)
    for slot, instrument in enumerate(instruments):
        slots[instrument.id] = slot
    return slots


class Bench:
    """`run(ms)` plays what was fed up to a time and returns all that happened, as (kind, subject, lots, tick)."""

    def __init__(self, *, model: int = RISK_AVERSE, instruments=(BTC,), hold_ms: float = 0, book_ticks=4096) -> None:
        self.tape = Tape(slots_of(*instruments), hold=round(hold_ms * 1_000_000))
        self.venue = PaperVenue(instruments, book_ticks=book_ticks, model=model)

    def run(self, feed: Feed, ms: float) -> list[tuple[int, int, int, int]]:
        self.tape.append(feed.take())
        found: list[Happening] = []
        while happenings := self.venue.advance(self.tape, at(ms), at(ms)):
            found += happenings
        return [tuple(happening[:4]) for happening in found]

    def position(self) -> int:
        return self.venue.open_position()

    def limit(self, ms, side, px, lots, *, position=None, account=0, post_only=True, reduce_only=False) -> Receipt:
        index = self.position() if position is None else position
        tick = round(px * 10)
        return self.venue.submit(Ticket(0, side, lots, tick, index, account, post_only, reduce_only), at(ms))

    def market(self, ms, side, lots, *, position=None, account=0, reduce_only=False) -> Receipt:
        index = self.position() if position is None else position
        return self.venue.submit(Ticket(0, side, lots, MARKET, index, account, False, reduce_only), at(ms))
