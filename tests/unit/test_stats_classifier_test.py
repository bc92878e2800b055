import math

import numpy as np
import pytest
from scipy import stats

from tidegate.stats.auc import delong
from tidegate.stats.classifier_test import classifier_test
from tidegate.stats.results import UndefinedStatisticError


def one_fold(scores: list[float], current: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows of fold 1, below as many of fold 0 that are only learnt from."""
    both = np.array(scores * 2, dtype=np.float64), np.array(current * 2, dtype=bool)
    return *both, np.repeat([0, 1], len(scores))


@pytest.mark.parametrize("digits", [8, 1])
@pytest.mark.parametrize("sizes", [(30, 30), (12, 70)])
def test_one_fold_is_the_rank_sum_test_of_scipy(digits: int, sizes: tuple[int, int]) -> None:
    n, m = sizes
    rng = np.random.default_rng(n)
    scores = np.round(np.concatenate((rng.normal(size=n), rng.normal(0.7, 1, size=m))), digits)
    current = np.arange(n + m) >= n
    found = classifier_test(*one_fold(scores.tolist(), current.tolist()), confidence=0.95)
    peer = stats.mannwhitneyu(scores[current], scores[~current], alternative="greater", method="asymptotic")
    assert found.auc == pytest.approx(peer.statistic / (n * m), rel=1e-12)
    assert found.standard_error == pytest.approx(math.sqrt(_variance(scores, n, m)), rel=1e-12)
    # A tail of the skewed law replaces the normal one where it is heavier.
    assert peer.pvalue <= found.p_value * (1 + 1e-9)
    assert found.p_value == pytest.approx(peer.pvalue, rel=0.35)
    assert (found.rows_reference, found.rows_current) == (n, m)


def _variance(scores: np.ndarray, n: int, m: int) -> float:
    ties = np.unique(scores, return_counts=True)[1].astype(np.float64)
    size = n + m
    return float((size + 1 - (ties**3 - ties).sum() / (size * (size - 1))) / (12 * n * m))


def test_without_ties_one_fold_has_exactly_the_normal_p_value_of_scipy() -> None:
    scores = np.random.default_rng(5).normal(size=60)
    current = np.arange(60) % 2 == 0
    found = classifier_test(*one_fold(scores.tolist(), current.tolist()), confidence=0.95)
    peer = stats.mannwhitneyu(scores[current], scores[~current], alternative="greater", method="asymptotic")
    assert found.p_value == pytest.approx(peer.pvalue, rel=1e-9)


def test_of_a_skewed_permutation_law_the_p_value_is_not_too_small() -> None:
    # Ten current rows of 200, and a value that twelve rows have, four of them current: hypergeometric.
    scores = np.zeros(200)
    current = np.zeros(200, dtype=bool)
    scores[:12] = 1
    current[[*range(4), *range(20, 26)]] = True
    found = classifier_test(*one_fold(scores.tolist(), current.tolist()), confidence=0.95)
    exact = float(stats.hypergeom.sf(3, 200, 12, 10))
    normal = float(stats.norm.sf((4 - 0.5 - 0.6) / stats.hypergeom.std(200, 12, 10)))
    assert normal < exact / 3
    assert exact <= found.p_value < exact * 2.5


def test_interval_of_one_fold_holds_that_of_delong() -> None:
    rng = np.random.default_rng(1)
    scores = np.concatenate((rng.normal(size=80), rng.normal(1, 1, size=60)))
    current = np.arange(140) >= 80
    found = classifier_test(*one_fold(scores.tolist(), current.tolist()), confidence=0.9)
    alone = delong(current, scores)
    error = math.sqrt(alone.variance)
    assert found.interval.low < alone.auc < found.interval.high
    assert found.interval.high - found.interval.low == pytest.approx(2 * 1.645 * error, rel=0.1)


def test_later_folds_count_more_because_their_model_has_seen_more() -> None:
    scores = np.tile([0.0, 1.0, 0.5, 2.0], 15)
    current = np.tile([False, True, False, True], 15)
    fold = np.repeat([0, 1, 2], 20)
    worse_late, worse_early = scores.copy(), scores.copy()
    worse_late[fold == 2] *= -1
    worse_early[fold == 1] *= -1
    late, early = (
        classifier_test(each, current, fold, confidence=0.95).auc for each in (worse_late, worse_early)
    )
    weights = np.sqrt([20, 40]) / np.sqrt([20, 40]).sum()
    assert late == pytest.approx(weights[0])
    assert early == pytest.approx(weights[1])


def test_scores_that_are_all_alike_say_nothing() -> None:
    found = classifier_test(np.zeros(100), np.arange(100) % 2 == 0, np.arange(100) // 20, confidence=0.95)
    assert found.auc == 0.5
    assert found.p_value == pytest.approx(0.5)
    assert found.standard_error == 0


def test_windows_without_overlap_have_a_tiny_p_value_and_an_interval_below_one() -> None:
    current = np.arange(200) % 2 == 0
    found = classifier_test(current.astype(np.float64), current, np.arange(200) // 40, confidence=0.95)
    assert found.auc == 1
    assert found.p_value < 1e-20
    assert 0.9 < found.interval.low < 1
    assert found.interval.high == 1


def test_clusters_of_one_row_cost_next_to_nothing() -> None:
    rng = np.random.default_rng(3)
    current = np.arange(1_000) % 2 == 0
    scores, fold = rng.normal(current * 0.2, 1), np.arange(1_000) // 200
    alone = classifier_test(scores, current, fold, confidence=0.95)
    clustered = classifier_test(scores, current, fold, confidence=0.95, cluster=np.arange(1_000))
    assert clustered.auc == pytest.approx(alone.auc)
    assert clustered.p_value == pytest.approx(alone.p_value, rel=0.3)


def test_copies_of_rows_add_no_evidence_when_their_cluster_is_known() -> None:
    rng = np.random.default_rng(4)
    current = np.arange(500) % 2 == 0
    scores, fold = rng.normal(current * 0.3, 1), np.arange(500) // 100
    single = classifier_test(scores, current, fold, confidence=0.95, cluster=np.arange(500))
    copied = classifier_test(
        np.repeat(scores, 8),
        np.repeat(current, 8),
        np.repeat(fold, 8),
        confidence=0.95,
        cluster=np.repeat(np.arange(500), 8),
    )
    naive = classifier_test(np.repeat(scores, 8), np.repeat(current, 8), np.repeat(fold, 8), confidence=0.95)
    assert copied.standard_error == pytest.approx(single.standard_error, rel=0.05)
    assert naive.p_value < copied.p_value / 100


def test_cluster_without_overlap_has_a_p_value_above_zero() -> None:
    cluster = np.arange(400) // 4
    current = cluster % 2 == 0
    found = classifier_test(
        current.astype(np.float64), current, cluster // 20, confidence=0.95, cluster=cluster
    )
    assert found.auc == 1
    assert 0 < found.p_value < 1e-6


@pytest.mark.parametrize(
    ("current", "fold", "cluster"),
    [
        (np.ones(40, dtype=bool), np.arange(40) // 8, None),
        (np.arange(40) % 2 == 0, np.zeros(40, dtype=np.int64), None),
        (np.arange(40) % 2 == 0, np.arange(40) // 8, np.arange(40) // 8),
        (np.zeros(0, dtype=bool), np.zeros(0, dtype=np.int64), None),
    ],
)
def test_what_cannot_be_tested_says_so(
    current: np.ndarray, fold: np.ndarray, cluster: np.ndarray | None
) -> None:
    with pytest.raises(UndefinedStatisticError, match="enough rows or clusters"):
        classifier_test(np.arange(len(fold)) * 1.0, current, fold, confidence=0.95, cluster=cluster)


def test_order_of_rows_makes_no_difference() -> None:
    rng = np.random.default_rng(8)
    scores, current = rng.normal(size=300), rng.random(300) < 0.4
    fold, cluster = np.arange(300) // 60, np.arange(300) // 3
    order = rng.permutation(300)
    for of in (None, cluster):
        first = classifier_test(scores, current, fold, confidence=0.95, cluster=of)
        again = classifier_test(
            scores[order],
            current[order],
            fold[order],
            confidence=0.95,
            cluster=None if of is None else of[order],
        )
        assert again.p_value == pytest.approx(first.p_value, rel=1e-12)
        assert again.auc == pytest.approx(first.auc, rel=1e-12)
