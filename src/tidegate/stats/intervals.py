"""Confidence intervals for one estimate, and for the difference of two independent ones."""

import math
from bisect import bisect_right
from typing import overload

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from tidegate.stats.results import FloatArray, Interval, Intervals, tail


def _shaped(low: FloatArray, high: FloatArray) -> Interval | Intervals:
    return Intervals(low, high) if np.ndim(low) else Interval(float(low), float(high))


@overload
def clopper_pearson(successes: float, trials: float, *, confidence: float) -> Interval: ...
@overload
def clopper_pearson(successes: FloatArray, trials: FloatArray, *, confidence: float) -> Intervals: ...
def clopper_pearson(successes: ArrayLike, trials: ArrayLike, *, confidence: float) -> Interval | Intervals:
    """Exact interval of a proportion (Clopper & Pearson, 1934): never under its coverage.

    Scalars give one interval, arrays of equal shape one per group. No trials: (0, 1).
    """
    alpha = tail(confidence)
    x = np.asarray(successes, dtype=np.float64)
    n = np.asarray(trials, dtype=np.float64)
    # A first shape of zero is outside betaincinv's domain, so it is replaced where the bound is known.
    low = np.where(x > 0, special.betaincinv(np.maximum(x, 0.5), n - x + 1, alpha), 0.0)
    high = np.where(x < n, special.betaincinv(x + 1, np.maximum(n - x, 0.5), 1 - alpha), 1.0)
    return _shaped(low, high)


@overload
def wilson(successes: float, trials: float, *, confidence: float) -> Interval: ...
@overload
def wilson(successes: FloatArray, trials: FloatArray, *, confidence: float) -> Intervals: ...
def wilson(successes: ArrayLike, trials: ArrayLike, *, confidence: float) -> Interval | Intervals:
    """Score interval of a proportion (Wilson, 1927): its coverage is right on average over p.

    Scalars give one interval, arrays of equal shape one per group. No trials: (0, 1).
    """
    z = float(special.ndtri(1 - tail(confidence)))
    x = np.asarray(successes, dtype=np.float64)
    n = np.asarray(trials, dtype=np.float64)
    centre = (x + z * z / 2) / (n + z * z)
    variation = x * (1 - x / np.maximum(n, 1)) + z * z / 4
    half = z * np.sqrt(variation) / (n + z * z)
    low = np.where(x > 0, np.maximum(centre - half, 0), 0.0)
    high = np.where(x < n, np.minimum(centre + half, 1), 1.0)
    return _shaped(low, high)


@overload
def mean_t(mean: float, variance: float, n: float, *, confidence: float) -> Interval: ...
@overload
def mean_t(mean: FloatArray, variance: FloatArray, n: FloatArray, *, confidence: float) -> Intervals: ...
def mean_t(mean: ArrayLike, variance: ArrayLike, n: ArrayLike, *, confidence: float) -> Interval | Intervals:
    """Interval of a mean by Student's t (1908), from the sample variance (ddof 1) and the rows.

    Scalars give one interval, arrays of equal shape one per group. Fewer than two rows: infinite.
    """
    alpha = tail(confidence)
    centre = np.asarray(mean, dtype=np.float64)
    rows = np.asarray(n, dtype=np.float64)
    t = special.stdtrit(np.maximum(rows - 1, 1), 1 - alpha)
    known = rows > 1
    half = np.where(known, t * np.sqrt(np.where(known, variance, 0.0) / np.maximum(rows, 1)), np.inf)
    return _shaped(centre - half, centre + half)


def quantile_order_statistics(sorted_values: FloatArray, q: float, *, confidence: float) -> Interval:
    """Distribution-free interval of the q-th quantile between two order statistics.

    Conservative, and more so with ties (David & Nagaraja, 2003, section 7.1). Where too few rows lie
    beyond the quantile no order statistic bounds it (the 95th percentile needs 72 rows at 95%), and
    that bound is infinite: the sample's own maximum would claim a coverage that it does not have.
    """
    alpha = tail(confidence)
    n = len(sorted_values)
    # The row ranked r bounds from below when P(Bin(n, q) < r) <= alpha, from above when
    # P(Bin(n, q) >= r) <= alpha. Both probabilities are monotone in r.
    below = bisect_right(range(1, n + 1), alpha, key=lambda r: float(special.bdtr(r - 1, n, q)))
    above = bisect_right(range(n, 0, -1), alpha, key=lambda r: float(special.bdtrc(r - 1, n, q)))
    low = float(sorted_values[below - 1]) if below else -math.inf
    high = float(sorted_values[n - above]) if above else math.inf
    return Interval(low, high)


def without_variation(
    value: float, trials: float, *, confidence: float, lowest: float = 0.0, highest: float = 1.0
) -> Interval:
    """Interval of an average of bounded quantities that were all alike, by the number of trials alone.

    A resample or a sample variance knows no surprise that has not been seen, and would make the interval a
    point. Of all laws between the bounds the one that takes only these two varies most, so the exact interval of
    a proportion (Clopper & Pearson, 1934) serves, stretched to the bounds.
    """
    width = highest - lowest
    exact = clopper_pearson((value - lowest) / width * trials, trials, confidence=confidence)
    return Interval(lowest + width * exact.low, lowest + width * exact.high)


def mover_difference(a: float, a_interval: Interval, b: float, b_interval: Interval) -> Interval:
    """Interval of a - b from the intervals of two independent estimates (Zou & Donner, 2008).

    Recovers each variance near the limit in question, so skewed intervals stay skewed.
    """
    low = a - b - math.hypot(a - a_interval.low, b_interval.high - b)
    high = a - b + math.hypot(a_interval.high - a, b - b_interval.low)
    return Interval(low, high)


def logit_interval(
    value: float, variance: float, *, confidence: float, degrees_of_freedom: float = math.inf
) -> Interval:
    """Interval of a quantity in (0, 1), such as an AUC, symmetric on the logit scale (Pepe, 2003).

    Stays within (0, 1). At 0 or 1 the logit does not exist and the interval is the whole range.
    """
    if not 0 < value < 1 or not math.isfinite(variance):
        return Interval(0.0, 1.0)
    half = t_quantile(confidence, degrees_of_freedom) * math.sqrt(variance) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    return Interval(float(special.expit(centre - half)), float(special.expit(centre + half)))


def t_quantile(confidence: float, degrees_of_freedom: float) -> float:
    """Two-sided quantile of Student's t; of the normal law at infinite degrees of freedom."""
    upper = 1 - tail(confidence)
    if math.isinf(degrees_of_freedom):
        return float(special.ndtri(upper))
    return float(special.stdtrit(degrees_of_freedom, upper))


def t_p_value(statistic: float, degrees_of_freedom: float) -> float:
    """Two-sided p-value of Student's t; of the normal law at infinite degrees of freedom."""
    if math.isinf(degrees_of_freedom):
        return float(2 * special.ndtr(-abs(statistic)))
    return float(2 * special.stdtr(degrees_of_freedom, -abs(statistic)))
