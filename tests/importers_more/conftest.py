"""The instrument of the made-up LOBSTER days, beside the real ones."""

from decimal import Decimal
from pathlib import Path

import pytest

from app.market.instruments import Instrument, Instruments, read_instruments

SYMBOLS = Path(__file__).resolve().parents[2] / "config" / "symbols.yml"


@pytest.fixture
def instruments() -> Instruments:
    known = {instrument.symbol: instrument for instrument in read_instruments(SYMBOLS)}
    test = Instrument(
        id=900,
        symbol="TEST",
        base="TEST",
        quote="USD",
        tick_size=Decimal("0.01"),
        lot_size=Decimal(1),
        min_qty=Decimal(1),
        max_qty=Decimal(10**6),
        min_notional=Decimal(0),
    )
    return Instruments({**known, "TEST": test})
