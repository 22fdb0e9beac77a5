"""Compiles the paper venue's kernels, so that no order waits for a compiler: `python -m app.executor.warm`."""

import sys

import numpy as np

from app.market.instruments import Instrument
from app.market.rows import CLOCK, DEPTH_SET, FUNDING, LAST, TRADE, empty, to_block
from app.sim.exchange import PaperVenue
from app.sim.orders import MARKET, Ticket
from app.sim.queue import RISK_AVERSE
from app.sim.tape import Tape

_SECOND = 1_000_000_000


def warm() -> None:
    """Call every kernel once, through the objects that call them in earnest."""
    instrument = Instrument.model_validate(
        {"id": 1, "symbol": "W", "tick_size": "1", "lot_size": "1", "min_qty": "1", "min_notional": "0",
         "max_qty": "100", "base": "W"}
    )  # fmt: skip
    slots = np.full(1 << 16, -1, np.int64)
    slots[instrument.id] = 0
    tape, venue = Tape(slots, hold=0), PaperVenue([instrument], book_ticks=64, model=RISK_AVERSE)
    rows = empty(6)
    rows["ts_event"] = rows["ts_recv"] = _SECOND
    rows["instrument"], rows["qty"], rows["flags"] = 1, 5.0, LAST
    rows["kind"] = (DEPTH_SET, DEPTH_SET, DEPTH_SET, TRADE, FUNDING, CLOCK)
    rows["side"] = (1, -1, 1, -1, 0, 0)
    rows["px"] = (100.0, 101.0, 99.0, 100.0, 0.0001, 0.0)
    tape.append(to_block(rows))
    venue.watch([(0, 1, 100, 0)])
    while venue.advance(tape, _SECOND, _SECOND):
        venue.watch([])
    position = venue.open_position()
    venue.submit(Ticket(0, 1, 2, MARKET, position, 0), _SECOND)
    receipt = venue.submit(Ticket(0, -1, 2, 102, position, 0, post_only=True, reduce_only=True), _SECOND)
    venue.cancel(receipt.handle)
    venue.view_crossed(0, 1, 100)
    venue.restore(venue.snapshot())
    tape.restore(tape.snapshot())


def main() -> int:
    warm()
    return 0


if __name__ == "__main__":
    sys.exit(main())
