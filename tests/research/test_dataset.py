"""Samples are what the live kernel sees, and look at nothing later but their label."""

from dataclasses import replace

import numpy as np
import pytest

from app.core.clock import NS_PER_MS, NS_PER_S
from app.core.errors import Misconfigured, SchemaMismatch
from app.features import catalogue
from app.features.catalogue import index_of, oriented
from app.features.engine import FeatureEngine, Watch
from app.features.layout import O_SIDE, O_TS
from app.market.rows import Rows
from app.research.dataset import Recipe, Samples, join, sample
from app.research.split import split
from tests.research.markets import BTC, TRIGGER, market

RECIPE = Recipe(TRIGGER, horizon_ms=2000, margin_bps=0.2)


@pytest.fixture(scope="module")
def rows() -> Rows:
    return market(60, seed=1)


@pytest.fixture(scope="module")
def samples(rows: Rows) -> Samples:
    return sample(rows, BTC, RECIPE)


def test_candidates_are_those_of_the_live_engine(rows: Rows, samples: Samples) -> None:
    watch = Watch("live", BTC.id, TRIGGER.side_feature, TRIGGER.conditions, TRIGGER.cooldown_ms * NS_PER_MS)
    engine = FeatureEngine((BTC,), (watch,), book_ticks=65_536)
    tables = [engine.table(rows[i : i + 97]) for i in range(0, len(rows), 97)]
    found = np.concatenate([table[0] for table in tables])
    features = np.concatenate([table[1] for table in tables])
    known = found[:, O_TS] <= rows["ts_recv"][-1] - 2 * NS_PER_S
    candidates = samples.take(samples.candidate)
    assert len(candidates) > 20
    np.testing.assert_array_equal(candidates.ts, found[known, O_TS])
    np.testing.assert_array_equal(candidates.side, found[known, O_SIDE])
    expected = oriented(features[known], found[known, O_SIDE]).astype(np.float32)
    np.testing.assert_array_equal(candidates.features, expected)
    assert (candidates.features[:, index_of("imbalance_5")] >= 0.3).all()


def test_the_background_is_seen_from_both_sides(samples: Samples) -> None:
    background = samples.take(~samples.candidate)
    long, short = (background.take(background.side == side) for side in (1, -1))
    np.testing.assert_array_equal(long.ts, short.ts)
    assert len(np.unique(long.ts // (100 * NS_PER_MS))) == len(long)
    imbalance, spread = index_of("imbalance_5"), index_of("spread_ticks")
    np.testing.assert_array_equal(long.features[:, imbalance], -short.features[:, imbalance])
    np.testing.assert_array_equal(long.features[:, spread], short.features[:, spread])
    assert not (long.label & short.label).any()
    assert 0.05 < long.label.mean() < 0.6


def test_nothing_later_is_looked_at(rows: Rows, samples: Samples) -> None:
    end = int(rows["ts_recv"][0]) + 40 * NS_PER_S
    cut = sample(rows[rows["ts_recv"] <= end], BTC, RECIPE)
    same = samples.take(samples.ts <= end - 2 * NS_PER_S)
    for name in ("ts", "side", "features", "label", "candidate"):
        np.testing.assert_array_equal(getattr(cut, name), getattr(same, name))


def test_samples_are_in_time_order(samples: Samples) -> None:
    assert (np.diff(samples.ts) >= 0).all()


def test_samples_say_under_which_schema_they_were_made(samples: Samples) -> None:
    assert samples.schema == samples.between(0, 1).schema == join([samples, samples]).schema == catalogue.SCHEMA
    samples.check_schema()
    other = replace(samples, schema="0123456789abcdef")
    with pytest.raises(SchemaMismatch, match="under feature schema '0123456789abcdef', this program has '"):
        other.check_schema()
    with pytest.raises(SchemaMismatch, match=r"samples of feature schemas .* cannot be joined; sample all recordings"):
        join([samples, other])


def _at(times: list[int]) -> Samples:
    ts = np.array(times)
    ones = np.ones(len(ts), np.int64)
    return Samples(ts, ones, np.zeros((len(ts), 1), np.float32), ones > 0, ones > 0, catalogue.SCHEMA)


def test_a_split_is_in_time_order_with_nothing_before_its_cuts() -> None:
    parts = split([_at([0, 1]), _at(list(range(100, 200)))], train_share=0.5, tune_share=0.25, embargo_ns=7)
    assert parts.train.ts.tolist() == [0, 1, *range(100, 143)]
    assert parts.tune.ts.tolist() == list(range(150, 168))
    assert parts.test.ts.tolist() == list(range(175, 200))


@pytest.mark.parametrize(
    ("last", "match"),
    [
        ([], "the last recording has no samples; it is needed for the test"),
        (list(range(10)), "the train set has no candidates; the recordings are too short"),
    ],
)
def test_too_short_a_recording_is_refused(last: list[int], match: str) -> None:
    with pytest.raises(Misconfigured, match=match):
        split([_at(last)], train_share=0.5, tune_share=0.25, embargo_ns=7)


def test_recordings_out_of_order_are_refused() -> None:
    with pytest.raises(Misconfigured, match="overlap or are not in time order; give them oldest first"):
        split([_at([200, 300]), _at(list(range(100, 250)))], train_share=0.5, tune_share=0.2, embargo_ns=1)


def test_joined_samples_keep_the_order_of_their_parts_at_equal_times() -> None:
    first, second = _at([1, 5]), _at([1, 3])
    second.side[:] = -1
    joined = join([first, second])
    assert list(zip(joined.ts.tolist(), joined.side.tolist(), strict=True)) == [(1, 1), (1, -1), (3, -1), (5, 1)]
