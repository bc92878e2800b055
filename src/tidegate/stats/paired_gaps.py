"""The gaps between groups that two models leave, compared on the same rows.

The largest gap of a sample is too large by chance, the more so the smaller the true one: a fair model seems unfair, and
an unfair one compared with it seems better than it is. No resampling mends that, because resamples of groups that are
equal are no longer of equal groups: with three groups of 300 rows a bootstrap's 95% interval missed 12% of the time.

Written out, the difference of two largest gaps is the largest over pairs of groups, of the first model, of the smallest
over pairs, of the second, of simple contrasts: the gap of the one pair less that of the other. So

* its upper limit is the largest of the smallest of the contrasts' upper limits, each at confidence 1 - alpha / m for m
  pairs of the second model. Too low it can only be if, of the pair that attains the first model's true gap, one of the
  m limits is below its own contrast, none of which is less than the true difference (Bonferroni's inequality);
* its lower limit is the same with the models changed about.

Of the second model's pairs those count that may attain its gap, being within three standard errors of the largest. To
leave one out only widens the interval.
"""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from tidegate.stats.intervals import t_p_value
from tidegate.stats.results import FloatArray, IntArray, PairedResult, tail, unknown

METHOD = "contrasts of groups"
_NEAR = 3.0
_CONTRASTS_AT_ONCE = 2_000_000


@dataclass(frozen=True, slots=True)
class TwoModels:
    """One figure of each of k groups by two models, for f families of figures.

    Attributes:
        first, second: shape (f, k); NaN for a group without a value, which is left out.
        covariance: of all figures of both models, shape (2, 2, f * k, f * k), families one after the other.
        degrees_of_freedom: of the covariances; infinite for shares.
    """

    first: FloatArray
    second: FloatArray
    covariance: FloatArray
    degrees_of_freedom: float = math.inf


def independent_groups(covariance: FloatArray) -> FloatArray:
    """The covariance of all figures, from that of both figures of each group, shape (f, k, 2, 2)."""
    families, k = covariance.shape[:2]
    of_all = np.zeros((2, 2, families * k, families * k))
    each = np.arange(families * k)
    of_all[:, :, each, each] = np.moveaxis(covariance.reshape(-1, 2, 2), 0, -1)
    return of_all


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Ordered pairs of groups: the gap of each, and how it moves with the larger and the smaller figure."""

    larger: IntArray
    smaller: IntArray
    gap: FloatArray
    by_larger: FloatArray
    by_smaller: FloatArray

    def take(self, chosen: IntArray) -> "_Pairs":
        return _Pairs(
            self.larger[chosen],
            self.smaller[chosen],
            self.gap[chosen],
            self.by_larger[chosen],
            self.by_smaller[chosen],
        )


def gap_difference(
    groups: TwoModels, *, kind: Literal["difference", "ratio"], confidence: float, rows: int
) -> PairedResult:
    """Largest difference (smallest ratio) of the first model's groups less that of the second's.

    Args:
        groups: at least one family with two groups and, for a ratio, one figure above zero in each model.
        kind: a ratio's groups have figures that are not negative.
        confidence: of the two-sided interval.
        rows: what the estimate stands on.
    """
    (of_a, across), (_, of_b) = groups.covariance
    a, b = _pairs(groups.first, np.diag(of_a), kind), _pairs(groups.second, np.diag(of_b), kind)
    estimate = float(a.gap.max() - b.gap.max())
    if not all(
        np.isfinite(np.diag(of)[m]).all() for p, of in ((a, of_a), (b, of_b)) for m in (p.larger, p.smaller)
    ):
        return unknown(estimate if kind == "difference" else -estimate, rows, METHOD)
    freedom = groups.degrees_of_freedom
    high = max(_upper(a, b, (of_a, of_b, across), confidence, freedom), estimate)
    low = min(-_upper(b, a, (of_b, of_a, across.T), confidence, freedom), estimate)
    z = _quantile(1 - tail(confidence), freedom)
    # The p-value is that of the side that zero is on, so that it and the interval agree.
    towards_zero = (estimate - low if estimate > 0 else high - estimate) / z
    p_value = t_p_value(estimate / towards_zero, freedom) if towards_zero > 0 else float(estimate == 0)
    result = PairedResult(estimate, low, high, p_value, (high - low) / (2 * z), METHOD, rows)
    return result if kind == "difference" else -result


def _pairs(values: FloatArray, variance: FloatArray, kind: Literal["difference", "ratio"]) -> _Pairs:
    families, k = values.shape
    one, other = np.nonzero(~np.eye(k, dtype=bool))
    offset = np.arange(families)[:, None] * k
    larger, smaller = (offset + one).ravel(), (offset + other).ravel()
    flat = values.ravel()
    known = ~(np.isnan(flat[larger]) | np.isnan(flat[smaller]))
    if kind == "ratio":
        known &= flat[larger] > 0
    larger, smaller = larger[known], smaller[known]
    top, low = flat[larger], flat[smaller]
    if kind == "difference":
        ones = np.ones(len(larger))
        return _Pairs(larger, smaller, top - low, ones, -ones)
    # A ratio with its sign turned, so that more is worse here too. The smallest of several is small by chance, and its
    # spread with it: so the spread is that of a ratio one standard error larger.
    likely = low + np.sqrt(variance[smaller])
    return _Pairs(larger, smaller, -low / top, likely / top**2, -1 / top)


def _upper(
    a: _Pairs,
    b: _Pairs,
    covariances: tuple[FloatArray, FloatArray, FloatArray],
    confidence: float,
    degrees_of_freedom: float,
) -> float:
    """Upper limit of the largest gap of a less that of b."""
    of_a, of_b, across = covariances
    best = np.array([int(b.gap.argmax())])
    error = _errors(b.take(best), b, of_b, of_b, of_b)[0]
    b = b.take(np.flatnonzero(b.gap.max() - b.gap <= _NEAR * error))
    z = _quantile(1 - tail(confidence) / len(b.gap), degrees_of_freedom)
    step = max(1, _CONTRASTS_AT_ONCE // len(b.gap))
    highest = -math.inf
    for start in range(0, len(a.gap), step):
        some = a.take(np.arange(start, min(start + step, len(a.gap))))
        limits = some.gap[:, None] - b.gap + z * _errors(some, b, of_a, of_b, across)
        highest = max(highest, float(limits.min(axis=1).max()))
    return highest


def _errors(a: _Pairs, b: _Pairs, of_a: FloatArray, of_b: FloatArray, across: FloatArray) -> FloatArray:
    """Standard errors of the contrasts of every pair of a with every pair of b."""
    total = _variance(a, of_a)[:, None] + _variance(b, of_b)
    for mine, by_mine in ((a.larger, a.by_larger), (a.smaller, a.by_smaller)):
        for yours, by_yours in ((b.larger, b.by_larger), (b.smaller, b.by_smaller)):
            total -= 2 * by_mine[:, None] * across[mine[:, None], yours] * by_yours
    errors: FloatArray = np.sqrt(np.maximum(total, 0.0))
    return errors


def _variance(pairs: _Pairs, of_figures: FloatArray) -> FloatArray:
    larger, smaller = pairs.larger, pairs.smaller
    by_both: FloatArray = (
        pairs.by_larger**2 * of_figures[larger, larger]
        + pairs.by_smaller**2 * of_figures[smaller, smaller]
        + 2 * pairs.by_larger * pairs.by_smaller * of_figures[larger, smaller]
    )
    return by_both


def _quantile(share: float, degrees_of_freedom: float) -> float:
    if math.isinf(degrees_of_freedom):
        return float(special.ndtri(share))
    return float(special.stdtrit(degrees_of_freedom, share))
