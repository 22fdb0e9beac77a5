"""Trouble on the line: spikes, bursts, slow cancellations, spells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.core.clock import NS_PER_MS, NS_PER_S
from app.core.ids import cancel_id
from app.sim.bursts import Bursts
from app.sim.disturbed import Disturbed, disturbed
from app.sim.latency import ConstantLatency, LognormalLatency, latency_model
from app.sim.settings import BurstSettings, LatencySettings, SimSettings, SpellSettings, SpikeSettings
from app.sim.spells import Spells

BASE = ConstantLatency(5 * NS_PER_MS, 4 * NS_PER_MS)
KEYS = [f"order-{n}" for n in range(2000)]
T = 1_723_161_600 * NS_PER_S


def under(**latency) -> SimSettings:
    return SimSettings(latency=LatencySettings(**latency))


def test_without_trouble_the_model_is_left_alone():
    assert disturbed(BASE, SimSettings()) is BASE


def test_lognormal_has_the_median_and_the_tail_it_is_given(tmp_path):
    settings = LatencySettings(model="lognormal", order_ms=5, response_ms=50, p99_over_median=14, seed=3)
    model = latency_model(settings, root=tmp_path)
    order = np.array([model.order_ns(f"k{n}", T) for n in range(20_000)]) / NS_PER_MS
    assert np.median(order) == pytest.approx(5, rel=0.03)
    assert np.quantile(order, 0.99) == pytest.approx(70, rel=0.1)
    assert order.min() > 0
    response = np.array([model.response_ns(f"k{n}", T) for n in range(20_000)]) / NS_PER_MS
    assert np.median(response) == pytest.approx(50, rel=0.03)
    assert abs(np.corrcoef(np.log(order), np.log(response))[0, 1]) < 0.03


def test_a_message_is_as_unlucky_under_another_median():
    fast = LognormalLatency(5 * NS_PER_MS, 1, p99_over_median=10, seed=1)
    slow = LognormalLatency(50 * NS_PER_MS, 1, p99_over_median=10, seed=1)
    for key in KEYS[:50]:
        assert slow.order_ns(key) == pytest.approx(10 * fast.order_ns(key), abs=10)
    assert LognormalLatency(5, 7, p99_over_median=1, seed=1).response_ns("x") == 7


def test_spikes_hit_their_share_and_stay_below_their_most():
    model = disturbed(BASE, under(spikes=SpikeSettings(share=0.1, scale_ms=50, alpha=1.5, most_ms=400), seed=5))
    extra = np.array([model.order_ns(key, T) - BASE.order for key in KEYS]) / NS_PER_MS
    hit = extra[extra > 0]
    # Five standard deviations of a binomial(2000, 0.1).
    assert abs(len(hit) - 200) < 68
    assert hit.min() >= 50
    assert hit.max() == 400
    # Half of a Pareto from 50 with index 1.5 are below 50 · 2^(2/3).
    assert np.median(hit) == pytest.approx(79, rel=0.2)
    assert [model.order_ns(key, T) for key in reversed(KEYS)][::-1] == [model.order_ns(key, T) for key in KEYS]


def test_bursts_are_a_function_of_time_with_the_shares_and_lengths_asked_for():
    bursts = Bursts(BurstSettings(every_s=30, lasts_s=6, factor=10), seed=2)
    times = T + np.arange(0, 6 * 3600, dtype=np.int64) * NS_PER_S // 5
    active = bursts.active_many(times)
    assert active.mean() == pytest.approx(6 / 36, abs=0.06)
    again = Bursts(BurstSettings(every_s=30, lasts_s=6, factor=10), seed=2)
    assert [again.active(int(ts)) for ts in times[:5000:-7]] == active[:5000:-7].tolist()
    turns = np.flatnonzero(np.diff(active.astype(int)) != 0)
    lengths = np.diff(turns)[0 if active[turns[0] + 1] else 1 :: 2] / 5
    assert lengths.mean() == pytest.approx(6, rel=0.35)
    other = Bursts(BurstSettings(every_s=30, lasts_s=6, factor=10), seed=3).active_many(times)
    assert (other != active).any()


def test_in_a_burst_everything_is_slow():
    settings = under(bursts=BurstSettings(every_s=10, lasts_s=10, factor=20), seed=1)
    model, bursts = disturbed(BASE, settings), Bursts(settings.latency.bursts, seed=1)
    found = set()
    for second in range(100):
        at = T + second * NS_PER_S
        slow = bursts.active(at)
        found.add(slow)
        factor = 20 if slow else 1
        assert (model.order_ns("a", at), model.response_ns("b", at)) == (BASE.order * factor, BASE.response * factor)
    assert found == {True, False}


def test_cancellations_are_slow_by_themselves():
    model = disturbed(BASE, under(cancel_factor=10, factor=2))
    assert model.order_ns("s-exit-0", T) == 2 * BASE.order
    assert model.order_ns(cancel_id("s-exit-0"), T) == 20 * BASE.order
    assert model.response_ns("s-exit-0-1", T) == 2 * BASE.response


def test_spells_slow_hold_back_and_end():
    spells = (
        SpellSettings(start=T, end=T + NS_PER_S, factor=3),
        SpellSettings(start=T + NS_PER_S, end=T + 2 * NS_PER_S, down=True),
    )
    model = disturbed(BASE, SimSettings(spells=spells))
    assert model.order_ns("a", T - 1) == BASE.order
    assert model.order_ns("a", T) == 3 * BASE.order
    at = T + NS_PER_S + 300 * NS_PER_MS
    assert model.order_ns("a", at) == 700 * NS_PER_MS + BASE.order
    assert model.response_ns("a", at) == 700 * NS_PER_MS + BASE.response
    assert model.order_ns("a", T + 2 * NS_PER_S) == BASE.order


def test_a_busy_venue_refuses_its_share_and_only_then():
    spells = Spells([SpellSettings(start=T, end=T + NS_PER_S, refused=0.3)], seed=4)
    refused = [spells.refuse(key, T) for key in KEYS]
    assert abs(sum(refused) - 600) < 103
    assert refused == [spells.refuse(key, T + 5) for key in KEYS]
    assert not any(spells.refuse(key, T + NS_PER_S) for key in KEYS)
    assert not Spells().refuse("a", T)
    assert spells
    assert not Spells()


@given(
    st.floats(1, 50), st.floats(1, 20), st.floats(0, 1), st.floats(1, 50), st.integers(0, 1000),
    st.booleans(), st.integers(0, 3600),
)  # fmt: skip
def test_trouble_never_makes_anything_faster(factor, cancel, share, burst, seed, down, second):
    settings = SimSettings(
        latency=LatencySettings(
            factor=factor,
            cancel_factor=cancel,
            spikes=SpikeSettings(share=share, scale_ms=10, alpha=1.1),
            bursts=BurstSettings(every_s=5, lasts_s=5, factor=burst),
            seed=seed,
        ),
        spells=(SpellSettings(start=T, end=T + 1800 * NS_PER_S, factor=factor, down=down),),
    )
    base = LognormalLatency(5 * NS_PER_MS, 5 * NS_PER_MS, p99_over_median=10, seed=seed)
    model, at = disturbed(base, settings), T + second * NS_PER_S
    assert isinstance(model, Disturbed)
    for key in ("a-entry-0", cancel_id("a-take_pro-0")):
        assert model.order_ns(key, at) >= base.order_ns(key, at)
        assert model.response_ns(key, at) >= base.response_ns(key, at)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"spells": [{"start": 5, "end": 5}]}, "a spell must end after it starts; start is 5, end is 5"),
        (
            {"spells": [{"start": 1, "end": 9}, {"start": 8, "end": 12}]},
            "spells overlap or are out of order: one ends at 9, the next starts at 8",
        ),
        ({"latency": {"spikes": {"share": 2, "scale_ms": 1, "alpha": 1}}}, "less than or equal to 1"),
        ({"latency": {"bursts": {"every_s": 0, "lasts_s": 1, "factor": 2}}}, "greater than 0"),
        ({"latency": {"p99_over_median": 0.5}}, "greater than or equal to 1"),
    ],
)
def test_nonsense_is_refused(values, text):
    with pytest.raises(ValidationError, match=text):
        SimSettings.model_validate(values)
