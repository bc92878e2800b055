import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.proportion import proportion_confint

from tidegate.stats.intervals import (
    Interval,
    clopper_pearson,
    logit_interval,
    mean_t,
    mover_difference,
    quantile_order_statistics,
    wilson,
)


@pytest.mark.parametrize(("ours", "theirs"), [(clopper_pearson, "beta"), (wilson, "wilson")])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.999])
def test_proportions_agree_with_statsmodels(ours, theirs, confidence):
    x, n = np.array([0.0, 1, 7, 40, 99, 100]), np.full(6, 100.0)
    found = ours(x, n, confidence=confidence)
    low, high = proportion_confint(x, n, alpha=1 - confidence, method=theirs)
    np.testing.assert_allclose(found.low, low, atol=1e-12)
    np.testing.assert_allclose(found.high, high, atol=1e-12)


@pytest.mark.parametrize("method", [clopper_pearson, wilson])
def test_proportions_without_trials_know_nothing(method):
    assert method(0, 0, confidence=0.95) == Interval(0.0, 1.0)


def test_newcombe_1998_table_of_wilson_and_exact_limits():
    # Newcombe (1998), Statistics in Medicine 17, table I: 81 of 263.
    score, exact = wilson(81, 263, confidence=0.95), clopper_pearson(81, 263, confidence=0.95)
    assert (round(score.low, 4), round(score.high, 4)) == (0.2553, 0.3662)
    assert (round(exact.low, 4), round(exact.high, 4)) == (0.2527, 0.3676)


@pytest.mark.parametrize("confidence", [-1, 0, 1, 95])
def test_confidence_must_be_a_probability(confidence):
    with pytest.raises(ValueError, match="between 0 and 1"):
        wilson(1, 2, confidence=confidence)


def test_mean_agrees_with_scipy():
    sample = np.random.default_rng(0).normal(size=37)
    found = mean_t(sample.mean(), sample.var(ddof=1), 37, confidence=0.9)
    theirs = stats.ttest_1samp(sample, 0).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), rel=1e-10)


def test_means_of_groups_are_bounded_one_by_one():
    found = mean_t(np.array([1.0, 2.0]), np.array([4.0, np.nan]), np.array([10.0, 1.0]), confidence=0.95)
    alone = mean_t(1, 4, 10, confidence=0.95)
    assert (found.low[0], found.high[0]) == (alone.low, alone.high)
    assert (found.low[1], found.high[1]) == (-math.inf, math.inf)


@pytest.mark.parametrize("q", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("n", [100, 1_000])
def test_quantile_agrees_with_scipy(q, n):
    values = np.sort(np.random.default_rng(1).normal(size=n))
    found = quantile_order_statistics(values, q, confidence=0.9)
    theirs = stats.quantile_test(values, q=np.quantile(values, q), p=q).confidence_interval(0.9)
    assert (found.low, found.high) == (theirs.low, theirs.high)


def test_the_95th_percentile_is_bounded_from_72_rows_on():
    # 0.95 ** 71 > 0.025 > 0.95 ** 72.
    assert quantile_order_statistics(np.arange(71.0), 0.95, confidence=0.95).high == math.inf
    assert quantile_order_statistics(np.arange(72.0), 0.95, confidence=0.95).high == 71.0
    assert quantile_order_statistics(np.array([]), 0.5, confidence=0.95) == Interval(-math.inf, math.inf)


def test_mover_is_newcombes_hybrid_score_interval():
    # Newcombe (1998), Statistics in Medicine 17, table II, method 10: 56/70 against 48/80.
    a, b = wilson(56, 70, confidence=0.95), wilson(48, 80, confidence=0.95)
    found = mover_difference(56 / 70, a, 48 / 80, b)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)


@given(st.floats(0.001, 0.999), st.floats(1e-9, 10))
def test_logit_interval_stays_inside_and_around(value, variance):
    found = logit_interval(value, variance, confidence=0.95)
    assert 0 <= found.low <= value <= found.high <= 1


def test_logit_interval_is_the_delta_method_for_small_variances():
    found = logit_interval(0.7, 1e-8, confidence=0.95)
    assert (found.low, found.high) == pytest.approx((0.7 - 1.96e-4, 0.7 + 1.96e-4), abs=1e-7)


@pytest.mark.parametrize(("value", "variance"), [(0.0, 0.1), (1.0, 0.1), (0.5, math.inf)])
def test_logit_interval_without_a_logit_is_the_whole_range(value, variance):
    assert logit_interval(value, variance, confidence=0.95) == Interval(0.0, 1.0)


def test_negation_turns_an_interval_round():
    assert -Interval(-1.0, 3.0) == Interval(-3.0, 1.0)
