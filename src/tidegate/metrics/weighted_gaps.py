"""Figures of groups whose rows come in clusters or do not count alike, for the gaps between them.

Groups that share clusters are not independent. Where rows of a cluster are alike the figures of two groups rise and
fall together, and their difference varies less; where one row of a cluster is chosen at the cost of another, more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from tidegate.metrics.cells import row_weights
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.gaps import Both, Family
from tidegate.stats.cluster_sums import ClusterSums, Moves, joint_covariance
from tidegate.stats.clustered import Spreads, spreads_of
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
    found = _Figure.of(data, groups, (values, counted))
    mean, of = found.value, found.spreads

    def limits(confidence: float) -> Intervals:
        if share:
            return share_intervals(mean, of, found.support, confidence=confidence)
        known = np.isfinite(of.variance)
        half = np.where(known, t_quantiles(confidence, of) * np.sqrt(of.variance), np.inf)
        low, high = np.nan_to_num(mean) - half, np.nan_to_num(mean) + half
        return Intervals(np.sqrt(np.maximum(low, 0)), np.sqrt(high)) if root else Intervals(low, high)

    correlation = None if data.cluster is None else partial(_correlation, found)
    return Family(Estimates(np.sqrt(mean) if root else mean, limits), found.support, correlation)


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
    found = [[_Figure.of(data, groups, rows, root=root) for rows in pair] for pair in families]
    (first, second), support, freedom = (
        np.array([[getattr(each, part) for each in pair] for pair in found]).swapaxes(0, 1)
        for part in ("value", "support", "freedom")
    )
    spread = np.array(
        [[_widened(each.spreads) if share else each.spreads.variance for each in pair] for pair in found]
    )
    moved, figures = [each.moves for pair in found for each in pair], len(found)

    def covariance(start: int, count: int) -> np.ndarray:
        joint = joint_covariance(moved, start, count).reshape(figures, 2, count, figures, 2, count)
        by_model = np.moveaxis(joint, (1, 4), (0, 1)).reshape(2, 2, figures * count, figures * count)
        diagonal = np.arange(figures * count)
        for model in range(2):
            by_model[model, model, diagonal, diagonal] = spread[:, model, start : start + count].ravel()
        return by_model

    return Both(first, second, covariance, support.min(axis=0), freedom.min(axis=0), same=same)


@dataclass(frozen=True, slots=True)
class _Figure:
    """A weighted mean of each group, or its root, and how far it may be off.

    Attributes:
        value, support: shape (groups,).
        spreads: of the value.
        moves: what each cluster does to it.
    """

    value: np.ndarray
    support: np.ndarray
    spreads: Spreads
    moves: Moves

    @classmethod
    def of(cls, data: Predictions, groups: Groups, rows: Rows, *, root: bool = False) -> "_Figure":
        """Of the rows that count in each group."""
        value, moved = _means(data, groups, *rows)
        if root:
            value = np.sqrt(value)
            slope = np.divide(0.5, value, out=np.zeros(value.shape), where=value > 0)
            moved = moved * slope[groups.codes]
        cluster = np.arange(data.rows) if data.cluster is None else data.cluster
        stratum = np.where(rows[1], 0, -1)
        sums = ClusterSums.of(moved, row_weights(data), cluster, groups.codes, groups.count, stratum)
        found = spreads_of(sums)
        # A group without rows has no figure; one with a single cluster has one that nothing is known of.
        found = replace(found, variance=np.where(found.clusters > 0, found.variance, np.nan))
        inside = rows[1] & (groups.codes >= 0)
        return cls(value, np.bincount(groups.codes[inside], minlength=groups.count), found, sums.moves)

    @property
    def freedom(self) -> np.ndarray:
        """Degrees of freedom, at least 1, shape (groups,)."""
        return np.maximum(self.spreads.degrees_of_freedom, 1.0)


def _correlation(found: _Figure, start: int, count: int) -> np.ndarray:
    """Of the figures of some groups, shape (count, count).

    Where nothing moved a figure it is not known how it moves with those it has clusters in common with: -1 makes least
    of both.
    """
    here = slice(start, start + count)
    variance = found.spreads.variance[here]
    known = (found.spreads.differing[here] > 0) & np.isfinite(variance)
    error = np.sqrt(np.where(known, variance, 1.0))
    correlation = joint_covariance([found.moves], start, count)[0, :, 0] / (error[:, None] * error)
    in_common = joint_covariance([found.moves.alike], start, count)[0, :, 0] > 0
    unknown = np.where(in_common, -1.0, 0.0)
    return np.where(known[:, None] & known, np.clip(correlation, -1.0, 1.0), unknown)


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
