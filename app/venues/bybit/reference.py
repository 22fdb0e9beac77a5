"""The venue's own figures for its symbols: `GET /v5/market/instruments-info`."""

import asyncio
import http.client
import urllib.error
import urllib.request
from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Final
from urllib.parse import quote

import msgspec

from app.core.errors import Misconfigured, Retryable
from app.venues.reference import Reference

_TIMEOUT_S: Final = 5.0
_BODY_MAX: Final = 32 << 20
_PAGES_MAX: Final = 50


class _PriceFilter(msgspec.Struct):
    tickSize: Decimal


class _LotFilter(msgspec.Struct):
    qtyStep: Decimal
    minOrderQty: Decimal
    minNotionalValue: Decimal | None = None


class _Entry(msgspec.Struct):
    symbol: str
    priceFilter: _PriceFilter
    lotSizeFilter: _LotFilter


class _Symbol(msgspec.Struct):
    symbol: str


class _Page(msgspec.Struct):
    entries: list[msgspec.Raw] = msgspec.field(default_factory=list, name="list")
    nextPageCursor: str = ""


class _Answer(msgspec.Struct):
    retCode: int
    retMsg: str = ""
    result: _Page = msgspec.field(default_factory=_Page)


async def fetch_reference(rest_url: str, symbols: Collection[str]) -> dict[str, Reference]:
    """The venue's tick, lot and minimums of those of `symbols` that it lists.

    Raises:
        Retryable: no answer, or one that is none (an error page, a cut body, a refusal).
        Misconfigured: `rest_url` is no HTTP address.
    """
    url = f"{rest_url.rstrip('/')}/v5/market/instruments-info"
    found: dict[str, Reference] = {}
    cursor = ""
    for _ in range(_PAGES_MAX):
        # urllib in a thread: one request at the start is not worth an HTTP library's memory (7 MB) in this process.
        body = await asyncio.to_thread(_get, url, cursor)
        try:
            page = _parse(body, url)
            found |= {entry.symbol: _reference(entry) for entry in _wanted(page, symbols)}
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Retryable(f"{url} answered with something that is no reply of this venue: {error}") from None
        cursor = page.nextPageCursor
        if not cursor or len(found) == len(symbols):
            break
    return found


def _parse(body: bytes, url: str) -> _Page:
    answer = msgspec.json.decode(body, type=_Answer)
    if answer.retCode != 0:
        raise Retryable(f"{url} refused: {answer.retCode} {answer.retMsg}")
    return answer.result


def _wanted(page: _Page, symbols: Collection[str]) -> Iterator[_Entry]:
    """The entries of `symbols`; the many others need not be of a shape we know."""
    for raw in page.entries:
        if msgspec.json.decode(raw, type=_Symbol).symbol in symbols:
            yield msgspec.json.decode(raw, type=_Entry)


def _reference(entry: _Entry) -> Reference:
    return Reference(
        tick_size=entry.priceFilter.tickSize,
        lot_size=entry.lotSizeFilter.qtyStep,
        min_qty=entry.lotSizeFilter.minOrderQty,
        min_notional=entry.lotSizeFilter.minNotionalValue,
    )


def _get(url: str, cursor: str) -> bytes:
    query = "?category=linear&limit=1000" + (f"&cursor={quote(cursor, safe='')}" if cursor else "")
    try:
        request = urllib.request.Request(url + query, headers={"Accept": "application/json"})
    except ValueError as error:
        raise Misconfigured(f"collector.rest_url: {error}") from None
    if request.type not in ("http", "https"):
        raise Misconfigured(f"collector.rest_url: {url} is not an http(s) address")
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
            body: bytes = response.read(_BODY_MAX)
            return body
    except urllib.error.HTTPError as error:
        error.close()
        raise Retryable(f"{url} answered {error.code}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Retryable(f"{url} cannot be reached: {error or type(error).__name__}") from None
