"""One symbol's state: prices, funding, tick directions, ticker fields."""

import pytest

from app.core.clock import NS_PER_MS, NS_PER_S
from app.market.rows import DEPTH_CLEAR, FUNDING, INDEX, MARK
from app.sandbox import ticker
from app.sandbox.feeds import TickerFeed
from app.sandbox.market import Market
from app.sandbox.timeline import Timeline, grid_after, grid_from
from app.sandbox.topics import Topic
from tests.sandbox.builders import BTC, START, depth, message, snapshot, trade


@pytest.fixture
def market() -> Market:
    timeline = Timeline()
    timeline.begin(START)
    market = Market(BTC, timeline)
    market.funding.begin(timeline.ms(START))
    return market


def apply(market: Market, *messages: object) -> None:
    for seq, one in enumerate(messages, market.seq + 1):
        market.apply(*one, seq)  # type: ignore[misc]


def announced(kind: int, px: float, qty: float = 0.0) -> object:
    one = message(0, [(kind, 0, 1, 0)])
    one.rows["px"], one.rows["qty"] = px, qty
    return one


def test_unknown_is_empty_and_left_out_of_the_snapshot_frame(market: Market) -> None:
    fields = ticker.fields(market)
    for name in ("lastPrice", "markPrice", "indexPrice", "bid1Price", "ask1Size", "highPrice24h", "tickDirection"):
        assert fields[name] == ""
        assert name not in ticker.known(fields)
    assert ticker.known(fields)["preOpenPrice"] == ""


def test_mark_and_index_are_the_mid_until_the_flow_tells_them(market: Market) -> None:
    apply(market, snapshot(0))
    assert ticker.fields(market)["markPrice"] == ticker.fields(market)["indexPrice"] == "60000.00"
    apply(market, announced(MARK, 60001.23), announced(INDEX, 60002.5), depth(1, (1, 600_000, 5)))
    assert ticker.fields(market)["markPrice"] == "60001.23"
    assert ticker.fields(market)["indexPrice"] == "60002.50"


def test_the_mark_outlives_one_side_of_the_book(market: Market) -> None:
    apply(market, snapshot(0), message(1, [(DEPTH_CLEAR, 1, 0, 0)]))
    fields = ticker.fields(market)
    assert (fields["bid1Price"], fields["bid1Size"], fields["ask1Price"]) == ("", "", "60000.1")
    assert fields["markPrice"] == "60000.00"


def test_funding_defaults_to_the_eight_hour_grid(market: Market) -> None:
    # START is 2023-11-14 22:13:20 UTC.
    fields = ticker.fields(market)
    assert fields["fundingRate"] == "0.0001"
    assert fields["fundingIntervalHour"] == "8"
    assert fields["nextFundingTime"] == str(1_700_006_400_000)
    market.advance(1_700_006_400_000 - 1)
    assert not market.funding.settlements
    market.advance(1_700_006_400_000)
    assert list(market.funding.settlements) == [(1_700_006_400_000, 0.0001)]
    assert ticker.fields(market)["nextFundingTime"] == str(1_700_006_400_000 + 8 * 3_600_000)


def test_funding_rows_win_unless_times_are_moved(market: Market) -> None:
    apply(market, announced(FUNDING, -0.00012345, 1_700_003_600))
    fields = ticker.fields(market)
    assert (fields["fundingRate"], fields["nextFundingTime"]) == ("-0.00012345", "1700003600000")
    market.funding.begin(0)
    market.timeline.shift_ns = NS_PER_S
    apply(market, announced(FUNDING, 0.0, 1_700_003_600))
    fields = ticker.fields(market)
    assert (fields["fundingRate"], fields["nextFundingTime"]) == ("0", str(8 * 3_600_000))


def test_tick_directions(market: Market) -> None:
    for i, ticks in enumerate([100, 100, 101, 101, 99, 99, 100]):
        apply(market, trade(i, 1, ticks, 1))
    assert [one.direction for one in market.recent] == [
        "ZeroPlusTick", "ZeroPlusTick", "PlusTick", "ZeroPlusTick", "MinusTick", "ZeroMinusTick", "PlusTick",
    ]  # fmt: skip
    assert len({one.id for one in market.recent}) == 7


def test_ticker_delta_tells_a_price_with_its_size(market: Market) -> None:
    apply(market, snapshot(0))
    feed = TickerFeed(Topic("tickers", 0, "BTCUSDT"), market)
    feed.start(START)
    assert feed.advance(START + 100 * NS_PER_MS) == []
    apply(market, depth(110, (1, 599_999, 77)))
    assert feed.advance(START + 150 * NS_PER_MS) == [], "tickers are pushed every 100 ms"
    (frame,) = feed.advance(START + 200 * NS_PER_MS)
    assert (
        frame == b'{"topic":"tickers.BTCUSDT","type":"delta",'
        b'"data":{"symbol":"BTCUSDT","bid1Price":"59999.9","bid1Size":"0.077"},"cs":2,"ts":1700000000200}'
    )


@pytest.mark.parametrize(("at", "after", "from_"), [(0, 10, 0), (1, 10, 10), (9, 10, 10), (10, 20, 10)])
def test_grid(at: int, after: int, from_: int) -> None:
    assert grid_after(at * NS_PER_MS) == after * NS_PER_MS
    assert grid_from(at * NS_PER_MS) == from_ * NS_PER_MS


def test_a_timeline_that_follows_the_wall_moves_by_whole_grid_steps() -> None:
    timeline = Timeline(follows_wall=True)
    timeline.begin(START + 3)
    assert timeline.shift_ns % (10 * NS_PER_MS) == 0
    assert 0 <= timeline.now_ns() - (START + 3 + timeline.shift_ns) < NS_PER_S
