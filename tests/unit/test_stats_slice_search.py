"""Tails of blind draws: against exact laws and against scipy."""

import numpy as np
import pytest
from scipy import stats

from tidegate.stats.slice_search import Population, drawn_mean_tail, hypergeometric_tail, welch_tail


@pytest.mark.parametrize(("rows", "bad"), [(50, 7), (5_000, 500), (1_000_000, 200_000)])
def test_hypergeometric_tail_is_exact(rows, bad):
    rng = np.random.default_rng(rows)
    drawn = rng.integers(1, rows, 60)
    spread = np.sqrt(drawn * (1 - drawn / rows) * bad / rows)
    seen = np.clip(np.round(drawn * bad / rows + rng.uniform(0, 8, 60) * spread), 0, np.minimum(drawn, bad))
    seen = seen.astype(np.int64)
    p_values = hypergeometric_tail(seen, drawn, bad, rows)
    expected = np.where(seen * rows > drawn * bad, stats.hypergeom.sf(seen - 1, rows, bad, drawn), 1.0)
    assert p_values == pytest.approx(expected, rel=1e-7, abs=1e-290)
    assert p_values.min() < 1e-6


def test_tail_of_nothing_drawn_or_all_drawn():
    assert hypergeometric_tail(np.array([0, 4, 0]), np.array([0, 10, 3]), 4, 10).tolist() == [1, 1, 1]
    assert hypergeometric_tail(np.array([0]), np.array([3]), 0, 10).tolist() == [1]


def test_welch_tail_is_that_of_scipy():
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.4, 3, 12), rng.normal(0, 1, 90)
    ours = welch_tail(
        np.array([a.mean() - b.mean()]),
        np.array([a.var(ddof=1) / 12]),
        np.array([11.0]),
        np.array([b.var(ddof=1) / 90]),
        np.array([89.0]),
    )
    theirs = stats.ttest_ind(a, b, equal_var=False, alternative="greater").pvalue
    assert ours[0] == pytest.approx(theirs, rel=1e-12)


def test_welch_tail_without_a_variance_knows_nothing():
    one = np.ones(3)
    p_values = welch_tail(one, np.array([np.nan, 0.0, 1.0]), np.array([0.0, 5.0, 0.0]), one * 0, one * 5)
    assert p_values.tolist() == [1, 0, 1]


@pytest.mark.parametrize(("rows", "bad"), [(200, 20), (1000, 20), (5000, 500)])
@pytest.mark.parametrize("share", [0.01, 0.05, 0.25, 0.5])
def test_drawn_mean_of_two_values_never_understates_the_exact_tail(rows, bad, share):
    drawn = max(int(rows * share), 2)
    seen = np.arange(1, min(drawn, bad) + 1)
    exact = stats.hypergeom.sf(seen - 1, rows, bad, drawn)
    far = (exact < 0.05) & (exact > 1e-12)
    law = Population.of_values(np.repeat([0.0, 1.0], [rows - bad, bad]))
    size = np.full(len(seen), float(drawn))
    ours = drawn_mean_tail([(law, size)], seen / drawn - bad / rows, size / rows)
    assert (ours[far] > 0.999 * exact[far]).all()
    nearly = far & (exact > 1e-5) & (size * bad / rows > 5) & (size / rows <= 0.25)
    assert (ours[nearly] < 4 * exact[nearly]).all()


@pytest.mark.parametrize("drawn", [3, 30, 300])
def test_drawn_mean_of_a_skewed_number_is_near_the_gamma_law(drawn):
    quantiles = (np.arange(200_000) + 0.5) / 200_000
    law = Population.of_values(-np.log(quantiles))
    chances = np.array([1e-2, 1e-4, 1e-6])
    excess = stats.gamma.isf(chances, drawn) / drawn - 1
    ours = drawn_mean_tail([(law, np.full(3, float(drawn)))], excess, np.zeros(3))
    # Of the law beyond its own largest value, 12.9, the table knows nothing: it matters for three rows at 1e-6.
    assert ours == pytest.approx(chances, rel=0.35 if drawn == 3 else 0.1)
    normal = stats.norm.sf(excess * np.sqrt(drawn))
    assert (ours > 1.2 * normal).all()


def test_no_draw_is_beyond_the_largest_value():
    law = Population.of_values(np.array([0.0] * 9 + [1.0]))
    size = np.array([3.0, 3.0])
    ours = drawn_mean_tail([(law, size)], np.array([0.9, 5.0]), np.zeros(2))
    assert ours == pytest.approx([1e-3, 1e-3], rel=0.2)
    assert drawn_mean_tail([(law, size)], np.array([0.0, -1.0]), np.zeros(2)).tolist() == [1, 1]


def test_a_constant_number_is_never_exceeded():
    law = Population.of_values(np.full(50, 2.0))
    assert drawn_mean_tail([(law, np.array([5.0]))], np.array([0.0]), np.zeros(1)).tolist() == [1]
    assert np.isfinite(drawn_mean_tail([(law, np.array([5.0]))], np.array([1e-18]), np.zeros(1))).all()


def test_populations_keep_mean_and_tails():
    values = np.random.default_rng(4).lognormal(0, 2, 10_000)
    law = Population.of_values(values)
    assert (law.points * law.shares).sum() == pytest.approx(0, abs=1e-12)
    assert law.shares.sum() == pytest.approx(1)
    assert law.points.max() == pytest.approx(values.max() - values.mean())
    assert law.mirrored.points.max() == pytest.approx(values.mean() - values.min())
    assert (law.shares * law.points**2).sum() == pytest.approx(values.var(), rel=0.01)
