"""The layout of an event row, described without numpy so that services that never look inside need not load it."""

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

SCHEMA: Final = hashlib.blake2b(repr(FIELDS).encode(), digest_size=8).hexdigest()


def check_schema(found: str, *, where: str) -> None:
    """Raise `SchemaMismatch` unless `found` is the hash of the running row layout."""
    if found != SCHEMA:
        raise SchemaMismatch(
            f"{where} was written under row schema {found!r}, this program reads {SCHEMA!r}; "
            "re-import it with this version"
        )
