"""Figures of groups whose rows come in clusters or do not count alike, for the gaps between them.

Groups are taken to be independent, also where they share clusters. Rows of one cluster are mostly alike, which makes
the figures of two groups rise and fall together and their difference vary less: the intervals are then too wide, not
too narrow.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tidegate.metrics.cells import row_weights
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.gaps import Both, Family
from tidegate.stats.clustered import Spreads, spreads
from tidegate.stats.clustered_intervals import share_intervals, t_quantiles
from tidegate.stats.contrasts import Estimates
from tidegate.stats.results import Intervals

Rows = tuple[np.ndarray, np.ndarray]
"""The number of each row, and whether it counts, both of shape (n,)."""


def independent(data: Predictions) -> bool:
    """Whether all rows are independent and count alike."""
    return data.cluster is None and data.weight is None


def weighted_family(
    data: Predictions,
    groups: Groups,
    values: np.ndarray,
    counted: np.ndarray,
    *,
    share: bool = False,
    root: bool = False,
) -> Family:
    """A weighted mean of the rows that count in each group: of 0 and 1 for a share, or the root of a mean."""
    mean, moved = _means(data, groups, values, counted)
    support = _count(groups, counted)
    found = _spreads(data, groups, moved, counted)
    figure = np.sqrt(mean) if root else mean

    def limits(confidence: float) -> Intervals:
        if share:
            return share_intervals(mean, found, support, confidence=confidence)
        known = np.isfinite(found.variance)
        half = np.where(known, t_quantiles(confidence, found) * np.sqrt(found.variance), np.inf)
        low, high = np.nan_to_num(mean) - half, np.nan_to_num(mean) + half
        return Intervals(np.sqrt(np.maximum(low, 0)), np.sqrt(high)) if root else Intervals(low, high)

    return Family(Estimates(figure, limits), support)


def weighted_both(
    data: Predictions,
    groups: Groups,
    families: Sequence[tuple[Rows, ...]],
    *,
    same: bool,
    share: bool = False,
    root: bool = False,
) -> Both:
    """The figures of two models, with covariances from the sums of each cluster.

    Args:
        data: clusters and weights.
        groups: the groups.
        families: per figure the rows of candidate and production.
        same: the models said the same of every row.
        share: the figures are shares.
        root: the figures are roots of means.
    """
    found = [_two(data, groups, *pair, share=share, root=root) for pair in families]
    first, second, covariance, support, freedom = (np.stack(parts) for parts in zip(*found, strict=True))
    return Both(first, second, covariance, support, freedom, same=same)


def _two(
    data: Predictions, groups: Groups, one: Rows, other: Rows, *, share: bool, root: bool
) -> tuple[np.ndarray, ...]:
    (first, of_first), (second, of_second) = (_means(data, groups, *rows) for rows in (one, other))
    if root:
        first, second = np.sqrt(first), np.sqrt(second)
        of_first, of_second = (
            moved * np.divide(0.5, value, out=np.zeros(value.shape), where=value > 0)[groups.codes]
            for moved, value in ((of_first, first), (of_second, second))
        )
    counted = one[1] | other[1]
    each, difference = (
        [_spreads(data, groups, moved, rows[1]) for moved, rows in ((of_first, one), (of_second, other))],
        _spreads(data, groups, of_first - of_second, counted),
    )
    a, b = (_widened(found) if share else found.variance for found in each)
    covariance = np.zeros((groups.count, 2, 2))
    with np.errstate(invalid="ignore"):
        across = (each[0].variance + each[1].variance - difference.variance) / 2
    covariance[:, 0, 0], covariance[:, 1, 1] = a, b
    covariance[:, 0, 1] = covariance[:, 1, 0] = np.where(np.isfinite(across), across, 0.0)
    support = np.minimum(_count(groups, one[1]), _count(groups, other[1]))
    freedom = np.minimum(each[0].degrees_of_freedom, each[1].degrees_of_freedom)
    return first, second, covariance, support, np.maximum(freedom, 1.0)


def _widened(found: Spreads) -> np.ndarray:
    """Variances with one cluster more of those that differ, or one of all where none does: what shares need."""
    with np.errstate(divide="ignore", invalid="ignore"):
        more = np.where(
            found.differing > 0, found.variance / found.differing, 1 / found.effective_clusters**2
        )
    return np.where(np.isfinite(found.variance), found.variance + more, math.inf)


def _means(
    data: Predictions, groups: Groups, values: np.ndarray, counted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The weighted mean of each group, and the influence of each row on that of its group."""
    inside = groups.codes >= 0
    weight = np.where(inside & counted, row_weights(data), 0.0)
    codes = np.where(inside, groups.codes, 0)

    def sums(of: np.ndarray) -> np.ndarray:
        return np.bincount(codes, weights=of, minlength=groups.count)

    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums(weight * values) / sums(weight)
        share = sums(weight) / sums(np.where(inside, row_weights(data), 0.0))
        moved = np.where(inside & counted, (values - mean[codes]) / share[codes], 0.0)
    return mean, moved


def _spreads(data: Predictions, groups: Groups, moved: np.ndarray, counted: np.ndarray) -> Spreads:
    cluster = np.arange(data.rows) if data.cluster is None else data.cluster
    stratum = np.where(counted, 0, -1)
    found = spreads(moved, row_weights(data), cluster, groups.codes, groups.count, stratum)
    # A group without rows has no figure; one with a single cluster has one that nothing is known of.
    return replace(found, variance=np.where(found.clusters > 0, found.variance, np.nan))


def _count(groups: Groups, counted: np.ndarray) -> np.ndarray:
    inside = counted & (groups.codes >= 0)
    return np.bincount(groups.codes[inside], minlength=groups.count)
