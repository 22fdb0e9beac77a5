"""REST answers."""

from decimal import Decimal
from typing import Any

import aiohttp
import pytest

from app.core.clock import NS_PER_MS
from app.sandbox.flow import ScriptedFlow
from tests.sandbox.builders import BTC, ETH, START, Wire, depth, running, snapshot, trade

START_MS = START // NS_PER_MS
MINUTE = 60_000
MESSAGES = [
    snapshot(0, levels=300),
    snapshot(0, mid=300_000, instrument=ETH),
    trade(1_000, 1, 600_001, 7),
    trade(2_000, -1, 599_999, 8),
    # START is 40 s before a whole minute; two minutes without a trade lie between.
    trade(3 * MINUTE, 1, 600_101, 9),
    depth(3 * MINUTE + 5, (1, 599_999, 77)),
    depth(5 * MINUTE, (1, 599_998, 78)),
]
FLOW = ScriptedFlow(MESSAGES)


async def finished(wire: Wire) -> Wire:
    async with wire.stream("tickers.BTCUSDT") as stream:
        await stream.until_closed()
    return wire


async def test_time_is_event_time() -> None:
    async with running(FLOW, BTC, ETH) as wire:
        answer = await wire.get("/v5/market/time")
        assert answer == {
            "retCode": 0,
            "retMsg": "OK",
            "result": {"timeSecond": str(START_MS // 1000), "timeNano": str(START)},
            "retExtInfo": {},
            "time": START_MS,
        }


async def test_instruments_are_those_of_the_configuration() -> None:
    async with running(FLOW, BTC, ETH) as wire:
        path = "/v5/market/instruments-info"
        result = await wire.result(path, category="linear", limit=1000)
        assert (result["category"], result["nextPageCursor"]) == ("linear", "")
        btc, eth = result["list"]
        assert btc["symbol"] == "BTCUSDT"
        assert btc["priceFilter"]["tickSize"] == "0.1"
        assert btc["lotSizeFilter"]["qtyStep"] == "0.001"
        assert btc["lotSizeFilter"]["minNotionalValue"] == "5"
        assert btc["fundingInterval"] == 480
        assert Decimal(btc["priceFilter"]["maxPrice"]) == Decimal("1999999.8")
        assert (await wire.result(path, category="linear", symbol="ETHUSDT"))["list"] == [eth]
        assert (await wire.result(path, category="linear", status="PreLaunch"))["list"] == []
        assert (await wire.result(path, category="spot"))["list"] == []


async def test_orderbook_is_the_book_to_any_depth() -> None:
    async with running(FLOW, BTC, ETH) as wire:
        path = "/v5/market/orderbook"
        book = await wire.result(path, symbol="BTCUSDT", category="linear", limit=500)
        assert (len(book["b"]), len(book["a"]), book["s"]) == (300, 300, "BTCUSDT")
        assert book["b"][:2] == [["59999.9", "0.010"], ["59999.8", "0.020"]]
        assert book["a"][:2] == [["60000.1", "0.010"], ["60000.2", "0.020"]]
        assert book["ts"] == book["cts"] == START_MS
        assert len((await wire.result(path, symbol="ETHUSDT"))["b"]) == 5
        await finished(wire)
        after = await wire.result(path, symbol="BTCUSDT", limit=2)
        assert after["b"] == [["59999.9", "0.077"], ["59999.8", "0.078"]]
        assert after["u"] == book["u"] + 2
        assert after["seq"] > book["seq"]


async def test_tickers() -> None:
    async with running(FLOW, BTC, ETH) as wire:
        await finished(wire)
        btc, eth = (await wire.result("/v5/market/tickers", category="linear"))["list"]
        expected = {
            "symbol": "BTCUSDT", "lastPrice": "60010.1", "prevPrice24h": "60000.1", "highPrice24h": "60010.1",
            "lowPrice24h": "59999.9", "price24hPcnt": "0.000167", "volume24h": "0.024", "turnover24h": "1440.0908",
            "bid1Price": "59999.9", "bid1Size": "0.077", "ask1Price": "60000.1", "ask1Size": "0.010",
            "markPrice": "60000.00", "fundingRate": "0.0001", "tickDirection": "PlusTick",
        }  # fmt: skip
        assert {name: btc[name] for name in expected} == expected
        assert Decimal("60000.1") * 7 + Decimal("59999.9") * 8 + Decimal("60010.1") * 9 == Decimal("1440090.8")
        assert (eth["symbol"], eth["lastPrice"]) == ("ETHUSDT", "")
        (only,) = (await wire.result("/v5/market/tickers", category="linear", symbol="ETHUSDT"))["list"]
        assert only == eth


async def test_kline_repeats_the_close_where_nothing_traded() -> None:
    async with running(FLOW, BTC, ETH) as wire:
        assert (await wire.result("/v5/market/kline", symbol="BTCUSDT", interval=1))["list"] == []
        await finished(wire)
        first = START_MS // MINUTE * MINUTE
        query: dict[str, Any] = {"symbol": "BTCUSDT", "category": "linear", "interval": 1}
        bars = (await wire.result("/v5/market/kline", **query, start=first, limit=4))["list"]
        assert bars == [
            [str(first + 3 * MINUTE), "60010.1", "60010.1", "60010.1", "60010.1", "0.009", "540.0909"],
            [str(first + 2 * MINUTE), "59999.9", "59999.9", "59999.9", "59999.9", "0", "0.0000"],
            [str(first + 1 * MINUTE), "59999.9", "59999.9", "59999.9", "59999.9", "0", "0.0000"],
            [str(first), "60000.1", "60000.1", "59999.9", "59999.9", "0.015", "899.9999"],
        ]
        newest = (await wire.result("/v5/market/kline", **query, limit=2))["list"]
        assert [bar[0] for bar in newest] == [str(first + 5 * MINUTE), str(first + 4 * MINUTE)]
        assert (await wire.result("/v5/market/kline", **query, end=first))["list"] == bars[-1:]
        day = (await wire.result("/v5/market/kline", **{**query, "interval": "D"}))["list"]
        assert [bar[5] for bar in day] == ["0.024"]


async def test_recent_trades_newest_first() -> None:
    async with running(FLOW, BTC, ETH) as wire:
        await finished(wire)
        trades = (await wire.result("/v5/market/recent-trade", symbol="BTCUSDT", category="linear", limit=2))["list"]
        assert [(t["price"], t["size"], t["side"], t["time"]) for t in trades] == [
            ("60010.1", "0.009", "Buy", str(START_MS + 3 * MINUTE)),
            ("59999.9", "0.008", "Sell", str(START_MS + 2_000)),
        ]


async def test_funding_history_has_the_times_that_passed() -> None:
    flow = ScriptedFlow([*MESSAGES, depth(120 * MINUTE, (1, 599_998, 79))])
    async with running(flow, BTC, ETH) as wire:
        path, query = "/v5/market/funding/history", {"symbol": "BTCUSDT", "category": "linear"}
        assert (await wire.result(path, **query))["list"] == []
        await finished(wire)
        # 2023-11-15 00:00 UTC lies within the two hours of the flow.
        paid = {"symbol": "BTCUSDT", "fundingRate": "0.0001", "fundingRateTimestamp": "1700006400000"}
        assert (await wire.result(path, **query))["list"] == [paid]
        assert (await wire.result(path, **query, startTime=1_700_006_400_001))["list"] == []


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        ("/v5/market/orderbook", {"symbol": "NOPEUSDT"}, "params error: symbol invalid"),
        ("/v5/market/orderbook", {}, "params error: symbol invalid"),
        ("/v5/market/orderbook", {"symbol": "BTCUSDT", "category": "spot"}, "params error: symbol invalid"),
        ("/v5/market/orderbook", {"symbol": "BTCUSDT", "limit": "501"}, "params error: limit invalid"),
        ("/v5/market/orderbook", {"symbol": "BTCUSDT", "limit": "-1"}, "params error: limit invalid"),
        ("/v5/market/orderbook", {"symbol": "BTCUSDT", "limit": "²"}, "params error: limit invalid"),
        ("/v5/market/recent-trade", {"symbol": "BTCUSDT", "limit": "0"}, "params error: limit invalid"),
        ("/v5/market/tickers", {}, "params error: Category is invalid"),
        ("/v5/market/tickers", {"category": "bonds"}, "params error: Category is invalid"),
        ("/v5/market/kline", {"symbol": "BTCUSDT", "interval": "7"}, "Invalid period! interval must be one of 1, 3, "),
        ("/v5/market/kline", {"symbol": "BTCUSDT", "interval": "1", "start": "x"}, "params error: start invalid"),
    ],
)
async def test_bad_parameters_are_10001(path: str, query: dict[str, str], text: str) -> None:
    async with running(FLOW, BTC, ETH) as wire:
        answer = await wire.get(path, **query)
        assert (answer["retCode"], answer["result"]) == (10001, {})
        assert answer["retMsg"].startswith(text)


@pytest.mark.parametrize(
    "path", ["/v5/order/create", "/v5/position/list", "/v5/account/wallet-balance", "/v5/user/query-api"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_the_private_side_is_refused_by_name(method: str, path: str) -> None:
    async with running(FLOW) as wire, wire.http.request(method, wire.url + path) as response:
        answer = await response.json()
        assert (response.status, answer["retCode"]) == (404, 10001)
        assert answer["retMsg"] == f"the sandbox has public market data only: {path} is not available"


async def test_unknown_paths_are_not_found() -> None:
    async with (
        running(FLOW) as wire,
        aiohttp.ClientSession() as http,
        http.get(wire.url + "/v5/market/nope") as response,
    ):
        answer = await response.json()
        assert (response.status, answer["retCode"]) == (404, 10017)
        assert answer["retMsg"] == "route not found: /v5/market/nope"
