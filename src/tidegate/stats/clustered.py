"""Estimates of rows that come in clusters and do not count alike: variances from the influence of each row.

A statistic moves, to first order, with the sum of weight times influence over the rows of each cluster, and it is the
clusters that are independent (Liang & Zeger, 1986). A cluster pulls the estimate towards itself, so its own sum is too
small; it is divided by one minus its share, which is how far the estimate moves without it (CR3; Bell & McCaffrey,
2002). Of a weighted mean that is the jackknife over clusters itself. The share is one of the rows of a stratum, such as
a class over which the statistic takes a mean by itself. Where each row is its own cluster this is HC3, and with equal
weights the usual sample variance.

How many independent clusters that variance is worth is read off its own expectation and variance (Satterthwaite, 1946;
Bell & McCaffrey) when rows of a cluster have one correlation, which is estimated (Imbens & Kolesár, 2016).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.stats.results import FloatArray, IntArray

_VALUES_AT_ONCE = 4_000_000
_WHOLE = 1 - 1e-9  # share of a stratum from which a cluster is all of it


@dataclass(frozen=True, slots=True)
class Spread:
    """How far an estimate may be off.

    Attributes:
        variance: of the estimate; infinite where fewer than two clusters count, or one holds a whole stratum.
        degrees_of_freedom: of the variance; 0 where that is infinite.
        clusters: how many hold rows that count.
        effective_clusters: as many of equal weight would do (Kish, 1965); of several strata the fewest.
        differing: clusters that move the estimate.
    """

    variance: float
    degrees_of_freedom: float
    clusters: int
    effective_clusters: float
    differing: int


@dataclass(frozen=True, slots=True)
class Spreads:
    """A :class:`Spread` for each of g groups: arrays of shape (g,)."""

    variance: FloatArray
    degrees_of_freedom: FloatArray
    clusters: IntArray
    effective_clusters: FloatArray
    differing: IntArray


@dataclass(frozen=True, slots=True)
class Moves:
    """How far each cluster of each of several groups moves the estimate of its group: arrays of shape (P,).

    Attributes:
        group, cluster: codes from 0, in the order of the groups.
        value: squares of a group sum to the variance; NaN where the cluster holds a whole stratum.
    """

    group: IntArray
    cluster: IntArray
    value: FloatArray

    @property
    def alike(self) -> "Moves":
        """The same clusters, each of which moves its groups by 1."""
        return replace(self, value=np.ones(len(self.value)))

    def of_groups(self, start: int, count: int) -> "Moves":
        """Those of some groups, which are numbered from 0."""
        here = slice(*np.searchsorted(self.group, (start, start + count)))
        return Moves(self.group[here] - start, self.cluster[here], self.value[here])


def spread(
    influence: FloatArray,
    weight: FloatArray,
    cluster: IntArray,
    stratum: NDArray[np.integer] | None = None,
) -> Spread:
    """The spread of one estimate.

    Args:
        influence: shape (n,), of each row on the estimate: of weighted mean zero.
        weight: shape (n,), how much each row counts; above zero.
        cluster: shape (n,), codes from 0.
        stratum: shape (n,), codes from 0 of what is normalised apart, -1 for rows on which the estimate does not stand.
    """
    found = spreads(influence, weight, cluster, np.zeros(len(weight), dtype=np.int64), 1, stratum)
    return Spread(
        variance=float(found.variance[0]),
        degrees_of_freedom=float(found.degrees_of_freedom[0]),
        clusters=int(found.clusters[0]),
        effective_clusters=float(found.effective_clusters[0]),
        differing=int(found.differing[0]),
    )


def spreads(
    influence: FloatArray,
    weight: FloatArray,
    cluster: IntArray,
    group: NDArray[np.integer],
    groups: int,
    stratum: NDArray[np.integer] | None = None,
) -> Spreads:
    """The spreads of one estimate in each of several groups of rows, in one pass; arguments as for :func:`spread`.

    Args:
        influence: shape (n,), on the estimate of the row's group.
        weight: shape (n,).
        cluster: shape (n,); what groups have in common :func:`joint_covariance` tells.
        group: shape (n,), codes from 0, -1 for rows in none.
        groups: their number.
        stratum: shape (n,).
    """
    return ClusterSums.of(influence, weight, cluster, group, groups, stratum).spreads


def joint_covariance(figures: Sequence[Moves], start: int, count: int) -> FloatArray:
    """Covariance of several figures of several groups that clusters may have in common.

    Args:
        figures: from the same rows and clusters.
        start: the first of the groups.
        count: how many.

    Returns:
        Shape (figures, count, figures, count), positive semidefinite, with the variances of :func:`spreads`; without
        the clusters that hold all of a stratum, of which those variances are infinite.
    """
    parts = [figure.of_groups(start, count) for figure in figures]
    columns = len(parts) * count
    column = np.concatenate([part.group + i * count for i, part in enumerate(parts)])
    # Only the clusters of these groups.
    _, cluster = np.unique(np.concatenate([part.cluster for part in parts]), return_inverse=True)
    value = np.nan_to_num(np.concatenate([part.value for part in parts]))
    order = np.argsort(cluster, kind="stable")
    column, cluster, value = column[order], cluster[order], value[order]
    rows = int(cluster[-1]) + 1 if len(cluster) else 0
    covariance = np.zeros((columns, columns))
    step = max(1, _VALUES_AT_ONCE // columns)
    for low in range(0, rows, step):
        high = min(low + step, rows)
        here = slice(*np.searchsorted(cluster, (low, high)))
        moved = np.zeros((high - low, columns))
        moved[cluster[here] - low, column[here]] = value[here]
        covariance += moved.T @ moved
    return covariance.reshape(len(parts), count, len(parts), count)


@dataclass(frozen=True, slots=True)
class ClusterSums:
    """Rows summed by cluster and group. Pairs of these, in the order of the groups, have arrays of shape (P,).

    Attributes:
        moved, weight: of each row that counts, shape (n,): its weight times its influence, and its weight.
        pair: of each row, shape (n,).
        layer: stratum of each row in its group, shape (n,).
        group, cluster: of each pair.
        pull: of each pair, the same with what the cluster itself pulls made good; NaN where it holds a whole stratum.
        total: weight of each group, shape (g,).
        effective: clusters of each group that would do if they had equal weight, shape (g,).
        differs: whether the pair moves the estimate at all.
    """

    moved: FloatArray
    weight: FloatArray
    pair: NDArray[np.integer]
    layer: IntArray
    group: IntArray
    cluster: IntArray
    pull: FloatArray
    total: FloatArray
    effective: FloatArray
    differs: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        influence: FloatArray,
        weight: FloatArray,
        cluster: IntArray,
        group: NDArray[np.integer],
        groups: int,
        stratum: NDArray[np.integer] | None,
    ) -> "ClusterSums":
        """Arguments as for :func:`spreads`."""
        inside = group >= 0
        total = np.bincount(group[inside], weights=weight[inside], minlength=groups)
        counted = inside if stratum is None else inside & (stratum >= 0)
        of_row = group[counted].astype(np.int64)
        moved, weight = weight[counted] * influence[counted], weight[counted]
        layer = (
            np.zeros(len(weight), dtype=np.int64) if stratum is None else stratum[counted].astype(np.int64)
        )
        layers = int(layer.max(initial=0)) + 1
        base = int(cluster.max(initial=0)) + 1
        found, pair = np.unique(of_row * base + cluster[counted], return_inverse=True)
        of_pair, pairs = found // base, len(found)

        def by_layer(values: FloatArray) -> NDArray[Any]:
            summed = np.bincount(pair * layers + layer, weights=values, minlength=pairs * layers)
            return summed.reshape(pairs, layers)

        def by_group(values: NDArray[Any]) -> FloatArray:
            return _sums(values, of_pair, groups)

        weights, sums = by_layer(weight), by_layer(moved)
        of_layer = np.column_stack([by_group(each) for each in weights.T])
        squares = np.column_stack([by_group(each**2) for each in weights.T])
        with np.errstate(invalid="ignore", divide="ignore"):
            effective = np.where(of_layer > 0, of_layer**2 / squares, np.inf).min(axis=1)
            share = np.where(weights > 0, weights / of_layer[of_pair], 0.0)
            pull = (sums / np.where(share < _WHOLE, 1 - share, np.nan)).sum(axis=1)
        # Sums that cancel but for rounding do not move anything.
        floor = 1e-12 * by_group(np.bincount(pair, weights=np.abs(moved), minlength=pairs))
        return cls(
            moved=moved,
            weight=weight,
            pair=pair,
            layer=of_row * layers + layer,
            group=of_pair,
            cluster=found % base,
            pull=pull,
            total=total.astype(np.float64, copy=False),
            effective=effective,
            differs=np.abs(sums).sum(axis=1) > floor[of_pair],
        )

    @property
    def clusters(self) -> IntArray:
        """How many each group has, shape (g,)."""
        return np.bincount(self.group, minlength=len(self.total))

    @property
    def moves(self) -> Moves:
        """What the variances are the sums of the squares of."""
        clusters = self.clusters[self.group]
        scale = np.sqrt((clusters - 1) / clusters) / self.total[self.group]
        return Moves(self.group, self.cluster, self.pull * scale)

    @property
    def spreads(self) -> Spreads:
        """See :func:`spreads`."""
        groups, clusters = len(self.total), self.clusters
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = _sums(self.pull**2, self.group, groups) * (clusters - 1) / clusters / self.total**2
        known = (clusters > 1) & ~np.isnan(variance)
        freedom = _degrees_of_freedom(self.moved, self.weight, self.pair, self.group, self.layer, groups)
        return Spreads(
            variance=np.where(known, variance, np.inf),
            degrees_of_freedom=np.where(known, freedom, 0.0),
            clusters=clusters,
            effective_clusters=np.where(clusters > 0, self.effective, 0.0),
            differing=np.bincount(self.group[self.differs], minlength=groups),
        )


def _sums(values: NDArray[Any], group: IntArray, groups: int) -> FloatArray:
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64, copy=False)


def _degrees_of_freedom(
    moved: FloatArray,
    weight: FloatArray,
    pair: NDArray[np.integer],
    of_pair: IntArray,
    layer: IntArray,
    groups: int,
) -> FloatArray:
    """Satterthwaite's for the variance of each group, shape (groups,); rows of a stratum differ in weight alone."""

    def by_group(values: NDArray[Any]) -> FloatArray:
        return _sums(values, of_pair, groups)

    with np.errstate(invalid="ignore", divide="ignore"):
        of_layer = np.bincount(layer, weights=moved**2) / np.bincount(layer, weights=weight**2)
        scaled = weight * np.sqrt(of_layer)[layer]
        alone, sums, product = (
            np.bincount(pair, weights=each, minlength=len(of_pair)) for each in (scaled**2, scaled, moved)
        )
        together = sums**2
        # Products of rows of one cluster, against what they were if these were all the same.
        likeness = by_group(product**2 - alone) / by_group(together - alone)
        likeness = np.clip(np.nan_to_num(likeness), 0.0, 1.0)[of_pair]
        expected = (1 - likeness) * alone + likeness * together
        share = sums / by_group(sums)[of_pair]
        pull = 1 / (1 - np.minimum(share, _WHOLE)) ** 2
        # The residual sums are those of the clusters less their share of the total, which the estimate has taken.
        whole = by_group(expected)
        trace = by_group(pull * (expected - 2 * share * expected)) + whole * by_group(pull * share**2)
        own = -2 * share * expected + whole[of_pair] * share**2
        xx, yy, xy = (
            by_group(pull * one * other)
            for one, other in ((share, share), (expected, expected), (share, expected))
        )
        squared = (
            by_group(pull**2 * (expected**2 + 2 * expected * own))
            + 2 * xx * yy
            + 2 * xy**2
            + (whole * xx) ** 2
            - 4 * whole * xx * xy
        )
        freedom = trace**2 / squared
    clusters = np.bincount(of_pair, minlength=groups)
    return np.where(np.isfinite(freedom), np.maximum(freedom, 1.0), np.maximum(clusters - 1.0, 1.0))


def design_effect(
    deviations: FloatArray, weight: FloatArray, cluster: IntArray, group: NDArray[np.integer]
) -> float:
    """By how much clusters and weights enlarge the variances of the means of several groups (Rao & Scott, 1981).

    Args:
        deviations: shape (n,), of each row from the weighted mean of its group.
        weight: shape (n,), above zero.
        cluster: shape (n,), codes from 0.
        group: shape (n,), codes from 0.

    Returns:
        The mean over the groups, by their share of the variance; at least 1, infinite with fewer than two clusters.
    """
    if (cluster == cluster[0]).all():
        return math.inf
    groups = int(group.max()) + 1
    rows = np.bincount(group, minlength=groups)
    weights = np.bincount(group, weights=weight, minlength=groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        alone = np.bincount(group, weights=weight * deviations**2, minlength=groups) / weights / rows
    found = spreads(deviations, weight, cluster, group, groups).variance
    usable = np.isfinite(found) & (rows > 1)
    expected, observed = (float(weights[usable] ** 2 @ each[usable]) for each in (alone, found))
    return max(observed / expected, 1.0) if expected > 0 else 1.0


def effective_rows(weight: NDArray[Any]) -> float:
    """How many rows of equal weight would do (Kish, 1965): the sum squared over the sum of squares."""
    return float(weight.sum() ** 2 / (weight**2).sum())
