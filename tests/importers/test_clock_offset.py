"""The recorder's clock: found to be wrong by the right amount, whatever single lines say."""

import numpy as np
import pytest

from app.importers.clock_offset import ClockFix, OffsetEstimate, Times

MS = 1_000_000
S = 1000 * MS
T0 = 1_723_161_600 * S


def delays(count: int, seed: int) -> Times:
    """Delays of a feed: 1 ms at least, mostly a few, sometimes many."""
    rng = np.random.default_rng(seed)
    return MS + (rng.exponential(4 * MS, count) + rng.exponential(20 * MS, count) * (rng.random(count) < 0.1)).astype(
        np.int64
    )


def fix(offset_ns: int, *, ppm: float = 0.0, minutes: float = 5, count: int = 50_000, seed: int = 3) -> ClockFix:
    event = T0 + np.linspace(0, minutes * 60 * S, count).astype(np.int64) // MS * MS
    local = event + delays(count, seed) + offset_ns
    local += ((event - T0) * ppm * 1e-6).astype(np.int64)
    estimate = OffsetEstimate()
    for start in range(0, count, 7000):
        estimate.update(local[start : start + 7000], event[start : start + 7000])
    found = estimate.get()
    fixed = found.apply(local) - event
    assert fixed.min() >= (0 if found.base else MS)
    assert (np.diff(found.apply(np.sort(local))) >= 0).all()
    assert found.at(int(local[-1])) == pytest.approx(int(found.apply(local[-1:])[0]), abs=1)
    return found


@pytest.mark.parametrize("offset_s", [-3600.0, -1.27, -0.01, 5.0, 7200.0])
def test_a_wrong_clock_is_put_right_to_the_fastest_message(offset_s: float) -> None:
    found = fix(round(offset_s * S))
    assert found.base == pytest.approx(offset_s * S + MS, abs=0.1 * MS)
    assert found.slope == 0


@pytest.mark.parametrize("offset_s", [0.0, 0.1, 1.9])
def test_a_clock_that_may_be_right_is_left_alone(offset_s: float) -> None:
    found = fix(round(offset_s * S))
    assert (found.base, found.slope) == (0, 0)
    assert found.method.startswith("none: the smallest delay, ")


def test_a_drift_of_a_long_recording_is_followed() -> None:
    found = fix(-S, ppm=-8, minutes=600, count=200_000)
    assert found.slope == pytest.approx(-8e-6, rel=0.02)
    assert found.drift_ppm == pytest.approx(-8, rel=0.02)
    assert found.method == "line under the smallest delays of local − exchange time"


def test_a_small_drift_is_told_and_left() -> None:
    found = fix(-S, ppm=-5, minutes=6)
    assert found.slope == 0
    assert found.drift_ppm == pytest.approx(-5, abs=1)


@pytest.mark.parametrize("wrong_by_s", [-86_400.0, -0.5, 0.5, 86_400.0])
@pytest.mark.parametrize("how_many", [1, 50])
def test_lines_with_a_wrong_time_move_nothing(wrong_by_s: float, how_many: int) -> None:
    event = T0 + np.arange(20_000) * 10 * MS
    local = event + delays(20_000, 5) - S
    right, wrong = OffsetEstimate(), OffsetEstimate()
    right.update(local, event)
    event[100 : 100 + how_many] += round(wrong_by_s * S)
    wrong.update(local, event)
    assert wrong.get().base == pytest.approx(right.get().base, abs=0.3 * MS)


def test_few_messages_are_enough_and_none_is_said_to_be() -> None:
    assert OffsetEstimate().get().method == "none: no message tells the exchange's time"
    estimate = OffsetEstimate()
    estimate.update(np.array([T0 - S]), np.array([T0]))
    assert estimate.get().base == -S
