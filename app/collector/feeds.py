"""The feed a configuration asks for."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from app.collector.settings import BYBIT, CollectorSettings
from app.venues.market_data import Feed, RowSink
from app.venues.reference import Reference

FetchReference = Callable[[], Awaitable[dict[str, Reference]]]


def make_feed(settings: CollectorSettings, symbols: Mapping[str, int], sink: RowSink) -> tuple[Feed, FetchReference]:
    """The feed of `symbols` (name → instrument id) into `sink`, and how to ask that venue for its filters."""
    # Each venue's libraries are loaded for that venue only: ccxt alone is 109 MB.
    if settings.venue == BYBIT:
        from app.venues.bybit.feed import BybitFeed
        from app.venues.bybit.reference import fetch_reference

        feed = BybitFeed(settings.ws_url, symbols, depth=settings.depth, sink=sink, patience_s=settings.stale_after_s)
        return feed, partial(fetch_reference, settings.rest_url, frozenset(symbols))

    from app.venues.ccxt_feed import CcxtFeed

    other = CcxtFeed(settings.venue, symbols, depth=settings.depth, sink=sink, options=settings.ccxt)
    return other, other.reference
