"""Areas under the ROC and the precision-recall curve: values, variances, and differences of two on the same rows."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.stats.intervals import clopper_pearson, logit_interval, t_p_value, t_quantile
from tidegate.stats.paired import tango_interval
from tidegate.stats.results import (
    BoolArray,
    FloatArray,
    Interval,
    Linearised,
    PairedResult,
    SingleClassError,
    identical,
    unknown,
)

METHOD = "paired DeLong"


@dataclass(frozen=True, slots=True)
class AucResult:
    """An AUC with DeLong's variance (infinite when a class has one row only)."""

    auc: float
    variance: float
    positives: int
    negatives: int
    degrees_of_freedom: float


@dataclass(frozen=True, slots=True)
class _Placements:
    """For each positive the share of negatives that it outranks, and for each negative the reverse."""

    positives: FloatArray
    negatives: FloatArray


@dataclass(frozen=True, slots=True)
class _Spread:
    variance: float
    degrees_of_freedom: float


def roc_auc(labels: BoolArray, scores: NDArray[np.floating], weight: FloatArray | None = None) -> float:
    """Probability that a positive outscores a negative, ties counting half (Hanley & McNeil, 1982).

    Args:
        labels: shape (n,), true for positives.
        scores: shape (n,), higher means more positive; no NaN.
        weight: shape (n,), how much each row counts, above zero: a pair counts by the product. None for all alike.

    Raises:
        SingleClassError: when all rows are of one class.
    """
    placements = _placements(labels, scores, weight)
    return float(np.average(placements.positives, weights=None if weight is None else weight[labels]))


def delong(labels: BoolArray, scores: NDArray[np.floating]) -> AucResult:
    """AUC and its variance (DeLong et al., 1988) in O(n log n) (Sun & Xu, 2014).

    The variance is zero when the classes do not overlap; :func:`auc_interval` knows.

    Raises:
        SingleClassError: when all rows are of one class.
    """
    placements = _placements(labels, scores)
    spread = _spread(placements.positives, placements.negatives)
    return AucResult(
        auc=float(placements.positives.mean()),
        variance=spread.variance,
        positives=len(placements.positives),
        negatives=len(placements.negatives),
        degrees_of_freedom=spread.degrees_of_freedom,
    )


def auc_interval(result: AucResult, *, confidence: float) -> Interval:
    """Interval of an AUC that also holds for small classes and large areas.

    The wider, on each side, of DeLong's on the logit scale with Student's t, which knows unequal
    spreads but covers 88% instead of 95% with ten positives at an AUC of 0.97, and Newcombe's score
    interval (2006, method 5), which is the reverse. Without overlap between the classes, min(positives,
    negatives) disjoint pairs, all ranked alike, bound the AUC exactly (Clopper & Pearson, 1934).
    """
    if result.variance == 0:
        pairs = min(result.positives, result.negatives)
        return clopper_pearson(result.auc * pairs, pairs, confidence=confidence)
    logit = logit_interval(
        result.auc,
        result.variance,
        confidence=confidence,
        degrees_of_freedom=result.degrees_of_freedom,
    )
    score = _newcombe(result, confidence)
    return Interval(min(logit.low, score.low), max(logit.high, score.high))


def _newcombe(result: AucResult, confidence: float) -> Interval:
    """The areas whose own variance (Hanley & McNeil, 1982) puts the observed one within z errors."""
    m, n, z = result.positives, result.negatives, t_quantile(confidence, math.inf)
    half = (m + n) / 2 - 1

    def compatible(area: float) -> bool:
        spread = 1 + half * (1 - area) / (2 - area) + half * area / (1 + area)
        return abs(area - result.auc) <= z * math.sqrt(area * (1 - area) * spread / (m * n))

    def limit(outer: float) -> float:
        inner = result.auc
        for _ in range(50):
            middle = (inner + outer) / 2
            inner, outer = (middle, outer) if compatible(middle) else (inner, middle)
        return outer

    return Interval(limit(0.0), limit(1.0))


@dataclass(frozen=True, slots=True)
class PairedAreas:
    """Two AUCs on the same rows, and their difference."""

    first: float
    second: float
    difference: PairedResult


def delong_paired(
    labels: BoolArray, a: NDArray[np.floating], b: NDArray[np.floating], *, confidence: float
) -> PairedResult:
    """See :func:`paired_areas`, whose difference it is."""
    return paired_areas(labels, a, b, confidence=confidence).difference


def paired_areas(
    labels: BoolArray, a: NDArray[np.floating], b: NDArray[np.floating], *, confidence: float
) -> PairedAreas:
    """Difference of two AUCs on the same rows (DeLong et al., 1988; Sun & Xu, 2014).

    The variance is a sum of one sample variance per class, so Student's t with the degrees of freedom
    of Satterthwaite (1946) replaces the normal law: it matters when a class is small. Scores that
    rank all rows alike give a zero-width interval. A class of one row gives an infinite interval.
    Where the variance is zero although the models differ (both rank perfectly), the score interval of
    min(positives, negatives) disjoint pairs stands in (Tango, 1998).

    Raises:
        SingleClassError: when all rows are of one class.
    """
    of_a = _placements(labels, a)
    first = float(of_a.positives.mean())
    if np.array_equal(a, b):
        return PairedAreas(first, first, identical(len(labels), METHOD))
    of_b = _placements(labels, b)
    second = float(of_b.positives.mean())
    return PairedAreas(first, second, _difference(labels, (a, b), (of_a, of_b), confidence))


def _difference(
    labels: BoolArray,
    scores: tuple[NDArray[np.floating], NDArray[np.floating]],
    placements: tuple[_Placements, _Placements],
    confidence: float,
) -> PairedResult:
    of_a, of_b = placements
    by_positive = of_a.positives - of_b.positives
    by_negative = of_a.negatives - of_b.negatives
    estimate = float(by_positive.mean())
    spread = _spread(by_positive, by_negative)
    if math.isinf(spread.variance):
        return unknown(estimate, len(labels), METHOD)
    if spread.variance == 0:
        return _without_variance(labels, *scores, estimate, confidence)
    error = math.sqrt(spread.variance)
    half = t_quantile(confidence, spread.degrees_of_freedom) * error
    return PairedResult(
        estimate=estimate,
        low=max(estimate - half, -1.0),
        high=min(estimate + half, 1.0),
        p_value=t_p_value(estimate / error, spread.degrees_of_freedom),
        standard_error=error,
        method=METHOD,
        rows=len(labels),
    )


def _without_variance(
    labels: BoolArray,
    a: NDArray[np.floating],
    b: NDArray[np.floating],
    estimate: float,
    confidence: float,
) -> PairedResult:
    rows = len(labels)
    if np.array_equal(_dense_ranks(a), _dense_ranks(b)):
        return identical(rows, METHOD)
    positives = int(np.count_nonzero(labels))
    pairs = min(positives, rows - positives)
    won, lost = pairs * max(estimate, 0.0), pairs * max(-estimate, 0.0)
    bounds = tango_interval(won, lost, pairs, confidence=confidence)
    p_value = t_p_value(math.sqrt(won + lost), math.inf)
    error = (bounds.high - bounds.low) / (2 * t_quantile(confidence, math.inf))
    return PairedResult(estimate, bounds.low, bounds.high, p_value, error, METHOD, rows)


def _placements(
    labels: BoolArray, scores: NDArray[np.floating], weight: FloatArray | None = None
) -> _Placements:
    _check_classes(labels)
    order = np.argsort(scores)
    positive = labels[order]
    ends = _tie_ends(scores[order])
    group = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    # Midranks within the other class: all below, plus half of those tied (cumulative counts at the
    # ends of the tie groups say both), without sorting each class again.
    counted: NDArray[Any] = positive if weight is None else weight[order] * positive
    others: NDArray[Any] = ~positive if weight is None else weight[order] * ~positive
    positives_upto, negatives_upto = (np.cumsum(each)[ends - 1] for each in (counted, others))
    positives_beside = (positives_upto + np.concatenate(([0], positives_upto[:-1]))) / 2
    negatives_beside = (negatives_upto + np.concatenate(([0], negatives_upto[:-1]))) / 2
    total = positives_upto[-1], negatives_upto[-1]
    share = np.empty(len(scores))
    share[order] = np.where(
        positive, negatives_beside[group] / total[1], 1 - positives_beside[group] / total[0]
    )
    return _Placements(share[labels], share[~labels])


def _tie_ends(sorted_scores: NDArray[np.floating]) -> NDArray[np.intp]:
    """One past the last position of each run of equal scores."""
    changes = np.flatnonzero(sorted_scores[1:] != sorted_scores[:-1]) + 1
    return np.append(changes, len(sorted_scores))


def _dense_ranks(scores: NDArray[np.floating]) -> NDArray[np.intp]:
    return np.asarray(np.unique(scores, return_inverse=True)[1])


def _check_classes(labels: BoolArray) -> None:
    positives = np.count_nonzero(labels)
    if positives in (0, len(labels)):
        raise SingleClassError("an AUC needs rows of both classes")


def _spread(by_positive: FloatArray, by_negative: FloatArray) -> _Spread:
    """DeLong's variance and its effective degrees of freedom (Satterthwaite, 1946)."""
    m, n = len(by_positive), len(by_negative)
    if min(m, n) < 2:
        return _Spread(math.inf, 0.0)
    of_positives = float(by_positive.var(ddof=1)) / m
    of_negatives = float(by_negative.var(ddof=1)) / n
    variance = of_positives + of_negatives
    if variance == 0:
        return _Spread(0.0, math.inf)
    freedom = variance**2 / (of_positives**2 / (m - 1) + of_negatives**2 / (n - 1))
    return _Spread(variance, freedom)


def linearised_auc(
    labels: BoolArray, scores: NDArray[np.floating], weight: FloatArray | None = None
) -> Linearised:
    """The AUC and the influence of each row on it (DeLong et al., 1988).

    Arguments as for :func:`roc_auc`.

    Raises:
        SingleClassError: when all rows are of one class.
    """
    placements = _placements(labels, scores, weight)
    counts = np.ones(len(labels)) if weight is None else weight
    auc = float(np.average(placements.positives, weights=counts[labels]))
    share = counts[labels].sum() / counts.sum()
    influence = np.empty(len(labels))
    influence[labels] = (placements.positives - auc) / share
    influence[~labels] = (placements.negatives - auc) / (1 - share)
    return Linearised(auc, influence)


def average_precision(
    labels: BoolArray, scores: NDArray[np.floating], weight: FloatArray | None = None
) -> Linearised:
    """Mean precision over the positives, each at its own score, and the influence of each row, in O(n log n).

    A row moves it as one of the positives that it is a mean over, and by the precision of all thresholds at or below
    its score. Arguments as for :func:`roc_auc`; NaN without positives.
    """
    if not labels.any():
        return Linearised(math.nan, np.zeros(len(labels)))
    order = np.argsort(-scores)
    positive = labels[order]
    counts = np.ones(len(order)) if weight is None else weight[order]
    ends = _tie_ends(scores[order])
    tie = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
    seen, found = np.cumsum(counts)[ends - 1], np.cumsum(counts * positive)[ends - 1]
    precision, gained = found / seen, np.diff(found, prepend=0.0) / found[-1]
    value = float(precision @ gained)
    # What one row more adds to the precision at and below it: its label less that precision, over the rows seen.
    raised, lowered = (np.cumsum(each[::-1])[::-1] for each in (gained / seen, gained * precision / seen))
    of_sorted = seen[-1] * np.where(
        positive, (precision - value)[tie] / found[-1] + (raised - lowered)[tie], -lowered[tie]
    )
    influence = np.empty(len(labels))
    influence[order] = of_sorted
    return Linearised(value, influence)
