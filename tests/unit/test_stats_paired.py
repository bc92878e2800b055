import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from tidegate.stats.paired import (
    mcnemar,
    newcombe_paired_interval,
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


# Counts of both, only the first, only the second and neither right, with the 95% limits printed for them.
@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [
        # Newcombe (1998), Statistics in Medicine 17: method 10 on his examples.
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((18, 12, 2, 18), 0.0562, 0.3290),
        ((53, 0, 0, 1), -0.0729, 0.0729),
        ((0, 30, 0, 0), 0.8395, 1.0),
        # Fagerland, Lydersen & Laake (2014): airway hyper-responsiveness.
        ((1, 1, 7, 12), -0.507, -0.026),
    ],
)
def test_newcombe_agrees_with_published_limits(counts, low, high):
    found = newcombe_paired_interval(*counts, confidence=0.95)
    digits = len(str(low).partition(".")[2])
    assert (round(found.low, digits), round(found.high, digits)) == (low, high)


@pytest.mark.parametrize("counts", [(20, 12, 2, 16), (0, 0, 0, 9), (9, 0, 0, 0), (0, 5, 0, 5), (7, 0, 3, 0)])
def test_newcombe_of_the_other_way_round_is_its_mirror_image(counts):
    a, b, c, d = counts
    found, mirrored = (newcombe_paired_interval(*each, confidence=0.9) for each in (counts, (a, c, b, d)))
    assert (mirrored.low, mirrored.high) == pytest.approx((-found.high, -found.low), abs=1e-15)
    assert -1 <= found.low <= (b - c) / sum(counts) <= found.high <= 1


def test_newcombe_and_tango_agree_on_many_rows():
    newcombe = newcombe_paired_interval(4_000, 1_500, 1_200, 3_300, confidence=0.95)
    tango = tango_interval(1_500, 1_200, 10_000, confidence=0.95)
    assert (newcombe.low, newcombe.high) == pytest.approx((tango.low, tango.high), abs=2e-4)


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


def test_symmetric_differences_are_compared_by_students_t():
    half = np.abs(np.random.default_rng(0).normal(size=40))
    shifted = np.concatenate((half, -half)) + 0.1
    theirs = stats.ttest_1samp(shifted, 0)
    bounds = theirs.confidence_interval(0.9)
    found = paired_mean(shifted, confidence=0.9)
    assert (found.p_value, found.low, found.high) == pytest.approx(
        (theirs.pvalue, bounds.low, bounds.high), rel=1e-9
    )
    # The confidence that a - b is positive is the p-value of the test that it is not.
    less = stats.ttest_1samp(shifted, 0, alternative="less").pvalue
    assert found.p_better == pytest.approx(less, rel=1e-9)


def test_no_interval_is_inside_students():
    rng = np.random.default_rng(3)
    for draw in (rng.normal, rng.exponential, rng.lognormal, lambda size: rng.standard_t(2, size)):
        for n in (2, 3, 10, 200):
            values = draw(size=n)
            student = stats.ttest_1samp(values, 0).confidence_interval(0.95)
            found = paired_mean(values, confidence=0.95)
            rounding = 1e-9 * (student.high - student.low)
            assert found.low <= student.low + rounding
            assert found.high >= student.high - rounding


@pytest.mark.parametrize("n", [3, 20, 40_000])
def test_moments_and_rows_give_one_answer(n):
    values = np.random.default_rng(n).exponential(size=n) - 0.7
    third = float(((values - values.mean()) ** 3).mean())
    moments = paired_mean_from_moments(values.mean(), values.var(ddof=1), n, third=third, confidence=0.95)
    found = paired_mean(values, confidence=0.95)
    assert (found.low, found.high, found.p_value) == pytest.approx(
        (moments.low, moments.high, moments.p_value), rel=1e-9
    )


def test_the_order_of_rows_does_not_matter():
    rng = np.random.default_rng(4)
    values = rng.lognormal(0, 2, size=50_000) - 7
    found, shuffled = (paired_mean(each, confidence=0.95) for each in (values, rng.permutation(values)))
    assert (shuffled.low, shuffled.high, shuffled.p_value) == pytest.approx(
        (found.low, found.high, found.p_value), rel=1e-12
    )


@pytest.mark.parametrize("scale", [1e-130, 1e-200, 1e120])
def test_numbers_at_the_end_of_their_range_are_compared_all_the_same(scale):
    values = (np.random.default_rng(5).exponential(size=30) - 0.9) * scale
    found = paired_mean(values, confidence=0.95)
    assert found.low <= values.mean() <= found.high
    assert 0 <= found.p_value <= 1


def test_a_constant_difference_is_certain():
    found = paired_mean(np.full(5, -2.0), confidence=0.95)
    assert (found.low, found.high, found.p_value, found.p_better) == (-2, -2, 0, 0)


def test_negation_is_the_comparison_the_other_way_round():
    a, b = np.random.default_rng(1).normal(size=(2, 50))
    a = np.exp(a)
    forth, back = paired_mean(a - b, confidence=0.95), paired_mean(b - a, confidence=0.95)
    assert -forth == back
    assert forth.p_better == pytest.approx(1 - back.p_better)
