"""Asking Bybit for its filters, over a real HTTP server."""

import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from app.core.errors import Misconfigured, Retryable
from app.market.instruments import Instrument
from app.venues.bybit.reference import fetch_reference
from app.venues.reference import Reference, differences


def entry(symbol: str, **lot: str) -> dict[str, Any]:
    sizes = {"qtyStep": "0.001", "minOrderQty": "0.001", "minNotionalValue": "5", "maxOrderQty": "1190.000", **lot}
    return {"symbol": symbol, "priceFilter": {"tickSize": "0.10", "minPrice": "0.10"}, "lotSizeFilter": sizes}


def page(*entries: Any, cursor: str = "", code: int = 0, text: str = "OK") -> bytes:
    result = {"category": "linear", "list": entries, "nextPageCursor": cursor}
    return json.dumps({"retCode": code, "retMsg": text, "result": result, "retExtInfo": {}, "time": 1}).encode()


class Rest:
    """Answers requests with what a test put in, in order."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes]] = []
        self.paths: list[str] = []
        self.url = ""


@pytest.fixture
def rest() -> Iterator[Rest]:
    served = Rest()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.paths.append(self.path)
            status, body = served.answers.pop(0)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield served
        server.shutdown()
        thread.join()


async def test_filters_of_the_symbols_asked_for(rest: Rest) -> None:
    rest.answers = [(200, page(entry("BTCUSDT"), {"symbol": "ODDUSDT", "priceFilter": None}, entry("ETHUSDT")))]
    found = await fetch_reference(rest.url + "/", {"BTCUSDT", "NOSUCH"})
    assert found == {"BTCUSDT": Reference(Decimal("0.10"), Decimal("0.001"), Decimal("0.001"), Decimal(5))}
    assert rest.paths == ["/v5/market/instruments-info?category=linear&limit=1000"]


async def test_pages_are_followed_until_all_are_found(rest: Rest) -> None:
    rest.answers = [(200, page(entry("A"), cursor="first%3DA")), (200, page(entry("BTCUSDT"), cursor="more"))]
    assert set(await fetch_reference(rest.url, {"BTCUSDT"})) == {"BTCUSDT"}
    assert rest.paths[1] == "/v5/market/instruments-info?category=linear&limit=1000&cursor=first%253DA"
    assert len(rest.paths) == 2


async def test_a_venue_that_names_no_minimum_notional(rest: Rest) -> None:
    bare = entry("BTCUSDT")
    del bare["lotSizeFilter"]["minNotionalValue"]
    rest.answers = [(200, page(bare))]
    assert (await fetch_reference(rest.url, {"BTCUSDT"}))["BTCUSDT"].min_notional is None


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (503, b"", "answered 503"),
        (403, b"<html>access too frequent</html>", "answered 403"),
        (200, b"<html>", "no reply of this venue"),
        (200, b"", "no reply of this venue"),
        (200, page(entry("BTCUSDT"))[:-40], "no reply of this venue"),
        (200, page({"symbol": "BTCUSDT"}), "no reply of this venue"),
        (200, page(entry("BTCUSDT", qtyStep="")), "no reply of this venue"),
        (200, page(code=10006, text="Too many visits!"), "refused: 10006 Too many visits!"),
    ],
)
async def test_anything_else_may_be_tried_again(rest: Rest, status: int, body: bytes, words: str) -> None:
    rest.answers = [(status, body)]
    with pytest.raises(Retryable, match=words):
        await fetch_reference(rest.url, {"BTCUSDT"})


async def test_nobody_there() -> None:
    with pytest.raises(Retryable, match="cannot be reached"):
        await fetch_reference("http://127.0.0.1:1", {"BTCUSDT"})


@pytest.mark.parametrize("url", ["nonsense", "ftp://127.0.0.1", "file:///etc"])
async def test_no_http_address_is_misconfigured(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"collector\.rest_url"):
        await fetch_reference(url, {"BTCUSDT"})


def test_differences_name_field_and_both_values() -> None:
    ours = Instrument.model_validate(
        {"id": 1, "symbol": "X", "base": "X", "tick_size": "0.1", "lot_size": "0.001", "min_qty": "0.001"}
        | {"max_qty": "10", "min_notional": "5"}
    )
    same = Reference(Decimal("0.10"), Decimal("0.0010"), Decimal("0.001"), None)
    assert differences(ours, same) == {}
    other = same._replace(tick_size=Decimal("0.5"), min_notional=Decimal(10))
    assert differences(ours, other) == {
        "tick_size": (Decimal("0.1"), Decimal("0.5")),
        "min_notional": (Decimal(5), Decimal(10)),
    }
