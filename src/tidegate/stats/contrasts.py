"""Gaps between groups, as fairness measures them, with an interval on the gap itself.

The largest gap is a maximum over pairs of groups, and so is each of its bounds. With alpha for one
minus the confidence:

* Above, the largest of the pairs' upper limits, each at the stated confidence. It is no less than that
  of the pair that attains the true gap, so it falls short with chance alpha / 2 at most.
* Below, the largest of the pairs' lower limits, each at confidence 1 - alpha / m for m pairs
  (Bonferroni's inequality; Dunn, 1961). To exceed the true gap one of them must exceed its own
  difference: chance alpha / 2 at most for the m differences taken larger minus smaller, and as much
  again for the m taken the other way round.

The latter count only where all groups are nearly equal: beyond that they must miss by more than the
true gap. The upper bound in turn is never below z times the largest standard error of a difference, so
it can fall short only where the gap exceeds that. The two do not meet, for normal estimates up to a
five hundredth of alpha at 95%, so the interval misses with chance alpha at most. One side alone does
with alpha / 2, except the lower where all groups are equal: there it has the whole of alpha.

The smallest ratio is the same with logarithms. Pairs share groups, and families may share rows: neither
step needs independence. Only the limits of one pair do, unless the correlation of its groups is given.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tidegate.stats.intervals import clopper_pearson, mean_t
from tidegate.stats.results import FloatArray, Interval, Intervals

_LowerLimits = Callable[[FloatArray, Intervals, FloatArray], FloatArray]
"""Values (k,), their limits and correlation (k, k) to lower limits of ordered pairs (k, k): row against column."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """One estimate for each of k groups.

    Attributes:
        values: shape (k,); NaN for a group without a value, which is left out.
        limits: two-sided intervals of the groups, each by itself, at any confidence.
        correlation: of the values, shape (k, k); None for independent groups.
    """

    values: FloatArray
    limits: Callable[[float], Intervals]
    correlation: Callable[[], FloatArray] | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap between groups.

    Attributes:
        value: a difference in the units of the estimates, or a ratio; NaN when there is none.
        interval: of `value`; None when no confidence was asked for, or there is no value.
        family: which of the families the gap is in; it and the groups are -1 when there is no value.
        highest: group of that family with the largest value, the first of several.
        lowest: group of that family with the smallest value, the first of several.
    """

    value: float
    interval: Interval | None
    family: int
    highest: int
    lowest: int


def shares(successes: FloatArray, trials: FloatArray) -> Estimates:
    """Shares of k groups, from counts of shape (k,); a group without trials has no value.

    Exact limits (Clopper & Pearson, 1934), because Bonferroni's are far out, where Wilson's fall short for
    rare outcomes in small groups: over eight groups at 0.2% the gap would be covered 86% instead of 95%.
    They widen the interval by 2% to 11%.
    """
    x, n = np.asarray(successes, dtype=np.float64), np.asarray(trials, dtype=np.float64)
    values = np.divide(x, n, out=np.full(n.shape, np.nan), where=n > 0)
    return Estimates(values, lambda confidence: clopper_pearson(x, n, confidence=confidence))


def means(mean: FloatArray, variance: FloatArray, rows: FloatArray) -> Estimates:
    """Means of k groups, shape (k,), from sample variances (ddof 1); a group without rows has no value.

    Student's t limits. Where rows are very skewed and groups of 30 stand beside groups of thousands, the gap is
    covered 91% (exponential) or 86% (log-normal with a spread of 1) instead of 95%; from 300 rows it is 94%.
    """
    centre, n = np.asarray(mean, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    values = np.where(n > 0, centre, np.nan)
    return Estimates(values, lambda confidence: mean_t(values, variance, n, confidence=confidence))


def largest_difference(*families: Estimates, confidence: float | None) -> Gap:
    """Largest difference between two groups of the same family; NaN when no family has two groups.

    Two groups differ by MOVER (Zou & Donner, 2008; with correlation Zou, 2007), with Wilson's limits
    Newcombe's hybrid score interval (1998); the module says how the bounds of the largest follow.
    Several families, such as the true and the false positive rates of the groups, give the worst of
    their gaps (equalized odds, Hardt et al., 2016).

    Args:
        families: each the estimates of its groups.
        confidence: of the two-sided interval; None for the value alone.
    """
    gaps = [_extremes(each, lambda highest, lowest: highest - lowest) for each in families]
    worst = _first(gaps, -1)
    if confidence is None or math.isnan(worst.value):
        return worst
    apart, pointwise = _pair_limits(families, _difference, _per_pair(families, confidence), confidence)
    # The upper limit of a - b is the lower one of b - a with its sign turned.
    return _bounded(worst, max(float(apart.max()), 0.0), -float(pointwise.min()))


def smallest_ratio(*families: Estimates, confidence: float | None) -> Gap:
    """Smallest ratio of two groups of the same family, from 0 to 1; NaN when no family has one.

    Two groups by MOVER-R (Donner & Zou, 2012), otherwise as :func:`largest_difference`. x / 0 is infinite
    and so never the smallest. A family of zeros alone has no ratio (0 / 0) and leaves the value to the
    others, but its limits count: nothing is known about it.

    Raises:
        ValueError: when a value is negative.
    """
    if any(bool((each.values < 0).any()) for each in families):
        raise ValueError("a ratio of groups needs values that are not negative")
    gaps = [_extremes(each, lambda top, low: low / top if top > 0 else math.nan) for each in families]
    worst = _first(gaps, 1)
    if confidence is None or math.isnan(worst.value):
        return worst
    apart, pointwise = _pair_limits(families, _ratio, _per_pair(families, confidence), confidence)
    # The upper limit of a / b is one over the lower one of b / a.
    above = float(apart.max())
    return _bounded(worst, float(pointwise.min()), min(1 / above, 1.0) if above > 0 else 1.0)


def _extremes(estimates: Estimates, gap: Callable[[float, float], float]) -> Gap:
    values = estimates.values
    if np.count_nonzero(~np.isnan(values)) < 2:
        return _NONE
    highest, lowest = int(np.nanargmax(values)), int(np.nanargmin(values))
    return Gap(gap(float(values[highest]), float(values[lowest])), None, 0, highest, lowest)


_NONE = Gap(math.nan, None, -1, -1, -1)


def _first(gaps: list[Gap], sign: int) -> Gap:
    """The gap whose value times the sign is smallest, under the number of its family."""
    known = [(sign * gap.value, i) for i, gap in enumerate(gaps) if not math.isnan(gap.value)]
    if not known:
        return _NONE
    _, family = min(known)
    return Gap(gaps[family].value, None, family, gaps[family].highest, gaps[family].lowest)


def _bounded(gap: Gap, low: float, high: float) -> Gap:
    # Rounding must not put a bound on the wrong side of the value.
    interval = Interval(min(low, gap.value), max(high, gap.value))
    return Gap(gap.value, interval, gap.family, gap.highest, gap.lowest)


def _per_pair(families: tuple[Estimates, ...], confidence: float) -> float:
    """The confidence of each pair at which the pairs of all families hold at once."""
    sizes = [int(np.count_nonzero(~np.isnan(each.values))) for each in families]
    return 1 - (1 - confidence) / sum(math.comb(size, 2) for size in sizes)


def _pair_limits(
    families: tuple[Estimates, ...], limit: _LowerLimits, *confidences: float
) -> list[FloatArray]:
    """Per confidence lower limits of all ordered pairs of groups with a value within a family, shape (pairs,)."""
    found: list[list[FloatArray]] = [[] for _ in confidences]
    for each in families:
        known = np.flatnonzero(~np.isnan(each.values))
        others = ~np.eye(len(known), dtype=bool)
        correlation = (
            np.zeros(others.shape) if each.correlation is None else each.correlation()[known[:, None], known]
        )
        for pairs, confidence in zip(found, confidences, strict=True):
            limits = each.limits(confidence)
            of_pairs = limit(
                each.values[known], Intervals(limits.low[known], limits.high[known]), correlation
            )
            pairs.append(of_pairs[others])
    return [np.concatenate(pairs) for pairs in found]


def _difference(values: FloatArray, limits: Intervals, correlation: FloatArray) -> FloatArray:
    below, above = (values - limits.low)[:, None], limits.high - values
    half = np.hypot(below, above)
    known = np.isfinite(half)
    with np.errstate(invalid="ignore"):
        # Of what is left where they move alike, rounding may leave less than nothing.
        correlated = np.sqrt(np.maximum(half**2 - 2 * correlation * below * above, 0.0))
    apart: FloatArray = values[:, None] - values - np.where(known & (correlation != 0), correlated, half)
    return apart


def _ratio(values: FloatArray, limits: Intervals, correlation: FloatArray) -> FloatArray:
    """MOVER-R with its numerator made rational: stable, and a limit for x / 0 too; 0 / y and 0 / 0 give 0."""
    low = np.maximum(limits.low, 0.0)
    below, above = (values - low)[:, None], limits.high - values
    top = np.broadcast_to((low * (2 * values - low))[:, None], correlation.shape)
    defined = top > 0
    reach = np.where(defined, above, 0.0)
    shared = correlation * np.where(correlation != 0, below * reach, 0.0)
    product = values[:, None] * values - shared
    # The square of the product less both ends' own, in a form that nothing is lost of where there is no correlation.
    square = top * reach**2 + (below * values) ** 2 + shared * (shared - 2 * values[:, None] * values)
    with np.errstate(divide="ignore"):
        ratio: FloatArray = np.divide(
            top, product + np.sqrt(np.maximum(square, 0.0)), out=np.zeros(correlation.shape), where=defined
        )
    return ratio
