"""Bounds that hold for any number of rows and at any level, such as one error in 2^32 decisions.

So far out normal tails are wrong by orders of magnitude, and nobody can simulate them. What follows is exact or proved.
Each function takes the two-sided `error`, half of it on each side, because a confidence of 1 - 1e-20 is 1 in a float.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from tidegate.stats.auc import roc_auc
from tidegate.stats.paired import mcnemar
from tidegate.stats.planning import bisected
from tidegate.stats.results import BoolArray, FloatArray, Interval, PairedResult, identical, unknown

SHARES = "exact bounds on discordant rows"
MEANS = "Bernstein bound"
WEIGHTED = "Hoeffding bound of weighted units"
AREAS = "Bernstein bound of a two-sample U-statistic"
SEPARATE = "exact bounds of each model"

_OF_DISCORDANCE = 0.1
_BETAINC_FROM = 1e-100
_BINS = 1024
_LEAST_LOG_ERROR = -700.0


def exact_share(successes: float, trials: float, *, error: float) -> Interval:
    """Exact interval of a proportion (Clopper & Pearson, 1934), far out in the tails too.

    Beyond 1e-100, where the incomplete beta function loses its footing, by Chernoff's (1952) bound, which is then the
    wider one by next to nothing.
    """
    if trials == 0:
        return Interval(0.0, 1.0)
    return Interval(
        _lower_share(successes, trials, error / 2), 1.0 - _lower_share(trials - successes, trials, error / 2)
    )


def _lower_share(successes: float, trials: float, alpha: float) -> float:
    if successes == 0:
        return 0.0
    if alpha >= _BETAINC_FROM:
        return float(special.betaincinv(successes, trials - successes + 1, alpha))
    share, goal = successes / trials, -math.log(alpha) / trials
    # From the lower end, so that rounding never narrows the interval.
    return 1.0 - bisected(1 - share, 1.0, lambda q: _divergence(share, 1 - q) < goal)


def _divergence(share: float, of: float) -> float:
    """Kullback and Leibler's, of two coins."""
    return float(special.rel_entr(share, of) + special.rel_entr(1 - share, 1 - of))


def paired_shares(b: int, c: int, n: int, *, error: float, same: bool | None = None) -> PairedResult:
    """Difference of two proportions on the same rows, (b - c) / n, never under its level.

    Of the b + c rows that one model alone has right, the first model's share is bounded exactly given how many there
    are, and so is their share of all rows; the interval is what both leave possible. It excludes zero when the exact
    test of McNemar (1947) rejects at nine tenths of the error.

    Args:
        b: rows that only the first model has right.
        c: rows that only the second model has right.
        n: all rows.
        error: two-sided.
        same: whether the models are known to agree everywhere; None infers it from b + c = 0.
    """
    if n == 0:
        return unknown(0.0, 0, SHARES)
    if b + c == 0 and same is not False:
        return identical(n, SHARES)
    of_won = exact_share(b, b + c, error=error * (1 - _OF_DISCORDANCE))
    discordant = exact_share(b + c, n, error=error * _OF_DISCORDANCE)
    # A loss is largest where most rows are discordant, a gain surest where fewest are.
    low, high = 2 * of_won.low - 1, 2 * of_won.high - 1
    interval = Interval(
        low * (discordant.low if low > 0 else discordant.high),
        high * (discordant.high if high > 0 else discordant.low),
    )
    p_value = mcnemar(b, c, exact=True) / (1 - _OF_DISCORDANCE)
    return _result((b - c) / n, interval, p_value, error, SHARES, n)


def paired_mean(difference: FloatArray, width: float, *, error: float) -> PairedResult:
    """Mean of independent differences by the better of two bounds.

    Hoeffding's (1963) knows the range alone, Bernstein's (1946) the mean square as well, which is bounded from above by
    what was seen of it (Maurer, 2003). The variance (Maurer & Pontil, 2009) costs more to bound, and is no smaller
    where the mean is near zero, which is where it matters.

    Args:
        difference: shape (n,).
        width: how far the largest possible difference lies above the smallest, its negative.
        error: two-sided.
    """
    n = len(difference)
    if n == 0:
        return unknown(0.0, 0, MEANS)
    scaled = difference / (width / 2)
    return _scaled(_bounded(float(scaled.mean()), float((scaled**2).mean()), n, error, MEANS, n), width / 2)


def weighted_mean(units: FloatArray, weights: FloatArray, width: float, *, error: float) -> PairedResult:
    """Weighted mean of independent bounded units, such as clusters, given their weights (Hoeffding, 1963).

    Args:
        units: shape (m,), each the mean of what it holds.
        weights: shape (m,), not negative, of positive sum.
        width: how far the largest possible unit lies above the smallest, its negative.
        error: two-sided.
    """
    share = weights / weights.sum()
    estimate, squares = float(share @ units), float(share @ share)
    half = width * math.sqrt(math.log(2 / error) * squares / 2)
    p_value = 2 * math.exp(-2 * (estimate / width) ** 2 / squares)
    return _about(estimate, half, width / 2, p_value, error, WEIGHTED, len(units))


def auc_difference(labels: BoolArray, a: FloatArray, b: FloatArray, *, error: float) -> PairedResult:
    """Difference of two AUCs on the same rows.

    An AUC is a mean over pairs of a positive and a negative, and so has every exponential bound of min(m, n)
    independent pairs (Hoeffding, 1963, section 5): those of :func:`paired_mean`, by the share of pairs that the models
    order differently. The method of bounded differences (McDiarmid, 1989) has m n / (m + n) pairs in the place of the
    smaller of m and n, and is never sharper.

    Args:
        labels: shape (n,), true for positives.
        a: shape (n,), scores of the first model.
        b: shape (n,), of the second.
        error: two-sided.

    Raises:
        SingleClassError: when all rows are of one class.
    """
    rows = len(labels)
    estimate = roc_auc(labels, a) - roc_auc(labels, b)
    if np.array_equal(a, b):
        return identical(rows, AREAS)
    positives = int(np.count_nonzero(labels))
    pairs = min(positives, rows - positives)
    return _bounded(estimate, _reordered_pairs(labels, a, b), pairs, error, AREAS, rows)


def _bounded(
    estimate: float, square: float, units: int, error: float, method: str, rows: int
) -> PairedResult:
    """A mean of units between -1 and 1, of this mean square."""
    # Five events may fail: two sides of each bound, and that of the mean square.
    each, reach = math.log(5 / error) / units, abs(estimate)
    half = min(math.sqrt(2 * each), math.sqrt(2 * square * each + each**2) + 4 / 3 * each)
    # The error at which Bernstein's bound touches zero solves 7/9 x^2 - (8/3 reach + 2 square) x + reach^2 = 0.
    linear = 8 / 3 * reach + 2 * square
    discriminant = math.sqrt(max(linear**2 - 28 / 9 * reach**2, 0.0))
    root = 2 * reach**2 / (linear + discriminant) if linear else 0.0
    p_value = 5 * math.exp(-units * max(reach**2 / 2, root))
    return _about(estimate, half, 1.0, p_value, error, method, rows)


def _reordered_pairs(labels: BoolArray, a: FloatArray, b: FloatArray) -> float:
    """Mean square of what the models make of a pair (won 1, tied 1/2, lost 0) minus each other, or a little more.

    Counted on a grid of both scores. What shares a bin without being tied counts as if the models differed.
    """
    (of_a, exact_a), (of_b, exact_b) = _binned(a), _binned(b)
    shape = (int(of_a.max()) + 1, int(of_b.max()) + 1)
    cells = of_a * shape[1] + of_b
    positive = np.bincount(cells[labels], minlength=shape[0] * shape[1])
    below = np.zeros((shape[0] + 1, shape[1] + 1), dtype=np.int64)
    negative = np.bincount(cells[~labels], minlength=shape[0] * shape[1]).reshape(shape)
    below[1:, 1:] = negative.cumsum(axis=0).cumsum(axis=1)
    i, j = np.unravel_index(np.flatnonzero(positive), shape)
    under_both, under_a, under_b, upto_both = (
        below[i, j],
        below[i, j + 1],
        below[i + 1, j],
        below[i + 1, j + 1],
    )
    opposite = (below[i, -1] - under_a) + (below[-1, j] - under_b)
    tied = upto_both - under_a - under_b + under_both
    tied_a = below[i + 1, -1] - below[i, -1] - tied
    tied_b = below[-1, j + 1] - below[-1, j] - tied
    of_tie = {0: 1.0, 1: 0.25, 2: 0.0}[exact_a + exact_b]
    squares = (
        opposite + tied_a * (0.25 if exact_a else 1.0) + tied_b * (0.25 if exact_b else 1.0) + tied * of_tie
    )
    counted = positive[positive > 0]
    return float(counted @ squares) / (float(counted.sum()) * float(negative.sum()))


def _binned(scores: FloatArray) -> tuple[np.ndarray, bool]:
    """Scores as codes in their order, few enough for a grid, and whether equal codes are equal scores."""
    ordered = np.sort(scores)
    edges = ordered[np.flatnonzero(ordered[1:] != ordered[:-1]) + 1]
    exact = len(edges) < _BINS
    if not exact:
        edges = np.unique(ordered[np.linspace(0, len(ordered), _BINS + 1)[1:-1].astype(np.intp)])
    return np.searchsorted(edges, scores, side="right"), exact


@dataclass(frozen=True, slots=True)
class Share:
    """So many successes of so many trials; given their number the successes are binomial."""

    successes: int
    trials: int


def separate_shares(
    first: Share, second: Share, rows: int, *, error: float, scale: Callable[[float], float] = lambda q: q
) -> PairedResult:
    """Difference of increasing functions of two proportions with trials of their own, each at half of the error.

    Nothing is gained from both models seeing the same rows: valid however their trials depend on each other.
    Precision is the share q of true positives among those predicted; F1 is 2q / (1 + q) of their share among rows that
    are predicted or labelled positive.
    """

    def interval(error: float) -> Interval:
        one, other = (exact_share(each.successes, each.trials, error=error / 2) for each in (first, second))
        return Interval(scale(one.low) - scale(other.high), scale(one.high) - scale(other.low))

    def excludes_zero(log_error: float) -> bool:
        found = interval(math.exp(log_error))
        return found.low > 0 or found.high < 0

    estimate = scale(first.successes / first.trials) - scale(second.successes / second.trials)
    p_value = 1.0
    if excludes_zero(0.0):
        p_value = math.exp(bisected(_LEAST_LOG_ERROR, 0.0, lambda log: not excludes_zero(log)))
    return _result(estimate, interval(error), p_value, error, SEPARATE, rows)


def _about(
    estimate: float, half: float, largest: float, p_value: float, error: float, method: str, rows: int
) -> PairedResult:
    interval = Interval(max(estimate - half, -largest), min(estimate + half, largest))
    return _result(estimate, interval, p_value, error, method, rows)


def _scaled(result: PairedResult, unit: float) -> PairedResult:
    return replace(
        result,
        estimate=result.estimate * unit,
        low=result.low * unit,
        high=result.high * unit,
        standard_error=result.standard_error * unit,
    )


def _result(
    estimate: float, interval: Interval, p_value: float, error: float, method: str, rows: int
) -> PairedResult:
    # The standard error with which normal tails would give this interval at this level: what may be read off it is
    # how many rows more would settle the matter, not another level.
    widest = max(estimate - interval.low, interval.high - estimate)
    z = -float(special.ndtri_exp(math.log(error) - math.log(2)))
    return PairedResult(estimate, interval.low, interval.high, min(p_value, 1.0), widest / z, method, rows)
