"""The catalogue: its order, its hash, and which way each feature looks."""

import re

import numpy as np
import pytest

from app.core.clock import NS_PER_S
from app.core.errors import Misconfigured, SchemaMismatch
from app.features import catalogue
from app.features.catalogue import COUNT, FEATURES, NAMES, SCHEMA, WARM_UP_MOST_NS, check_schema, index_of, oriented


def test_names_are_unique_and_indexed_in_order() -> None:
    assert len(set(NAMES)) == COUNT
    assert [index_of(name) for name in NAMES] == list(range(COUNT))


def test_an_unknown_feature_is_named_with_those_that_exist() -> None:
    with pytest.raises(Misconfigured, match="feature 'imbalance_6' is not in the catalogue; it has spread_ticks, "):
        index_of("imbalance_6")


def test_the_order_and_the_hash_are_pinned() -> None:
    """Bundles and archives carry the hash: it changes only when a value does, and then on purpose."""
    assert NAMES == (
        "spread_ticks", "microprice_ticks", "imbalance_1", "imbalance_5", "imbalance_10", "imbalance_20",
        "depth_slope", "depth_slope_skew", "ofi_100ms", "ofi_1s", "ofi_5s", "ofi_30s", "multilevel_ofi_100ms",
        "multilevel_ofi_1s", "multilevel_ofi_5s", "multilevel_ofi_30s", "queue_depletion_1s", "queue_cancels_1s",
        "cancel_rate_5s", "trade_flow_100ms", "trade_flow_1s", "trade_flow_5s", "trade_flow_30s", "trade_rate_1s",
        "trade_rate_5s", "vpin", "since_trade", "realised_vol_1s", "realised_vol_5s", "realised_vol_10s",
        "realised_vol_30s", "return_100ms", "return_500ms", "return_1s", "return_5s", "trend_10s", "trend_30s",
        "range_10s", "position_10s", "range_60s", "position_60s", "since_move", "basis", "mark_known", "funding",
        "day_sin", "day_cos",
    )  # fmt: skip
    assert SCHEMA == "903780dc3fa0cc5b"


def test_the_hash_follows_the_kernel_version(monkeypatch: pytest.MonkeyPatch) -> None:
    assert catalogue._schema() == SCHEMA
    monkeypatch.setattr(catalogue, "KERNEL_VERSION", catalogue.KERNEL_VERSION + 1)
    assert catalogue._schema() != SCHEMA


def test_the_hash_follows_order_and_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "FEATURES", FEATURES[::-1])
    assert catalogue._schema() != SCHEMA


def test_every_feature_says_what_it_is() -> None:
    for feature in FEATURES:
        assert re.fullmatch(r"[a-z][a-z0-9_]*", feature.name)
        assert feature.formula
        assert feature.unit
        assert feature.source
        assert feature.warm_up_ns >= min(feature.window_ns, WARM_UP_MOST_NS) >= 0
        assert feature.approximate == (feature.window_ns > WARM_UP_MOST_NS)


def test_there_are_enough_of_them_and_none_delays_trading_for_long() -> None:
    assert COUNT >= 32
    assert max(feature.warm_up_ns for feature in FEATURES) == WARM_UP_MOST_NS == 10 * NS_PER_S


def test_oriented_turns_the_sided_columns_only() -> None:
    values = np.arange(1.0, 1 + 2 * COUNT).reshape(2, COUNT)
    turned = oriented(values, [1, -1])
    np.testing.assert_array_equal(turned[0], values[0])
    signs = [-1.0 if feature.sided else 1.0 for feature in FEATURES]
    np.testing.assert_array_equal(turned[1], values[1] * signs)
    np.testing.assert_array_equal(oriented(values[1], -1), turned[1])


def test_another_schema_is_refused() -> None:
    check_schema(SCHEMA, where="bundle")
    with pytest.raises(SchemaMismatch, match="bundle was made under feature schema 'abc', this program has "):
        check_schema("abc", where="bundle")
