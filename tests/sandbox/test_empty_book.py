"""A tape may begin before its book does; its first snapshot is empty, and dated like any other."""

import msgspec

from app.market.instruments import read_instruments
from app.sandbox.feeds import BookFeed
from app.sandbox.market import Market
from app.sandbox.timeline import Timeline
from app.sandbox.topics import parse_topic
from app.settings import ROOT

START_NS = 1_723_161_256_320_000_000


def test_an_empty_snapshot_carries_the_time_of_the_beginning():
    timeline = Timeline()
    timeline.begin(START_NS)
    market = Market(read_instruments(ROOT / "config" / "symbols.yml")["BTCUSDT"], timeline)
    topic = parse_topic("orderbook.50.BTCUSDT")
    assert topic is not None
    feed = BookFeed(topic, market)
    feed.start(START_NS)
    (frame,) = map(msgspec.json.decode, feed.snapshot(START_NS))
    assert frame["data"]["b"] == frame["data"]["a"] == []
    assert frame["cts"] == START_NS // 1_000_000
