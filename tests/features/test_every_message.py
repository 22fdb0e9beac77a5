"""Computing all features at the end of every venue message finds what computing them on demand finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.strategy import Condition
from app.features.catalogue import COUNT
from app.features.engine import FeatureEngine, Hold, Watch
from app.market.rows import CLOCK
from app.market.words import words
from tests.features.tapes import tape
from tests.market.builders import instrument

SIDES = (Condition(feature="imbalance_5", abs_min=0.1), Condition(feature="spread_ticks", max=50.0))
WATCHES = (
    Watch("often", 1, "imbalance_5", SIDES, cooldown_ns=1),
    Watch("beside it", 1, "ofi_1s", (Condition(feature="depth_slope", min=0.0),), cooldown_ns=300_000_000),
    Watch("each", 1),
)


def engine(watches: tuple[Watch, ...], *, every_message: bool) -> FeatureEngine:
    return FeatureEngine([instrument()], watches, book_ticks=4096, every_message=every_message)


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([WATCHES, WATCHES[:1], WATCHES[:2], WATCHES[1:]]))
def test_the_same_is_found(seed: int, watches: tuple[Watch, ...]) -> None:
    rows = tape(seed, 600, step_ms=60)
    found = []
    for every_message in (False, True):
        one = engine(watches, every_message=every_message)
        one.set_holds([Hold(1, int(rows["ts_recv"][300]), 500_000_000)])
        found.append(one.table(rows))
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1], equal_nan=True)


@pytest.mark.parametrize("every_message", [False, True])
def test_it_is_computed_though_nothing_asks(every_message: bool) -> None:
    """Without a watch nothing is found either way; what the kernel computed can be seen in the row it would fill."""
    one = engine((), every_message=every_message)
    rows = tape(3, 400, step_ms=60)
    ints, floats = words(rows[rows["kind"] != CLOCK])
    one.advance(ints, floats, 0, one.sift(ints, floats, 0, len(ints)))
    assert one.found() == []
    assert np.count_nonzero(one.features(0)) > COUNT // 2 if every_message else not np.any(one.features(0))
