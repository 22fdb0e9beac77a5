"""The unmodified ccxt client, REST and websocket, against the sandbox."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from app.core.clock import NS_PER_MS
from app.sandbox.flow import MergedFlow, ScriptedFlow
from app.sandbox.synthetic import SyntheticFlow
from tests.sandbox.builders import BTC, ETH, START, Wire, depth, running, snapshot, trade

ccxt = pytest.importorskip("ccxt.pro", reason="the venues extra is not installed: pip install aviary[ccxt]")

SYMBOL = "BTC/USDT:USDT"


def leaves(tree: Any) -> Iterator[str]:
    if isinstance(tree, Mapping):
        for branch in tree.values():
            yield from leaves(branch)
    else:
        yield tree


@asynccontextmanager
async def client(wire: Wire) -> AsyncIterator[Any]:
    """A ccxt client that can reach nothing but the sandbox."""
    http, ws = wire.url, wire.url.replace("http:", "ws:")
    exchange = ccxt.bybit(
        {
            "apiKey": "k",
            "secret": "s",
            "timeout": 5000,
            "enableRateLimit": False,
            "urls": {
                "api": {
                    **dict.fromkeys(("public", "private", "spot", "futures", "v2"), http),
                    "ws": {
                        "public": {
                            **dict.fromkeys(("spot", "inverse", "option"), ws),
                            "linear": ws + "/v5/public/linear",
                        },
                        "private": {
                            **dict.fromkeys(("spot", "contract", "usdc"), ws + "/v5/private"),
                            "trade": ws + "/v5/trade",
                        },
                    },
                }
            },
            "options": {
                "fetchMarkets": {"types": ["linear"]},
                "enableUnifiedMargin": False,
                "enableUnifiedAccount": True,
                "unifiedMarginStatus": 6,
                "ws": {"keepAlive": 5000, "compress": 0, "connectionTimeout": 3000},
            },
        }
    )
    exchange.has["fetchCurrencies"] = False
    urls = list(leaves(exchange.urls["api"]))
    strangers = [url for url in urls if not url.startswith((http, ws))]
    assert urls
    assert not strangers, f"urls that leave this machine: {strangers}"
    try:
        yield exchange
    finally:
        await exchange.close()


SCRIPT = ScriptedFlow(
    [
        snapshot(0, levels=60),
        snapshot(0, mid=300_000, instrument=ETH),
        trade(1_000, 1, 600_001, 7),
        trade(2_000, -1, 599_999, 8),
        depth(70_000, (1, 599_999, 42)),
    ]
)


async def test_rest() -> None:
    async with running(SCRIPT, BTC, ETH) as wire, client(wire) as exchange:
        async with wire.stream("tickers.BTCUSDT") as stream:
            await stream.until_closed()
        markets = await exchange.load_markets()
        assert set(markets) == {SYMBOL, "ETH/USDT:USDT"}
        market = markets[SYMBOL]
        assert (market["swap"], market["linear"], market["active"], market["contractSize"]) == (True, True, True, 1.0)
        assert (market["precision"]["price"], market["precision"]["amount"]) == (0.1, 0.001)
        assert (market["limits"]["amount"]["min"], market["limits"]["cost"]["min"]) == (0.001, 5.0)

        book = await exchange.fetch_order_book(SYMBOL, 50)
        assert (book["bids"][0], book["asks"][0]) == ([59999.9, 0.042], [60000.1, 0.01])
        assert (len(book["bids"]), len(book["asks"])) == (50, 50)

        ticker = await exchange.fetch_ticker(SYMBOL)
        assert (ticker["last"], ticker["bid"], ticker["ask"]) == (59999.9, 59999.9, 60000.1)
        assert (ticker["baseVolume"], ticker["markPrice"], ticker["indexPrice"]) == (0.015, 60000.0, 60000.0)
        assert (await exchange.fetch_ticker("ETH/USDT:USDT"))["last"] is None
        assert set(await exchange.fetch_tickers()) == set(markets)

        bars = await exchange.fetch_ohlcv(SYMBOL, "1m")
        minute = START // NS_PER_MS // 60_000 * 60_000
        assert bars == [
            [minute, 60000.1, 60000.1, 59999.9, 59999.9, 0.015],
            [minute + 60_000, 59999.9, 59999.9, 59999.9, 59999.9, 0.0],
        ]

        funding = await exchange.fetch_funding_rate(SYMBOL)
        assert (funding["fundingRate"], funding["fundingTimestamp"]) == (0.0001, 1_700_006_400_000)
        assert (funding["interval"], funding["markPrice"]) == ("8h", 60000.0)
        assert await exchange.fetch_funding_rate_history(SYMBOL) == []

        trades = await exchange.fetch_trades(SYMBOL)
        assert [(t["side"], t["price"], t["amount"]) for t in trades] == [
            ("buy", 60000.1, 0.007),
            ("sell", 59999.9, 0.008),
        ]
        assert await exchange.fetch_time() == START // NS_PER_MS + 70_000


async def test_websocket() -> None:
    flow = MergedFlow([SyntheticFlow(BTC, 7), SyntheticFlow(ETH, 7)])
    async with running(flow, BTC, ETH, speed=5) as wire, client(wire) as exchange:
        await exchange.load_markets()

        async def books() -> None:
            for _ in range(30):
                book = await exchange.watch_order_book(SYMBOL, 50)
                # ccxt keeps no more than it is told: were a level never deleted, the book would cross or grow.
                assert (len(book["bids"]), len(book["asks"])) == (50, 50)
                assert book["bids"][0][0] < book["asks"][0][0]

        async def trades() -> None:
            seen: list[str] = []
            while len(seen) < 30:
                new = [one for one in await exchange.watch_trades(SYMBOL) if one["id"] not in seen]
                seen += [one["id"] for one in new]
                assert all(one["side"] in ("buy", "sell") and one["amount"] > 0 for one in new)

        async def ticker() -> None:
            stamps = []
            for _ in range(10):
                one = await exchange.watch_ticker(SYMBOL)
                assert one["bid"] < one["ask"]
                assert abs(one["markPrice"] / one["bid"] - 1) < 1e-3
                stamps.append(one["timestamp"])
            assert stamps == sorted(stamps)
            assert stamps[-1] > stamps[0]

        await asyncio.wait_for(asyncio.gather(books(), trades(), ticker()), 20)
        assert set(exchange.clients) == {wire.url.replace("http:", "ws:") + "/v5/public/linear"}
        await exchange.un_watch_order_book(SYMBOL, {"limit": 50})


async def test_errors_are_the_clients_own_kinds() -> None:
    async with running(SCRIPT, BTC) as wire, client(wire) as exchange:
        await exchange.load_markets()
        with pytest.raises(ccxt.BadRequest):
            await exchange.fetch_order_book(SYMBOL, 501)
        with pytest.raises(ccxt.BadRequest, match="public market data only"):
            await exchange.create_order(SYMBOL, "limit", "buy", 0.001, 50_000)
        with pytest.raises(ccxt.BadRequest, match="public market data only"):
            await exchange.fetch_balance()
        for kind, error in (
            ({"kind": "http", "status": 502}, ccxt.ExchangeNotAvailable),
            ({"kind": "http", "status": 504}, ccxt.RequestTimeout),
            ({"kind": "http", "status": 403}, ccxt.RateLimitExceeded),
            ({"kind": "rate_limited"}, ccxt.RateLimitExceeded),
        ):
            await wire.fault(**kind)
            with pytest.raises(error):
                await exchange.fetch_order_book(SYMBOL)


async def test_a_lost_websocket_is_the_clients_network_error_and_it_comes_back() -> None:
    async with running(SyntheticFlow(BTC, 7), speed=5) as wire, client(wire) as exchange:
        await exchange.load_markets()
        await exchange.watch_order_book(SYMBOL, 50)
        await wire.fault(kind="close", code=1000, after=1)

        async def watch() -> None:
            while True:
                await asyncio.wait_for(exchange.watch_order_book(SYMBOL, 50), 5)

        with pytest.raises(ccxt.NetworkError, match="closing code 1000"):
            await watch()
        again = await asyncio.wait_for(exchange.watch_order_book(SYMBOL, 50), 5)
        assert (len(again["bids"]), len(again["asks"])) == (50, 50)
