import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from tidegate.stats.auc import auc_interval, delong, delong_paired, roc_auc
from tidegate.stats.results import SingleClassError


def delong_by_definition(labels, *scores):
    """Areas and their covariance matrix from all pairs (DeLong et al., 1988, equations 2 to 6)."""
    kernels = [
        (s[labels][:, None] > s[~labels]) + 0.5 * (s[labels][:, None] == s[~labels])
        for s in map(np.asarray, scores)
    ]
    by_positive = np.cov([k.mean(axis=1) for k in kernels]) / labels.sum()
    by_negative = np.cov([k.mean(axis=0) for k in kernels]) / (~labels).sum()
    return [k.mean() for k in kernels], np.atleast_2d(by_positive + by_negative)


def sample(seed, n=150, digits=1):
    rng = np.random.default_rng(seed)
    labels = rng.random(n) < 0.3
    shared = rng.normal(size=n) + labels
    return (
        labels,
        np.round(shared + rng.normal(size=n), digits),
        np.round(shared + rng.normal(size=n), digits),
    )


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_area_agrees_with_scikit_learn(rows):
    labels = np.array([label for label, _ in rows])
    scores = np.array([score for _, score in rows], dtype=float)
    if labels.all() or not labels.any():
        with pytest.raises(SingleClassError):
            roc_auc(labels, scores)
    else:
        assert roc_auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_variances_agree_with_the_definition(seed, digits):
    labels, a, b = sample(seed, digits=digits)
    (area_a, area_b), covariance = delong_by_definition(labels, a, b)
    alone, pair = delong(labels, a), delong_paired(labels, a, b, confidence=0.95)
    assert alone.auc == pytest.approx(area_a, rel=1e-12)
    assert alone.variance == pytest.approx(covariance[0, 0], rel=1e-10)
    assert pair.estimate == pytest.approx(area_a - area_b, abs=1e-12)
    contrast = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert pair.standard_error == pytest.approx(math.sqrt(contrast), rel=1e-10)


def test_with_many_rows_the_interval_is_the_normal_one():
    labels, a, b = sample(1, n=50_000, digits=9)
    found = delong_paired(labels, a, b, confidence=0.95)
    assert found.high - found.estimate == pytest.approx(1.959964 * found.standard_error, rel=1e-3)
    assert (found.low <= 0 <= found.high) == (found.p_value >= 0.05)


def test_small_classes_widen_the_interval():
    labels, a, b = sample(2, n=150)
    labels[np.flatnonzero(labels)[4:]] = False
    found = delong_paired(labels, a, b, confidence=0.95)
    assert found.high - found.estimate > 2.2 * found.standard_error


@pytest.mark.parametrize("change", [lambda s: s, lambda s: 3 * s + 1])
def test_one_ranking_has_a_zero_width_interval(change):
    labels, a, _ = sample(3)
    found = delong_paired(labels, a, change(a), confidence=0.95)
    assert (found.estimate, found.low, found.high, found.p_value, found.p_better) == (0, 0, 0, 1, 0.5)


def test_two_perfect_models_that_differ_are_not_called_identical():
    labels = np.arange(40) < 20
    a = labels + np.linspace(0, 0.5, 40)
    b = labels + np.linspace(0.5, 0, 40)
    found = delong_paired(labels, a, b, confidence=0.95)
    assert found.estimate == 0
    assert found.low == pytest.approx(-(1.96**2) / (20 + 1.96**2), abs=1e-4)
    assert found.high == pytest.approx(-found.low)
    assert found.p_value == 1


def test_perfect_against_reversed():
    labels = np.arange(20) < 10
    found = delong_paired(labels, labels * 1.0, labels * -1.0, confidence=0.95)
    assert found.estimate == 1
    assert 0.3 < found.low < 0.6
    assert found.high == 1
    assert found.p_value == pytest.approx(0.0016, abs=1e-4)


def test_a_class_of_one_row_bounds_nothing():
    labels = np.array([True, False, False, False])
    a, b = np.array([3.0, 1, 2, 4]), np.array([1.0, 2, 3, 4])
    found = delong_paired(labels, a, b, confidence=0.95)
    assert (found.low, found.high, found.p_value) == (-math.inf, math.inf, 1)
    alone = auc_interval(delong(labels, a), confidence=0.95)
    assert alone.low < 0.1
    assert alone.high > 0.9


def test_perfect_separation_is_bounded_exactly():
    labels = np.arange(60) < 20
    found = auc_interval(delong(labels, labels * 1.0), confidence=0.95)
    assert found.high == 1
    assert found.low == pytest.approx(0.025 ** (1 / 20))


def test_newcombes_limits_hold_at_large_areas():
    rng = np.random.default_rng(4)
    labels = np.arange(200) < 10
    scores = rng.normal(size=200) + 3 * labels
    result = delong(labels, scores)
    found = auc_interval(result, confidence=0.95)
    assert found.low < result.auc - 2.5 * math.sqrt(result.variance)
    assert found.low < result.auc < found.high <= 1


def test_a_comparison_refuses_one_class():
    with pytest.raises(SingleClassError, match="both classes"):
        delong_paired(np.ones(3, dtype=bool), np.arange(3.0), np.arange(3.0), confidence=0.95)
