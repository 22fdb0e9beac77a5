"""How the venue writes an instrument's prices and quantities, and how rows become ticks and lots."""

from decimal import Decimal

import numpy as np

from app.market.instruments import Instrument
from app.market.rows import Rows


class Notation:
    """Between whole ticks and lots, which the sandbox counts in, and the decimal strings it sends."""

    def __init__(self, instrument: Instrument) -> None:
        self._tick = float(instrument.tick_size)
        self._lot = float(instrument.lot_size)
        tick_places, lot_places = _places(instrument.tick_size), _places(instrument.lot_size)
        self._price_format = f"%.{tick_places}f"
        self._fine_format = f"%.{tick_places + 1}f"
        self._quantity_format = f"%.{lot_places}f"
        self._value_format = f"%.{tick_places + lot_places}f"

    def price(self, ticks: int) -> str:
        """The price of `ticks`, with the decimals of the tick size."""
        return self._price_format % (ticks * self._tick)

    def fine_price(self, px: float) -> str:
        """A price that need not lie on the grid (mark, index), with one decimal more than the tick size."""
        return self._fine_format % px

    def quantity(self, lots: int) -> str:
        """The quantity of `lots`; an empty level is ``0``, which deletes it."""
        return self._quantity_format % (lots * self._lot) if lots else "0"

    def value(self, tick_lots: int) -> str:
        """Turnover in quote currency of a sum of ticks × lots."""
        return self._value_format % (tick_lots * self._tick * self._lot)

    def px(self, ticks: float) -> float:
        """The price of `ticks`, which may be between two (a mid)."""
        return ticks * self._tick

    def ticks(self, rows: Rows) -> list[int]:
        """The nearest tick to each row's price."""
        return np.rint(rows["px"] / self._tick).astype(np.int64).tolist()  # type: ignore[no-any-return]

    def lots(self, rows: Rows) -> list[int]:
        """The nearest lot count to each row's quantity; only 0 gives 0, since a 0 would delete the level."""
        lots = np.rint(rows["qty"] / self._lot).astype(np.int64)
        return np.maximum(lots, rows["qty"] > 0).tolist()  # type: ignore[no-any-return]


def _places(step: Decimal) -> int:
    exponent = step.normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)
