import numpy as np
import pytest
from scipy import stats

from tidegate.stats.categorical import homogeneity, total_variation, total_variation_null


@pytest.mark.parametrize("seed", range(5))
def test_without_rare_levels_it_is_pearsons_test(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.multinomial(800, np.full(5, 0.2)), rng.multinomial(500, np.full(5, 0.2))
    found = homogeneity(a, b)
    pearson = stats.chi2_contingency([a, b], correction=False)
    ratio = stats.chi2_contingency([a, b], correction=False, lambda_="log-likelihood")
    assert (found.statistic, found.df, found.pooled_levels) == (pytest.approx(pearson.statistic), 4, 0)
    assert found.p_value == pytest.approx(max(pearson.pvalue, ratio.pvalue), rel=1e-9)


def test_rare_levels_are_pooled_by_their_counts_in_both_windows():
    a, b = np.array([300, 180, 2, 4, 6]), np.array([320, 150, 5, 1, 3])
    found = homogeneity(a, b)
    pooled = stats.chi2_contingency([[300, 180, 12], [320, 150, 9]], correction=False)
    assert (found.pooled_levels, found.df) == (3, 2)
    assert found.statistic == pytest.approx(pooled.statistic)


def test_a_pool_that_is_still_rare_takes_the_next_level():
    # The single rare row joins "b": expected 5 in the smaller window needs 10 rows of both.
    found = homogeneity(np.array([200, 30, 1]), np.array([200, 35, 0]))
    assert (found.pooled_levels, found.df) == (2, 1)


@pytest.mark.parametrize(
    ("a", "n", "b", "m"), [(0, 500, 9, 500), (3, 40, 0, 60), (1, 12, 1, 9), (4, 900, 0, 100)]
)
def test_one_rare_level_is_tested_exactly(a, n, b, m):
    found = homogeneity(np.array([n - a, a]), np.array([m - b, b]))
    assert found.df == 0
    assert found.p_value == pytest.approx(stats.fisher_exact([[a, n - a], [b, m - b]]).pvalue, rel=1e-9)


def test_a_level_that_appears_is_found():
    assert homogeneity(np.array([500, 0]), np.array([440, 60])).p_value < 1e-12


def test_one_level_cannot_change():
    assert homogeneity(np.array([50]), np.array([70])).p_value == 1
    assert homogeneity(np.array([50, 0]), np.array([70, 0])).p_value == 1


def test_identifiers_are_no_change():
    a, b = np.repeat([1, 0], 500), np.repeat([0, 1], 500)
    assert homogeneity(a, b).p_value > 0.5
    assert total_variation(a, b) == 1
    assert total_variation_null(a, b) == pytest.approx(1)


def test_an_empty_window_is_refused():
    with pytest.raises(ValueError, match="at least one row"):
        homogeneity(np.array([0, 0]), np.array([3, 4]))


def test_total_variation_is_half_the_sum_of_differences():
    assert total_variation(np.array([50, 30, 20]), np.array([20, 30, 50])) == pytest.approx(0.3)


@pytest.mark.parametrize(("n", "m"), [(10, 10), (30, 200), (500, 7)])
def test_null_total_variation_is_the_permutation_mean(n, m):
    both = np.array([n + m - 13, 9, 3, 1, 0])
    expected = 0.0
    for level in both:
        inside = np.arange(n + 1)
        expected += (
            stats.hypergeom.pmf(inside, n + m, level, n) @ np.abs(inside / n - (level - inside) / m) / 2
        )
    a = np.minimum(both, n)
    a[0] -= a.sum() - n
    assert total_variation_null(a, both - a) == pytest.approx(expected, rel=1e-9)
