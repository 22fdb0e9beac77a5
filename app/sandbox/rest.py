"""The public REST endpoints, /v5/market/…, for the linear category."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Any, Final

from aiohttp import web

from app.core.clock import NS_PER_S
from app.sandbox import ticker
from app.sandbox.candles import INTERVALS, Bar
from app.sandbox.envelope import PARAMETER_ERROR, answer, error
from app.sandbox.exchange import Exchange
from app.sandbox.frames import levels
from app.sandbox.listing import listing
from app.sandbox.market import Market
from app.sandbox.notation import Notation
from app.sandbox.state import EXCHANGE

CATEGORY: Final = "linear"
#: Categories the venue has and the sandbox does not: they are empty, not wrong.
ELSEWHERE: Final = ("spot", "inverse", "option")

Query = Mapping[str, str]
Endpoint = Callable[[Exchange, Query], Any]


class Refused(Exception):
    """A parameter the venue would not take; the text is its retMsg."""


def time(exchange: Exchange, query: Query) -> Any:
    """The venue's clock."""
    now = exchange.timeline.now_ns()
    return {"timeSecond": str(now // NS_PER_S), "timeNano": str(now)}


def instruments_info(exchange: Exchange, query: Query) -> Any:
    """What is listed, with its filters."""
    category = _category(query)
    listed = [listing(market.instrument) for market in _markets(exchange, query)]
    if query.get("status", "Trading") != "Trading":
        listed = []
    return {"category": category, "list": listed, "nextPageCursor": ""}


def orderbook(exchange: Exchange, query: Query) -> Any:
    """The book as it is at this moment; `u` counts the venue messages that have changed it."""
    market = _market(exchange, query)
    depth = _number(query, "limit", default=25, low=1, high=500)
    book, ms = market.book, market.timeline.ms
    return {
        "s": market.symbol,
        "a": levels(market.notation, book.asks.top(depth).items()),
        "b": levels(market.notation, book.bids.top(depth).items()),
        "ts": ms(market.timeline.reached_ns),
        "u": book.version,
        "seq": market.seq,
        "cts": market.book_ms,
    }


def tickers(exchange: Exchange, query: Query) -> Any:
    """The ticker of one symbol, or of all."""
    category = _category(query)
    return {"category": category, "list": [ticker.fields(market) for market in _markets(exchange, query)]}


def kline(exchange: Exchange, query: Query) -> Any:
    """Bars, newest first: `limit` from `start` on if that is given, else the latest. At most 24 hours are known."""
    market = _market(exchange, query)
    interval = query.get("interval", "")
    if interval not in INTERVALS:
        raise Refused(f"Invalid period! interval must be one of {', '.join(INTERVALS)}")
    limit = _number(query, "limit", default=200, low=1, high=1000)
    start = _number(query, "start", default=0, low=0)
    now = market.timeline.ms(market.timeline.reached_ns)
    end = _number(query, "end", default=now, low=0)
    bars = [bar for bar in market.candles.bars(INTERVALS[interval], now) if start <= bar.start_ms <= end]
    bars = bars[:limit] if "start" in query else bars[-limit:]
    rows = [_bar(market.notation, bar) for bar in reversed(bars)]
    return {"category": CATEGORY, "symbol": market.symbol, "list": rows}


def funding_history(exchange: Exchange, query: Query) -> Any:
    """The funding times that have passed since the flow began, newest first."""
    market = _market(exchange, query)
    start = _number(query, "startTime", default=0, low=0)
    end = _number(query, "endTime", default=2**62, low=0)
    limit = _number(query, "limit", default=200, low=1, high=200)
    paid = (paid for paid in reversed(market.funding.settlements) if start <= paid.ms <= end)
    return {
        "category": CATEGORY,
        "list": [
            {"symbol": market.symbol, "fundingRate": ticker.rate(rate), "fundingRateTimestamp": str(ms)}
            for ms, rate in islice(paid, limit)
        ],
    }


def recent_trade(exchange: Exchange, query: Query) -> Any:
    """The latest trades, newest first."""
    market = _market(exchange, query)
    limit = _number(query, "limit", default=500, low=1, high=1000)
    return {
        "category": CATEGORY,
        "list": [
            {
                "execId": trade.id,
                "symbol": market.symbol,
                "price": market.notation.price(trade.ticks),
                "size": market.notation.quantity(trade.lots),
                "side": "Buy" if trade.side > 0 else "Sell",
                "time": str(market.timeline.ms(trade.when_ns)),
                "isBlockTrade": False,
                "isRPITrade": False,
                "seq": str(trade.seq),
            }
            for trade in islice(reversed(market.recent), limit)
        ],
    }


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "/v5/market/time": time,
    "/v5/market/instruments-info": instruments_info,
    "/v5/market/orderbook": orderbook,
    "/v5/market/tickers": tickers,
    "/v5/market/kline": kline,
    "/v5/market/funding/history": funding_history,
    "/v5/market/recent-trade": recent_trade,
}


def routes() -> list[web.RouteDef]:
    """The public REST routes."""
    return [web.get(path, _handler(endpoint)) for path, endpoint in ENDPOINTS.items()]


def _handler(endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        exchange = request.app[EXCHANGE]
        try:
            return answer(exchange.timeline, endpoint(exchange, request.query))
        except Refused as refusal:
            return error(exchange.timeline, PARAMETER_ERROR, str(refusal))

    return handle


def _category(query: Query) -> str:
    category = query.get("category", "")
    if category != CATEGORY and category not in ELSEWHERE:
        raise Refused("params error: Category is invalid")
    return category


def _markets(exchange: Exchange, query: Query) -> list[Market]:
    """The markets a listing asks for: one symbol's, or all."""
    if query["category"] != CATEGORY:
        return []
    return [_market(exchange, query)] if "symbol" in query else list(exchange.markets.values())


def _market(exchange: Exchange, query: Query) -> Market:
    # The venue takes linear for granted on the endpoints that need a symbol.
    if query.get("category", CATEGORY) != CATEGORY or query.get("symbol") not in exchange.markets:
        raise Refused("params error: symbol invalid")
    return exchange.markets[query["symbol"]]


def _number(query: Query, name: str, *, default: int, low: int, high: int = 2**62) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise Refused(f"params error: {name} invalid")
    return int(text)


def _bar(write: Notation, bar: Bar) -> list[str]:
    prices = [write.price(ticks) for ticks in (bar.open, bar.high, bar.low, bar.close)]
    return [str(bar.start_ms), *prices, write.quantity(bar.lots), write.value(bar.tick_lots)]
