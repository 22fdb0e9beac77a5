"""An instrument as the venue lists it."""

from decimal import Decimal
from typing import Any, Final

from app.market.instruments import Instrument

#: Prices the venue takes reach this many ticks; the figure is that of its BTCUSDT contract.
MAX_PRICE_TICKS: Final = 19_999_998
LAUNCHED_MS: Final = "1585526400000"


def listing(instrument: Instrument) -> dict[str, Any]:
    """One entry of instruments-info. Filters are the configuration's; the venue's other fields have common values."""
    tick, max_qty = instrument.tick_size, _plain(instrument.max_qty)
    return {
        "symbol": instrument.symbol,
        "symbolId": instrument.id,
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": instrument.base,
        "quoteCoin": instrument.quote,
        "settleCoin": instrument.quote,
        "launchTime": LAUNCHED_MS,
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, -int(tick.as_tuple().exponent))),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {
            "minPrice": _plain(tick),
            "maxPrice": _plain(tick * MAX_PRICE_TICKS),
            "tickSize": _plain(tick),
        },
        "lotSizeFilter": {
            "maxOrderQty": max_qty,
            "minOrderQty": _plain(instrument.min_qty),
            "qtyStep": _plain(instrument.lot_size),
            "postOnlyMaxOrderQty": max_qty,
            "maxMktOrderQty": max_qty,
            "minNotionalValue": _plain(instrument.min_notional),
        },
        "unifiedMarginTrade": True,
        "fundingInterval": instrument.funding_interval_min,
        "copyTrading": "none",
        "upperFundingRate": "0.00375",
        "lowerFundingRate": "-0.00375",
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": "0.01", "priceLimitRatioY": "0.02"},
        "displayName": "",
        "symbolType": "",
    }


def _plain(number: Decimal) -> str:
    return f"{number:f}"
