"""Compiles the kernels of book and features ahead of use: `python -m app.features.warm` (part of `make setup`).

The machine code is kept beside the sources, so a service that calls `warm` when it starts only loads it.
"""

import sys
import time
from decimal import Decimal

import numpy as np

from app.core.strategy import Condition
from app.features.catalogue import NAMES
from app.features.engine import FeatureEngine, Watch
from app.market.book import Book
from app.market.compiled import remove_stale
from app.market.instruments import Instrument
from app.market.rows import DEPTH_SET, LAST, empty

_WINDOW = 64


def warm() -> None:
    """Compile or load every kernel, with the argument types that services use."""
    instrument = Instrument(
        id=1,
        symbol="WARM",
        base="WARM",
        tick_size=Decimal(1),
        lot_size=Decimal(1),
        min_qty=Decimal(1),
        max_qty=Decimal(1),
        min_notional=Decimal(0),
    )
    rows = empty(2)
    rows["instrument"], rows["kind"], rows["qty"], rows["flags"] = 1, DEPTH_SET, 1.0, LAST
    rows["side"], rows["px"] = np.array([1, -1]), np.array([100.0, 101.0])
    condition = Condition(feature=NAMES[0], min=0.0)
    watches = [Watch("every", 1), Watch("trigger", 1, NAMES[0], (condition,))]
    engine = FeatureEngine([instrument], watches, book_ticks=_WINDOW)
    engine.table(rows)
    engine.set_state(engine.state())
    book = Book(instrument, _WINDOW)
    book.advance(rows)
    book.best(), book.levels(1)


def main() -> int:
    """Warm up, and remove machine code of older versions of the kernels."""
    began = time.perf_counter()
    warm()
    removed = remove_stale()
    print(f"book and feature kernels ready in {time.perf_counter() - began:.1f} s, {removed} stale folder(s) removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
