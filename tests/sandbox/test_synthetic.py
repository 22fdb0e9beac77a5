"""The synthetic market has the habits it claims, on a fixed seed."""

import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from app.core.clock import NS_PER_S
from app.market.rows import LAST, SNAPSHOT, TRADE, faults
from app.sandbox.flow import MergedFlow
from app.sandbox.market import Market
from app.sandbox.synthetic import START_NS, SyntheticFlow
from app.sandbox.timeline import Timeline
from tests.sandbox.builders import BTC, ETH, INSTRUMENTS

SECONDS = 900
Numbers = npt.NDArray[np.float64]


@dataclass
class Sample:
    """A stretch of the market, one entry a venue message; times in s, spreads in ticks, quantities in lots."""

    ts: Numbers
    mid: Numbers
    spread: Numbers
    imbalance: Numbers
    depth: Numbers
    traded_levels: Numbers
    cpu_s: float

    def mids(self, step: float) -> Numbers:
        """The mid at every `step` seconds."""
        grid = np.arange(1, SECONDS, step)
        return self.mid[np.searchsorted(self.ts, grid, side="right") - 1]

    def returns(self) -> Numbers:
        """Log returns of one second."""
        return np.diff(np.log(self.mids(1.0)))


@pytest.fixture(scope="module")
def sample() -> Sample:
    market, found, levels = Market(BTC, Timeline()), [], []
    begin = time.process_time()
    for seq, (when, rows) in enumerate(SyntheticFlow(BTC, 7).messages()):
        if when > START_NS + SECONDS * NS_PER_S:
            break
        market.apply(when, rows, seq)
        market.fresh.clear()
        bids, asks = market.book.bids.top(5), market.book.asks.top(5)
        bid, ask = next(iter(bids)), next(iter(asks))
        bought, sold = sum(bids.values()), sum(asks.values())
        found.append((when - START_NS, (bid + ask) / 2, ask - bid, (bought - sold) / (bought + sold), bought + sold))
        if rows["kind"][0] == TRADE:
            levels.append(len(rows))
    cpu_s = time.process_time() - begin
    ts, mid, spread, imbalance, depth = np.array(found, dtype=np.float64).T
    return Sample(ts / NS_PER_S, mid, spread, imbalance, depth, np.array(levels, dtype=np.float64), cpu_s)


def correlation(a: Numbers, b: Numbers) -> float:
    return float(np.corrcoef(a, b)[0, 1])


def test_volatility_clusters(sample: Sample) -> None:
    size = np.abs(sample.returns())
    for lag in (1, 2, 5):
        assert correlation(size[:-lag], size[lag:]) > 0.1


def test_returns_have_fat_tails(sample: Sample) -> None:
    returns = sample.returns() - sample.returns().mean()
    assert (returns**4).mean() / (returns**2).mean() ** 2 > 4
    assert 0.5 < returns.std() * 1e4 < 3, "basis points per second"


def test_arrivals_cluster(sample: Sample) -> None:
    for width in (0.1, 1.0):
        counts = np.bincount((sample.ts / width).astype(int))
        assert counts.var() / counts.mean() > 1.5
    assert 20 < len(sample.ts) / SECONDS < 200


def test_the_spread_is_mostly_one_tick(sample: Sample) -> None:
    lasted = np.diff(sample.ts)
    share = lasted[sample.spread[:-1] == 1].sum() / lasted.sum()
    assert 0.7 < share < 0.97
    assert sample.spread.min() == 1
    assert sample.spread.max() > 20


def test_depth_moves(sample: Sample) -> None:
    low, high = np.quantile(sample.depth, (0.1, 0.9))
    assert high > 2 * low


def test_imbalance_leads_the_next_move_of_the_mid(sample: Sample) -> None:
    moves = np.flatnonzero(np.diff(sample.mid))
    assert len(moves) > 1000
    assert correlation(sample.imbalance[moves], np.sign(np.diff(sample.mid)[moves])) > 0.1


@pytest.mark.parametrize("horizon_s", [1, 5])
def test_imbalance_leads_for_seconds(sample: Sample, horizon_s: int) -> None:
    grid = np.arange(1, SECONDS - horizon_s, 0.25)
    now = np.searchsorted(sample.ts, grid, side="right") - 1
    then = np.searchsorted(sample.ts, grid + horizon_s, side="right") - 1
    forward = np.log(sample.mid[then] / sample.mid[now])
    # Leads, but is no oracle: half of the pressure is only for show.
    assert 0.1 < correlation(sample.imbalance[now], forward) < 0.6


def test_large_trades_sweep_several_levels(sample: Sample) -> None:
    assert 0.5 < (sample.traded_levels == 1).mean() < 0.95
    assert sample.traded_levels.max() > 10


def test_much_faster_than_real_time(sample: Sample) -> None:
    assert sample.cpu_s / SECONDS * 20 < 1


@pytest.mark.parametrize("instrument", list(INSTRUMENTS), ids=lambda instrument: instrument.symbol)
def test_every_symbol_gives_rows_a_kernel_may_see(instrument: object) -> None:
    flow = SyntheticFlow(instrument, 3)  # type: ignore[arg-type]
    market, before = Market(instrument, Timeline()), 0  # type: ignore[arg-type]
    for seq, (when, rows) in enumerate(flow.messages()):
        if seq == 3000:
            break
        assert when >= before
        before = when
        assert not faults(rows).any()
        assert rows["flags"][-1] & LAST
        assert not (rows["flags"][:-1] & LAST).any()
        assert (rows["flags"] & SNAPSHOT).any() == (seq == 0)
        assert (rows["ts_event"] == when).all()
        market.apply(when, rows, seq)
        market.fresh.clear()
        bid, ask = market.book.bids.best(), market.book.asks.best()
        assert bid is not None
        assert ask is not None
        assert bid[0] < ask[0], "the book is crossed"
        assert min(len(market.book.bids), len(market.book.asks)) > 200
        assert max(len(market.book.bids), len(market.book.asks)) < 2000
    # Prices are the floats nearest to their decimals, as a parser of the venue's strings would have them.
    prices = rows["px"]
    assert all(float(instrument.price(instrument.ticks(px))) == px for px in prices)  # type: ignore[attr-defined]


def test_trades_take_what_is_there() -> None:
    market = Market(BTC, Timeline())
    for seq, (when, rows) in enumerate(SyntheticFlow(BTC, 5).messages()):
        if seq == 5000:
            break
        if rows["kind"][0] == TRADE:
            side = int(rows["side"][0])
            resting = (market.book.asks if side > 0 else market.book.bids).top(400)
            ticks, lots = market.notation.ticks(rows), market.notation.lots(rows)
            assert ticks == [price for price in resting if price in ticks], "best first, at prices that have orders"
            assert all(taken <= resting[price] for price, taken in zip(ticks, lots, strict=True))
        market.apply(when, rows, seq)


def first(flow: object, n: int) -> list[bytes]:
    messages = flow.messages()  # type: ignore[attr-defined]
    return [next(messages).rows.tobytes() for _ in range(n)]


def test_the_seed_decides_everything() -> None:
    assert first(SyntheticFlow(BTC, 7), 500) == first(SyntheticFlow(BTC, 7), 500)
    assert first(SyntheticFlow(BTC, 7), 50) != first(SyntheticFlow(BTC, 8), 50)
    flow = SyntheticFlow(ETH, 7)
    assert first(flow, 50) == first(flow, 50), "a flow can be played twice"


def test_symbols_under_one_seed_move_apart_and_merge_in_order() -> None:
    messages = MergedFlow([SyntheticFlow(BTC, 7), SyntheticFlow(ETH, 7)]).messages()
    found = [next(messages) for _ in range(2000)]
    whens = [one.when for one in found]
    assert whens == sorted(whens)
    by_symbol = [[one.when for one in found if one.rows["instrument"][0] == i.id] for i in (BTC, ETH)]
    assert min(map(len, by_symbol)) > 500
    assert len(set(by_symbol[0]) & set(by_symbol[1])) < 5
