"""What a venue says about a symbol, to be compared with what the configuration says."""

from decimal import Decimal
from typing import NamedTuple

from app.market.instruments import Instrument


class Reference(NamedTuple):
    """A venue's filters for one symbol; None where it does not say."""

    tick_size: Decimal | None
    lot_size: Decimal | None
    min_qty: Decimal | None
    min_notional: Decimal | None


def differences(instrument: Instrument, reference: Reference) -> dict[str, tuple[Decimal, Decimal]]:
    """Field → (configured, venue's) of each filter in which the two differ."""
    return {
        field: (getattr(instrument, field), theirs)
        for field, theirs in reference._asdict().items()
        if theirs is not None and theirs != getattr(instrument, field)
    }
