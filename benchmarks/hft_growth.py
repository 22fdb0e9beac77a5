"""A tape several times over, as one archive: what a longer recording costs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from app.core.clock import NS_PER_MS
from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, LAST, SNAPSHOT, Rows, concat, empty
from app.store.publish import Publication
from app.store.writer import ArchiveWriter

_CLOCK_NS: Final = 100 * NS_PER_MS
_BLOCK: Final = 50_000


def repeat(rows: Rows, root: Path, *, venue: str, symbol: str, times: int) -> int:
    """Write an archive with `rows` `times` over, one after the other in time; returns how many rows it has.

    Each part begins with a snapshot: one that does not is given a clear, after which its book builds up anew.
    """
    instrument = int(rows["instrument"][rows["kind"] != CLOCK][0])
    written = 0
    with Publication(root, venue) as publication:
        writer = ArchiveWriter(publication, venue=venue, recording=f"{times}-times", symbols={instrument: symbol})
        for block in _parts(rows, instrument, times):
            writer.append(block)
            written += len(block)
        writer.close()
        publication.commit()
    return written


def _parts(rows: Rows, instrument: int, times: int) -> Iterator[Rows]:
    span = int(rows["ts_recv"][-1] - rows["ts_recv"][0])
    # Clock rows stay on their grid, and the pause between two parts is no gap in the feed.
    shift = (span // _CLOCK_NS + 2) * _CLOCK_NS
    for number in range(times):
        part = rows.copy()
        part["ts_recv"] += number * shift
        part["ts_event"] += number * shift
        if number and not _begins_anew(rows):
            part = concat([_clear(part, instrument), part])
        for start in range(0, len(part), _BLOCK):
            yield part[start : start + _BLOCK]


def _begins_anew(rows: Rows) -> bool:
    depth = rows["flags"][np.isin(rows["kind"], (DEPTH_SET, DEPTH_CLEAR))]
    return bool(len(depth)) and bool(depth[0] & SNAPSHOT)


def _clear(part: Rows, instrument: int) -> Rows:
    clear = empty(1)
    clear["ts_event"], clear["ts_recv"] = part["ts_event"][0], part["ts_recv"][0]
    clear["kind"], clear["instrument"], clear["flags"] = DEPTH_CLEAR, instrument, SNAPSHOT | LAST
    return clear
