"""How sure the mean of a series of windows is, when neighbouring windows are alike."""

import math

import numpy as np
from numpy.typing import NDArray

from tidegate.stats.intervals import t_quantile
from tidegate.stats.results import Interval

LEAST = 6
"""Windows below which nothing is claimed."""


def block_length(windows: int) -> int:
    """Windows that are drawn together: the square root of all, rounded up.

    Histories are short and changes last: blocks as short as the cube root, the best for long series of weak dependence
    (Hall, Horowitz & Jing 1995), give intervals that are too narrow here.
    """
    return math.isqrt(max(windows - 1, 0)) + 1


def mean_interval(values: NDArray[np.float64], confidence: float) -> Interval:
    """Two-sided interval of the mean of a series that is stationary and depends on its near past.

    The variance is that of the circular block bootstrap (Politis & Romano 1992), which has a closed form for means and
    so needs no random numbers. Blocks are few: its bias for their number is taken out, and Student's t stands for the
    normal law, with one degree of freedom less than there are blocks.

    Args:
        values: shape (windows,), in order of time.
        confidence: of the interval.

    Returns:
        Without bounds for fewer than :data:`LEAST` windows, unless they are all zero.
    """
    count = len(values)
    if count and not values.any():
        return Interval(0.0, 0.0)
    if count < LEAST:
        return Interval(-math.inf, math.inf)
    length = block_length(count)
    blocks = count / length
    mean = math.fsum(values) / count
    circle = np.concatenate([values, values[: length - 1]]) - mean
    sums = np.convolve(circle, np.ones(length), mode="valid")
    variance = math.fsum(sums**2) / count / (count * length) * blocks / (blocks - 1)
    reach = t_quantile(confidence, blocks - 1) * math.sqrt(variance)
    return Interval(mean - reach, mean + reach)
