"""Puts streams of rows in one order, holding no more than a block of each."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.market.rows import Rows
from app.store.layout import Sidecar
from app.store.part import Seqs, read_part

Block = tuple[Rows, Seqs]
Key = Callable[[Block], npt.NDArray[np.int64]]


def merge_symbols(symbols: Sequence[Sequence[tuple[Path, Sidecar]]]) -> Iterator[Block]:
    """One recording's rows in the order of their counters, from the parts of each symbol."""
    return _merged([_chained(parts) for parts in symbols], _counter)


def merge_recordings(recordings: Sequence[Iterator[Block]]) -> Iterator[Block]:
    """Recordings by ts_recv; at equal times those named first come first, so venue messages stay whole."""
    return recordings[0] if len(recordings) == 1 else _merged(recordings, _time)


def _chained(parts: Sequence[tuple[Path, Sidecar]]) -> Iterator[Block]:
    for path, about in parts:
        yield from read_part(path, about)


def _counter(block: Block) -> npt.NDArray[np.int64]:
    return block[1].astype(np.int64)


def _time(block: Block) -> npt.NDArray[np.int64]:
    times: npt.NDArray[np.int64] = block[0]["ts_recv"]
    return times


def _merged(streams: Sequence[Iterator[Block]], key: Key) -> Iterator[Block]:
    sources = [_Source(stream, key) for stream in streams]
    while True:
        sources = [source for source in sources if source.fill()]
        if not sources:
            return
        # What is below the earliest end of any buffer cannot be preceded by anything that is still to be read.
        slowest = min(sources, key=lambda source: source.end)
        taken = [part for source in sources if (part := source.take_below(slowest.end)) is not None]
        if not taken:
            slowest.extend()
            continue
        rows = np.concatenate([rows for rows, _ in taken])
        seq = np.concatenate([seq for _, seq in taken])
        order = np.argsort(key((rows, seq)), kind="stable")
        yield rows[order], seq[order]


class _Source:
    """A stream with the block that is being taken from."""

    def __init__(self, stream: Iterator[Block], key: Key) -> None:
        self._stream, self._key = stream, key
        self._block: Block | None = None
        self._keys = np.empty(0, np.int64)
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
            following = np.concatenate([self._block[0], following[0]]), np.concatenate([self._block[1], following[1]])
        self._block, self._keys = following, self._key(following)

    def take_below(self, bound: float) -> Block | None:
        """Remove and return the rows whose key is below `bound`."""
        assert self._block is not None
        upto = len(self._keys) if bound == float("inf") else int(np.searchsorted(self._keys, int(bound)))
        if upto == 0:
            return None
        rows, seq = self._block
        self._block, self._keys = (rows[upto:], seq[upto:]), self._keys[upto:]
        return rows[:upto], seq[:upto]
