"""Public market data of any venue through ccxt.pro: the fallback where no decoder of our own exists.

What it costs: 109 MB for the import, 30 to 50 times the CPU a message, updates of a book that come while the process
is busy arrive as one, and no sequence check beyond what ccxt does for that venue.
"""

import asyncio
import importlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from functools import partial
from math import isfinite
from typing import Any, Final

from app.core.clock import NS_PER_MS
from app.core.errors import Misconfigured
from app.core.logging import get_logger
from app.market.schema import DEPTH_CLEAR, DEPTH_SET, FUNDING, INDEX, MARK, REPAIRED, SNAPSHOT, TRADE
from app.venues.ccxt_book import BookView
from app.venues.market_data import MAX_AHEAD_NS, FeedEnd, RowSink, put_unknown
from app.venues.reference import Reference
from app.venues.row_buffer import tail

log = get_logger(__name__)

_FUNDING_EVERY_S: Final = 60.0
_Watch = Callable[[], Awaitable[None]]


def load_ccxt(venue: str) -> Any:
    """The ccxt.pro class of `venue`.

    Raises:
        Misconfigured: ccxt is not installed, or has no such venue with websockets.
    """
    try:
        module = importlib.import_module("ccxt.pro")
    except ImportError:
        raise Misconfigured(
            f"collector.venue {venue!r} is reached through ccxt, which is not installed: pip install 'aviary[ccxt]' "
            "(bybit_v5 needs no ccxt)"
        ) from None
    if venue not in module.exchanges:
        raise Misconfigured(
            f"collector.venue {venue!r} is neither 'bybit_v5' nor a ccxt.pro exchange; ccxt.pro knows "
            f"{', '.join(module.exchanges)}"
        )
    return getattr(module, venue)


class CcxtFeed:
    """`Feed` of `symbols` (the venue's own names → instrument id) through ccxt.pro.

    `options` is merged into the arguments of the ccxt exchange (`options`, `urls`, `hostname`, proxies). A symbol that
    several markets share means the linear perpetual, else the spot market.
    """

    def __init__(
        self,
        venue: str,
        symbols: Mapping[str, int],
        *,
        depth: int,
        sink: RowSink,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._venue = venue
        self._symbols = dict(symbols)
        self._depth = depth
        self._sink = sink
        self._options = {"enableRateLimit": True, **(options or {})}
        self._views = {symbol: BookView() for symbol in symbols}
        self._markets: Any = None
        self._unified: dict[str, str] = {}
        self._told: dict[tuple[str, int], tuple[float, float]] = {}
        self._stop: asyncio.Future[FeedEnd] | None = None
        self._reading = asyncio.Event()
        self._reading.set()
        self._references: asyncio.Future[dict[str, Reference]] = asyncio.get_running_loop().create_future()

    async def run(self) -> FeedEnd:
        """See `Feed.run`."""
        self._stop = asyncio.get_running_loop().create_future()
        # The import takes seconds, and clock rows must not wait for it.
        exchange = (await asyncio.to_thread(load_ccxt, self._venue))(self._options)
        tasks: list[asyncio.Task[None]] = []
        try:
            end = await self._open(exchange)
            if end is None:
                tasks = [asyncio.create_task(self._forever(watch)) for watch in self._watches(exchange)]
                waiting: list[asyncio.Future[Any]] = [*tasks, self._stop]
                await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                end = self._stop.result() if self._stop.done() else _why(exchange, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(Exception):
                await exchange.close()
        for symbol, view in self._views.items():
            if view.forget():
                put_unknown(self._sink, self._symbols[symbol])
        return end

    def stop(self, reason: str) -> None:
        """See `Feed.stop`."""
        if self._stop is not None and not self._stop.done():
            self._stop.set_result(FeedEnd(reason))

    def pause(self) -> None:
        """See `Feed.pause`. ccxt itself reads on: books stay right, trades beyond its cache (1000) are missed."""
        self._reading.clear()

    def resume(self) -> None:
        """See `Feed.resume`."""
        self._reading.set()

    async def reference(self) -> dict[str, Reference]:
        """The venue's filters for the symbols, once its markets are loaded."""
        return await asyncio.shield(self._references)

    async def _open(self, exchange: Any) -> FeedEnd | None:
        ccxt = importlib.import_module("ccxt")
        try:
            if self._markets is None:
                self._markets = await exchange.load_markets()
            else:
                exchange.set_markets(self._markets)
        except ccxt.BaseError as error:
            return FeedEnd("unreachable", f"{self._venue}: {type(error).__name__}: {error}")
        chosen = {symbol: _market(exchange, symbol) for symbol in self._symbols}
        missing = [symbol for symbol, market in chosen.items() if market is None]
        if missing:
            raise Misconfigured(
                f"{self._venue} has no market {', '.join(missing)}; shard.symbols must be the venue's own names"
            )
        self._unified = {symbol: market["symbol"] for symbol, market in chosen.items() if market}
        if not self._references.done():
            self._references.set_result({s: _reference(exchange, m) for s, m in chosen.items() if m})
        return None

    def _watches(self, exchange: Any) -> list[_Watch]:
        """What to call over and over: a book each, and whatever else this venue has."""
        found: list[_Watch] = []
        for symbol, unified in self._unified.items():
            found.append(partial(self._book, exchange, symbol, unified))
            if exchange.has.get("watchTrades"):
                found.append(partial(self._trades, exchange, symbol, unified))
            if exchange.has.get("watchTicker"):
                found.append(partial(self._ticker, exchange, symbol, unified))
            if exchange.has.get("fetchFundingRate") and exchange.market(unified).get("swap"):
                found.append(partial(self._funding, exchange, symbol, unified))
        return found

    async def _forever(self, watch: _Watch) -> None:
        while True:
            await self._reading.wait()
            await watch()

    async def _book(self, exchange: Any, symbol: str, unified: str) -> None:
        # No other await between this one and the next call, or an update would wake nobody.
        book = await exchange.watch_order_book(unified, self._depth)
        view = self._views[symbol]
        first = not view.known
        levels = view.advance(book["bids"][: self._depth], book["asks"][: self._depth])
        if bad := view.take_bad():
            self._sink.dropped("bad_value", bad)
        if not levels and not first:
            return
        number, flags = self._symbols[symbol], SNAPSHOT if first else 0
        rows = [(DEPTH_CLEAR, 0, 0.0, 0.0)] if first else []
        rows += [(DEPTH_SET, side, px, qty) for side, px, qty in levels]
        self._write(number, book.get("timestamp"), rows, flags)
        if first:
            self._sink.synced(symbol)

    async def _trades(self, exchange: Any, symbol: str, unified: str) -> None:
        for trade in await exchange.watch_trades(unified):
            side = {"buy": 1, "sell": -1}.get(trade["side"], 0)
            px, qty = _positive(trade["price"]), _positive(trade["amount"])
            if side and px and qty:
                self._write(self._symbols[symbol], trade["timestamp"], [(TRADE, side, px, qty)], 0)
            else:
                self._sink.dropped("bad_value")

    async def _ticker(self, exchange: Any, symbol: str, unified: str) -> None:
        ticker = await exchange.watch_ticker(unified)
        rows = []
        for kind, key in ((MARK, "markPrice"), (INDEX, "indexPrice")):
            px = _positive(ticker.get(key))
            if px and self._told.get((symbol, kind)) != (px, 0.0):
                self._told[symbol, kind] = (px, 0.0)
                rows.append((kind, 0, px, 0.0))
        if rows:
            self._write(self._symbols[symbol], ticker.get("timestamp"), rows, 0)

    async def _funding(self, exchange: Any, symbol: str, unified: str) -> None:
        found = await exchange.fetch_funding_rate(unified)
        rate, at = found.get("fundingRate"), found.get("fundingTimestamp")
        if rate is not None and at and isfinite(rate):
            told = (float(rate), float(at // 1000))
            if self._told.get((symbol, FUNDING)) != told:
                self._told[symbol, FUNDING] = told
                self._write(self._symbols[symbol], found.get("timestamp"), [(FUNDING, 0, *told)], 0)
        await asyncio.sleep(_FUNDING_EVERY_S)

    def _write(self, number: int, ms: int | None, rows: Sequence[tuple[int, int, float, float]], flags: int) -> None:
        """One message's rows; a venue that gives no time gets the time it was received at."""
        ts_recv = self._sink.stamp((ms or 0) * NS_PER_MS)
        if ts_recv:
            ts_event = ms * NS_PER_MS if ms else ts_recv
            if ts_event > ts_recv + MAX_AHEAD_NS:
                ts_event, flags = ts_recv, flags | REPAIRED
                self._sink.clamped()
            for kind, side, px, qty in rows:
                self._sink.buffer.put(ts_event, ts_recv, px, qty, tail(number, kind, side, flags))
            self._sink.buffer.end_message()
            self._sink.written()


def _why(exchange: Any, tasks: Sequence[asyncio.Task[None]]) -> FeedEnd:
    """The end that the first failed task means; what is no error of ccxt is a defect and raised."""
    ccxt = importlib.import_module("ccxt")
    error = next(task.exception() for task in tasks if task.done())
    if isinstance(error, ccxt.NetworkError):
        return FeedEnd("disconnected", f"{type(error).__name__}: {error}")
    if isinstance(error, ccxt.BaseError):
        return FeedEnd("subscribe_refused", f"{type(error).__name__}: {error}")
    assert error is not None
    raise error


def _market(exchange: Any, symbol: str) -> Any:
    """The market that the venue's own name `symbol` means, or None."""
    found = exchange.markets_by_id.get(symbol) or []
    ranked = sorted(found, key=lambda market: (not (market["swap"] and market["linear"]), not market["spot"]))
    return ranked[0] if ranked else exchange.markets.get(symbol)


def _reference(exchange: Any, market: Any) -> Reference:
    ccxt = importlib.import_module("ccxt")
    by_tick = exchange.precisionMode == ccxt.TICK_SIZE
    precision, limits = market["precision"], market["limits"]
    return Reference(
        tick_size=_decimal(precision["price"]) if by_tick else None,
        lot_size=_decimal(precision["amount"]) if by_tick else None,
        min_qty=_decimal(limits["amount"]["min"]),
        min_notional=_decimal(limits["cost"]["min"]),
    )


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(repr(value))


def _positive(value: Any) -> float:
    """The number, or 0.0 if it cannot be a price or size."""
    return float(value) if isinstance(value, int | float) and 0 < value <= 1e15 else 0.0
