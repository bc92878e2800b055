"""Are two samples of one law? Whether a classifier tells their rows apart (Lopez-Paz & Oquab, 2017).

Ordinary cross-fitting lets the folds lend each other their chance differences: a test that takes them for independent
alarms more than twice as often as it says. Here the rows of a fold are scored by a model that saw earlier folds alone
(Dawid's prequential principle, 1984). Given those, the windows of the fold's rows are a random permutation if nothing
changed: its rank sum has a mean and a variance that are known (Mann & Whitney, 1947), whatever the model has learnt,
and the standardised sums of the folds add up as independent ones do.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from tidegate.stats.auc import AucResult, auc_interval, delong, linearised_auc
from tidegate.stats.clustered import spread
from tidegate.stats.results import BoolArray, FloatArray, IntArray, Interval, UndefinedStatisticError

FOLDS = 5
"""Of which the first is learnt from only."""
_LEAST_CLUSTERS = 3
"""Of each sample in a fold: of fewer no variance can be told."""


@dataclass(frozen=True, slots=True)
class ClassifierTest:
    """How far a classifier tells two samples apart.

    Attributes:
        auc: mean over the folds, those weighted more whose model had seen more; 0.5 on average when nothing changed.
        interval: two-sided, of the mean AUC that the fitted models have on such rows.
        p_value: one-sided, for "both samples are of one law".
        standard_error: of the AUC when nothing changed.
        rows_reference, rows_current: rows that were scored.
        folds: that count; others lack rows or clusters of a window.
    """

    auc: float
    interval: Interval
    p_value: float
    standard_error: float
    rows_reference: int
    rows_current: int
    folds: int


@dataclass(frozen=True, slots=True)
class _Fold:
    """One fold's AUC.

    Attributes:
        seen: weight that the learnt rows give it.
        precision: of the AUC, known before any score is.
        null_variance, skewness: of the AUC when nothing changed, given which scores occur.
        half_step: half of the smallest step in which the AUC changes.
        result: with the variance that its rows show.
        units: rows, or clusters of equal size that would do, per sample.
    """

    seen: float
    precision: float
    null_variance: float
    skewness: float
    half_step: float
    result: AucResult
    units: tuple[float, float]


def classifier_test(
    scores: FloatArray,
    current: BoolArray,
    fold: IntArray,
    *,
    confidence: float,
    cluster: IntArray | None = None,
) -> ClassifierTest:
    """Test two samples by scores that are higher for rows that look like the current one.

    The p-value holds at any sizes: it is the larger of the normal and the Pearson III tail (as many rows share a score,
    rank sums of samples of unequal size are skewed; Mielke & Berry, 2007), each with a correction for continuity. With
    clusters, which must lie in one fold each, variance and degrees of freedom are those of independent clusters (Bell &
    McCaffrey, 2002), and no smaller than of independent rows.

    Args:
        scores: shape (n,), finite; those of fold 0 are not looked at.
        current: shape (n,), true for rows of the current sample.
        fold: shape (n,), 0 and up. The model that scored fold k must have seen rows of folds below k alone, and folds
            must be drawn without regard to what tells the samples apart.
        confidence: of the interval.
        cluster: shape (n,), codes from 0 of what rows come from; None when rows are independent.

    Raises:
        UndefinedStatisticError: no fold after the first holds two rows, or three clusters, of each sample.
    """
    folds = []
    for k in range(1, int(fold.max(initial=0)) + 1):
        here = fold == k
        found = _fold(
            scores[here],
            current[here],
            float(np.count_nonzero(fold < k)),
            None if cluster is None else cluster[here],
        )
        if found is not None:
            folds.append(found)
    if not folds:
        raise UndefinedStatisticError(
            "no fold holds enough rows or clusters of both samples to tell them apart"
        )
    weights = np.array([each.precision * math.sqrt(each.seen) for each in folds])
    weights = weights / math.fsum(weights)
    auc = math.fsum(weights * [each.result.auc for each in folds])
    nulls = np.array([each.null_variance for each in folds])
    if cluster is None:
        p_value = _permutation_p_value(folds)
    else:
        nulls = np.maximum(nulls, [each.result.variance for each in folds])
        p_value = _clustered_p_value(folds, weights, auc)
    tested = fold > 0
    return ClassifierTest(
        auc=auc,
        interval=auc_interval(_pooled(folds, weights, auc), confidence=confidence),
        p_value=p_value,
        standard_error=math.sqrt(math.fsum(weights**2 * nulls)),
        rows_reference=int(np.count_nonzero(tested & ~current)),
        rows_current=int(np.count_nonzero(tested & current)),
        folds=len(folds),
    )


def _fold(scores: FloatArray, current: BoolArray, seen: float, cluster: IntArray | None) -> _Fold | None:
    m, n = int(np.count_nonzero(current)), int(np.count_nonzero(~current))
    if min(m, n) < 2:
        return None
    variance, skewness, half_step = _permutation_moments(scores, m, n)
    result, units = delong(current, scores), (float(n), float(m))
    if cluster is not None:
        result, units = _clustered(scores, current, cluster, result)
        if not math.isfinite(result.variance) or min(result.positives, result.negatives) < _LEAST_CLUSTERS:
            return None
    return _Fold(
        seen, units[0] * units[1] / (units[0] + units[1]), variance, skewness, half_step, result, units
    )


def _permutation_moments(scores: FloatArray, m: int, n: int) -> tuple[float, float, float]:
    """Variance, skewness and half a step of the AUC over all ways to draw m of m + n rows; 0 where all are tied."""
    _, position, counts = np.unique(scores, return_inverse=True, return_counts=True)
    if len(counts) == 1:
        return 0.0, 0.0, 0.0
    rank = np.cumsum(counts) - counts / 2
    deviation = (rank - (m + n) / 2)[position]
    total = m + n
    squares, cubes = math.fsum(deviation**2), math.fsum(deviation**3)
    second = m * n / (total * (total - 1)) * squares
    third = m * n * (n - m) / (total * (total - 1) * (total - 2)) * cubes
    return second / (m * n) ** 2, third / second**1.5, float(np.diff(rank).min()) / 2 / (m * n)


def _permutation_p_value(folds: Sequence[_Fold]) -> float:
    """Tail of the sum of the folds' standardised AUCs, by weights that were fixed before any was known."""
    weights = np.sqrt([each.precision * each.seen for each in folds])
    weights = weights / math.sqrt(math.fsum(weights**2))
    # A fold whose scores are all alike says nothing, and moves nothing.
    errors = [math.sqrt(each.null_variance) or math.inf for each in folds]
    total = math.fsum(weights * [each.result.auc - 0.5 for each in folds] / errors)
    # The sum moves in steps no larger than the largest of a fold.
    total -= float((weights * [each.half_step for each in folds] / errors).max())
    skewness = math.fsum(weights**3 * [each.skewness for each in folds])
    return max(float(special.ndtr(-total)), _pearson_three(total, skewness))


def _pearson_three(z: float, skewness: float) -> float:
    """Upper tail of a gamma law, shifted to mean 0 and variance 1; 0 where the skewness makes the tail lighter."""
    if skewness < 1e-3:
        return 0.0
    shape = 4 / skewness**2
    return float(special.gammaincc(shape, max(shape + z * math.sqrt(shape), 0.0)))


def _clustered(
    scores: FloatArray, current: BoolArray, cluster: IntArray, result: AucResult
) -> tuple[AucResult, tuple[float, float]]:
    """The AUC with the variance of independent clusters, and how many clusters of equal size each sample is worth."""
    codes = np.unique(cluster, return_inverse=True)[1].astype(np.int64)
    linear = linearised_auc(current, scores)
    found = spread(linear.influence, np.ones(len(codes)), codes, current.astype(np.int64))
    sizes = [np.bincount(codes[side]).astype(np.float64) for side in (~current, current)]
    reference, of_current = (float(each.sum() ** 2 / (each**2).sum()) for each in sizes)
    negatives, positives = (int(np.count_nonzero(each)) for each in sizes)
    clustered = AucResult(result.auc, found.variance, positives, negatives, found.degrees_of_freedom)
    return clustered, (reference, of_current)


def _clustered_p_value(folds: Sequence[_Fold], weights: FloatArray, auc: float) -> float:
    # Where the samples hardly overlap, the variance that the rows show vanishes; the one without a change does not.
    parts = weights**2 * [max(each.result.variance, each.null_variance) for each in folds]
    variance = math.fsum(parts)
    if variance == 0:
        return 1.0
    freedom = variance**2 / math.fsum(parts**2 / _freedoms(folds))
    half_step = math.fsum(weights * [each.half_step for each in folds])
    return float(special.stdtr(freedom, -(auc - 0.5 - half_step) / math.sqrt(variance)))


def _pooled(folds: Sequence[_Fold], weights: FloatArray, auc: float) -> AucResult:
    parts = weights**2 * [each.result.variance for each in folds]
    variance = math.fsum(parts)
    squares = math.fsum(parts**2 / _freedoms(folds))
    return AucResult(
        auc=min(max(auc, 0.0), 1.0),
        variance=variance,
        positives=max(1, round(math.fsum(each.units[1] for each in folds))),
        negatives=max(1, round(math.fsum(each.units[0] for each in folds))),
        degrees_of_freedom=variance**2 / squares if squares > 0 else math.inf,
    )


def _freedoms(folds: Sequence[_Fold]) -> FloatArray:
    return np.array(
        [
            each.result.degrees_of_freedom
            if each.result.variance > 0
            # Without variance nothing tells how many units it stands on, other than their number.
            else max(math.fsum(each.units) - 2, 1.0)
            for each in folds
        ]
    )
