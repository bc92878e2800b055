"""Did the numbers of a column change? Tests on summaries, whole or reduced."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tidegate.drift.column_summary import NumericSummary
from tidegate.drift.column_test import Distribution, Part
from tidegate.drift.dependence import joint_design_effect
from tidegate.stats.categorical import homogeneity
from tidegate.stats.detectable import detectable_mean, detectable_shift, detectable_tilt, effective_size
from tidegate.stats.two_sample import Merged, compare_merged

_BINS = 12
_FREQUENT = 0.05
_DECILES = 10
_MOST_POINTS = 8_192
_THINNED = 4_096


@dataclass(frozen=True, slots=True)
class NumericPair:
    """Two summaries in units of a power of two, so that no width exceeds the largest number and no digit is lost.

    Attributes:
        scale: what a value here is multiplied by to be the column's own.
        design_effect: of the difference of the two windows.
    """

    reference: NumericSummary
    current: NumericSummary
    scale: float
    design_effect: float

    @classmethod
    def of(cls, reference: NumericSummary, current: NumericSummary, design_effect: float) -> "NumericPair":
        """Both need a finite value."""
        ends = [abs(float(points[i])) for points in (reference.points, current.points) for i in (0, -1)]
        exponent = min(max(math.frexp(max(ends))[1] - 1, -1_000), 1_000)
        n, m = reference.finite, current.finite
        effects = (max(each.design_effect, design_effect) for each in (reference, current))
        first, second = (_scaled(each, -exponent) for each in (reference, current))
        return cls(first, second, math.ldexp(1.0, exponent), joint_design_effect(n, m, *effects))

    @property
    def size(self) -> float:
        """Independent rows that a difference of shares stands on."""
        return effective_size(self.reference.finite, self.current.finite, self.design_effect)

    @property
    def spread(self) -> float:
        """Of the reference; of both windows where that is constant."""
        if self.reference.spread > 0:
            return self.reference.spread
        n, m = self.reference.finite, self.current.finite
        inside = m / (n + m) * self.current.spread**2
        between = n / (n + m) * m / (n + m) * (self.reference.mean - self.current.mean) ** 2
        return math.sqrt(inside + between)


def _scaled(summary: NumericSummary, exponent: int) -> NumericSummary:
    return replace(
        summary,
        points=np.ldexp(summary.points, exponent),
        mean=math.ldexp(summary.mean, exponent),
        spread=math.ldexp(summary.spread, exponent),
    )


def values_part(pair: NumericPair, *, of: str = "") -> Part:
    """Kolmogorov-Smirnov with the Wasserstein distance, and chi-squared where many rows share a value.

    Args:
        pair: both windows.
        of: what the numbers are, where the column itself is not of numbers.
    """
    change = compare_merged(_merged(pair), design_effect=pair.design_effect)
    spread = pair.spread
    effect = change.effect / spread if spread > 0 else 0.0
    name, statistic, p_value = "Kolmogorov-Smirnov", change.ks.statistic, change.ks.p_value
    _, counts = frequent(pair)
    if counts.shape[1] > 1:
        # Where many rows share a value the law of Kolmogorov-Smirnov is far on the safe side.
        test = homogeneity(counts[0], counts[1], design_effect=pair.design_effect)
        if test.p_value < p_value:
            name, statistic, p_value = "chi-squared on frequent values", test.statistic, test.p_value
        p_value = min(1.0, 2 * p_value)
    return Part(f"{name} of {of}" if of else name, statistic, p_value, effect)


def frequent(pair: NumericPair) -> tuple[np.ndarray, np.ndarray]:
    """Values that one row in twenty of both windows has; and counts of them and of all others, shape (2, k + 1)."""
    sides = (pair.reference, pair.current)
    values = np.union1d(sides[0].frequent()[0], sides[1].frequent()[0])
    counts = np.array([_counts(side, values) for side in sides]).reshape(2, -1)
    total = np.array([[side.finite] for side in sides])
    often = (counts >= 0).all(axis=0) & (counts.sum(axis=0) >= _FREQUENT * total.sum())
    counts = counts[:, often]
    return values[often], np.hstack((counts, total - counts.sum(axis=1, keepdims=True)))


def _counts(summary: NumericSummary, values: np.ndarray) -> np.ndarray:
    """Rows of each value; -1 where a reduced summary does not know."""
    points, upto = summary.points, summary.upto
    at = np.minimum(np.searchsorted(points, values), len(points) - 1)
    found = points[at] == values
    counts = np.where(found, upto[at] - np.where(at > 0, upto[at - 1], 0), 0)
    if summary.exact:
        return counts
    known = np.isin(values, summary.frequent()[0]) | (values < points[0]) | (values > points[-1])
    return np.where(known, counts, -1)


def _merged(pair: NumericPair) -> Merged:
    """Both windows at points that both know: all of them, or as many as leave the distances what they are."""
    sides = (pair.reference, pair.current)
    reduced = [side for side in sides if not side.exact]
    shown = [side if len(side.points) <= _MOST_POINTS else side.reduced(_THINNED) for side in sides]
    if not reduced:
        points = np.union1d(shown[0].points, shown[1].points)
    else:
        # Of the other window also what lies outside: there the reduced one has nothing.
        low, high = max(s.points[0] for s in reduced), min(s.points[-1] for s in reduced)
        outside = [s.points[(s.points < low) | (s.points > high)] for s in shown]
        points = np.unique(np.concatenate([*(s.points for s in reduced), *outside]))
    (x, x_off), (y, y_off) = (_upto(side, points) for side in sides)
    slack = x_off / pair.reference.finite + y_off / pair.current.finite
    dense = None
    if any(not side.exact for side in shown):
        dense = np.logical_and.reduce(
            [
                np.diff(upto) <= 3 * side.finite / len(side.points)
                for side, upto in zip(shown, (x, y), strict=True)
            ]
        )
    return Merged(points, x, y, slack if slack.any() else None, dense)


def _upto(summary: NumericSummary, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows at or below each value, and by how many that may be off where it is interpolated."""
    points, upto = summary.points, summary.upto
    at = np.searchsorted(points, values, side="right") - 1
    below = np.where(at >= 0, upto[at], 0)
    if summary.exact:
        return below, np.zeros(len(values), dtype=np.int64)
    between = (at >= 0) & (at < len(points) - 1) & (points[np.maximum(at, 0)] != values)
    left, after = np.maximum(at, 0), np.minimum(at + 1, len(points) - 1)
    inside = np.where(between, upto[after] - below, 0)
    # Under a frequent value the next smaller one is a point, so that nothing lies between.
    inside[np.isin(after, np.searchsorted(points, summary.frequent()[0]))] = 0
    width = np.where(between, points[after] - points[left], 1.0)
    share = np.where(between, (values - points[left]) / width, 0.0)
    step = np.rint(inside * share).astype(np.int64)
    return below + step, np.maximum(step, inside - step)


def decile_counts(pair: NumericPair) -> tuple[np.ndarray, np.ndarray]:
    """Rows of both windows between the reference's deciles."""
    n = pair.reference.finite
    ranks = np.ceil(np.arange(1, _DECILES) * n / _DECILES)
    edges = np.unique(pair.reference.at_rank(np.maximum(ranks, 1)))
    first, second = (
        np.diff(_upto(side, edges)[0], prepend=0, append=side.finite)
        for side in (pair.reference, pair.current)
    )
    return first, second


def detectable_effect(pair: NumericPair, *, level: float) -> float | None:
    """Shift of the mean, in spreads, that the values' test would find with 80% power; None where none would do."""
    reference, size = pair.reference, pair.size
    if reference.spread <= 0 or size <= 0:
        return None
    values, counts = frequent(pair)
    if counts.shape[1] == 1:
        cells = int(np.clip(1.7 * reference.finite**0.25, 6, 40))
        ranks = np.clip(np.ceil(np.linspace(0, 1, cells + 1) * reference.finite), 1, reference.finite)
        return detectable_shift(reference.at_rank(ranks), reference.spread, size, level=level)
    shares = counts[0] / reference.finite
    rest = shares[-1]
    others = (reference.mean - float(shares[:-1] @ values)) / rest if rest > 0 else reference.mean
    means = np.append(values, others) - reference.mean
    by_shares = detectable_tilt(means / reference.spread, shares, size, level=level / 2)
    weights = np.diff(reference.upto, prepend=0) / reference.finite
    deviation = float(weights @ np.abs(reference.points - reference.mean)) / reference.spread
    by_distance = detectable_mean(deviation, size, level=level / 2)
    return min((each for each in (by_shares, by_distance) if each is not None), default=None)


def histogram(pair: NumericPair) -> Distribution:
    """Equal bins over the middle 99% of both windows; what lies beyond is counted in the outer ones."""
    sides = (pair.reference, pair.current)
    outer = [
        side.at_rank(np.array([_outer(side.finite), side.finite + 1 - _outer(side.finite)])) for side in sides
    ]
    low, high = min(float(each[0]) for each in outer), max(float(each[1]) for each in outer)
    if low == high:
        high = max(low + 1 / pair.scale, float(np.nextafter(low, np.inf)))
    edges = np.linspace(low, high, _BINS + 1)
    shares = [
        (
            np.diff(_upto(side, np.nextafter(edges[1:-1], -np.inf))[0], prepend=0, append=side.finite)
            / side.finite
        )
        for side in sides
    ]
    labels = [f"{a:.4g} to {b:.4g}" for a, b in pairwise((edges * pair.scale).tolist())]
    return Distribution(labels, shares[0].tolist(), shares[1].tolist())


def _outer(rows: int) -> int:
    return 1 + int(0.005 * (rows - 1))


def medians(pair: NumericPair) -> str:
    """``median 1 → 2``."""
    then, now = (
        float(side.at_rank(np.array([(side.finite + 1) // 2, side.finite // 2 + 1])).mean()) * pair.scale
        for side in (pair.reference, pair.current)
    )
    return f"median {then:.4g} → {now:.4g}"
