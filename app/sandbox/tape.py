"""Replays an archive as the venue: its messages in the order in which they were true."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from app.core.clock import NS_PER_S
from app.core.errors import BadInput, Misconfigured
from app.market.rows import CLOCK, LAST, QUOTE, Rows, faults
from app.sandbox.flow import VenueMessage
from app.store.streaming import StreamedArchive

#: How much later than its successors in event time a message may have been recorded and still be put in its place.
SORT_WINDOW_NS: Final = 2 * NS_PER_S


class TapeFlow:
    """The recorded messages of `symbols`, put in ts_event order.

    A message's time is that of its latest row. Messages stay whole, equal times keep their recorded order, and one
    that comes more than 2 s late is played at the time already reached, and counted. CLOCK rows are the recorder's,
    not the venue's, and QUOTE rows repeat what depth rows say: both are left out.

    Raises:
        Misconfigured: there is no archive at `root`, it has several venues, or a symbol is not in it.
    """

    def __init__(self, root: Path, symbols: Sequence[str]) -> None:
        self._blocks = StreamedArchive(root, venue_of(root), symbols)
        self._notes = {"late_messages": 0, "incomplete_messages": 0}

    def messages(self) -> Iterator[VenueMessage]:
        """The messages from the beginning.

        Raises:
            BadInput: the archive is damaged; the text names the file.
        """
        self._notes.update(dict.fromkeys(self._notes, 0))
        return in_event_order(self._blocks, self._notes)

    def notes(self) -> dict[str, int]:
        """How many messages were late, and how many broke off where the recording ended."""
        return self._notes


def venue_of(root: Path) -> str:
    """The one venue the archive at `root` has."""
    venues = sorted(path.name.removeprefix("venue=") for path in root.glob("venue=*"))
    if not venues:
        what = "has no venue=… folder" if root.is_dir() else "is a file" if root.exists() else "does not exist"
        raise Misconfigured(f"tape {root} {what}; set sandbox.tape to the root of an archive")
    if len(venues) > 1:
        raise Misconfigured(
            f"tape {root} has several venues ({', '.join(venues)}); set sandbox.tape to an archive of one"
        )
    return venues[0]


def in_event_order(blocks: Iterable[Rows], notes: dict[str, int]) -> Iterator[VenueMessage]:
    """The messages of `blocks` by event time, sorted within a window of 2 s."""
    waiting: list[tuple[int, int, Rows]] = []
    newest = reached = -(2**63)
    arrived = 0
    for block in blocks:
        for when, rows in _messages(block, notes):
            if when < reached:
                notes["late_messages"] += 1
                when = reached
            heapq.heappush(waiting, (when, arrived, rows))
            arrived += 1
            newest = max(newest, when)
            while waiting[0][0] < newest - SORT_WINDOW_NS:
                reached, _, first = heapq.heappop(waiting)
                yield VenueMessage(reached, first)
    while waiting:
        when, _, first = heapq.heappop(waiting)
        yield VenueMessage(when, first)


def _messages(block: Rows, notes: dict[str, int]) -> Iterator[tuple[int, Rows]]:
    rows = block[block["kind"] != CLOCK]
    _check(rows)
    ends = np.flatnonzero(rows["flags"] & LAST) + 1
    complete = int(ends[-1]) if len(ends) else 0
    notes["incomplete_messages"] += complete < len(rows)
    if not complete:
        return
    starts = np.concatenate(([0], ends[:-1]))
    rows = rows[:complete]
    whens = np.maximum.reduceat(rows["ts_event"], starts).tolist()
    wanted = np.logical_or.reduceat(rows["kind"] != QUOTE, starts).tolist()
    for start, end, when, is_wanted in zip(starts.tolist(), ends.tolist(), whens, wanted, strict=True):
        if is_wanted:
            yield when, rows[start:end]


def _check(rows: Rows) -> None:
    bad = np.flatnonzero(faults(rows))
    if len(bad):
        row = rows[bad[0]]
        raise BadInput(
            f"tape row with ts_recv {row['ts_recv']} has no meaning: {row.tolist()}; import the recording again",
            reason="bad_row",
        )
