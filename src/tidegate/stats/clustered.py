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
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.stats.cluster_sums import WHOLE, ClusterSums
from tidegate.stats.results import FloatArray, IntArray


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
        cluster: shape (n,); of what groups have in common :func:`tidegate.stats.cluster_sums.joint_covariance` knows.
        group: shape (n,), codes from 0, -1 for rows in none.
        groups: their number.
        stratum: shape (n,).
    """
    return spreads_of(ClusterSums.of(influence, weight, cluster, group, groups, stratum))


def spreads_of(sums: ClusterSums) -> Spreads:
    """As :func:`spreads`, from the sums."""
    groups, clusters = len(sums.total), sums.clusters
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = sums.by_group(sums.pull**2) * (clusters - 1) / clusters / sums.total**2
    known = (clusters > 1) & ~np.isnan(variance)
    freedom = _degrees_of_freedom(sums.moved, sums.weight, sums.pair, sums.group, sums.layer, groups)
    return Spreads(
        variance=np.where(known, variance, np.inf),
        degrees_of_freedom=np.where(known, freedom, 0.0),
        clusters=clusters,
        effective_clusters=np.where(clusters > 0, sums.effective, 0.0),
        differing=np.bincount(sums.group[sums.differs], minlength=groups),
    )


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
        return np.bincount(of_pair, weights=values, minlength=groups).astype(np.float64, copy=False)

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
        pull = 1 / (1 - np.minimum(share, WHOLE)) ** 2
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
