"""The ccxt adapter's own parts: loading, book differences, and what it says about a venue."""

import asyncio
import socket
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Misconfigured
from app.sandbox.flow import ScriptedFlow
from app.venues.ccxt_book import BookView
from app.venues.ccxt_feed import CcxtFeed, load_ccxt
from app.venues.reference import Reference
from tests.sandbox import builders
from tests.venues.loopback import ccxt_options
from tests.venues.sink import MemorySink

SIDE = st.dictionaries(st.integers(1, 30), st.integers(1, 9), max_size=12)


@given(st.lists(st.tuples(SIDE, SIDE), min_size=1, max_size=8))
def test_differences_add_up_to_each_book(books: list[tuple[dict[int, int], dict[int, int]]]) -> None:
    view, built = BookView(), {1: dict[float, float](), -1: dict[float, float]()}
    for bids, asks in books:
        changes = view.advance([[float(p), float(q)] for p, q in bids.items()], [[p, q] for p, q in asks.items()])
        for side, px, qty in changes:
            assert built[side].get(px, 0.0) != qty, "no news"
            if qty:
                built[side][px] = qty
            else:
                del built[side][px]
        assert built == {1: bids, -1: asks}


def test_unusable_levels_are_left_out_and_counted() -> None:
    view = BookView()
    bad: list[Any] = [[0.0, 1.0], [-1.0, 1.0], [float("nan"), 1.0], [1.0, float("inf")], [None, 1.0], [2.0, None]]
    assert view.advance([*bad, [5.0, 1.0]], []) == [(1, 5.0, 1.0)]
    assert (view.take_bad(), view.take_bad()) == (6, 0)


def test_a_forgotten_book_is_given_whole_again() -> None:
    view = BookView()
    assert not view.forget()
    view.advance([[5.0, 1.0]], [])
    assert view.known
    assert view.forget()
    assert view.advance([[5.0, 1.0]], []) == [(1, 5.0, 1.0)]


def test_without_ccxt_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ccxt.pro", None)  # what Python finds for a package that is not installed
    with pytest.raises(Misconfigured, match=r"'kraken' is reached through ccxt, .*: pip install 'aviary\[ccxt\]'"):
        load_ccxt("kraken")


class TestWithCcxt:
    @pytest.fixture(autouse=True)
    def _ccxt(self) -> None:
        pytest.importorskip("ccxt", reason="the ccxt extra is not installed")

    def test_unknown_venue_is_misconfigured(self) -> None:
        with pytest.raises(Misconfigured, match=r"'bybit_v6' is neither 'bybit_v5' nor a ccxt\.pro exchange"):
            load_ccxt("bybit_v6")

    async def test_unreachable_venue(self) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{taken.getsockname()[1]}"
            feed = CcxtFeed("bybit", {"BTCUSDT": 1}, depth=50, sink=MemorySink(), options=ccxt_options(url))
            end = await feed.run()
        assert end.reason == "unreachable"
        assert end.detail.startswith("bybit: ")

    async def test_unlisted_symbol_is_misconfigured_and_the_rest_is_reported(self) -> None:
        flow = ScriptedFlow([builders.snapshot(0)])
        async with builders.running(flow, speed=1.0) as wire:
            options = ccxt_options(wire.url)
            feed = CcxtFeed("bybit", {"BTCUSDT": 1, "NOSUCH": 2}, depth=50, sink=MemorySink(), options=options)
            with pytest.raises(
                Misconfigured, match=r"bybit has no market NOSUCH; shard\.symbols must be the venue's own"
            ):
                await feed.run()
            feed = CcxtFeed("bybit", {"BTCUSDT": 1}, depth=50, sink=MemorySink(), options=options)
            feed.stop("not running yet: no effect")
            assert await self._reference(feed) == Reference(
                tick_size=Decimal("0.1"), lot_size=Decimal("0.001"), min_qty=Decimal("0.001"), min_notional=Decimal(5)
            )

    async def _reference(self, feed: CcxtFeed) -> Reference:
        task = asyncio.create_task(feed.run())
        try:
            async with asyncio.timeout(10):
                return (await feed.reference())["BTCUSDT"]
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
