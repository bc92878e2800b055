import math

import numpy as np
import pytest
from scipy import stats

from tidegate.stats.intervals import t_quantile
from tidegate.stats.simultaneous import (
    Joint,
    against_best,
    joint_of_rows,
    pairwise,
    rank_ranges,
)


def rows(seed, n, k, shared=1.0):
    rng = np.random.default_rng(seed)
    values = shared * rng.normal(size=(n, 1)) + rng.normal(size=(n, k)) + 0.2 * np.arange(k)
    return values.mean(axis=0), values - values.mean(axis=0)


def independent(values, variance=1.0, freedom=math.inf):
    k = len(values)
    errors = math.sqrt(2 * variance) * (1 - np.eye(k))
    return Joint(np.asarray(values, dtype=float), variance * np.eye(k), errors, freedom)


@pytest.mark.parametrize(("k", "freedom"), [(3, 12), (5, 40), (10, 200)])
def test_independent_models_have_tukeys_critical_value(k, freedom):
    joint = independent(np.zeros(k), freedom=freedom)
    found = pairwise(joint, confidence=0.95).critical_value
    exact = stats.studentized_range.ppf(0.95, k, freedom) / math.sqrt(2)
    assert exact <= found <= 1.01 * exact


def test_intervals_of_independent_samples_agree_with_scipys_tukey_hsd():
    rng = np.random.default_rng(1)
    samples = [rng.normal(loc, 1, 25) for loc in (0, 0.3, 1.1, 1.2)]
    theirs = stats.tukey_hsd(*samples).confidence_interval(0.95)
    pooled = np.mean([each.var(ddof=1) for each in samples]) / 25
    joint = independent([each.mean() for each in samples], pooled, freedom=96)
    found = pairwise(joint, confidence=0.95)
    apart = ~np.eye(4, dtype=bool)
    assert found.low[apart] == pytest.approx(theirs.low[apart], abs=0.01)
    assert found.high[apart] == pytest.approx(theirs.high[apart], abs=0.01)
    assert (found.low[apart] <= theirs.low[apart]).all()


@pytest.mark.parametrize(("k", "exact"), [(3, 1.92), (4, 2.06), (6, 2.23)])
def test_one_sided_comparisons_with_one_have_dunnetts_critical_value(k, exact):
    """Dunnett (1955), table 1a, infinite degrees of freedom, 95%; here each side errs with half of 10%."""
    joint = independent(np.zeros(k))
    reach = against_best(joint, confidence=0.90).high
    assert reach / math.sqrt(2) == pytest.approx(np.full(k, exact), abs=0.035)


@pytest.mark.parametrize("shared", [0.0, 3.0])
def test_two_models_have_the_paired_t_interval(shared):
    values, influence = rows(2, 400, 2, shared)
    found = pairwise(joint_of_rows(values, influence), confidence=0.95)
    moved = influence[:, 1] - influence[:, 0]
    theirs = stats.ttest_1samp(moved + values[1] - values[0], 0).confidence_interval(0.95)
    assert found.critical_value == pytest.approx(t_quantile(0.95, 399))
    # Wider by one row more of the most influential kind.
    assert theirs.low - 3e-3 < found.low[1, 0] < theirs.low
    assert theirs.high < found.high[1, 0] < theirs.high + 3e-3


def test_correlated_models_need_less_than_bonferroni():
    values, influence = rows(3, 300, 6)
    found = pairwise(joint_of_rows(values, influence), confidence=0.95)
    assert t_quantile(0.95, 299) < found.critical_value < t_quantile(1 - 0.05 / 15, 299) - 0.02


def test_a_confidence_beyond_all_draws_is_bonferronis():
    joint = independent(np.zeros(3))
    confidence = 1 - 2.0**-32
    found = pairwise(joint, confidence=confidence).critical_value
    assert found == pytest.approx(t_quantile(1 - (1 - confidence) / 3, math.inf))


def test_models_that_never_differ_are_tied():
    values, influence = rows(4, 200, 3)
    values, influence = values[[0, 1, 1, 2]], influence[:, [0, 1, 1, 2]]
    joint = joint_of_rows(values, influence)
    found = pairwise(joint, confidence=0.95)
    assert (found.low[1, 2], found.high[1, 2]) == (0, 0)
    alone = pairwise(joint_of_rows(values[[0, 1, 3]], influence[:, [0, 1, 3]]), confidence=0.95)
    assert found.critical_value == pytest.approx(alone.critical_value, abs=0.02)
    assert rank_ranges(found)[1].tolist() == rank_ranges(found)[2].tolist()


def test_only_identical_models_are_all_best():
    joint = joint_of_rows([0.5] * 3, np.tile(np.array([[1.0], [-1.0]]), (1, 3)))
    found, best = pairwise(joint, confidence=0.95), against_best(joint, confidence=0.95)
    assert not found.low.any()
    assert not found.high.any()
    assert best.may_be_best.all()
    assert not best.low.any()
    assert not best.high.any()
    assert rank_ranges(found).tolist() == [[1, 1]] * 3


def test_two_that_nearly_agree_among_others_that_do_not():
    rng = np.random.default_rng(5)
    influence = rng.normal(size=(500, 3))
    influence[:, 2] = influence[:, 1] + 1e-9 * rng.normal(size=500)
    influence -= influence.mean(axis=0)
    joint = joint_of_rows([0.0, 0.0, 1e-9], influence)
    assert joint.errors[1, 2] == pytest.approx(1e-9 / math.sqrt(500), rel=0.15)
    found = pairwise(joint, confidence=0.95)
    assert found.low[2, 1] > 0
    assert found.low[2, 0] < 0 < found.high[2, 0]


def test_one_row_bounds_nothing():
    joint = joint_of_rows([0.0, 1.0, 2.0], np.zeros((1, 3)))
    found, best = pairwise(joint, confidence=0.95), against_best(joint, confidence=0.95)
    assert np.isneginf(found.low[~np.eye(3, dtype=bool)]).all()
    assert best.may_be_best.all()
    assert rank_ranges(found).tolist() == [[1, 3]] * 3


def test_one_model_alone_is_best():
    best = against_best(joint_of_rows([0.3], np.zeros((5, 1))), confidence=0.95)
    assert (best.low.tolist(), best.high.tolist(), best.may_be_best.tolist()) == ([0], [0], [True])


def test_far_apart_the_ranks_are_known():
    rng = np.random.default_rng(6)
    influence = rng.normal(size=(1_000, 4))
    joint = joint_of_rows([3.0, 1.0, 4.0, 2.0], influence - influence.mean(axis=0))
    found, best = pairwise(joint, confidence=0.95), against_best(joint, confidence=0.95)
    assert rank_ranges(found).tolist() == [[2, 2], [4, 4], [1, 1], [3, 3]]
    assert best.may_be_best.tolist() == [False, False, True, False]
    assert best.low[2] == 0
    assert 0.9 < best.high[2] < 1.2
    assert best.high[[0, 1, 3]].tolist() == [0, 0, 0]
    assert -1.2 < best.low[0] < -0.9


def test_row_order_does_not_matter():
    values, influence = rows(7, 400, 4)
    order = np.random.default_rng(8).permutation(400)
    found = pairwise(joint_of_rows(values, influence), confidence=0.95)
    again = pairwise(joint_of_rows(values, influence[order]), confidence=0.95)
    assert again.low == pytest.approx(found.low, rel=1e-12)
    assert again.critical_value == found.critical_value


def test_weights_that_are_all_alike_change_nothing():
    values, influence = rows(9, 150, 3)
    plain, weighted = (joint_of_rows(values, influence, weights=w) for w in (None, np.full(150, 0.2)))
    assert weighted.errors == pytest.approx(plain.errors, rel=1e-12)
    assert weighted.degrees_of_freedom == pytest.approx(149)


def test_rows_without_weight_are_as_if_absent():
    values, influence = rows(10, 150, 3)
    weights = np.repeat([1.0, 0.0], [100, 50])
    kept = joint_of_rows(values, influence[:100], weights=weights[:100])
    assert joint_of_rows(values, influence, weights=weights).errors == pytest.approx(kept.errors)


def test_repeated_rows_of_one_cluster_count_once():
    values, influence = rows(11, 80, 3)
    once = joint_of_rows(values, influence)
    codes = np.repeat(np.arange(80), 5)
    repeated = joint_of_rows(values, np.repeat(influence, 5, axis=0), clusters=codes)
    assert repeated.errors == pytest.approx(once.errors, rel=1e-12)
    assert repeated.degrees_of_freedom == pytest.approx(79)


def test_unequal_clusters_have_fewer_degrees_of_freedom():
    values, influence = rows(12, 120, 2)
    codes = np.repeat(np.arange(12), [54, *[6] * 11])
    joint = joint_of_rows(values, influence, clusters=codes)
    assert joint.degrees_of_freedom == pytest.approx(120**2 / (54**2 + 11 * 36) - 1)


def test_the_error_is_that_of_leaving_out_one_row_at_a_time():
    rng = np.random.default_rng(13)
    outcome, weights = rng.normal(size=(60, 2)), rng.uniform(0.2, 3, 60)
    means = np.average(outcome, axis=0, weights=weights)
    left_out = np.array(
        [np.average(np.delete(outcome, i, axis=0), axis=0, weights=np.delete(weights, i)) for i in range(60)]
    )
    moved = np.diff(means - left_out, axis=1)[:, 0]
    jackknife = math.sqrt(59 / 60 * float(moved @ moved))
    found = joint_of_rows(means, outcome - means, weights=weights).errors[0, 1]
    assert found == pytest.approx(math.hypot(jackknife, np.abs(moved).max()), rel=1e-10)
