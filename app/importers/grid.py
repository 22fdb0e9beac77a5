"""Whether prices and quantities are multiples of an instrument's tick and lot."""

from typing import Final

import numpy as np
import numpy.typing as npt

from app.core.errors import Misconfigured
from app.market.instruments import Instrument
from app.market.rows import DEPTH_SET, QUOTE, TRADE, Rows

_ENOUGH: Final = 1000  # rows before the configuration is doubted rather than the data
_TOO_MANY: Final = 0.01
_ULPS: Final = 2.0**-50
_NEAR: Final = 1e-3  # of a tick or lot; rounding of decimal text to binary stays far below


class Grid:
    """Counts what is off an instrument's grid, and says so when it must be the configuration that is wrong."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument
        self._seen = self._off = 0

    def off(self, rows: Rows) -> npt.NDArray[np.bool_]:
        """True for depth, trade and quote rows whose price or quantity is off the grid.

        Raises:
            Misconfigured: more than 1 % of them are; the text names an example.
        """
        kind = rows["kind"]
        on_grid = (kind == DEPTH_SET) | (kind == TRADE) | (kind == QUOTE)
        off_tick = on_grid & _off(rows["px"], float(self._instrument.tick_size))
        off_lot = on_grid & _off(rows["qty"], float(self._instrument.lot_size))
        self._seen += int(on_grid.sum())
        self._off += int((off_tick | off_lot).sum())
        if self._seen >= _ENOUGH and self._off > _TOO_MANY * self._seen:
            self._refuse(rows, off_tick, off_lot)
        wrong: npt.NDArray[np.bool_] = off_tick | off_lot
        return wrong

    def _refuse(self, rows: Rows, off_tick: npt.NDArray[np.bool_], off_lot: npt.NDArray[np.bool_]) -> None:
        which, size, values = (
            ("tick_size", self._instrument.tick_size, rows["px"][off_tick])
            if off_tick.sum() >= off_lot.sum()
            else ("lot_size", self._instrument.lot_size, rows["qty"][off_lot])
        )
        example = f", such as {values[0]:.12g}" if len(values) else ""
        raise Misconfigured(
            f"{self._off} of {self._seen} prices and quantities of {self._instrument.symbol} are no multiples of its "
            f"{which} {size}{example}; correct its tick_size and lot_size in config/symbols.yml"
        )


def _off(values: npt.NDArray[np.float64], size: float) -> npt.NDArray[np.bool_]:
    steps = values / size
    # A large value in small steps, such as 152,047.98092796 in 1e-8, is off by more than that in binary alone.
    wrong: npt.NDArray[np.bool_] = np.abs(steps - np.rint(steps)) > _NEAR + _ULPS * np.abs(steps)
    return wrong
