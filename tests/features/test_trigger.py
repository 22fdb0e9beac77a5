"""When a watch fires: conditions, side, cooldown, readiness, validity."""

import numpy as np
import pytest

from app.core.clock import NS_PER_S
from app.core.errors import Misconfigured
from app.core.strategy import Condition
from app.features.catalogue import NAMES, WARM_UPS_NS
from app.features.engine import FeatureEngine, Hold, Watch
from app.features.layout import HOLD_DUE, O_KIND, O_SIDE, O_TS
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, LAST
from tests.features.tapes import tape
from tests.market.builders import Row, clock, instrument, row, rows

BTC = instrument()
WINDOW = 1024
WARM_NS = max(WARM_UPS_NS)
T0 = 1_700_000_000 * NS_PER_S


def level(ts: int, side: int, tick: int, qty: float, flags: int = LAST) -> Row:
    return row(DEPTH_SET, side, tick / 10, qty, flags, ts=ts)


def warmed() -> list[Row]:
    """A two-sided book at T0 with bid 3 @ 1000 and ask 1 @ 1002, and clock rows until all features are ready."""
    start = [level(T0, 1, 1000, 3.0, 0), level(T0, -1, 1002, 1.0)]
    return start + [clock(T0 + i * NS_PER_S // 10) for i in range(1, WARM_NS * 10 // NS_PER_S + 1)]


def fired(watch: Watch, *parts: Row) -> list[tuple[int, int]]:
    """The (side, ts after warm-up) of what `watch` raises on a warmed book followed by `parts`."""
    engine = FeatureEngine([BTC], [watch], book_ticks=WINDOW)
    ints, _values = engine.table(rows(*warmed(), *parts))
    return [(side, ts - T0 - WARM_NS) for side, ts in ints[:, [O_SIDE, O_TS]].tolist()]


def at(offset: int) -> int:
    return T0 + WARM_NS + offset


@pytest.mark.parametrize(
    ("condition", "fires"),
    [
        ({"min": 0.5}, True), ({"min": 0.51}, False), ({"max": 0.5}, True), ({"max": 0.49}, False),
        ({"abs_min": 0.5}, True), ({"abs_min": 0.51}, False), ({"abs_max": 0.5}, True), ({"abs_max": 0.49}, False),
        ({"min": -1, "max": 1, "abs_min": 0.4, "abs_max": 0.6}, True), ({"min": 0.4, "max": 0.45}, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("side", [1, -1])
def test_every_bound_counts(condition: dict[str, float], fires: bool, side: int) -> None:
    """imbalance_1 is 0.5 on the warmed book, and -0.5 once 3 @ 1000 is 1 and 1 @ 1002 is 3."""
    if side < 0:
        mirrored = {"min": "max", "max": "min", "abs_min": "abs_min", "abs_max": "abs_max"}
        condition = {mirrored[k]: v if k.startswith("abs") else -v for k, v in condition.items()}
    watch = Watch("w", 1, "imbalance_1", (Condition(feature="imbalance_1", **condition),))
    parts = [level(at(1), 1, 990, 0)] if side > 0 else [level(at(1), 1, 1000, 1, 0), level(at(1), -1, 1002, 3)]
    assert fired(watch, *parts) == ([(side, 1)] if fires else [])


def test_all_conditions_must_hold() -> None:
    wide, narrow = Condition(feature="spread_ticks", max=2), Condition(feature="spread_ticks", max=1)
    imbalanced = Condition(feature="imbalance_10", min=0.1)
    touch = level(at(1), 1, 990, 0)
    assert fired(Watch("w", 1, "imbalance_1", (imbalanced, wide)), touch) == [(1, 1)]
    assert fired(Watch("w", 1, "imbalance_1", (imbalanced, narrow)), touch) == []


def test_a_side_feature_of_zero_is_no_side() -> None:
    assert fired(Watch("w", 1, "imbalance_1"), level(at(1), 1, 1000, 1.0)) == []


def test_a_candidate_is_raised_at_the_end_of_a_message_only() -> None:
    watch = Watch("w", 1, "imbalance_1")
    assert fired(watch, level(at(1), 1, 1000, 4, 0), level(at(1), 1, 999, 4, 0)) == []
    assert fired(watch, level(at(1), 1, 1000, 4, 0), level(at(1), 1, 999, 4)) == [(1, 1)]


def test_the_cooldown_runs_from_the_last_candidate() -> None:
    touches = [level(at(t), 1, 990, 0) for t in (0, 40, 99, 100, 150, 200, 201)]
    assert [ts for _side, ts in fired(Watch("w", 1, "imbalance_1", cooldown_ns=100), *touches)] == [0, 100, 200]


def test_without_a_cooldown_there_is_still_one_candidate_a_ts() -> None:
    touches = [level(at(t), 1, 990 - i, 0) for i, t in enumerate((1, 1, 1, 2, 2))]
    assert [ts for _side, ts in fired(Watch("w", 1, "imbalance_1"), *touches)] == [1, 2]


def test_nothing_fires_before_the_warm_up_or_on_half_a_book() -> None:
    watch = Watch("w", 1, "imbalance_1")
    engine = FeatureEngine([BTC], [watch], book_ticks=WINDOW)
    early = [*warmed()[:-1], level(at(-1), 1, 990, 0)]
    assert len(engine.table(rows(*early))[0]) == 0
    assert len(engine.table(rows(level(at(0), 1, 991, 0)))[0]) == 1
    assert fired(watch, row(DEPTH_CLEAR, -1, 0, 0, ts=at(1)), level(at(2), 1, 999, 1)) == []


def test_watches_on_one_instrument_fire_in_their_order() -> None:
    watches = [Watch("b", 1, "imbalance_1"), Watch("a", 1, "imbalance_5")]
    engine = FeatureEngine([BTC], watches, book_ticks=WINDOW)
    ints, values = engine.table(rows(*warmed(), level(at(1), 1, 990, 0)))
    assert ints[:, 1].tolist() == [0, 1]
    np.testing.assert_array_equal(values[0], values[1])


def test_an_unknown_feature_in_a_condition_is_misconfigured() -> None:
    with pytest.raises(Misconfigured, match="feature 'nope' is not in the catalogue"):
        FeatureEngine([BTC], [Watch("w", 1, "ofi_1s", (Condition(feature="nope", min=0),))], book_ticks=WINDOW)


def test_a_hold_is_evaluated_at_the_first_row_at_or_after_it_is_due() -> None:
    engine = FeatureEngine([BTC], [], book_ticks=WINDOW)
    engine.set_holds([Hold(1, due=at(10), every_ns=100)])
    parts = [level(at(9), 1, 990, 0), level(at(30), 1, 991, 0), clock(at(109)), clock(at(110)), clock(at(350))]
    assert _holds_at(engine, *warmed(), *parts) == [30, 110, 350]
    assert [due - at(0) for due in engine.due()] == [410]


def test_a_hold_that_is_not_ready_stays_due() -> None:
    engine = FeatureEngine([BTC], [], book_ticks=WINDOW)
    engine.set_holds([Hold(1, due=T0 + 5, every_ns=10 * NS_PER_S)])
    gone, back = row(DEPTH_CLEAR, 1, 0, 0, ts=at(-50)), level(at(70), 1, 1000, 1)
    early = [part for part in warmed() if part[1] < at(-50)]
    assert _holds_at(engine, *early, gone, clock(at(0)), clock(at(60)), back, clock(at(90))) == [70]


def test_a_clock_row_within_an_unfinished_message_evaluates_nothing() -> None:
    engine = FeatureEngine([BTC], [], book_ticks=WINDOW)
    engine.set_holds([Hold(1, due=at(1), every_ns=NS_PER_S)])
    parts = [level(at(1), 1, 999, 4, 0), clock(at(2)), level(at(3), 1, 999, 4)]
    assert _holds_at(engine, *warmed(), *parts) == [3]


def test_more_finds_than_fit_in_one_call_are_all_found() -> None:
    everything = tape(31, 900)
    engine = FeatureEngine([BTC], [Watch("a", 1), Watch("b", 1), Watch("c", 1)], book_ticks=WINDOW)
    ints, _values = engine.table(everything)
    ends = ((everything["flags"] & LAST) != 0) & (everything["instrument"] == 1)
    assert len(ints) == 3 * int(ends.sum()) > 2000


def test_names_in_the_catalogue_cover_the_groups() -> None:
    from app.features.evaluate import GROUP_OF

    assert len(GROUP_OF) == len(NAMES)


def _holds_at(engine: FeatureEngine, *parts: Row) -> list[int]:
    ints, values = engine.table(rows(*parts))
    assert (ints[:, O_KIND] == HOLD_DUE).all()
    assert np.isfinite(values).all()
    return (ints[:, O_TS] - at(0)).tolist()  # type: ignore[no-any-return]
