"""Event rows that wait for the executor to catch up."""

import numpy as np
import numpy.typing as npt

from app.market.schema import ROW_BYTES
from app.market.words import TS_RECV, WORDS

_CAPACITY = 16_384  # rows kept allocated: a few blocks, so that live never allocates


class PendingRows:
    """A queue of event rows in one pair of arrays, as kernels take them; rows `head` … `tail - 1` wait."""

    def __init__(self) -> None:
        self.head = self.tail = 0
        self._allocate(_CAPACITY)

    def _allocate(self, capacity: int) -> None:
        self._bytes = np.empty(capacity * ROW_BYTES, np.uint8)
        self.ints: npt.NDArray[np.int64] = self._bytes.view(np.int64).reshape(-1, WORDS)
        self.floats: npt.NDArray[np.float64] = self._bytes.view(np.float64).reshape(-1, WORDS)
        self._memory = self._bytes.data

    def __len__(self) -> int:
        return self.tail - self.head

    def put(self, block: bytes | memoryview) -> int:
        """Copy the rows of `block` behind `tail`, and return where they end. `tail` is the caller's to move."""
        end = self.tail + len(block) // ROW_BYTES
        if end > len(self.ints):
            self._make_room(len(block) // ROW_BYTES)
            end = self.tail + len(block) // ROW_BYTES
        self._memory[self.tail * ROW_BYTES : end * ROW_BYTES] = block
        return end

    def next_ts(self) -> int:
        """`ts_recv` of the first row that waits."""
        return int(self.ints[self.head, TS_RECV])

    def forget(self) -> None:
        """Give back the space of the rows before `head`, if that is all of them."""
        if self.head == self.tail:
            self.head = self.tail = 0
            if len(self.ints) > _CAPACITY:
                self._allocate(_CAPACITY)

    def to_bytes(self) -> bytes:
        """The rows that wait."""
        return bytes(self._memory[self.head * ROW_BYTES : self.tail * ROW_BYTES])

    def set_bytes(self, block: bytes) -> None:
        """Have the rows of `block` wait, and no others."""
        self.head = self.tail = 0
        self.tail = self.put(block)

    def _make_room(self, more: int) -> None:
        waiting = self.to_bytes()
        capacity = len(self.ints)
        # Half empty at least after a move, so that moving stays cheap per row.
        while capacity < 2 * (len(self) + more):
            capacity *= 2
        if capacity > len(self.ints):
            self._allocate(capacity)
        self._memory[: len(waiting)] = waiting
        self.head, self.tail = 0, len(waiting) // ROW_BYTES
