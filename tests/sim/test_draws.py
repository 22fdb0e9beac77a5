"""Draws are functions of their names."""

import numpy as np
import pytest

from app.sim.draws import derived_seed, normals, uniform, uniforms


def test_a_draw_depends_on_all_its_parts_and_nothing_else():
    assert uniform(1, "a", "key") == uniform(1, "a", "key")
    assert len({uniform(1, "a", "key"), uniform(2, "a", "key"), uniform(1, "b", "key"), uniform(1, "a", "keys")}) == 4
    assert uniform("ab", "c") != uniform("a", "bc")
    assert derived_seed(1, "run", 2) != derived_seed(1, "run", 3)
    assert 0 <= derived_seed(1) < 2**62


def test_uniform_draws_are_even_and_never_an_end():
    drawn = np.array([uniform(7, n) for n in range(20_000)])
    assert drawn.min() > 0
    assert drawn.max() < 1
    counts = np.histogram(drawn, 20, (0, 1))[0]
    # χ² with 19 degrees of freedom: above 43.8 once in a thousand seeds.
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8


def test_many_at_once_are_even_whatever_the_keys_look_like():
    keys = 1_723_161_600_000_000_000 + 1_000_000 * np.arange(20_000, dtype=np.int64)
    drawn = uniforms(3, "feed", keys)
    counts = np.histogram(drawn, 20, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8
    assert abs(np.corrcoef(drawn[1:], drawn[:-1])[0, 1]) < 0.03
    assert (uniforms(3, "feed", keys[5:9]) == drawn[5:9]).all()
    assert (uniforms(4, "feed", keys) != drawn).all()
    assert (uniforms(3, "other", keys) != drawn).all()


def test_normal_draws_are_normal():
    drawn = normals(3, "feed", np.arange(50_000, dtype=np.int64))
    assert drawn.mean() == pytest.approx(0, abs=0.02)
    assert drawn.std() == pytest.approx(1, abs=0.02)
    assert np.quantile(drawn, 0.99) == pytest.approx(2.326, abs=0.05)
