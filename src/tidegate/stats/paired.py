"""Two models on the same rows: differences of proportions and of means."""

import math
from collections.abc import Callable
from typing import overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from tidegate.stats.intervals import mean_t, t_p_value
from tidegate.stats.results import (
    BoolArray,
    FloatArray,
    IntArray,
    Interval,
    Intervals,
    PairedResult,
    identical,
    tail,
    unknown,
)

PROPORTION = "McNemar mid-p, Tango interval"
MEAN = "paired t"


def mcnemar(b: int, c: int, *, exact: bool = False) -> float:
    """Two-sided p-value for equal proportions from the discordant counts (McNemar, 1947).

    The mid-p test keeps its level in practice where the exact test is far below it (Fagerland et al.,
    2013). Equal counts give 1, where Fagerland subtracts half the point probability: nothing is
    less extreme than a tie.

    Args:
        b: rows that only the first model has right.
        c: rows that only the second model has right.
        exact: the conditional test that never exceeds its level.
    """
    if b == c:
        return 1.0
    n, fewer = b + c, min(b, c)
    lower = float(special.bdtr(fewer, n, 0.5))
    if exact:
        return min(2 * lower, 1.0)
    return lower + (float(special.bdtr(fewer - 1, n, 0.5)) if fewer else 0.0)


@overload
def tango_interval(b: float, c: float, n: float, *, confidence: float) -> Interval: ...
@overload
def tango_interval(b: FloatArray, c: FloatArray, n: FloatArray, *, confidence: float) -> Intervals: ...
def tango_interval(b: ArrayLike, c: ArrayLike, n: ArrayLike, *, confidence: float) -> Interval | Intervals:
    """Score interval of a paired difference of proportions (b - c) / n (Tango, 1998).

    Holds its coverage with few discordant pairs, where Wald's interval collapses. Scalars give one
    interval, arrays of equal shape one per group.
    """
    z = float(special.ndtri(1 - tail(confidence)))
    won, lost, rows = np.broadcast_arrays(*(np.asarray(counts, dtype=np.float64) for counts in (b, c, n)))
    estimate = (won - lost) / rows
    ones = np.ones_like(estimate)
    low = _bisect(-ones, estimate, lambda delta: _tango_excess(won, lost, rows, delta, z) > 0)
    # The upper limit for a - b is the lower one for b - a with its sign turned.
    high = -_bisect(-ones, -estimate, lambda delta: _tango_excess(lost, won, rows, delta, z) > 0)
    if np.ndim(low):
        return Intervals(low, high)
    return Interval(float(low), float(high))


def _tango_excess(
    won: FloatArray, lost: FloatArray, rows: FloatArray, delta: FloatArray, z: float
) -> FloatArray:
    """How far the observed difference lies above ``delta``, beyond z constrained standard errors."""
    linear = -won - lost + (2 * rows - won + lost) * delta
    discriminant = linear**2 + 8 * rows * lost * delta * (1 - delta)
    lost_share = (np.sqrt(np.maximum(discriminant, 0)) - linear) / (4 * rows)
    variance = rows * (2 * lost_share + delta * (1 - delta))
    excess: FloatArray = won - lost - rows * delta - z * np.sqrt(np.maximum(variance, 0))
    return excess


def _bisect(low: FloatArray, high: FloatArray, too_low: Callable[[FloatArray], BoolArray]) -> FloatArray:
    for _ in range(60):
        middle = (low + high) / 2
        inside = too_low(middle)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    # The outer end, so that rounding never narrows the interval.
    return low


def proportion_difference(a_correct: BoolArray, b_correct: BoolArray, *, confidence: float) -> PairedResult:
    """Difference of two proportions on the same rows, from one outcome per row and model.

    See :func:`proportion_difference_from_counts`.
    """
    return proportion_difference_from_counts(
        int(np.count_nonzero(a_correct & ~b_correct)),
        int(np.count_nonzero(b_correct & ~a_correct)),
        len(a_correct),
        confidence=confidence,
    )


def proportion_difference_from_counts(
    b: int, c: int, n: int, *, confidence: float, same: bool | None = None
) -> PairedResult:
    """Difference (b - c) / n with Tango's interval and McNemar's mid-p value.

    Without discordant rows the interval has zero width: identical models are not a sample of models
    that differ. When the caller knows that they do differ (other scores, the same side of the
    threshold on these rows), ``same=False`` gives Tango's interval, about 4 / n to each side at 95%:
    the difference that n rows may well have missed.

    Args:
        b: rows that only the first model has right.
        c: rows that only the second model has right.
        n: all rows.
        confidence: of the two-sided interval.
        same: whether the models are known to agree everywhere; None infers it from b + c = 0.
    """
    if n == 0:
        return unknown(0.0, 0, PROPORTION)
    if b + c == 0 and same is not False:
        return identical(n, PROPORTION)
    bounds = tango_interval(b, c, n, confidence=confidence)
    error = math.sqrt(max(b + c - (b - c) ** 2 / n, 0.0)) / n
    return PairedResult((b - c) / n, bounds.low, bounds.high, mcnemar(b, c), error, PROPORTION, n)


def paired_mean(difference: NDArray[np.floating], *, confidence: float) -> PairedResult:
    """Mean of per-row differences a - b by Student's paired t (1908).

    Differences that are zero on every row give a zero-width interval, fewer than two rows an
    infinite one.
    """
    n = len(difference)
    if n == 0:
        return unknown(0.0, 0, MEAN)
    variance = float(difference.var(ddof=1)) if n > 1 else 0.0
    return paired_mean_from_moments(float(difference.mean()), variance, n, confidence=confidence)


@overload
def paired_mean_from_moments(mean: float, variance: float, n: int, *, confidence: float) -> PairedResult: ...
@overload
def paired_mean_from_moments(
    mean: FloatArray, variance: FloatArray, n: IntArray, *, confidence: float
) -> list[PairedResult]: ...
def paired_mean_from_moments(
    mean: ArrayLike, variance: ArrayLike, n: ArrayLike, *, confidence: float
) -> PairedResult | list[PairedResult]:
    """As :func:`paired_mean`, from the mean, the sample variance (ddof 1) and the rows.

    Scalars give one result, arrays of equal shape one per group.
    """
    if np.ndim(mean):
        groups = zip(*(np.asarray(each).tolist() for each in (mean, variance, n)), strict=True)
        return [_paired_t(m, v, rows, confidence) for m, v, rows in groups]
    return _paired_t(float(np.asarray(mean)), float(np.asarray(variance)), int(np.asarray(n)), confidence)


def _paired_t(mean: float, variance: float, n: int, confidence: float) -> PairedResult:
    if n < 2:
        return unknown(mean, n, MEAN)
    if mean == 0 and variance == 0:
        return identical(n, MEAN)
    bounds = mean_t(mean, variance, n, confidence=confidence)
    error = math.sqrt(variance / n)
    p_value = t_p_value(mean / error, n - 1) if error else 0.0
    return PairedResult(mean, bounds.low, bounds.high, p_value, error, MEAN, n)
