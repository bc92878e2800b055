"""Does a series rise or fall? A test and a slope that outliers and uneven spacing do not upset."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from tidegate.stats.results import FloatArray, tail

_EXACT = 30
"""Points up to which the law of Kendall's S is exact, where no two values or times are equal."""


@dataclass(frozen=True, slots=True)
class Slope:
    """The slope of a series; `low` and `high` are infinite where the points are too few to bound it.

    Attributes:
        s: rises less falls among all pairs of points (Kendall, 1938).
        p_value: two-sided, of no trend (Mann, 1945).
    """

    slope: float
    low: float
    high: float
    s: int
    p_value: float


def theil_sen(times: FloatArray, values: FloatArray, *, confidence: float) -> Slope:
    """Median of the slopes of all pairs of points (Theil, 1950), with the interval of Sen (1968).

    Both the test and the interval are those of Kendall's S: exact for up to 30 points without ties, otherwise normal
    with the variance that ties leave. They hold for points that are independent but for the trend.

    Args:
        times: shape (n,), any order and spacing.
        values: shape (n,), finite.
        confidence: of the interval.

    Raises:
        ValueError: fewer than two different times.
    """
    alpha = tail(confidence)
    first, second = np.triu_indices(len(times), 1)
    apart = times[second] - times[first]
    moved = values[second] - values[first]
    usable = apart != 0
    if not usable.any():
        raise ValueError("a slope needs two different times")
    slopes = np.sort(moved[usable] / apart[usable])
    s = int(np.sign(slopes).sum())
    count = len(slopes)
    exact = len(times) <= _EXACT and len(np.unique(times)) == len(np.unique(values)) == len(times)
    if exact:
        law = _law_of_s(len(times))
        upper = np.cumsum(law[::-1])[::-1]  # of S at least -count, -count + 2, ...
        p_value = min(1.0, 2 * float(upper[(abs(s) + count) // 2]))
        reached = np.flatnonzero(upper <= alpha)
        width = 2 * int(reached[0]) - count - 2 if len(reached) else count
    else:
        error = math.sqrt(_variance(times, values))
        # The continuity correction (Kendall, 1970); S moves in steps of two.
        p_value = 1.0 if s == 0 or error == 0 else float(2 * special.ndtr(-(abs(s) - 1) / error))
        width = math.ceil(float(special.ndtri(1 - alpha)) * error)
    below = (count - width) // 2
    bounded = 1 <= below <= count
    return Slope(
        slope=float(np.median(slopes)),
        low=float(slopes[below - 1]) if bounded else -math.inf,
        high=float(slopes[count - below]) if bounded else math.inf,
        s=s,
        p_value=min(p_value, 1.0),
    )


def _law_of_s(points: int) -> FloatArray:
    """Chance of each number of rises in a random order, shape (points * (points - 1) / 2 + 1,) (Mann, 1945)."""
    law = np.ones(1)
    for k in range(2, points + 1):
        law = np.convolve(law, np.full(k, 1 / k))
    return law


def _variance(times: FloatArray, values: FloatArray) -> float:
    """Of Kendall's S with ties in either (Kendall, 1970)."""
    n = len(times)
    ties = [np.unique(each, return_counts=True)[1].astype(np.float64) for each in (times, values)]
    of_ties = [float((t * (t - 1) * (2 * t + 5)).sum()) for t in ties]
    pairs = [float((t * (t - 1)).sum()) for t in ties]
    triples = [float((t * (t - 1) * (t - 2)).sum()) for t in ties]
    variance = (n * (n - 1) * (2 * n + 5) - sum(of_ties)) / 18 + pairs[0] * pairs[1] / (2 * n * (n - 1))
    if n > 2:
        variance += triples[0] * triples[1] / (9 * n * (n - 1) * (n - 2))
    return max(variance, 0.0)
