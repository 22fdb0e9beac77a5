"""Rows that are kept (in the archive, if there is one) and not yet published: in order, without a hole."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from app.market.schema import ROW_BYTES

#: What is held in memory at most: 8 MB. The rest is read again from the spool.
MAX_ROWS: Final = 200_000
_READ_ROWS: Final = 50_000

#: `read(first, rows)` gives the kept row `first` and following, as (counter of the first row found, whole blocks).
ReadKept = Callable[[int, int], tuple[int, list[bytes]]]


class Backlog:
    """Rows `published` up to `kept`, both counted from the first row the shard ever recorded.

    With `read`, memory holds at most about `max_rows`; a longer backlog waits in the spool and is read from there.
    Without, everything is in memory, and whoever adds has to stop while it is `full`.
    """

    def __init__(self, *, published: int, kept: int, read: ReadKept | None, max_rows: int = MAX_ROWS) -> None:
        self.published = published
        self.kept = kept
        self._read = read
        self.max_rows = max_rows
        self._blocks: deque[bytes] = deque()
        self.in_memory = 0
        self._loaded = published  # the row after the last in `_blocks`
        self._more = asyncio.Event()
        if kept > published:
            self._more.set()

    @property
    def rows(self) -> int:
        """Rows that wait."""
        return self.kept - self.published

    @property
    def full(self) -> bool:
        """True if so much waits that the feed should not go on."""
        return self.rows >= self.max_rows

    def add(self, block: bytes) -> None:
        """`block` is kept and waits to be published."""
        rows = len(block) // ROW_BYTES
        fits = self.in_memory + rows <= self.max_rows or self._read is None
        if self._loaded == self.kept and fits:
            self._append(block, rows)
        self.kept += rows
        self._more.set()

    async def next(self, max_rows: int) -> tuple[bytes, int]:
        """The next block to publish, of about `max_rows` at most, and the counter of its first row.

        Waits until there is one. The counter is above `published` if rows between are in no spool file any more.
        """
        while not self._blocks:
            self._more.clear()
            if self._loaded < self.kept:
                await self._load()
            else:
                await self._more.wait()
        taken = [self._blocks.popleft()]
        size = len(taken[0])
        while self._blocks and size + len(self._blocks[0]) <= max_rows * ROW_BYTES:
            taken.append(self._blocks.popleft())
            size += len(taken[-1])
        first = self._loaded - self.in_memory
        self.in_memory -= size // ROW_BYTES
        return (taken[0] if len(taken) == 1 else b"".join(taken)), first

    def done(self, upto: int) -> None:
        """Rows up to counter `upto` are published."""
        self.published = upto

    def rewind(self, to: int) -> bool:
        """Go back to row `to`, published and lost since; False if nothing but memory ever held it."""
        if self._read is None:
            return False
        self._blocks.clear()
        self.in_memory = 0
        self.published = self._loaded = to
        self._more.set()
        return True

    def _append(self, block: bytes, rows: int) -> None:
        self._blocks.append(block)
        self.in_memory += rows
        self._loaded += rows

    async def _load(self) -> None:
        assert self._read is not None
        wanted = min(_READ_ROWS, self.max_rows, self.kept - self._loaded)
        # In a thread: finding the place in an hour's file means checking all of it once.
        first, blocks = await asyncio.to_thread(self._read, self._loaded, wanted)
        self._loaded = first
        for block in blocks:
            self._append(block, len(block) // ROW_BYTES)
