"""Puts streams of rows in one order, holding no more than a block of each."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.market.rows import EVENT, RAW, Rows, concat
from app.store.proof import Seqs

Block = tuple[Rows, Seqs]
Key = Callable[[Block], npt.NDArray[np.int64]]


def merge_symbols(symbols: Sequence[Iterator[Block]]) -> Iterator[Block]:
    """One recording's rows in the order of their counters, from the rows of each symbol."""
    # No two rows have one counter, so what ends a block cannot be preceded by what follows in another.
    return _merged(symbols, _counter, unique=True)


def merge_recordings(recordings: Sequence[Iterator[Block]]) -> Iterator[Block]:
    """Recordings by ts_recv; at equal times those named first come first, so venue messages stay whole."""
    return _merged(recordings, _time, unique=False)


def _counter(block: Block) -> npt.NDArray[np.int64]:
    return block[1].view(np.int64)


def _time(block: Block) -> npt.NDArray[np.int64]:
    times: npt.NDArray[np.int64] = np.ascontiguousarray(block[0]["ts_recv"])
    return times


def _merged(streams: Sequence[Iterator[Block]], key: Key, *, unique: bool) -> Iterator[Block]:
    sources = [_Source(stream, key) for stream in streams]
    while True:
        sources = [source for source in sources if source.fill()]
        if not sources:
            return
        if len(sources) == 1:
            yield from sources[0].rest()
            return
        # What is below the earliest end of any buffer cannot be preceded by anything that is still to be read.
        slowest = min(sources, key=lambda source: source.end)
        bound = slowest.end
        taken = [part for source in sources if (part := source.take(bound, through=unique)) is not None]
        if not taken:
            slowest.extend()
        elif len(taken) == 1:
            yield taken[0]
        else:
            yield _in_order(taken, key)


def _in_order(blocks: Sequence[Block], key: Key) -> Block:
    keys = [key(block) for block in blocks]
    order = np.argsort(np.concatenate(keys), kind="stable")
    rows, seq = np.empty(len(order), RAW), np.empty(len(order), np.uint64)
    begin = 0
    for block_rows, block_seq in blocks:
        # Each block is in order already, so its rows go, as they are, to the places that are its own.
        places = (order >= begin) & (order < begin + len(block_seq))
        rows[places], seq[places] = block_rows.view(RAW), block_seq
        begin += len(block_seq)
    return rows.view(EVENT), seq


class _Source:
    """A stream with the block that is being taken from."""

    def __init__(self, stream: Iterator[Block], key: Key) -> None:
        self._stream, self._key = stream, key
        self._block: Block | None = None
        self._keys: npt.NDArray[np.int64] = np.empty(0, np.int64)
        self._over = False

    @property
    def end(self) -> float:
        """The last key in the buffer; no later one comes once the stream is over."""
        return float("inf") if self._over else int(self._keys[-1])

    def fill(self) -> bool:
        """Have a block to take from; False at the end of the stream."""
        while self._block is None or not len(self._keys):
            if self._over:
                return False
            self._block = None
            self.extend()
        return True

    def extend(self) -> None:
        """Add the stream's next block to the buffer."""
        following = next(self._stream, None)
        if following is None:
            self._over = True
            return
        if self._block is not None:
            rows, seq = self._block
            following = concat([rows, following[0]]), np.concatenate([seq, following[1]])
        self._block, self._keys = following, self._key(following)

    def take(self, bound: float, *, through: bool) -> Block | None:
        """Remove and return the rows whose key is below `bound`, or with `through` also those at it."""
        assert self._block is not None
        side: Literal["left", "right"] = "right" if through else "left"
        upto = len(self._keys) if bound == float("inf") else int(np.searchsorted(self._keys, int(bound), side))
        if upto == 0:
            return None
        rows, seq = self._block
        self._block, self._keys = (rows[upto:], seq[upto:]), self._keys[upto:]
        return rows[:upto], seq[:upto]

    def rest(self) -> Iterator[Block]:
        """What is in the buffer and still to come, as it comes."""
        if self._block is not None:
            yield self._block
        yield from self._stream
