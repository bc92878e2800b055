import math

import numpy as np
import pytest
from scipy import stats

from tidegate.stats.intervals import t_quantile
from tidegate.stats.studentised import (
    asymmetry,
    skewed_t_interval,
    skewed_t_p_value,
    studentised_bootstrap,
)


def moments(values):
    return float(((values - values.mean()) ** 3).mean()), float(values.var(ddof=1)), len(values)


@pytest.mark.parametrize("n", [3, 12, 500])
def test_asymmetry_is_the_corrected_skewness_of_scipy(n):
    values = np.random.default_rng(n).exponential(size=n)
    expected = stats.skew(values, bias=False) / math.sqrt(n)
    assert asymmetry(*moments(values)) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("n", [3, 10, 1_000])
def test_asymmetry_is_largest_when_one_row_differs(n):
    values = np.zeros(n)
    values[0] = 1.0
    assert asymmetry(*moments(values)) == pytest.approx(1, rel=1e-12)
    assert asymmetry(*moments(-values)) == pytest.approx(-1, rel=1e-12)


def test_without_skewness_the_interval_is_students():
    found = skewed_t_interval(0.3, 0.1, 0.0, 25, confidence=0.95)
    half = 0.1 * stats.t(24).ppf(0.975)
    assert (found.low, found.high) == pytest.approx((0.3 - half, 0.3 + half), rel=1e-12)
    p_value = skewed_t_p_value(3.0, 0.0, 25)
    assert p_value == pytest.approx(2 * stats.t(24).sf(3), rel=1e-12)


@pytest.mark.parametrize("bend", [-1.0, -0.2, 1e-9, 0.05, 1.0])
def test_limits_solve_halls_cubic(bend):
    """The longer side is where Hall's (1992) polynomial of the t statistic reaches the quantile of Student's t."""
    n = 40
    found = skewed_t_interval(0.0, 1.0, bend, n, confidence=0.95)
    # A long tail to the right moves the upper limit out, and one to the left the lower.
    statistic = -found.high if bend > 0 else -found.low
    cubic = statistic + bend * statistic**2 / 3 + bend**2 * statistic**3 / 27 + bend / 6
    assert cubic == pytest.approx(-math.copysign(t_quantile(0.95, n - 1), bend), rel=1e-9)


@pytest.mark.parametrize("bend", [-0.9, -0.1, 0.0, 0.1, 0.9])
@pytest.mark.parametrize("statistic", [-4.0, -2.0, -0.3, 0.3, 2.0, 4.0])
def test_the_interval_of_one_minus_the_p_value_touches_zero(bend, statistic):
    p_value = skewed_t_p_value(statistic, bend, 30)
    if p_value == 1:  # no interval is short enough
        assert abs(statistic) < 0.5
        return
    found = skewed_t_interval(statistic, 1.0, bend, 30, confidence=1 - p_value)
    assert (found.low if statistic > 0 else found.high) == pytest.approx(0, abs=1e-7)


def test_intervals_of_higher_levels_contain_those_of_lower_ones():
    found = [skewed_t_interval(1.0, 0.5, 0.8, 10, confidence=level) for level in (0.5, 0.9, 0.99, 1 - 1e-9)]
    assert [each.low for each in found] == sorted((each.low for each in found), reverse=True)
    assert [each.high for each in found] == sorted(each.high for each in found)


def test_an_estimate_of_zero_is_no_evidence():
    assert skewed_t_p_value(0.0, 0.7, 20) == 1


@pytest.mark.parametrize("n", [60, 400])
def test_the_closed_form_is_what_the_bootstrap_finds(n):
    """Each long side is the bootstrap's up to a tenth of the interval; its short one is Student's."""
    values = np.random.default_rng(1).gamma(2, size=n)
    bootstrap = studentised_bootstrap(values, confidence=0.95, n_resamples=19_999)
    error = values.std(ddof=1) / math.sqrt(n)
    found = skewed_t_interval(values.mean(), error, asymmetry(*moments(values)), n, confidence=0.95)
    width = bootstrap.high - bootstrap.low
    assert found.high == pytest.approx(bootstrap.high, abs=width * 0.04)
    student = values.mean() - error * stats.t(n - 1).ppf(0.975)
    assert found.low == pytest.approx(student, rel=1e-12)
    assert bootstrap.low > student


def test_the_bootstrap_of_normal_rows_is_students_t():
    values = np.random.default_rng(2).normal(0.1, 1, size=300)
    found = studentised_bootstrap(values, confidence=0.95, n_resamples=19_999)
    student = stats.ttest_1samp(values, 0)
    bounds = student.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((bounds.low, bounds.high), abs=0.01)
    assert found.p_value == pytest.approx(student.pvalue, abs=0.02)


def test_the_bootstrap_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(3)
    values = rng.exponential(size=50)
    assert studentised_bootstrap(values, confidence=0.9, n_resamples=499) == studentised_bootstrap(
        rng.permutation(values), confidence=0.9, n_resamples=499
    )


def test_the_bootstrap_knows_what_it_cannot_bound():
    assert studentised_bootstrap(np.array([]), confidence=0.95).high == math.inf
    assert studentised_bootstrap(np.array([2.0]), confidence=0.95).low == -math.inf
    same = studentised_bootstrap(np.zeros(9), confidence=0.95)
    assert (same.low, same.high, same.p_value) == (0, 0, 1)
    # Most resamples of a single odd row among five hold it not at all: nothing bounds that side.
    lone = studentised_bootstrap(np.array([0.0, 0, 0, 0, 1]), confidence=0.95, n_resamples=999)
    assert lone.high == math.inf
