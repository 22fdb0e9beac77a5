"""Bars against a plain grouping of the trades."""

from hypothesis import given, settings
from hypothesis import strategies as st

from app.sandbox.candles import DAY_MS, HOUR_MS, INTERVALS, MINUTE_MS, Candles

T0 = 1_700_000_040_000  # a whole minute
TRADES = st.lists(st.tuples(st.integers(0, 20 * MINUTE_MS), st.integers(1, 50), st.integers(1, 9)), min_size=1)


@settings(deadline=None)
@given(TRADES, st.sampled_from(["1", "3", "5", "15"]))
def test_bars_are_the_trades_grouped(trades: list[tuple[int, int, int]], interval: str) -> None:
    width = INTERVALS[interval]
    trades = sorted(trades, key=lambda trade: trade[0])
    candles = Candles()
    for ms, ticks, lots in trades:
        candles.add(T0 + ms, ticks, lots)
    until = T0 + trades[-1][0] + 2 * width
    bars = candles.bars(width, until)
    assert [bar.start_ms for bar in bars] == list(range(bars[0].start_ms, until // width * width + 1, width))
    close = 0
    for bar in bars:
        of_it = [(ticks, lots) for ms, ticks, lots in trades if bar.start_ms <= T0 + ms < bar.start_ms + width]
        prices = [ticks for ticks, _ in of_it] or [close]
        assert (bar.open, bar.high, bar.low, bar.close) == (prices[0], max(prices), min(prices), prices[-1])
        assert bar.lots == sum(lots for _, lots in of_it)
        assert bar.tick_lots == sum(ticks * lots for ticks, lots in of_it)
        close = bar.close


@settings(deadline=None)
@given(TRADES)
def test_the_day_is_all_trades_of_it(trades: list[tuple[int, int, int]]) -> None:
    candles = Candles()
    for ms, ticks, lots in sorted(trades, key=lambda trade: trade[0]):
        candles.add(T0 + ms, ticks, lots)
    day = candles.day()
    assert day is not None
    assert (day.high, day.low) == (max(t for _, t, _ in trades), min(t for _, t, _ in trades))
    assert day.lots == sum(lots for _, _, lots in trades)


def test_what_is_older_than_a_day_is_forgotten() -> None:
    candles = Candles()
    candles.add(T0, 1000, 1)
    candles.add(T0 + HOUR_MS, 10, 2)
    candles.add(T0 + DAY_MS, 20, 4)
    day = candles.day()
    assert day is not None
    assert (day.open, day.high, day.low, day.close, day.lots) == (10, 20, 10, 20, 6)
    assert candles.hour_ago() == 20
    assert len(candles.bars(INTERVALS["D"], T0 + DAY_MS)) == 2


def test_a_late_trade_counts_in_the_latest_minute() -> None:
    candles = Candles()
    candles.add(T0 + MINUTE_MS, 10, 1)
    candles.add(T0 + MINUTE_MS - 1, 30, 1)
    (bar,) = candles.bars(MINUTE_MS, T0 + MINUTE_MS)
    assert (bar.high, bar.close, bar.lots) == (30, 30, 2)


def test_before_the_first_trade_there_is_nothing() -> None:
    assert Candles().day() is None
    assert Candles().bars(MINUTE_MS, T0) == []
