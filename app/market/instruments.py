"""Instruments: the venue's filters, and exact conversion between prices and integer ticks."""

from collections.abc import Iterator, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path

from pydantic import Field, ValidationError, model_validator

from app.core.config import Section
from app.core.errors import Misconfigured, Rejected
from app.core.yaml_file import read_mapping


class Instrument(Section):
    """One tradable symbol. Prices are multiples of `tick_size`, quantities of `lot_size`.

    `id` is what event rows carry: unique, 1 to 65535, and never reused for another symbol, since archives
    outlive configurations.
    """

    id: int = Field(ge=1, le=65535)
    symbol: str = Field(min_length=1)
    tick_size: Decimal = Field(gt=0)
    lot_size: Decimal = Field(gt=0)
    min_qty: Decimal = Field(ge=0)
    min_notional: Decimal = Field(ge=0)
    max_qty: Decimal = Field(gt=0)
    base: str
    quote: str = "USDT"
    funding_interval_min: int = Field(default=480, gt=0)

    @model_validator(mode="after")
    def _consistent(self) -> "Instrument":
        if self.min_qty % self.lot_size:
            raise ValueError(f"{self.symbol}: min_qty {self.min_qty} is not a multiple of lot_size {self.lot_size}")
        if self.max_qty < self.min_qty:
            raise ValueError(f"{self.symbol}: max_qty {self.max_qty} is below min_qty {self.min_qty}")
        return self

    def ticks(self, px: float) -> int:
        """The tick nearest to `px`."""
        return round(px / float(self.tick_size))

    def price(self, ticks: int) -> Decimal:
        """The exact price of `ticks`."""
        return ticks * self.tick_size

    def lots(self, qty: float) -> int:
        """The lot count nearest to `qty`."""
        return round(qty / float(self.lot_size))

    def quantity(self, lots: int) -> Decimal:
        """The exact quantity of `lots`."""
        return lots * self.lot_size

    def passive_ticks(self, px: Decimal, side: int) -> int:
        """`px` on the grid, rounded away from the other side: a buy down, a sell up, so it never crosses."""
        return int((px / self.tick_size).to_integral_value(ROUND_FLOOR if side > 0 else ROUND_CEILING))

    def lots_for_notional(self, notional: Decimal, px: Decimal) -> int:
        """The most lots whose value at `px` stays within `notional`, or within `max_qty`."""
        lots = int((notional / px / self.lot_size).to_integral_value(ROUND_FLOOR))
        return min(lots, int(self.max_qty / self.lot_size))

    def check_order(self, ticks: int, lots: int, *, reduce_only: bool = False) -> None:
        """Apply the venue's filters to an order.

        Raises:
            Rejected: quantity under the minimum or over the maximum, or notional under the minimum (a
                reduce-only order may be smaller: it must always be possible to leave).
        """
        qty, notional = self.quantity(lots), self.price(ticks) * self.quantity(lots)
        if qty <= 0 or (qty < self.min_qty and not reduce_only):
            raise Rejected(f"{self.symbol}: quantity {qty} is below the minimum {self.min_qty}", reason="min_qty")
        if qty > self.max_qty:
            raise Rejected(f"{self.symbol}: quantity {qty} is above the maximum {self.max_qty}", reason="max_qty")
        if notional < self.min_notional and not reduce_only:
            raise Rejected(
                f"{self.symbol}: notional {notional} {self.quote} is below the minimum {self.min_notional}",
                reason="min_notional",
            )


class Instruments:
    """All known instruments, by symbol and by id."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._by_symbol = dict(instruments)
        self._by_id = {instrument.id: instrument for instrument in instruments.values()}
        if len(self._by_id) != len(self._by_symbol):
            raise Misconfigured("two symbols share an instrument id; ids in config/symbols.yml must be unique")

    def __getitem__(self, symbol: str) -> Instrument:
        try:
            return self._by_symbol[symbol]
        except KeyError:
            raise Misconfigured(
                f"symbol {symbol!r} is not in config/symbols.yml (known: {', '.join(sorted(self._by_symbol))}); "
                "add its filters there"
            ) from None

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._by_symbol

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_symbol.values())

    def by_id(self, instrument: int) -> Instrument | None:
        """The instrument rows call `instrument`, or None if no symbol has that id."""
        return self._by_id.get(instrument)


def read_instruments(path: Path) -> Instruments:
    """Read `config/symbols.yml`.

    Raises:
        Misconfigured: the file is missing, not a mapping of symbols, or an entry breaks a rule.
    """
    tree = read_mapping(path, what="symbols file", remedy="set `symbols_file` in the configuration")
    found: dict[str, Instrument] = {}
    for symbol, entry in tree.items():
        try:
            found[symbol] = Instrument.model_validate({**entry, "symbol": symbol})
        except (ValidationError, TypeError) as error:
            raise Misconfigured(f"symbols file {path}, {symbol}: {error}") from None
    return Instruments(found)
