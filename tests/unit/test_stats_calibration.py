import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import special
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from tidegate.stats.calibration import (
    brier_parts,
    calibration_error_interval,
    reliability_interval,
    reliability_table,
    resolution_interval,
)
from tidegate.stats.cox import calibration_intercept, calibration_slope
from tidegate.stats.intervals import clopper_pearson
from tidegate.stats.results import Interval


def drawn(seed, n=500, sharpening=0.7, decimals=None):
    rng = np.random.default_rng(seed)
    score = rng.beta(1, 2, n)
    if decimals is not None:
        score = score.round(decimals)
    truth = special.expit(sharpening * special.logit(np.clip(score, 1e-9, 1 - 1e-9)) + 0.2)
    return (rng.random(n) < truth).astype(np.int8), score


@pytest.mark.parametrize("binning", ["uniform", "quantile"])
@pytest.mark.parametrize("bins", [1, 5, 10, 15])
@pytest.mark.parametrize("decimals", [None, 1, 2])
def test_bins_are_those_of_scikit_learn(binning, bins, decimals):
    label, score = drawn(1, decimals=decimals)
    found = reliability_table(label, score, bins=bins, binning=binning)
    occupied = found.rows > 0
    labels, scores = calibration_curve(label, score, n_bins=bins, strategy=binning)
    assert found.mean_label[occupied] == pytest.approx(labels, abs=1e-12)
    assert found.mean_score[occupied] == pytest.approx(scores, abs=1e-12)
    expected = (found.rows[occupied] / 500) @ np.abs(labels - scores)
    assert found.expected_calibration_error == pytest.approx(expected, abs=1e-12)


def test_an_edge_belongs_to_the_bin_below_it():
    table = reliability_table(np.zeros(5), np.array([0.0, 0.25, 0.5, 0.75, 1.0]), bins=4)
    assert table.rows.tolist() == [2, 1, 1, 1]


def test_equal_scores_share_a_quantile_bin_and_empty_bins_count_nothing():
    score = np.repeat([0.2, 0.9], [90, 10])
    table = reliability_table(np.repeat([0, 1], [90, 10]), score, bins=10, binning="quantile")
    assert sorted(table.rows.tolist()) == [0] * 8 + [10, 90]
    assert table.expected_calibration_error == pytest.approx(0.9 * 0.2 + 0.1 * 0.1)


def test_error_by_hand():
    # Guo et al. (2017), equation 3: 4 rows at 0.55 of which 3 are right, 6 at 0.95 of which 5 are.
    label = np.array([1, 1, 1, 0, 1, 1, 1, 1, 1, 0])
    score = np.array([0.55] * 4 + [0.95] * 6)
    found = reliability_table(label, score, bins=10).expected_calibration_error
    assert found == pytest.approx(0.4 * 0.2 + 0.6 * (0.95 - 5 / 6), abs=1e-12)


@pytest.mark.parametrize("binning", ["uniform", "quantile"])
@pytest.mark.parametrize("bins", [1, 3, 10, 40])
@pytest.mark.parametrize("decimals", [None, 0, 1])
def test_parts_add_up_to_the_brier_score(binning, bins, decimals):
    label, score = drawn(2, decimals=decimals)
    parts = brier_parts(reliability_table(label, score, bins=bins, binning=binning))
    assert parts.brier_score == pytest.approx(brier_score_loss(label, score), abs=1e-12)


def test_parts_are_murphys_where_each_bin_has_one_score():
    # Murphy (1973): reliability and resolution about the shares of the distinct scores.
    label, score = drawn(3, decimals=1)
    values, index = np.unique(score, return_inverse=True)
    share, rate = np.bincount(index) / 500, np.bincount(index, weights=label) / np.bincount(index)
    parts = brier_parts(reliability_table(label, score, bins=20))
    assert parts.reliability == pytest.approx(share @ (values - rate) ** 2, abs=1e-12)
    assert parts.resolution == pytest.approx(share @ (rate - label.mean()) ** 2, abs=1e-12)
    assert parts.uncertainty == pytest.approx(label.mean() * (1 - label.mean()), abs=1e-12)
    assert (parts.within_bin_variance, parts.within_bin_covariance) == pytest.approx((0, 0), abs=1e-12)


def test_no_rows_know_nothing():
    table = reliability_table(np.array([]), np.array([]), binning="quantile")
    assert math.isnan(table.expected_calibration_error)
    assert calibration_error_interval(table, confidence=0.95) == Interval(-math.inf, math.inf)
    assert math.isnan(brier_parts(table).brier_score)


def test_one_row():
    table = reliability_table(np.array([1]), np.array([0.3]))
    assert table.expected_calibration_error == pytest.approx(0.7)
    found = calibration_error_interval(table, confidence=0.95)
    assert 0 <= found.low <= 0.7 <= found.high <= 1


def test_error_interval_of_a_large_error_is_that_of_a_mean():
    # One bin, far from zero: the error is the mean of score minus label.
    rng = np.random.default_rng(4)
    score = rng.uniform(0.6, 0.9, 4_000)
    label = rng.random(4_000) < score - 0.3
    table = reliability_table(label, score, bins=1)
    found = calibration_error_interval(table, confidence=0.95)
    half = 1.959964 * np.std(score - label) / math.sqrt(4_000)
    assert found.high == pytest.approx(table.expected_calibration_error + half, rel=2e-3)
    assert found.low == pytest.approx(table.expected_calibration_error - half, rel=2e-3)


@pytest.mark.parametrize("n", [1, 100, 10_000])
@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_upper_limits_are_exact_where_no_event_was_seen(n, sure):
    # Clopper and Pearson (1934): at most 1 - 0.025 ** (1 / n), about 3.69 / n.
    table = reliability_table(np.full(n, sure), np.full(n, sure))
    exact = 1 - 0.025 ** (1 / n)
    assert calibration_error_interval(table, confidence=0.95).high == pytest.approx(exact, rel=1e-9)
    assert reliability_interval(table, confidence=0.95).high == pytest.approx(exact**2, rel=1e-9)
    assert resolution_interval(table, confidence=0.95).high == pytest.approx(exact**2, rel=1e-9)


@pytest.mark.parametrize("events", [1, 3, 10, 40])
def test_upper_limits_are_exact_for_scores_of_zero(events):
    label = np.repeat([1, 0], [events, 1_000 - events])
    table = reliability_table(label, np.zeros(1_000))
    exact = clopper_pearson(events, 1_000, confidence=0.95).high
    assert calibration_error_interval(table, confidence=0.95).high == pytest.approx(exact, rel=1e-9)
    assert reliability_interval(table, confidence=0.95).high == pytest.approx(exact**2, rel=1e-4)


def test_lower_limits_know_what_labels_of_one_kind_hide():
    # Scores near 1, and none of 100 came true: up to 3.6% of them may, as Clopper and Pearson (1934) say.
    table = reliability_table(np.zeros(100), np.full(100, 0.999))
    exact = 0.999 - (1 - 0.025 ** (1 / 100))
    assert calibration_error_interval(table, confidence=0.95).low <= exact
    assert reliability_interval(table, confidence=0.95).low <= exact**2


def test_error_interval_widens_with_confidence_and_is_the_same_every_time():
    table = reliability_table(*drawn(5))
    found = [calibration_error_interval(table, confidence=c) for c in (0.5, 0.9, 0.99, 0.99)]
    assert found[0].low >= found[1].low >= found[2].low == found[3].low
    assert found[0].high < found[1].high < found[2].high == found[3].high


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("sharpening", [0.3, 1.0, 2.0])
def test_slope_and_intercept_are_statsmodels(seed, sharpening):
    label, score = drawn(seed, n=120, sharpening=sharpening)
    logit, one = special.logit(score), np.ones(120)
    slope = sm.GLM(label, np.column_stack((one, logit)), family=sm.families.Binomial())
    large = sm.GLM(label, one, offset=logit, family=sm.families.Binomial())
    for model, found in (
        (slope, calibration_slope(label, score)),
        (large, calibration_intercept(label, score)),
    ):
        theirs = model.fit(cov_type="HC0", tol=1e-14, tol_criterion="params")
        assert found.value == pytest.approx(theirs.params[-1], rel=1e-8, abs=1e-8)
        assert math.sqrt(found.influence.var() / 120) == pytest.approx(theirs.bse[-1], rel=1e-8)
        assert found.influence.mean() == pytest.approx(0, abs=1e-10)


def test_certain_scores_are_kept_off_the_ends_by_their_type():
    label = np.array([0, 1, 1, 0, 1, 0, 1, 0])
    score = np.array([0.0, 1.0, 0.7, 0.2, 0.0, 1.0, 0.6, 0.4])
    for kind in (np.float64, np.float32):
        eps = np.finfo(kind).eps
        clipped = np.clip(score.astype(kind), eps, 1 - eps).astype(np.float64)
        for measure in (calibration_slope, calibration_intercept):
            found = measure(label, score.astype(kind))
            assert math.isfinite(found.value)
            assert found.value == pytest.approx(measure(label, clipped).value, abs=1e-9)


@pytest.mark.parametrize(
    ("label", "score"),
    [
        ([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4]),
        ([1, 1, 0, 0], [0.1, 0.2, 0.3, 0.4]),
        ([0, 0, 1, 1], [0.1, 0.2, 0.2, 0.4]),
        ([0, 1, 0, 1], [0.3, 0.3, 0.3, 0.3]),
        ([1, 1, 1, 1], [0.1, 0.2, 0.3, 0.4]),
        ([], []),
    ],
)
def test_slope_needs_classes_that_overlap(label, score):
    found = calibration_slope(np.array(label), np.array(score, dtype=float))
    assert math.isnan(found.value)
    assert found.influence.tolist() == [0] * len(label)


def test_intercept_needs_both_classes():
    assert math.isnan(calibration_intercept(np.ones(3), np.array([0.2, 0.3, 0.4])).value)
    constant = calibration_intercept(np.array([0, 1, 1, 1]), np.full(4, 0.5))
    assert constant.value == pytest.approx(math.log(3), rel=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=60),
    st.sampled_from(["uniform", "quantile"]),
    st.randoms(use_true_random=False),
)
def test_any_scores_give_ordered_bounds_whatever_the_order_of_rows(rows, binning, random):
    label, score = np.array(rows).T
    table = reliability_table(label, score, binning=binning)
    found = calibration_error_interval(table, confidence=0.95)
    assert 0 <= found.low <= table.expected_calibration_error <= found.high <= 1
    parts = brier_parts(table)
    for value, limits in (
        (parts.reliability, reliability_interval(table, confidence=0.95)),
        (parts.resolution, resolution_interval(table, confidence=0.95)),
    ):
        assert 0 <= limits.low <= value <= limits.high <= max(value, 1)
    assert parts.brier_score == pytest.approx(((label - score) ** 2).mean(), abs=1e-12)
    label, score = np.array(random.sample(rows, len(rows))).T
    turned = reliability_table(label, score, binning=binning)
    assert turned.expected_calibration_error == pytest.approx(table.expected_calibration_error, abs=1e-13)


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=1, max_size=30))
def test_slope_exists_where_classes_overlap_and_solves_its_equations(rows):
    label, score = np.array(rows).T
    found = calibration_slope(label, score)
    logit = special.logit(np.clip(score, np.finfo(float).eps, 1 - np.finfo(float).eps))
    ones, zeros = logit[label == 1], logit[label == 0]
    apart = not (len(ones) and len(zeros)) or zeros.max() <= ones.min() or ones.max() <= zeros.min()
    assert math.isnan(found.value) == apart
    # The mean influence is the step that Newton's method would take next.
    assert abs(found.influence.mean()) <= 1e-6 * (1 + np.abs(found.influence).max())


def test_scores_next_to_nothing_have_an_interval() -> None:
    table = reliability_table(np.array([0.0]), np.array([2.3e-89]))
    found = reliability_interval(table, confidence=0.95)
    assert (found.low, found.high) == (0.0, pytest.approx(0.975**2, rel=1e-9))
