"""The seam between a venue's public feed and whoever records it: packed event rows, a venue message at a time."""

from typing import Final, NamedTuple, Protocol

from app.core.clock import NS_PER_S
from app.market.schema import DEPTH_CLEAR, LAST, REPAIRED
from app.venues.row_buffer import RowBuffer, tail

#: `FeedEnd.reason` when a venue that plays a tape has come to its end.
END_OF_TAPE: Final = "end_of_tape"

#: A venue time further (ns) after our own is wrong: a feed writes our own instead and flags the row REPAIRED.
MAX_AHEAD_NS: Final = 5 * NS_PER_S


class RowSink(Protocol):
    """Where a feed puts rows. For each venue message: `stamp` once, rows into `buffer`, `written` once.

    A feed that drops, loses or gains something says so here; it counts nothing itself.
    """

    buffer: RowBuffer

    def stamp(self, ts_event: int) -> int:
        """The `ts_recv` (ns) of a message whose latest `ts_event` is this (0: the venue gave no time).

        0 means: discard it, recording has ended.

        May put clock rows into the buffer first, so a feed must not touch the buffer before.
        """

    def written(self) -> None:
        """A message's rows are all in the buffer."""

    def dropped(self, reason: str, count: int = 1) -> None:
        """`count` messages or rows were not used; `reason` is a short fixed word."""

    def clamped(self) -> None:
        """A row or message had an impossible time, which was replaced."""

    def gap(self, symbol: str) -> None:
        """Messages of the book of `symbol` were missed."""

    def synced(self, symbol: str) -> None:
        """A snapshot of the book of `symbol` has been written."""


class FeedEnd(NamedTuple):
    """Why a connection ended. `reason` is fit for a metric label; `retry_after_s` is what the venue asked for."""

    reason: str
    detail: str = ""
    retry_after_s: float = 0.0


class Feed(Protocol):
    """A venue's public market data for a fixed set of symbols, written into a `RowSink`.

    Whatever the venue sends, only rows that `rows.faults` accepts are written, and a book is never silently wrong:
    a missed message makes it unknown (`DEPTH_CLEAR` flagged `REPAIRED`) until a fresh snapshot.
    """

    async def run(self) -> FeedEnd:
        """One connection: connect, subscribe, deliver until it ends, leave every book unknown. May be run again.

        Raises:
            Misconfigured: the venue cannot be used with this configuration at all.
        """

    def stop(self, reason: str) -> None:
        """End the running connection; `run` returns with `reason`."""

    def pause(self) -> None:
        """Stop reading; the venue is made to wait."""

    def resume(self) -> None:
        """Read again."""


def put_unknown(sink: RowSink, instrument: int, ts_event: int = 0) -> None:
    """Write that the book of `instrument` is unknown from `ts_event` (0: now) until its next snapshot."""
    ts_recv = sink.stamp(ts_event)
    if ts_recv:
        row_tail = tail(instrument, DEPTH_CLEAR, 0, REPAIRED | LAST)
        sink.buffer.put(min(ts_event or ts_recv, ts_recv), ts_recv, 0.0, 0.0, row_tail)
        sink.written()
