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
from scipy import special

from tidegate.stats.intervals import clopper_pearson, t_p_value, t_quantile
from tidegate.stats.results import FloatArray, IntArray, Interval, Intervals, PairedResult, tail, unknown

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
        cluster: shape (n,); rows of two groups are taken to be independent even when they share one.
        group: shape (n,), codes from 0, -1 for rows in none.
        groups: their number.
        stratum: shape (n,).
    """
    inside = group >= 0
    total = np.bincount(group[inside], weights=weight[inside], minlength=groups)
    counted = inside if stratum is None else inside & (stratum >= 0)
    of_row = group[counted].astype(np.int64)
    moved, weight = weight[counted] * influence[counted], weight[counted]
    layer = np.zeros(len(weight), dtype=np.int64) if stratum is None else stratum[counted].astype(np.int64)
    layers = int(layer.max(initial=0)) + 1
    base = int(cluster.max(initial=0)) + 1
    # Each cluster of each group, in the order of the groups.
    found, pair = np.unique(of_row * base + cluster[counted], return_inverse=True)
    of_pair, pairs = found // base, len(found)

    def by_layer(values: FloatArray) -> NDArray[Any]:
        summed = np.bincount(pair * layers + layer, weights=values, minlength=pairs * layers)
        return summed.reshape(pairs, layers)

    def by_group(values: NDArray[Any]) -> FloatArray:
        return np.bincount(of_pair, weights=values, minlength=groups).astype(np.float64, copy=False)

    clusters = np.bincount(of_pair, minlength=groups)
    weights = by_layer(weight)
    of_layer = np.column_stack([by_group(each) for each in weights.T])
    squares = np.column_stack([by_group(each**2) for each in weights.T])
    with np.errstate(invalid="ignore", divide="ignore"):
        effective = np.where(of_layer > 0, of_layer**2 / squares, np.inf).min(axis=1)
        share = np.where(weights > 0, weights / of_layer[of_pair], 0.0)
        sums = by_layer(moved)
        moves = (sums / np.where(share < _WHOLE, 1 - share, np.nan)).sum(axis=1)
        variance = by_group(moves**2) * (clusters - 1) / clusters / total**2
    known = (clusters > 1) & ~np.isnan(variance)
    freedom = _degrees_of_freedom(moved, weight, pair, of_pair, of_row * layers + layer, groups)
    # Sums that cancel but for rounding do not move anything.
    floor = 1e-12 * by_group(np.bincount(pair, weights=np.abs(moved), minlength=pairs))
    differing = np.bincount(of_pair[np.abs(sums).sum(axis=1) > floor[of_pair]], minlength=groups)
    return Spreads(
        variance=np.where(known, variance, np.inf),
        degrees_of_freedom=np.where(known, freedom, 0.0),
        clusters=clusters,
        effective_clusters=np.where(clusters > 0, effective, 0.0),
        differing=differing,
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


def mean_interval(value: float, of: Spread, *, confidence: float) -> Interval:
    """Interval by Student's t; infinite where the variance is."""
    if not math.isfinite(of.variance):
        return Interval(-math.inf, math.inf)
    half = t_quantile(confidence, of.degrees_of_freedom) * math.sqrt(of.variance)
    return Interval(value - half, value + half)


def loss_interval(value: float, of: Spread, *, confidence: float) -> Interval:
    """Interval of what is above zero and skewed, such as a loss, by Student's t on the logarithm.

    On the plain scale a mean loss in 10 clusters with a correlation of 0.5 within is covered 90% instead of 95%.
    """
    if value <= 0 or not math.isfinite(of.variance):
        return mean_interval(value, of, confidence=confidence)
    factor = math.exp(t_quantile(confidence, of.degrees_of_freedom) * math.sqrt(of.variance) / value)
    return Interval(value / factor, value * factor)


def share_interval(
    value: float, of: Spread, rows: int, *, confidence: float, extent: tuple[float, float] | None = None
) -> Interval:
    """Interval of a share, or of what lies within an extent, exact for as many independent rows as it is worth.

    Clopper and Pearson's of :func:`effective_trials` (Korn & Graubard, 1998). Infinite where the variance is. A share
    of n rows is worth no more than n; another quantity, such as a correlation near 1, may be.
    """
    if not math.isfinite(of.variance):
        return Interval(-math.inf, math.inf)
    lowest, highest = extent or (0.0, 1.0)
    width = highest - lowest
    share = min(max((value - lowest) / width, 0.0), 1.0)
    found = effective_trials(
        share, _one(of, width), np.array([rows]), confidence=confidence, capped=extent is None
    )
    trials = float(found[0])
    exact = clopper_pearson(share * trials, trials, confidence=confidence)
    return Interval(lowest + width * exact.low, lowest + width * exact.high)


def share_intervals(values: FloatArray, of: Spreads, rows: IntArray, *, confidence: float) -> Intervals:
    """As :func:`share_interval` for each of several groups; (0, 1) where nothing is known."""
    trials = effective_trials(values, of, rows, confidence=confidence)
    return clopper_pearson(np.nan_to_num(values) * trials, trials, confidence=confidence)


def effective_trials(
    share: FloatArray | float, of: Spreads, rows: IntArray, *, confidence: float, capped: bool = True
) -> FloatArray:
    """How many independent rows would tell as much of a share (Korn & Graubard, 1998), shape (g,).

    So many that they give its variance, corrected for the degrees of freedom of that; no more than the rows if
    `capped`. Where nothing varies as many as there are effective clusters, because what never happened is not
    impossible. 0 where nothing is known.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        # Of n rows that are independent the variance is that of n - 1 trials.
        trials = share * (1 - share) / of.variance + 1
        nominal = special.stdtrit(np.maximum(rows - 1.0, 1.0), 1 - tail(confidence))
        trials = trials * (nominal / t_quantiles(confidence, of)) ** 2
    found = np.where(of.variance > 0, trials, of.effective_clusters)
    known = np.isfinite(of.variance) & ~np.isnan(share)
    worth = np.nan_to_num(found)
    return np.where(known, np.minimum(worth, rows) if capped else worth, 0.0)


def paired_difference(
    estimate: float, of: Spread, rows: int, *, confidence: float, method: str
) -> PairedResult:
    """A difference of two models by Student's t; unknown where the variance is infinite."""
    if not math.isfinite(of.variance):
        return unknown(estimate, rows, method)
    error = math.sqrt(of.variance)
    half = t_quantile(confidence, of.degrees_of_freedom) * error
    p_value = t_p_value(estimate / error, of.degrees_of_freedom) if error else float(estimate == 0)
    return PairedResult(estimate, estimate - half, estimate + half, p_value, error, method, rows)


def t_quantiles(confidence: float, of: Spreads) -> FloatArray:
    """Two-sided quantile of Student's t for each group, shape (g,)."""
    freedom = np.maximum(of.degrees_of_freedom, 1.0)
    return np.asarray(special.stdtrit(freedom, 1 - tail(confidence)), dtype=np.float64)


def quantile_interval(
    values: FloatArray,
    estimate: float,
    share: float,
    weight: FloatArray,
    cluster: IntArray,
    *,
    confidence: float,
) -> Interval:
    """Interval of the quantile of a share: the values at the limits of the share below it (Woodruff, 1952).

    A limit that so few independent rows could not reach is infinite.

    Args:
        values: shape (n,) with n at least 1; no NaN.
        estimate: the quantile.
        share: above 0, below 1.
        weight: shape (n,), above zero.
        cluster: shape (n,), codes from 0.
        confidence: of the two-sided interval.
    """
    below = (values <= estimate).astype(np.float64)
    reached = float(np.average(below, weights=weight))
    found = spread(below - reached, weight, cluster)
    trials = float(
        effective_trials(reached, _one(found, 1.0), np.array([len(values)]), confidence=confidence)[0]
    )
    if not trials:
        return Interval(-math.inf, math.inf)
    limits = clopper_pearson(share * trials, trials, confidence=confidence)
    order = np.argsort(values)
    ordered, upto = values[order], np.cumsum(weight[order])
    low, high = (
        min(int(np.searchsorted(upto, limit * upto[-1])), len(order) - 1)
        for limit in (limits.low, limits.high)
    )
    alpha = tail(confidence)
    return Interval(
        min(float(ordered[low]), estimate) if (1 - share) ** trials <= alpha else -math.inf,
        max(float(ordered[high]), estimate) if share**trials <= alpha else math.inf,
    )


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


def _one(of: Spread, width: float) -> Spreads:
    """One group's, in units of a width."""
    return Spreads(
        variance=np.array([of.variance / width**2]),
        degrees_of_freedom=np.array([of.degrees_of_freedom]),
        clusters=np.array([of.clusters]),
        effective_clusters=np.array([of.effective_clusters]),
        differing=np.array([of.differing]),
    )
