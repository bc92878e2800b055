import math

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    demographic_parity_difference,
    demographic_parity_ratio,
    equal_opportunity_difference,
    equal_opportunity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
)
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special
from sklearn.metrics import mean_absolute_error, precision_score

from tidegate.stats.contrasts import Estimates, Gap, largest_difference, means, shares, smallest_ratio
from tidegate.stats.intervals import clopper_pearson, mean_t, mover_difference, wilson
from tidegate.stats.results import Interval, Intervals


def wilson_shares(successes, trials):
    x, n = np.asarray(successes, float), np.asarray(trials, float)
    return Estimates(x / n, lambda confidence: wilson(x, n, confidence=confidence))


def per_group(hits, group, among):
    return shares(
        np.bincount(group[among], weights=hits[among], minlength=group.max() + 1),
        np.bincount(group[among], minlength=group.max() + 1),
    )


@pytest.mark.parametrize("seed", range(20))
def test_gaps_agree_with_fairlearn(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(40, 400))
    group = rng.integers(0, int(rng.integers(2, 5)), n)
    label, predicted = rng.random(n) < 0.5, rng.random(n) < 0.3 + 0.1 * group
    everyone = np.ones(n, bool)
    selected, sensitive = per_group(predicted, group, everyone), {"sensitive_features": group}
    true_positive, false_positive = per_group(predicted, group, label), per_group(predicted, group, ~label)
    precision = per_group(label, group, predicted)
    errors = rng.exponential(size=n)
    error = means(
        np.array([errors[group == g].mean() for g in range(group.max() + 1)]),
        np.array([errors[group == g].var(ddof=1) for g in range(group.max() + 1)]),
        np.bincount(group),
    )
    of_precision = MetricFrame(metrics=precision_score, y_true=label, y_pred=predicted, **sensitive)
    of_error = MetricFrame(metrics=mean_absolute_error, y_true=errors, y_pred=np.zeros(n), **sensitive)
    pairs = [
        (largest_difference, [selected], demographic_parity_difference(label, predicted, **sensitive)),
        (smallest_ratio, [selected], demographic_parity_ratio(label, predicted, **sensitive)),
        (largest_difference, [true_positive], equal_opportunity_difference(label, predicted, **sensitive)),
        (smallest_ratio, [true_positive], equal_opportunity_ratio(label, predicted, **sensitive)),
        (
            largest_difference,
            [true_positive, false_positive],
            equalized_odds_difference(label, predicted, **sensitive),
        ),
        (
            smallest_ratio,
            [true_positive, false_positive],
            equalized_odds_ratio(label, predicted, **sensitive),
        ),
        (largest_difference, [precision], of_precision.difference()),
        (smallest_ratio, [precision], of_precision.ratio()),
        (largest_difference, [error], of_error.difference()),
        (smallest_ratio, [error], of_error.ratio()),
    ]
    for ours, families, theirs in pairs:
        found = ours(*families, confidence=0.95)
        assert found.value == pytest.approx(theirs, abs=1e-12)
        assert found.interval.low <= found.value <= found.interval.high
        values = families[found.family].values
        highest, lowest = values[found.highest], values[found.lowest]
        assert (highest, lowest) == (np.nanmax(values), np.nanmin(values))


def test_two_groups_have_newcombes_interval():
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10: 56/70 against 48/80.
    found = largest_difference(wilson_shares([48, 56], [80, 70]), confidence=0.95)
    assert (found.highest, found.lowest, round(found.value, 4)) == (1, 0, 0.2)
    assert (round(found.interval.low, 4), round(found.interval.high, 4)) == (0.0524, 0.3339)


def test_bounds_are_those_of_the_pairs_one_by_one():
    x, n = [3, 40, 18, 9], [30, 100, 60, 90]
    found = largest_difference(shares(np.array(x), np.array(n)), confidence=0.9)

    def pairwise(confidence):
        limits = [clopper_pearson(a, b, confidence=confidence) for a, b in zip(x, n, strict=True)]
        return [
            mover_difference(x[i] / n[i], limits[i], x[j] / n[j], limits[j])
            for i in range(4)
            for j in range(4)
            if i != j
        ]

    assert found.interval.low == pytest.approx(max(pair.low for pair in pairwise(1 - 0.1 / 6)), rel=1e-12)
    assert found.interval.high == pytest.approx(max(pair.high for pair in pairwise(0.9)), rel=1e-12)


@pytest.mark.parametrize(("x", "n"), [((40, 18), (100, 60)), ((5, 30), (90, 80)), ((60, 60), (90, 90))])
def test_ratio_of_two_groups_is_where_mover_of_the_linear_combination_crosses_zero(x, n):
    # Donner & Zou (2012): the limits of a / b are the r at which MOVER's interval of a - r b reaches 0.
    a, b = sorted((successes / trials, i) for i, (successes, trials) in enumerate(zip(x, n, strict=True)))
    limits = [wilson(x[i], n[i], confidence=0.95) for _, i in (a, b)]

    def reaches(side):
        def excess(r):
            scaled = Interval(r * limits[1].low, r * limits[1].high)
            found = mover_difference(a[0], limits[0], r * b[0], scaled)
            return found.low if side == "low" else found.high

        return optimize.brentq(excess, 1e-6, 50, xtol=1e-14)

    found = smallest_ratio(wilson_shares(x, n), confidence=0.95)
    assert found.value == pytest.approx(a[0] / b[0], rel=1e-12)
    # One pair has both orders, so equal groups take the smaller of the two lower limits.
    assert found.interval.low == pytest.approx(min(reaches("low"), 1 / reaches("high")), rel=1e-9)
    assert found.interval.high == pytest.approx(min(reaches("high"), 1.0), rel=1e-9)


@pytest.mark.parametrize("r", [-1.0, -0.4, 0.7, 1.0])
def test_two_correlated_groups_have_the_interval_of_their_difference(r):
    values, error = np.array([0.2, 0.7]), np.array([0.03, 0.05])
    matrix = np.array([[1, r], [r, 1]])

    def limits(confidence):
        half = special.ndtri((1 + confidence) / 2) * error
        return Intervals(values - half, values + half)

    found = largest_difference(Estimates(values, limits, lambda: matrix), confidence=0.95)
    half = special.ndtri(0.975) * math.sqrt(error @ matrix @ error - 4 * r * error[0] * error[1])
    assert (found.interval.low, found.interval.high) == pytest.approx((0.5 - half, 0.5 + half), rel=1e-9)


@pytest.mark.parametrize("r", [-1.0, -0.3, 0.6, 0.99])
@pytest.mark.parametrize(("x", "n"), [((40, 18), (100, 60)), ((5, 30), (90, 80)), ((3, 2), (90, 10))])
def test_a_ratio_of_correlated_groups_is_where_their_difference_crosses_zero(r, x, n):
    pairs = sorted(zip(x, n, strict=True), key=lambda pair: pair[0] / pair[1])
    low, high = ((a / b, wilson(a, b, confidence=0.95)) for a, b in pairs)
    matrix = np.array([[1, r], [r, 1]])
    estimates = Estimates(wilson_shares(x, n).values, wilson_shares(x, n).limits, lambda: matrix)

    def reaches(one, other):
        def excess(ratio):
            below, above = one[0] - one[1].low, ratio * (other[1].high - other[0])
            half = math.sqrt(max(below**2 + above**2 - 2 * r * below * above, 0.0))
            return one[0] - ratio * other[0] - half

        return optimize.brentq(excess, 1e-9, one[0] / other[0], xtol=1e-14)

    found = smallest_ratio(estimates, confidence=0.95)
    both = reaches(low, high), reaches(high, low)
    assert found.interval.low == pytest.approx(min(both), rel=1e-9)
    assert found.interval.high == pytest.approx(min(1 / both[1], 1.0) if both[1] > both[0] else 1.0, rel=1e-9)


def test_groups_without_bounds_stay_so_however_they_are_correlated():
    values = np.array([0.2, 0.7, 0.5])

    def limits(confidence):
        return Intervals(np.array([-np.inf, 0.6, 0.4]), np.array([np.inf, 0.8, 0.6]))

    for r in (-1.0, 0.0):
        matrix = np.where(np.eye(3) > 0, 1.0, r)
        found = largest_difference(Estimates(values, limits, lambda matrix=matrix: matrix), confidence=0.95)
        assert found.interval.high == math.inf
        assert 0 <= found.interval.low <= 0.2


def test_groups_without_a_value_are_left_out():
    some = largest_difference(shares(np.array([0, 9, 5]), np.array([0, 10, 10])), confidence=0.95)
    alone = largest_difference(shares(np.array([9, 5]), np.array([10, 10])), confidence=0.95)
    assert (some.value, some.interval) == (alone.value, alone.interval)
    assert (some.highest, some.lowest) == (1, 2)


@pytest.mark.parametrize("contrast", [largest_difference, smallest_ratio])
@pytest.mark.parametrize("estimates", [shares(np.array([0, 9]), np.array([0, 10])), shares([], [])])
def test_fewer_than_two_groups_have_no_gap(contrast, estimates):
    found = contrast(estimates, confidence=0.95)
    assert math.isnan(found.value)
    assert found == Gap(found.value, None, -1, -1, -1)


def test_no_confidence_no_interval():
    found = largest_difference(shares(np.array([1, 9]), np.array([10, 10])), confidence=None)
    assert (found.value, found.interval) == (0.8, None)


def test_families_share_the_error_of_the_lower_bound_only():
    first, second = shares([30, 60], [100, 100]), shares([1, 2], [100, 100])
    alone, both = (largest_difference(*each, confidence=0.95) for each in ([first], [second, first]))
    assert (both.value, both.family, both.highest, both.lowest) == (alone.value, 1, 1, 0)
    assert both.interval.low < alone.interval.low
    assert both.interval.high == alone.interval.high


def test_zero_by_zero_is_no_ratio_and_x_by_zero_never_the_smallest():
    none = smallest_ratio(shares([0, 0], [50, 50]), confidence=0.95)
    assert math.isnan(none.value)
    assert none.interval is None
    one = smallest_ratio(shares([0, 5], [50, 50]), confidence=0.95)
    assert (one.value, one.interval.low, one.highest, one.lowest) == (0.0, 0.0, 1, 0)
    assert 0 < one.interval.high < 1
    # Nobody is a false positive, which says nothing about the ratio of the rates.
    odds = smallest_ratio(shares([40, 45], [50, 50]), shares([0, 0], [50, 50]), confidence=0.95)
    assert odds.value == pytest.approx(40 / 45)
    assert odds.interval == Interval(0.0, 1.0)


def test_one_row_says_nothing_about_a_mean():
    single = means(np.array([1.0, 2.0]), np.array([1.0, np.nan]), np.array([30, 1]))
    assert largest_difference(single, confidence=0.95).interval == Interval(0.0, math.inf)
    assert smallest_ratio(single, confidence=0.95).interval == Interval(0.0, 1.0)


def test_means_of_two_groups_have_movers_interval():
    found = largest_difference(means([1.0, 3.0], [4.0, 9.0], [20, 30]), confidence=0.95)
    limits = mean_t(3.0, 9.0, 30, confidence=0.95), mean_t(1.0, 4.0, 20, confidence=0.95)
    assert found.interval == mover_difference(3.0, limits[0], 1.0, limits[1])


def test_constant_groups_are_known_exactly():
    certain = means([0.0, 2.0], [0.0, 0.0], [9, 9])
    assert largest_difference(certain, confidence=0.95).interval == Interval(2.0, 2.0)
    assert smallest_ratio(certain, confidence=0.95).interval == Interval(0.0, 0.0)


def test_ratios_need_values_that_are_not_negative():
    with pytest.raises(ValueError, match="not negative"):
        smallest_ratio(means([-1.0, 2.0], [1.0, 1.0], [9, 9]), confidence=None)


@given(
    st.lists(
        st.integers(0, 60).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
        min_size=2,
        max_size=6,
    ),
    st.permutations(range(6)),
)
def test_bounds_are_ordered_within_range_and_blind_to_the_order_of_groups(counts, order):
    x, n = np.array(counts).T
    order = [i for i in order if i < len(counts)]
    for contrast in (largest_difference, smallest_ratio):
        found = contrast(shares(x, n), confidence=0.95)
        turned = contrast(shares(x[order], n[order]), confidence=0.95)
        if math.isnan(found.value):
            assert math.isnan(turned.value)
            continue
        assert 0 <= found.interval.low <= found.value <= found.interval.high <= 1
        assert turned.value == found.value
        assert turned.interval.low == pytest.approx(found.interval.low, abs=1e-12)
        assert turned.interval.high == pytest.approx(found.interval.high, abs=1e-12)
