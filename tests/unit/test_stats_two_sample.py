import time
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from tidegate.stats import two_sample
from tidegate.stats.two_sample import compare_numeric, corrected_effect, ks, wasserstein, wasserstein_null

samples = st.lists(st.integers(-5, 5) | st.floats(-1e6, 1e6), min_size=1, max_size=40).map(
    lambda values: np.sort(np.array(values, dtype=float))
)


def exact_by_scipy(x, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return stats.ks_2samp(x, y, method="exact")


@pytest.mark.parametrize(("n", "m"), [(5, 7), (20, 20), (50, 31), (200, 200), (500, 730), (30, 900)])
@pytest.mark.parametrize("shift", [0.3, 1.0])
def test_small_windows_agree_with_scipys_exact_p_values(n, m, shift):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n), rng.normal(shift, size=m)
    found, theirs = ks(x, y), exact_by_scipy(x, y)
    assert found.statistic == pytest.approx(theirs.statistic, rel=1e-12)
    assert found.p_value == pytest.approx(theirs.pvalue, rel=1e-9) or found.p_value >= 0.5


@settings(deadline=None)
@given(samples, samples)
def test_statistic_agrees_with_scipy_and_p_value_is_never_below_the_exact_one_above_a_half(x, y):
    found, theirs = ks(x, y), exact_by_scipy(x, y)
    assert found.statistic == pytest.approx(theirs.statistic, abs=1e-12)
    assert 0 <= found.p_value <= 1
    # Given the ties, the exact p-value can only be smaller than the one for distinct values.
    if found.p_value < 0.5:
        assert found.p_value <= theirs.pvalue + 1e-9


def test_ties_are_answered_by_the_permutation_distribution():
    x, y = np.repeat(np.arange(4), [13, 10, 5, 2]), np.repeat(np.arange(4), [9, 10, 12, 9])
    rng, found = np.random.default_rng(1), ks(x, y)
    pooled = np.concatenate((x, y))
    permuted = rng.permuted(np.tile(pooled, (20_000, 1)), axis=1)
    steps = np.arange(4)
    shares = (permuted[:, :30, None] <= steps).mean(axis=1) - (permuted[:, 30:, None] <= steps).mean(axis=1)
    expected = (np.abs(shares).max(axis=1) >= found.statistic - 1e-9).mean()
    assert expected < 0.5 * exact_by_scipy(x, y).pvalue  # far from the law without ties
    assert found.p_value == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize(
    ("n", "m"), [(2_000, 2_001), (500, 4_000), (3_000, 3_000), (50, 8_000), (2_000, 4_000)]
)
def test_limit_law_is_never_below_the_exact_one(n, m):
    unit = int(np.gcd(n, m))
    for scaled in (0.85, 1.0, 1.36, 1.63, 2.2, 3.0):
        largest = -int(-(scaled * np.sqrt(n * m * (n + m))) // unit) * unit
        exact = two_sample._ks_exact(n, m, largest, np.arange(1, n + m + 1))
        limit = special.kolmogorov(largest / np.sqrt(n * m * (n + m)))
        assert limit >= exact * (1 - 5e-4)


def test_both_orders_and_both_ways_of_passing_agree():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=120), rng.normal(0.2, size=300)
    assert ks(x, y) == ks(np.sort(x), np.sort(y), assume_sorted=True)
    assert ks(x, y).p_value == pytest.approx(ks(y, x).p_value, rel=1e-9)


def test_tiny_p_values_keep_their_digits():
    x, y = np.arange(300.0), np.arange(300.0) + 1_000
    assert ks(x, y).p_value == pytest.approx(2 / special.binom(600, 300), rel=1e-9)


@settings(deadline=None)
@given(samples, samples)
def test_wasserstein_agrees_with_scipy(x, y):
    assert wasserstein(x, y) == pytest.approx(stats.wasserstein_distance(x, y), rel=1e-9, abs=1e-9)


def test_extreme_values_give_numbers():
    x, y = np.array([-1.7e308, 0.0]), np.array([0.0, 1.7e308])
    assert np.isfinite(wasserstein(x / 2, y / 2))
    assert not np.isnan(wasserstein(x, y))


def test_null_distance_of_a_normal_sample_is_its_closed_form():
    # The integral of sqrt(F(1 - F)) over the normal law, by quadrature in scipy.
    x = np.linspace(-8, 8, 200_001)
    integral = np.trapezoid(np.sqrt(special.ndtr(x) * special.ndtr(-x)), x)
    rng = np.random.default_rng(3)
    a, b = np.sort(rng.normal(size=20_000)), np.sort(rng.normal(size=60_000))
    expected = np.sqrt(2 / np.pi) * np.sqrt(1 / 20_000 + 1 / 60_000) * integral
    assert wasserstein_null(a, b) == pytest.approx(expected, rel=0.02)


def test_one_pass_gives_what_single_calls_give():
    rng = np.random.default_rng(4)
    x, y = np.sort(rng.normal(size=700)), np.sort(rng.normal(0.3, 1, size=900))
    found = compare_numeric(x, y, assume_sorted=True)
    assert found.ks == ks(x, y)
    assert (found.distance, found.null_distance) == (wasserstein(x, y), wasserstein_null(x, y))
    assert found.effect == corrected_effect(found.distance, found.null_distance)
    assert found.effect == pytest.approx(0.3, abs=0.12)


def test_effect_is_zero_up_to_the_size_of_chance():
    assert corrected_effect(0.03, 0.03) == corrected_effect(0.01, 0.03) == 0
    assert corrected_effect(0.05, 0.03) == pytest.approx(0.04)


def test_empty_windows_are_refused():
    with pytest.raises(ValueError, match="at least one value"):
        ks(np.array([]), np.array([1.0]))


def test_a_million_rows_cost_about_their_sort():
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(2, 1_000_000))
    start = time.process_time()
    x.sort()
    y.sort()
    sorting = time.process_time() - start
    start = time.process_time()
    compare_numeric(x, y, assume_sorted=True)
    assert time.process_time() - start < 10 * sorting + 0.5
