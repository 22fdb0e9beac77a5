"""The layout and vocabulary of event rows, apart from numpy: a service that only passes rows on need not load it."""

import hashlib
from typing import Final

from app.core.errors import SchemaMismatch

FIELDS: Final = [
    ("ts_event", "<i8"),  # ns, when it was true at the venue
    ("ts_recv", "<i8"),  # ns, when we could know it; never decreases along a stream
    ("px", "<f8"),  # price in quote currency; the rate for FUNDING
    ("qty", "<f8"),  # base quantity; 0 deletes a level; next funding time in s for FUNDING
    ("instrument", "<u2"),  # id from config/symbols.yml; 0 on CLOCK rows, which concern all
    ("kind", "|u1"),
    ("side", "|i1"),  # +1 bid or buyer-initiated, -1 ask or seller-initiated, 0 none or both
    ("flags", "<u4"),
]

ROW_BYTES: Final = 40

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
LOST: Final = 8  # rows are missing before this one: what looks back across it begins anew
# Only in what a scenario makes of recorded rows (`app.sim.hearing`): never recorded, never on a stream.
VENUE_ONLY: Final = 16  # it happened at the venue, and this row did not reach us
VIEW_ONLY: Final = 32  # it reached us; at the venue it is no news

SCHEMA: Final = hashlib.blake2b(repr(FIELDS).encode(), digest_size=8).hexdigest()


def check_schema(found: str, *, where: str) -> None:
    """Raise `SchemaMismatch` unless `found` is the hash of the running row layout."""
    if found != SCHEMA:
        raise SchemaMismatch(
            f"{where} was written under row schema {found!r}, this program reads {SCHEMA!r}; "
            "re-import it with this version"
        )
