"""Event rows: the one form market data has on the bus, in the archive and in every kernel."""

from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.errors import BadInput
from app.market.schema import FIELDS
from app.market.schema import SCHEMA as SCHEMA
from app.market.schema import check_schema as check_schema

Rows = npt.NDArray[np.void]

EVENT: Final = np.dtype(FIELDS)

# Kinds. Values are on disk: never renumber.
DEPTH_SET: Final = 1  # the quantity at a price is now qty (absolute, not a difference)
DEPTH_CLEAR: Final = 2  # forget one side (side ±1) or both (0); a snapshot follows
TRADE: Final = 3  # side is the aggressor's
MARK: Final = 4  # px is the mark price
FUNDING: Final = 5  # px is the current funding rate, qty the next funding time in seconds since the epoch
CLOCK: Final = 6  # nothing but time passing
QUOTE: Final = 7  # best price and quantity of one side, from a feed beside the depth feed
INDEX: Final = 8  # px is the index price
KINDS: Final = range(1, 9)

# Flags.
LAST: Final = 1  # last row of a venue message: the book is consistent here
SNAPSHOT: Final = 2  # part of a snapshot
REPAIRED: Final = 4  # an importer or the collector changed it (clamped time, re-snapshot after a gap)


def empty(n: int = 0) -> Rows:
    """`n` zeroed rows."""
    return np.zeros(n, EVENT)


def to_block(rows: Rows) -> bytes:
    """The rows as they travel in a stream entry."""
    return rows.tobytes()


def from_block(block: bytes) -> Rows:
    """Read-only rows of a stream entry's bytes, without a copy.

    Raises:
        BadInput: the length is not a whole number of rows.
    """
    if len(block) % EVENT.itemsize:
        raise BadInput(
            f"block of {len(block)} bytes is not a whole number of {EVENT.itemsize}-byte event rows",
            reason="malformed",
        )
    return np.frombuffer(block, EVENT)


def faults(rows: Rows) -> npt.NDArray[np.bool_]:
    """True for each row no kernel may see: unknown kind or side, or a number that cannot be a price or size.

    A FUNDING rate may be negative; every other price must be finite and > 0 (0 is allowed where the kind has
    none: CLOCK, DEPTH_CLEAR), every quantity finite and ≥ 0.
    """
    kind, px, qty, side = rows["kind"], rows["px"], rows["qty"], rows["side"]
    bad = (kind < KINDS.start) | (kind >= KINDS.stop) | (side < -1) | (side > 1)
    bad |= ~np.isfinite(px) | ~np.isfinite(qty) | (qty < 0)
    priceless = (kind == CLOCK) | (kind == DEPTH_CLEAR) | (kind == FUNDING)
    bad |= ~priceless & (px <= 0)
    sided = (kind == DEPTH_SET) | (kind == TRADE) | (kind == QUOTE)
    bad |= sided & (side == 0)
    bad |= (kind == TRADE) & (qty == 0)
    return bad


def concat(parts: Iterable[Rows]) -> Rows:
    """The rows of `parts` end to end."""
    kept = [part for part in parts if len(part)]
    return np.concatenate(kept) if kept else empty()
