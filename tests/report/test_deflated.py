import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from app.report.deflated import Luck, Record, expected_best, luck_among, track_record

Noise = Callable[[np.random.Generator, int], np.ndarray]


def test_the_example_of_the_paper() -> None:
    # 1250 daily returns with a yearly ratio of 2.5, skewness −3 and kurtosis 10, the best of 100 independent trials
    # whose yearly ratios have a variance of 1/2. The paper gives 0.1132 and 0.9004.
    record = Record(sharpe=2.5 / math.sqrt(250), returns=1250, skewness=-3.0, kurtosis=10.0)
    best = expected_best(100, 0.5 / 250)
    assert best == pytest.approx(0.1132, abs=5e-5)
    assert Luck(100, 0.5 / 250, best).deflated(record) == pytest.approx(0.9004, abs=5e-5)
    # With 46 trials it would have been 0.9505; with normal returns 88 would have given the same.
    assert record.probabilistic(expected_best(46, 0.5 / 250)) == pytest.approx(0.9505, abs=5e-5)
    normal = Record(sharpe=2.5 / math.sqrt(250), returns=1250, skewness=0.0, kurtosis=3.0)
    assert normal.probabilistic(expected_best(88, 0.5 / 250)) == pytest.approx(0.9505, abs=5e-5)


def test_the_formulae_by_another_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    returns = rng.standard_t(4, 300) * 0.01 + 0.001
    record = track_record(returns.tolist())
    assert record is not None
    ratio = returns.mean() / returns.std(ddof=1)
    skewness, kurtosis = stats.skew(returns), stats.kurtosis(returns, fisher=False)
    spread = 1 - skewness * ratio + (kurtosis - 1) / 4 * ratio**2
    assert record.sharpe == pytest.approx(ratio)
    assert (record.skewness, record.kurtosis) == pytest.approx((skewness, kurtosis))
    for benchmark in (0.0, 0.05, -0.1):
        expected = stats.norm.cdf((ratio - benchmark) * math.sqrt(299) / math.sqrt(spread))
        assert record.probabilistic(benchmark) == pytest.approx(expected)
    trials, variance = 12.5, 0.004
    euler = 0.57721566490153286
    expected = math.sqrt(variance) * (
        (1 - euler) * stats.norm.ppf(1 - 1 / trials) + euler * stats.norm.ppf(1 - 1 / (trials * math.e))
    )
    assert expected_best(trials, variance) == pytest.approx(expected)


def test_after_the_least_track_record_one_is_just_sure_enough() -> None:
    record = Record(sharpe=0.08, returns=100, skewness=-0.7, kurtosis=6.0)
    least = record.least_returns()
    assert least is not None
    # Not a whole number of returns, so by the formula: PSR is 0.95 there.
    spread = 1 + 0.7 * 0.08 + 5 / 4 * 0.08**2
    assert stats.norm.cdf(0.08 * math.sqrt(least - 1) / math.sqrt(spread)) == pytest.approx(0.95)
    assert Record(sharpe=0.08, returns=math.ceil(least), skewness=-0.7, kurtosis=6.0).probabilistic() >= 0.95
    assert Record(sharpe=0.08, returns=math.floor(least), skewness=-0.7, kurtosis=6.0).probabilistic() < 0.95
    assert Record(sharpe=-0.01, returns=10_000, skewness=0.0, kurtosis=3.0).least_returns() is None
    assert Record(sharpe=0.0, returns=10_000, skewness=0.0, kurtosis=3.0).least_returns() is None


def test_too_little_is_no_record() -> None:
    wins = [0.01, -0.005] * 15
    assert track_record(wins) is not None
    assert track_record(wins[:-1]) is None
    # Time without a position is none either, however long.
    assert track_record([*wins[:-1], *[0.0] * 10_000]) is None
    assert track_record([*wins, *[0.0] * 10_000]) is not None
    assert track_record([]) is None
    assert track_record([0.01] * 100) is None
    assert track_record([*wins, math.nan]) is None


def test_returns_that_only_win_are_no_division_by_zero() -> None:
    record = track_record([0.001, 0.002] * 20)
    assert record is not None
    assert record.probabilistic() == pytest.approx(1.0)
    sure = Record(sharpe=2.0, returns=10, skewness=1.0, kurtosis=2.0)  # 1 − 2 + 1/4 · 4
    assert (sure.probabilistic(), sure.probabilistic(3.0)) == (1.0, 0.0)


def correlated(n: int, common: float) -> Noise:
    def make(rng: np.random.Generator, length: int) -> np.ndarray:
        own = math.sqrt(1 - common) * rng.standard_normal((n, length))
        return own + math.sqrt(common) * rng.standard_normal((1, length))

    return make


def groups(k: int, size: int) -> Noise:
    def make(rng: np.random.Generator, length: int) -> np.ndarray:
        each = np.repeat(rng.standard_normal((k, length)), size, axis=0)
        return each + 1e-4 * rng.standard_normal((k * size, length))

    return make


def neighbours(n: int, likeness: float) -> Noise:
    """As on a grid: each point is like the next."""
    near = likeness ** np.abs(np.subtract.outer(range(n), range(n)))
    root = np.linalg.cholesky(near)
    return lambda rng, length: root @ rng.standard_normal((n, length))


def heavy_tails(n: int) -> Noise:
    return lambda rng, length: rng.standard_t(3, (n, length))


def mostly_flat(n: int) -> Noise:
    return lambda rng, length: rng.standard_normal((n, length)) * (rng.random((n, length)) < 0.5)


def test_trials_are_counted_by_how_they_differ(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for noise, expected in ((correlated(10, 0), 10), (correlated(10, 0.7), 10), (groups(4, 5), 4)):
        assert luck_among(noise(rng, 20_000)).trials == pytest.approx(expected, rel=0.02)
    assert 2 < luck_among(neighbours(30, 0.97)(rng, 20_000)).trials < 15


def test_points_that_are_all_the_same_are_one_trial(seed: int) -> None:
    returns = np.random.default_rng(seed).standard_normal(100)
    record = track_record(returns.tolist())
    assert record is not None
    for luck in (luck_among([returns, returns, returns]), luck_among([returns]), luck_among([])):
        assert luck.expected_best == 0
        assert luck.deflated(record) == record.probabilistic()
    assert luck_among([returns, returns]).trials == 1
    assert luck_among([]).trials == 0


def test_more_trials_and_more_variance_deflate_more() -> None:
    found = [expected_best(trials, 1.0) for trials in (1, 1.2, 1.5, 2, 3, 10, 100, 10_000)]
    assert found == sorted(found)
    assert found[0] == 0
    # Against the expected maximum of so many normal variables, by quadrature.
    for trials in (2, 10, 100):
        exact = stats.order_statistic(stats.Normal(), r=trials, n=trials).mean()
        assert expected_best(trials, 1.0) == pytest.approx(float(exact), rel=0.09)
    assert expected_best(10, 4.0) == pytest.approx(2 * expected_best(10, 1.0))


@pytest.mark.parametrize(
    "noise",
    [correlated(1, 0), correlated(2, 0), correlated(10, 0), correlated(40, 0), correlated(20, 0.9), groups(3, 6),
     neighbours(30, 0.95), heavy_tails(10), mostly_flat(10)],
    ids=["one", "two", "ten", "forty", "alike", "groups", "neighbours", "heavy tails", "mostly flat"],
)  # fmt: skip
def test_noise_does_not_pass_for_skill(noise: Noise, seed: int) -> None:
    rng = np.random.default_rng(seed)
    runs, deflated, plain = 400, 0, 0
    for _ in range(runs):
        returns = noise(rng, 250)
        records = [track_record(series.tolist()) for series in returns]
        best = max((record for record in records if record is not None), key=lambda record: record.sharpe)
        deflated += luck_among(returns).deflated(best) > 0.95
        plain += best.probabilistic() > 0.95
    # 5 % of 400, and what chance adds to that in a thousand repetitions.
    assert deflated <= stats.binom.ppf(0.999, runs, 0.05)
    # And it is the deflation that does it, wherever there is something to choose from.
    assert plain > deflated or len(returns) == 1


def test_skill_is_found_among_noise(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = 0
    for _ in range(50):
        returns = rng.standard_normal((20, 500))
        returns[7] += 0.3
        records = [track_record(series.tolist()) for series in returns]
        best = max(range(20), key=lambda n: records[n].sharpe if records[n] is not None else -1.0)  # type: ignore[union-attr]
        record = records[best]
        assert record is not None
        found += best == 7 and luck_among(returns).deflated(record) > 0.95
    assert found >= 48
