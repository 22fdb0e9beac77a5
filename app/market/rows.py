"""Event rows: the one form market data has on the bus, in the archive and in every kernel."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from app.core.errors import BadInput
from app.market.schema import CLOCK as CLOCK
from app.market.schema import DEPTH_CLEAR as DEPTH_CLEAR
from app.market.schema import DEPTH_SET as DEPTH_SET
from app.market.schema import FIELDS
from app.market.schema import FUNDING as FUNDING
from app.market.schema import INDEX as INDEX
from app.market.schema import KINDS as KINDS
from app.market.schema import LAST as LAST
from app.market.schema import LOST as LOST
from app.market.schema import MARK as MARK
from app.market.schema import QUOTE as QUOTE
from app.market.schema import REPAIRED as REPAIRED
from app.market.schema import SCHEMA as SCHEMA
from app.market.schema import SNAPSHOT as SNAPSHOT
from app.market.schema import TRADE as TRADE
from app.market.schema import VENUE_ONLY as VENUE_ONLY
from app.market.schema import VIEW_ONLY as VIEW_ONLY
from app.market.schema import check_schema as check_schema

Rows = npt.NDArray[np.void]

EVENT: Final = np.dtype(FIELDS)
#: A row as nothing but bytes: numpy moves those whole, and rows with fields field by field, ten times slower.
RAW: Final = np.dtype((np.void, EVENT.itemsize))


def empty(n: int = 0) -> Rows:
    """`n` zeroed rows."""
    return np.zeros(n, EVENT)


def to_block(rows: Rows) -> bytes:
    """The rows as they travel in a stream entry."""
    return rows.tobytes()


def lent_block(rows: Rows) -> memoryview:
    """The same without a copy, for whoever has read it before the rows change."""
    return np.ascontiguousarray(rows).view(np.uint8).data


def from_block(block: bytes | memoryview) -> Rows:
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


def faults(rows: Rows | Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
    """True for each row no kernel may see: unknown kind or side, or a number that cannot be a price or size.

    `rows` may also be their columns by name.

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
    return np.concatenate([part.view(RAW) for part in kept]).view(EVENT) if kept else empty()
