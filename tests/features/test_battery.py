"""What must hold for every feature: cutting, truncation, snapshots, purity, bounded memory, antisymmetry."""

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import SchemaMismatch
from app.core.strategy import Condition
from app.features.catalogue import COUNT, FEATURES, NAMES
from app.features.engine import EngineState, FeatureEngine, Found, Hold, Watch
from app.features.layout import O_ASK, O_BID, O_SIDE, TIME_PASSED
from app.market.rows import DEPTH_CLEAR, DEPTH_SET, FUNDING, MARK, QUOTE, TRADE, Rows
from app.market.words import words
from tests.features.tapes import tape
from tests.market.builders import instrument

PAIR = [instrument(), instrument(2, "ETHUSDT", "0.01")]
TAPE = tape(11, 700, instruments=2, step_ms=40)
WINDOW = 1024
TRIGGER = (Condition(feature="imbalance_5", abs_min=0.2), Condition(feature="spread_ticks", max=20))
WATCHES = [
    Watch("eth", 2, "imbalance_5", TRIGGER, cooldown_ns=300_000_000),
    Watch("every", 1),
    Watch("btc", 1, "ofi_1s", TRIGGER[1:], cooldown_ns=0),
]
HOLDS = [Hold(2, due=0, every_ns=250_000_000), Hold(1, due=0, every_ns=90_000_000)]

Outcome = list[tuple[Found, list[float] | None]]


def make_engine() -> FeatureEngine:
    engine = FeatureEngine(PAIR, WATCHES, book_ticks=WINDOW)
    engine.set_holds(HOLDS)
    return engine


def feed(engine: FeatureEngine, rows: Rows) -> Outcome:
    ints, floats = words(rows.copy())
    stop, at, outcome = engine.sift(ints, floats, 0, len(ints)), 0, []
    while at < stop:
        at = engine.advance(ints, floats, at, stop)
        for i, found in enumerate(engine.found()):
            outcome.append((found, None if found.kind == TIME_PASSED else engine.features(i)))
    return outcome


WHOLE = make_engine()
OUTCOME = feed(WHOLE, TAPE)


def test_the_tape_exercises_everything() -> None:
    fired = {(found.kind, found.which) for found, _values in OUTCOME}
    assert fired == {(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)}
    assert {found.side for found, _values in OUTCOME} == {-1, 0, 1}


@settings(max_examples=40)
@given(st.lists(st.integers(0, len(TAPE)), max_size=60))
def test_how_rows_are_cut_changes_no_bit(cuts: list[int]) -> None:
    engine, outcome = make_engine(), []
    for start, stop in _pieces(cuts):
        outcome += feed(engine, TAPE[start:stop])
    assert repr(outcome) == repr(OUTCOME)
    assert engine.state() == WHOLE.state()


def test_one_row_at_a_time_changes_no_bit() -> None:
    engine, outcome = make_engine(), []
    for i in range(len(TAPE)):
        outcome += feed(engine, TAPE[i : i + 1])
    assert repr(outcome) == repr(OUTCOME)
    assert engine.state() == WHOLE.state()


@settings(max_examples=25)
@given(st.integers(0, len(TAPE)))
def test_a_call_may_stop_at_any_time_and_go_on(cut: int) -> None:
    until = int(TAPE["ts_recv"][min(cut, len(TAPE) - 1)])
    engine = make_engine()
    ints, floats = words(TAPE.copy())
    stop, at, found = engine.sift(ints, floats, 0, len(ints)), 0, []
    while at < stop and ints[at, 1] < until:
        at = engine.advance(ints, floats, at, stop, until)
        found += engine.found()
    assert at == np.searchsorted(TAPE["ts_recv"], until)
    while at < stop:
        at = engine.advance(ints, floats, at, stop)
        found += engine.found()
    assert found == [one for one, _values in OUTCOME]


@settings(max_examples=25)
@given(st.integers(0, len(TAPE)), st.integers(0, 2**31))
def test_nothing_after_t_changes_a_value_at_t(cut: int, other: int) -> None:
    ends_at = int(TAPE["ts_recv"][cut - 1]) if cut else 0
    future = tape(other, 20, instruments=2, start=ends_at + 1)
    outcome = feed(make_engine(), np.concatenate([TAPE[:cut], future]))
    before = [one for one in OUTCOME if one[0].ts <= ends_at]
    # Rows with the time of the last one may still be missing from the cut tape.
    settled = [one for one in before if one[0].ts < ends_at]
    assert repr(outcome[: len(settled)]) == repr(settled)


@settings(max_examples=25)
@given(st.integers(0, len(TAPE)))
def test_a_restored_engine_goes_on_as_if_never_stopped(cut: int) -> None:
    first, second = make_engine(), make_engine()
    feed(second, tape(99, 30))
    outcome = feed(first, TAPE[:cut])
    blob = msgspec.msgpack.encode(first.state())
    second.set_holds([hold._replace(due=due) for hold, due in zip(HOLDS, first.due(), strict=True)])
    second.set_state(msgspec.msgpack.decode(blob, type=EngineState))
    outcome += feed(second, TAPE[cut:])
    assert repr(outcome) == repr(OUTCOME)
    assert second.state() == WHOLE.state()


def test_evaluating_changes_nothing() -> None:
    watched, blind = make_engine(), FeatureEngine(PAIR, [], book_ticks=WINDOW)
    feed(watched, TAPE)
    feed(blind, TAPE)
    assert msgspec.structs.replace(watched.state(), fired={}) == blind.state()


def test_memory_is_bounded() -> None:
    engine = make_engine()
    sizes = []
    for part in range(6):
        feed(engine, tape(11, 700, instruments=2, step_ms=40, start=int(TAPE["ts_recv"][-1]) * (part > 0) + 1))
        sizes.append(len(msgspec.msgpack.encode(engine.state())))
        arrays = [value for value in vars(engine).values() if isinstance(value, np.ndarray)]
        assert sum(array.nbytes for array in arrays) < 200_000
    assert max(sizes) < 20_000


def mirrored(rows: Rows, ticks: int) -> Rows:
    """Bids for asks, prices reflected in `ticks` / 2, and funding paid the other way."""
    rows = rows.copy()
    rows["side"] = -rows["side"]
    priced = np.isin(rows["kind"], (DEPTH_SET, TRADE, QUOTE, MARK))
    rows["px"][priced] = ticks * 0.1 - rows["px"][priced]
    rows["px"][rows["kind"] == FUNDING] *= -1
    return rows


@pytest.mark.parametrize("seed", [21, 22])
def test_sided_features_change_sign_in_the_mirror_and_the_others_do_not(seed: int) -> None:
    rows = tape(seed, 900)
    assert (rows["kind"] == DEPTH_CLEAR).any()
    straight, values = FeatureEngine(PAIR[:1], [Watch("every", 1)], book_ticks=WINDOW).table(rows)
    mirror, reflected = FeatureEngine(PAIR[:1], [Watch("every", 1)], book_ticks=WINDOW).table(mirrored(rows, 20_000))
    known = straight[:, O_BID] > 0
    np.testing.assert_array_equal(mirror[known, O_ASK], 20_000 - straight[known, O_BID])
    for i, feature in enumerate(FEATURES):
        expected = -values[:, i] if feature.sided else values[:, i]
        # A return is relative to the price, which a reflection moves by up to 1 % on this tape.
        relative = feature.unit.startswith("bps")
        np.testing.assert_allclose(reflected[:, i], expected, rtol=0.02 if relative else 1e-9, atol=1e-9)
        assert np.nanmax(np.abs(values[:, i])) > 0


def test_candidates_change_side_in_the_mirror() -> None:
    def table(rows: Rows) -> tuple[np.ndarray, np.ndarray]:
        watch = Watch("w", 1, "imbalance_5", TRIGGER, cooldown_ns=50_000_000)
        return FeatureEngine(PAIR[:1], [watch], book_ticks=WINDOW).table(rows)

    rows = tape(23, 900)
    straight, _values = table(rows)
    mirror, _reflected = table(mirrored(rows, 20_000))
    assert len(straight) > 20
    np.testing.assert_array_equal(mirror[:, O_SIDE], -straight[:, O_SIDE])


def test_a_snapshot_of_other_ticks_or_another_window_is_refused() -> None:
    state = WHOLE.state()
    other = [instrument(tick_size="0.5"), PAIR[1]]
    with pytest.raises(SchemaMismatch, match=r"BTCUSDT \(id 1\) with tick size 0\.1, the configuration says 0\.5"):
        FeatureEngine(other, [], book_ticks=WINDOW).set_state(state)
    with pytest.raises(SchemaMismatch, match="book snapshot has book_ticks 1024"):
        FeatureEngine(PAIR, [], book_ticks=2048).set_state(state)


def test_instruments_may_come_and_go_between_snapshot_and_restore() -> None:
    """The instrument that stays goes on where it was; the one that is new begins anew."""
    cut = len(TAPE) // 2
    before, after = make_engine(), FeatureEngine([instrument(5, "SOLUSDT"), PAIR[1]], [], book_ticks=WINDOW)
    feed(before, TAPE[:cut])
    after.set_state(before.state())
    feed(after, TAPE[cut:])
    assert after.state().instruments[2] == WHOLE.state().instruments[2]
    fresh = FeatureEngine([instrument(5, "SOLUSDT")], [], book_ticks=WINDOW).state()
    assert after.state().instruments[5] == fresh.instruments[5]


def test_under_another_catalogue_books_stay_and_statistics_begin_anew() -> None:
    state = msgspec.structs.replace(WHOLE.state(), schema="of an older version")
    engine = make_engine()
    engine.set_state(state)
    assert engine.state().instruments[1].book == state.instruments[1].book
    ints, values = engine.table(tape(12, 200, start=int(TAPE["ts_recv"][-1]) + 1))
    assert np.isnan(values).any(axis=1).all()
    assert len(ints) > 100


def test_every_feature_can_be_a_condition_and_a_side() -> None:
    for name in NAMES:
        watch = Watch(name, 1, name, (Condition(feature=name, max=1e9),))
        ints, values = FeatureEngine(PAIR[:1], [watch], book_ticks=WINDOW).table(TAPE)
        assert len(ints) > 50
        assert np.isfinite(values).all()
        assert values.shape == (len(ints), COUNT)
        np.testing.assert_array_equal(np.sign(values[:, NAMES.index(name)]), ints[:, O_SIDE])


def _pieces(cuts: list[int]) -> list[tuple[int, int]]:
    edges = sorted({0, len(TAPE), *cuts})
    return list(pairwise(edges))
