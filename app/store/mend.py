"""The rows of one symbol of a recording that has lost some, as the collector writes them where it has lost some.

Behind rows that are gone, a book is unknown: a DEPTH_CLEAR says so, and what changes levels is left out until the next
snapshot. Otherwise a book would be made of whatever changed first, and be wrong while the rest stays as it was.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.market.rows import CLOCK, DEPTH_CLEAR, DEPTH_SET, EVENT, LAST, LOST, RAW, REPAIRED, SNAPSHOT, Rows, empty
from app.store.examine import Examined
from app.store.layout import Sidecar
from app.store.merge import Block
from app.store.proof import Seqs
from app.store.repairs import Repairs

Span = tuple[int, int]
Times = npt.NDArray[np.int64]


class Mender:
    """Passes on one symbol's rows in order. To `silent` go spans of ts_recv (ns) in which clock rows are missing."""

    def __init__(self, root: Path, repairs: Repairs, silent: list[Span], *, is_clock: bool) -> None:
        self._root, self._repairs, self._silent, self._is_clock = root, repairs, silent, is_clock
        self._known = True

    def sound(self, path: Path, blocks: Iterator[Block]) -> Iterator[Block]:
        """The rows of a file with which nothing is wrong."""
        left_out = 0
        for rows, seq in blocks:
            if self._known or self._is_clock:
                yield rows, seq
            else:
                kept, kept_seq, count = self._with_a_book(rows, seq)
                left_out += count
                yield kept, kept_seq
        self._note(path, left_out)

    def damaged(self, path: Path, about: Sidecar, found: Examined) -> Iterator[Block]:
        """What there is of a file that has lost rows."""
        rows, seq = found.rows, found.seq
        cuts = sorted({int(np.searchsorted(seq, lost.seq)) for lost in found.lost})
        left_out, begin = 0, 0
        for end in sorted({*cuts, len(rows)}):
            if end > begin:
                kept, kept_seq, count = self._with_a_book(rows[begin:end], seq[begin:end])
                left_out += count
                yield kept, kept_seq
            if end in cuts:
                yield from self._gap(rows, seq, end, about)
            begin = end
        self._note(path, left_out)

    def _gap(self, rows: Rows, seq: Seqs, at: int, about: Sidecar) -> Iterator[Block]:
        before = (int(rows["ts_recv"][at - 1]), int(seq[at - 1])) if at else (about.first_ts, about.first_seq)
        if self._is_clock:
            after = int(rows["ts_recv"][at]) if at < len(rows) else about.last_ts + 1
            self._silent.append((before[0] if at else before[0] - 1, after))
            return
        self._known = False
        yield _unknown(about.instrument, before[0]), np.array([before[1]], np.uint64)

    def _with_a_book(self, rows: Rows, seq: Seqs) -> tuple[Rows, Seqs, int]:
        """`rows` without those that change a book which is not known, and how many those were."""
        if self._known or self._is_clock:
            return rows, seq, 0
        kind, flags = rows["kind"], rows["flags"]
        snapshot = np.flatnonzero((kind == DEPTH_CLEAR) & (flags & SNAPSHOT != 0) & (rows["side"] == 0))
        upto = int(snapshot[0]) if len(snapshot) else len(rows)
        self._known = bool(len(snapshot))
        wanting = (kind == DEPTH_SET) | (kind == DEPTH_CLEAR)
        wanting[upto:] = False
        rows = rows.copy()
        # Where a message ends with such a row, something has to end it.
        ends = wanting & (flags & LAST != 0)
        for at in np.flatnonzero(ends):
            rows[at : at + 1] = _unknown(int(rows["instrument"][at]), int(rows["ts_recv"][at]), flags=REPAIRED | LAST)
        kept = ~wanting | ends
        return rows.view(RAW)[kept].view(EVENT), seq[kept], int(wanting.sum())

    def _note(self, path: Path, left_out: int) -> None:
        if left_out:
            self._repairs.put("no_book", str(path.relative_to(self._root)), left_out)


def with_clock(blocks: Iterator[Rows], silent: list[Span], interval: int, longest: int) -> Iterator[tuple[Rows, int]]:
    """Whole venue messages with clock rows at every `interval` ns of the spans `silent`; and how many were added.

    They come behind the rows of their time. A pause of all rows longer than `longest` ns stays one.
    """
    last = None
    for rows in blocks:
        if not len(rows):
            continue
        ts = rows["ts_recv"]
        reach = min([int(ts[0]), *(low + 1 for low, _ in silent)]) if last is None else last
        last = int(ts[-1])
        # What lies further behind the last row than `longest` is a pause, be it of years.
        pause = _times(silent, interval, reach, min(int(ts[0]), reach + longest + 1))
        times = np.union1d(pause, _times(silent, interval, max(reach, int(ts[0])), last))
        times = np.setdiff1d(times, ts[rows["kind"] == CLOCK])
        at = np.searchsorted(ts, times, side="right")
        before = np.where(at > 0, ts[np.maximum(at - 1, 0)], reach)
        kept = times - before <= longest
        times, at = times[kept], at[kept]
        if not len(times):
            yield rows, 0
            continue
        ends = np.concatenate(([0], np.flatnonzero((rows["flags"] & LAST != 0) | (rows["kind"] == CLOCK)) + 1))
        at = ends[np.minimum(np.searchsorted(ends, at), len(ends) - 1)]
        yield np.insert(rows, at, _clock(times)), len(times)


def _times(silent: list[Span], interval: int, reach: int, last: int) -> Times:
    """The multiples of `interval` above `reach` − 1 and below `last` that lie within a span without its ends."""
    found = []
    for low, high in silent:
        first, stop = max(low, reach - 1) // interval + 1, min(high, last)
        found.append(np.arange(first * interval, stop, interval, dtype=np.int64))
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def _unknown(instrument: int, ts: int, *, flags: int = REPAIRED | LAST | LOST) -> Rows:
    rows = empty(1)
    rows["ts_event"] = rows["ts_recv"] = ts
    rows["instrument"], rows["kind"], rows["flags"] = instrument, DEPTH_CLEAR, flags
    return rows


def _clock(times: Times) -> Rows:
    rows = empty(len(times))
    rows["ts_event"] = rows["ts_recv"] = times
    rows["kind"], rows["flags"] = CLOCK, REPAIRED
    return rows
