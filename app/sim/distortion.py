"""Another market made of the rows of a real one: prices moved, quantities scaled, levels taken away.

What is left of an uncrossed book is one as well: all its prices move together, and taking levels away cannot cross it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.market.instruments import Instrument
from app.market.rows import DEPTH_SET, INDEX, MARK, QUOTE, REPAIRED, TRADE, Rows
from app.market.venue_messages import without

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]


class Band(NamedTuple):
    """Ticks `low` … `high` of a side (+1 bids, −1 asks, 0 both), of the market as it was."""

    side: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Distortion:
    """All prices `offset` ticks higher, all quantities times `factor`, nothing shown or traded within `gone`."""

    offset: int = 0
    factor: float = 1.0
    gone: tuple[Band, ...] = ()

    @property
    def neutral(self) -> bool:
        """True if the market is as it was."""
        return self == _NEUTRAL

    def apply(self, rows: Rows, instrument: Instrument) -> Rows:
        """`rows` with those of `instrument` changed and flagged REPAIRED.

        A quantity becomes a whole number of lots and at least one. A level that is gone is deleted (quantity 0), and a
        trade there is left out, as is what would have no positive price.
        """
        mine = rows["instrument"] == instrument.id
        if self.neutral or not mine.any():
            return rows
        rows = rows.copy()
        kind = rows["kind"]
        sized = mine & ((kind == DEPTH_SET) | (kind == TRADE) | (kind == QUOTE))
        ticks = np.rint(rows["px"] / float(instrument.tick_size)).astype(np.int64)
        gone, priceless = sized & self._gone(ticks, rows), sized & (ticks + self.offset < 1)
        if self.factor != 1:
            self._scale(rows, sized & (rows["qty"] > 0), instrument)
        if self.offset:
            moved = sized & ~priceless
            rows["px"][moved] = _price(ticks[moved] + self.offset, instrument)
            rows["px"][mine & ((kind == MARK) | (kind == INDEX))] += self.offset * float(instrument.tick_size)
        rows["flags"][mine] |= REPAIRED
        rows["qty"][gone] = 0.0
        return without(rows, priceless | (gone & (kind == TRADE)))

    def _gone(self, ticks: I64, rows: Rows) -> npt.NDArray[np.bool_]:
        found = np.zeros(len(rows), np.bool_)
        # A trade is at a price of the side that its aggressor takes from.
        side = np.where(rows["kind"] == TRADE, -rows["side"], rows["side"])
        for band in self.gone:
            inside = (ticks >= band.low) & (ticks <= band.high)
            found |= inside if band.side == 0 else inside & (side == band.side)
        return found

    def _scale(self, rows: Rows, chosen: npt.NDArray[np.bool_], instrument: Instrument) -> None:
        lots = np.rint(rows["qty"][chosen] * self.factor / float(instrument.lot_size))
        over, under = instrument.lot_size.as_integer_ratio()
        rows["qty"][chosen] = np.maximum(lots, 1.0) * over / under


_NEUTRAL = Distortion()


def _price(ticks: I64, instrument: Instrument) -> F64:
    """The floats nearest to the exact prices of `ticks`."""
    over, under = instrument.tick_size.as_integer_ratio()
    found: F64 = ticks * over / under
    return found
