"""The ticker of one symbol, as the venue's REST endpoint and its websocket topic tell it."""

from app.sandbox.market import Market

Fields = dict[str, str]

# A price and its size are told together, as the venue does.
_TOGETHER = (("bid1Price", "bid1Size"), ("ask1Price", "ask1Size"), ("fundingRate", "nextFundingTime"))
_NOT_LISTED = {"preOpenPrice": "", "preQty": "", "curPreListingPhase": ""}


def fields(market: Market) -> Fields:
    """The ticker's fields; what is not known (no trade yet, an empty side) is an empty string."""
    return {
        "symbol": market.symbol,
        "tickDirection": market.recent[-1].direction if market.recent else "",
        **_day(market),
        **_reference(market),
        "openInterest": "0",
        "openInterestValue": "0",
        "fundingIntervalHour": str(market.instrument.funding_interval_min // 60),
        "fundingCap": "0.005",
        "nextFundingTime": str(market.funding.next_ms),
        "fundingRate": rate(market.funding.rate),
        **_best(market),
        **_NOT_LISTED,
    }


def known(told: Fields) -> Fields:
    """`told` without what is not known; what the venue always leaves empty stays."""
    return {name: value for name, value in told.items() if value or name in _NOT_LISTED}


def changed(before: Fields, after: Fields) -> Fields:
    """What a delta frame says: the symbol, and the fields whose value is another now."""
    names = {name for name, value in after.items() if before[name] != value}
    if not names:
        return {}
    for pair in _TOGETHER:
        if names & set(pair):
            names.update(pair)
    return {name: value for name, value in after.items() if name in names or name == "symbol"}


def rate(value: float) -> str:
    """A rate with at most 8 decimals and no idle zeros."""
    text = f"{value:.8f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def _day(market: Market) -> Fields:
    day, write = market.candles.day(), market.notation
    if day is None:
        names = ("price24hPcnt", "lastPrice", "prevPrice24h", "highPrice24h", "lowPrice24h", "prevPrice1h")
        return {**dict.fromkeys(names, ""), "turnover24h": write.value(0), "volume24h": "0"}
    return {
        "price24hPcnt": f"{day.close / day.open - 1:.6f}",
        "lastPrice": write.price(day.close),
        "prevPrice24h": write.price(day.open),
        "highPrice24h": write.price(day.high),
        "lowPrice24h": write.price(day.low),
        "prevPrice1h": write.price(market.candles.hour_ago()),
        "turnover24h": write.value(day.tick_lots),
        "volume24h": write.quantity(day.lots),
    }


def _reference(market: Market) -> Fields:
    """Mark and index price; where the flow tells no index, the mark stands for it."""
    mark = market.mark_px
    index = market.index_px if market.index_px is not None else mark
    write = market.notation.fine_price
    return {
        "markPrice": "" if mark is None else write(mark),
        "indexPrice": "" if index is None else write(index),
    }


def _best(market: Market) -> Fields:
    told: Fields = {}
    for name, side in (("bid1", market.book.bids), ("ask1", market.book.asks)):
        best = side.best()
        told[f"{name}Price"] = market.notation.price(best[0]) if best else ""
        told[f"{name}Size"] = market.notation.quantity(best[1]) if best else ""
    return told
