"""Rows for tests: a recording of several symbols with clock rows, as a collector makes it."""

from pathlib import Path

import numpy as np

from app.market.rows import CLOCK, DEPTH_SET, LAST, Rows, empty
from app.store.layout import Sidecar
from app.store.publish import Publication
from app.store.writer import ArchiveWriter

HOUR = 3_600_000_000_000
START = 1_723_161_600_000_000_000  # 2024-08-09T00:00:00Z
SYMBOLS = {1: "BTCUSDT", 2: "ETHUSDT"}


def recording(count: int, *, start: int = START, step: int = 10_000_000, seed: int = 0, instruments: int = 2) -> Rows:
    """`count` rows: venue messages of one to four rows, and a clock row now and then; ts_recv rises by about `step`."""
    rng = np.random.default_rng(seed)
    rows = empty(count)
    message = np.repeat(np.arange(count), rng.integers(1, 5, count))[:count]
    rows["ts_recv"] = start + message * step + rng.integers(0, step, message.max() + 1)[message]
    rows["ts_event"] = rows["ts_recv"] - 1_000_000
    rows["instrument"] = rng.integers(1, instruments + 1, message.max() + 1)[message]
    rows["kind"], rows["side"] = DEPTH_SET, 1
    rows["px"], rows["qty"] = rng.integers(1, 10_000, count) / 10, rng.integers(0, 1000, count) / 1000
    rows["flags"][np.flatnonzero(np.append(message[1:] != message[:-1], True))] = LAST
    alone = np.append(message[1:] != message[:-1], True) & np.insert(message[1:] != message[:-1], 0, True)
    clocks = np.flatnonzero(alone & (rng.random(count) < 0.3))
    rows[clocks] = 0
    rows["ts_recv"][clocks] = rows["ts_event"][clocks] = start + message[clocks] * step
    rows["kind"][clocks] = CLOCK
    return rows


def archive(root: Path, rows: Rows, *, venue: str = "v", name: str = "r", first_seq: int = 0) -> list[Sidecar]:
    """Write `rows` to the archive at `root` as one recording."""
    with Publication(root, venue) as publication:
        writer = ArchiveWriter(publication, venue=venue, recording=name, symbols=SYMBOLS, first_seq=first_seq)
        writer.append(rows)
        parts = writer.close()
        publication.commit()
    return parts
