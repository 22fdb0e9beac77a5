"""The kernel against the formulas, at every message end and every clock row."""

import numpy as np
import pytest

from app.features.catalogue import COUNT, WARM_UPS_NS, index_of
from app.features.engine import FeatureEngine, Found, Hold, Watch
from app.features.layout import HOLD_DUE, O_TS, TIME_PASSED, WATCH_FIRED
from app.market.rows import CLOCK, LAST, Rows
from app.market.words import words
from tests.features.naive import NaiveFeatures
from tests.features.tapes import START, tape
from tests.market.builders import binance_rows, instrument

BTC = instrument()
WINDOW = 4096
# Decays are multiplied up in another order than the formula says; nothing else differs.
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def _found(engine: FeatureEngine, rows: Rows) -> list[tuple[Found, list[float]]]:
    ints, floats = words(rows.copy())
    stop, at, found = engine.sift(ints, floats, 0, len(ints)), 0, []
    while at < stop:
        at = engine.advance(ints, floats, at, stop)
        found += [(one, engine.features(i)) for i, one in enumerate(engine.found())]
    return found


@pytest.mark.parametrize(
    ("seed", "step_ms", "gap_ms"), [(1, 30, 0), (2, 30, 0), (3, 30, 9_000), (4, 30, 11_000), (5, 110, 0)]
)
def test_every_message_and_clock_row_gives_what_the_formulas_give(seed: int, step_ms: float, gap_ms: int) -> None:
    rows = tape(seed, 800, step_ms=step_ms, gap_ms=gap_ms)
    naive = NaiveFeatures(BTC, WINDOW)
    expected = []
    for row in rows:
        ends, ts = naive.advance(row), int(row["ts_recv"])
        if row["kind"] == CLOCK:
            expected.append((TIME_PASSED, ts, None))
        if ends:
            expected.append((WATCH_FIRED, ts, naive.values(ts)))
        values = naive.values(ts)
        # A hold due at every row is evaluated whenever all features are ready.
        if (ends or row["kind"] == CLOCK) and np.isfinite(values).all():
            expected.append((HOLD_DUE, ts, values))
    engine = FeatureEngine([BTC], [Watch("every", 1)], book_ticks=WINDOW)
    engine.set_holds([Hold(1, due=0, every_ns=1)])
    found = _found(engine, rows)
    # Two rows at one ts give one hold: it is due again 1 ns later.
    expected = _one_hold_a_ts(expected)
    assert [(one.kind, one.ts) for one, _values in found] == [(kind, ts) for kind, ts, _values in expected]
    for (one, values), (_kind, _ts, formula) in zip(found, expected, strict=True):
        if one.kind != TIME_PASSED:
            np.testing.assert_allclose(values, formula, **CLOSE)
    ready = sum(np.isfinite(values).all() for one, values in found if one.kind == WATCH_FIRED)
    assert ready > 100
    assert sum(one.kind == HOLD_DUE for one, _values in found) > 100


def _one_hold_a_ts(expected: list) -> list:  # type: ignore[type-arg]
    kept, held = [], None
    for entry in expected:
        if entry[0] == HOLD_DUE:
            if entry[1] == held:
                continue
            held = entry[1]
        kept.append(entry)
    return kept


def test_two_instruments_do_not_mix() -> None:
    rows = tape(5, 600, instruments=2)
    pair = [instrument(), instrument(2, "ETHUSDT", "0.01")]
    both = FeatureEngine(pair, [Watch("a", 1), Watch("b", 2)], book_ticks=WINDOW)
    ints, values = both.table(rows)
    for number, one in enumerate(pair):
        alone = FeatureEngine([one], [Watch("x", one.id)], book_ticks=WINDOW)
        own = rows[(rows["instrument"] == one.id) | (rows["kind"] == CLOCK)]
        own_ints, own_values = alone.table(own)
        chosen = ints[:, 1] == number
        np.testing.assert_array_equal(ints[chosen, 2:], own_ints[:, 2:])
        np.testing.assert_array_equal(values[chosen], own_values)


def test_a_feature_is_nan_until_it_has_seen_enough() -> None:
    rows = tape(6, 900)
    ints, values = FeatureEngine([BTC], [Watch("every", 1)], book_ticks=WINDOW).table(rows)
    two_sided = np.isfinite(values[:, index_of("spread_ticks")])
    for i in range(COUNT):
        old_enough = ints[:, O_TS] - START >= WARM_UPS_NS[i]
        np.testing.assert_array_equal(np.isfinite(values[:, i]), two_sided & old_enough)


def test_an_empty_side_makes_every_feature_nan() -> None:
    rows = tape(7, 900)
    ints, values = FeatureEngine([BTC], [Watch("every", 1)], book_ticks=WINDOW).table(rows)
    one_sided = (ints[:, 5] < 0) | (ints[:, 6] < 0)
    assert one_sided.sum() > 3
    assert np.isnan(values[one_sided]).all()
    assert not np.isnan(values[~one_sided]).all(axis=1).any()


def test_a_recording_gives_what_the_formulas_give(shared_data) -> None:  # type: ignore[no-untyped-def]
    rows = binance_rows(shared_data / "binance_usdm" / "btcusdt_20240719.jsonl.gz", most=40_000)
    assert rows["ts_recv"][-1] - rows["ts_recv"][0] > 12e9
    naive = NaiveFeatures(BTC, 65_536)
    ints, values = FeatureEngine([BTC], [Watch("every", 1)], book_ticks=65_536).table(rows)
    ends = np.flatnonzero(rows["flags"] & LAST)
    wanted = set(ends[:: len(ends) // 60].tolist())
    evaluation = 0
    for at, row in enumerate(rows):
        if naive.advance(row):
            if at in wanted:
                np.testing.assert_allclose(values[evaluation], naive.values(int(row["ts_recv"])), **CLOSE)
            evaluation += 1
    assert evaluation == len(ints)
    assert np.isfinite(values[-1]).all()
