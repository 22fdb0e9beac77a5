"""What the mid was, as we saw it, at any time of a replay."""

# mypy: no-warn-return-any

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from app.market.book import BEST_ASK, BEST_BID, book_row, new_book, two_sided
from app.market.compiled import kernel
from app.market.instruments import Instrument
from app.market.rows import LAST, VENUE_ONLY, Rows, faults
from app.market.words import META, PX, QTY, TS_RECV, flags_of, instrument_of, kind_of, side_of, words

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


@kernel
def _follow(state: I64, qty: F64, ints: I64, floats: F64, instrument: int, before: int, times: I64, mids: I64) -> int:
    """Write the time and twice the mid, in ticks, wherever it changes (0: not two-sided); returns how many times."""
    n = 0
    for i in range(len(ints)):
        meta = ints[i, META]
        flags = flags_of(meta)
        if instrument_of(meta) == instrument and not flags & VENUE_ONLY:
            book_row(state, qty, kind_of(meta), side_of(meta), floats[i, PX], floats[i, QTY], flags)
            if flags & LAST:
                mid2 = state[BEST_BID] + state[BEST_ASK] if two_sided(state) else 0
                if mid2 != before:
                    times[n], mids[n] = ints[i, TS_RECV], mid2
                    before = mid2
                    n += 1
    return n


class MidTrack:
    """Rows pass through it unchanged. Memory grows with the changes of the mid, by 16 bytes each."""

    def __init__(self, instruments: Mapping[str, Instrument], *, book_ticks: int) -> None:
        self._lines = {symbol: _Line(instrument, book_ticks) for symbol, instrument in instruments.items()}

    def __call__(self, blocks: Iterable[Rows]) -> Iterator[Rows]:
        """The rows of `blocks`."""
        for rows in blocks:
            good = rows if not (bad := faults(rows)).any() else rows[~bad]
            ints, floats = words(good)
            for line in self._lines.values():
                line.follow(ints, floats)
            yield rows

    def at(self, symbol: str, ts: int) -> float | None:
        """The mid after all that came up to `ts` (ns); None if the book had not two sides."""
        return self._lines[symbol].at(ts)


class _Line:
    def __init__(self, instrument: Instrument, book_ticks: int) -> None:
        self._instrument = instrument
        self._book = new_book(float(instrument.tick_size), book_ticks)
        self._before = 0
        self._parts: list[tuple[I64, I64]] = []

    def follow(self, ints: I64, floats: F64) -> None:
        times, mids = np.empty(len(ints), np.int64), np.empty(len(ints), np.int64)
        n = _follow(*self._book, ints, floats, self._instrument.id, self._before, times, mids)
        if n:
            self._before = int(mids[n - 1])
            self._parts.append((times[:n].copy(), mids[:n].copy()))

    def at(self, ts: int) -> float | None:
        if len(self._parts) > 1:
            self._parts = [(np.concatenate([t for t, _ in self._parts]), np.concatenate([m for _, m in self._parts]))]
        if not self._parts:
            return None
        times, mids = self._parts[0]
        index = int(np.searchsorted(times, ts, side="right")) - 1
        mid2 = int(mids[index]) if index >= 0 else 0
        return float(self._instrument.price(mid2)) / 2 if mid2 else None
