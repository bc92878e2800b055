import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from tidegate.stats.operating_points import (
    precision_at_recall,
    recall_at_false_positive_rate,
    recall_at_precision,
)

STATISTICS = [precision_at_recall, recall_at_precision, recall_at_false_positive_rate]


def theirs(statistic, label, score, at, weights=None):
    """The same from scikit-learn's curves."""
    if statistic is recall_at_false_positive_rate:
        rate, recall, _ = roc_curve(label, score, sample_weight=weights, drop_intermediate=False)
        return recall[rate <= at].max()
    precision, recall, thresholds = precision_recall_curve(label, score, sample_weight=weights)
    # The last point belongs to no threshold.
    precision, recall = precision[: len(thresholds)], recall[: len(thresholds)]
    if statistic is precision_at_recall:
        return precision[recall >= at].max()
    return recall[precision >= at].max(initial=0.0)


def drawn(seed, n=200, decimals=None):
    rng = np.random.default_rng(seed)
    label = rng.random(n) < 0.3
    score = rng.normal(size=n) + label
    return label, score if decimals is None else score.round(decimals)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("at", [0.01, 0.05, 0.3, 0.5, 0.8, 0.9, 1.0])
@pytest.mark.parametrize("decimals", [None, 1, 0])
@pytest.mark.parametrize("seed", range(5))
def test_values_are_scikit_learns_with_any_weights(statistic, at, decimals, seed):
    label, score = drawn(seed, decimals=decimals)
    weights = np.random.default_rng(seed).poisson(1.0, (6, 200)).astype(float)
    weights[0] = 1
    found = statistic(label, score, at)(weights)
    expected = [theirs(statistic, label, score, at, each) for each in weights]
    assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("score", [np.zeros(10), np.array([-np.inf, np.inf] * 5)])
def test_all_tied_and_infinite_scores(statistic, score):
    label = np.arange(10) < 4
    finite = np.nan_to_num(score, posinf=1, neginf=-1)
    found = statistic(label, score, 0.4)(np.ones((1, 10)))
    assert found == pytest.approx([theirs(statistic, label, finite, 0.4)], abs=1e-12)


def test_a_bound_that_is_met_exactly_counts():
    # Thresholds from the top: recall 1/5, 2/5, ..., precision 1, 1, 2/3, 3/4, 4/5, 5/6.
    label, score = np.array([1, 1, 0, 1, 1, 1], dtype=bool), -np.arange(6.0)
    one = np.ones((1, 6))
    assert precision_at_recall(label, score, 0.8)(one) == [5 / 6]
    assert precision_at_recall(label, score, 0.4)(one) == [1.0]
    assert recall_at_precision(label, score, 5 / 6)(one) == [1.0]
    assert recall_at_precision(label, score, 0.9)(one) == [0.4]
    assert recall_at_false_positive_rate(label, score, 0.0)(one) == [0.4]
    assert recall_at_false_positive_rate(label, score, 1.0)(one) == [1.0]


def test_a_precision_out_of_reach_finds_nothing():
    label, score = np.array([False, True]), np.array([2.0, 1.0])
    assert recall_at_precision(label, score, 0.6)(np.ones((1, 2))) == [0.0]
    assert recall_at_false_positive_rate(label, score, 0.5)(np.ones((1, 2))) == [0.0]


def test_values_without_one_class_or_without_rows():
    score, one = np.array([1.0, 2, 3]), np.ones((2, 3))
    positive, negative = np.ones(3, dtype=bool), np.zeros(3, dtype=bool)
    assert precision_at_recall(positive, score, 0.5)(one).tolist() == [1, 1]
    assert recall_at_precision(positive, score, 0.5)(one).tolist() == [1, 1]
    assert np.isnan(recall_at_false_positive_rate(positive, score, 0.5)(one)).all()
    for statistic in STATISTICS:
        assert np.isnan(statistic(negative, score, 0.5)(one)).all()
        assert np.isnan(statistic(negative[:0], score[:0], 0.5)(np.ones((2, 0)))).all()


@pytest.mark.parametrize("statistic", STATISTICS)
def test_a_resample_without_positives_has_no_value(statistic):
    label, score = drawn(1, n=20)
    assert math.isnan(statistic(label, score, 0.5)((~label).astype(float)[None])[0])


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=30),
    st.sampled_from([0.25, 0.5, 1.0]),
    st.randoms(use_true_random=False),
)
def test_weights_are_repeated_rows_in_any_order(rows, at, random):
    label, score, weight = (np.array(each) for each in zip(*rows, strict=True))
    repeated = np.repeat(np.arange(len(rows)), weight)
    repeated = np.array(random.sample(repeated.tolist(), len(repeated)), dtype=int)
    for statistic in STATISTICS:
        weighted = statistic(label, score.astype(float), at)(weight[None].astype(float))
        plain = statistic(label[repeated], score[repeated].astype(float), at)(np.ones((1, len(repeated))))
        np.testing.assert_allclose(weighted, plain, rtol=0, atol=1e-12)
