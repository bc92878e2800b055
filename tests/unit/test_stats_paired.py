import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from tidegate.stats.paired import (
    mcnemar,
    paired_mean,
    paired_mean_from_moments,
    proportion_difference,
    proportion_difference_from_counts,
    tango_interval,
)


@pytest.mark.parametrize(("b", "c"), [(1, 0), (5, 3), (12, 1), (30, 30), (0, 9), (400, 350)])
def test_exact_mcnemar_agrees_with_statsmodels(b, c):
    theirs = statsmodels_mcnemar([[0, b], [c, 0]], exact=True).pvalue
    assert mcnemar(b, c, exact=True) == pytest.approx(theirs, rel=1e-10)


def test_mid_p_is_fagerlands():
    # Fagerland, Lydersen & Laake (2013), table 1: airway hyper-responsiveness, 1 against 7 children.
    assert round(mcnemar(1, 7), 3) == 0.039
    assert round(mcnemar(1, 7, exact=True), 3) == 0.070
    assert mcnemar(4, 9) == pytest.approx(mcnemar(4, 9, exact=True) - stats.binom.pmf(4, 13, 0.5))


def test_a_tie_is_no_evidence():
    assert mcnemar(0, 0) == mcnemar(8, 8) == 1


def test_tango_agrees_with_published_limits():
    # Fagerland, Lydersen & Laake (2014), Statistics in Medicine 33: airway hyper-responsiveness.
    found = tango_interval(1, 7, 21, confidence=0.95)
    assert (round(found.low, 3), round(found.high, 3)) == (-0.517, -0.026)


def constrained_score(b, c, n, delta):
    """Tango's statistic with the nuisance probability found by maximising the likelihood on a grid."""
    lost = np.linspace(max(0, -delta), (1 - delta) / 2, 200_001)[1:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_likelihood = (
            b * np.log(lost + delta) + c * np.log(lost) + (n - b - c) * np.log(1 - 2 * lost - delta)
        )
    lost = lost[np.nanargmax(log_likelihood)]
    return (b - c - n * delta) / math.sqrt(n * (2 * lost + delta - delta**2))


@pytest.mark.parametrize(("b", "c", "n"), [(12, 3, 60), (1, 7, 21), (40, 35, 1_000)])
def test_tango_limits_have_the_score_of_their_level(b, c, n):
    found = tango_interval(b, c, n, confidence=0.95)
    assert constrained_score(b, c, n, found.low) == pytest.approx(1.96, abs=2e-3)
    assert constrained_score(b, c, n, found.high) == pytest.approx(-1.96, abs=2e-3)


@pytest.mark.parametrize(
    ("b", "c", "n"), [(0, 0, 50), (50, 0, 50), (0, 50, 50), (25, 25, 50), (3, 0, 1_000_000)]
)
def test_tango_holds_at_the_edges(b, c, n):
    found = tango_interval(b, c, n, confidence=0.95)
    assert -1 <= found.low <= (b - c) / n <= found.high <= 1
    mirrored = tango_interval(c, b, n, confidence=0.95)
    assert (mirrored.low, mirrored.high) == (-found.high, -found.low)


def test_tango_of_groups_is_tango_of_each():
    b, c, n = np.array([1.0, 12, 0]), np.array([7.0, 3, 0]), np.array([21.0, 60, 50])
    found = tango_interval(b, c, n, confidence=0.9)
    for i in range(3):
        alone = tango_interval(b[i], c[i], n[i], confidence=0.9)
        assert (found.low[i], found.high[i]) == (alone.low, alone.high)


def test_outcomes_and_counts_give_one_answer():
    a = np.array([1, 1, 1, 0, 0, 1, 1, 0], dtype=bool)
    b = np.array([1, 0, 0, 1, 0, 1, 0, 0], dtype=bool)
    found = proportion_difference(a, b, confidence=0.95)
    assert found == proportion_difference_from_counts(3, 1, 8, confidence=0.95)
    assert found.estimate == 0.25
    assert found.standard_error == pytest.approx(math.sqrt(np.var(a * 1.0 - b) / 8))


def test_identical_models_have_a_zero_width_interval_unless_known_to_differ():
    same = proportion_difference_from_counts(0, 0, 100, confidence=0.95)
    assert (same.estimate, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    differ = proportion_difference_from_counts(0, 0, 100, confidence=0.95, same=False)
    assert differ.high == -differ.low == pytest.approx(1.96**2 / (100 + 1.96**2), abs=1e-4)


def test_nothing_is_known_without_rows():
    assert proportion_difference_from_counts(0, 0, 0, confidence=0.95).low == -math.inf
    assert paired_mean(np.array([]), confidence=0.95).high == math.inf
    assert paired_mean(np.array([2.0]), confidence=0.95).high == math.inf


def test_paired_mean_agrees_with_scipy():
    a, b = np.random.default_rng(0).normal(size=(2, 80))
    theirs = stats.ttest_rel(a, b)
    bounds = theirs.confidence_interval(0.9)
    found = paired_mean(a - b, confidence=0.9)
    assert (found.p_value, found.low, found.high) == pytest.approx(
        (theirs.pvalue, bounds.low, bounds.high), rel=1e-9
    )
    # The confidence that a - b is positive is the p-value of the test that it is not.
    assert found.p_better == pytest.approx(stats.ttest_rel(a, b, alternative="less").pvalue, rel=1e-9)


def test_moments_of_groups_give_one_result_each():
    mean, variance, n = np.array([0.5, 0.0, 1.0]), np.array([2.0, 0.0, 0.0]), np.array([30, 10, 1])
    first, second, third = paired_mean_from_moments(mean, variance, n, confidence=0.95)
    assert first == paired_mean_from_moments(0.5, 2.0, 30, confidence=0.95)
    assert (second.low, second.high, second.p_value) == (0, 0, 1)
    assert third.high == math.inf


def test_a_constant_difference_is_certain():
    found = paired_mean(np.full(5, -2.0), confidence=0.95)
    assert (found.low, found.high, found.p_value, found.p_better) == (-2, -2, 0, 0)


def test_negation_is_the_comparison_the_other_way_round():
    a, b = np.random.default_rng(1).normal(size=(2, 50))
    forth, back = paired_mean(a - b, confidence=0.95), paired_mean(b - a, confidence=0.95)
    assert -forth == back
    assert forth.p_better == pytest.approx(1 - back.p_better)
