"""The smallest change that a drift test of two windows of given sizes would show, with a given power."""

import math

import numpy as np
from scipy import special

from tidegate.stats.results import FloatArray

POWER = 0.8
_LARGEST_SHIFT = 100.0


def effective_size(rows_a: float, rows_b: float, design_effect: float = 1.0) -> float:
    """Rows that the variance of a difference of shares stands on: nm / (n + m), less for dependent rows."""
    return rows_a / (rows_a + rows_b) * rows_b / design_effect


def detectable_shift(edges: FloatArray, spread: float, size: float, *, level: float) -> float | None:
    """Shift of a continuous column that the Kolmogorov-Smirnov test finds with 80% power, in spreads.

    A shift moves the distribution function by the rows that it sweeps over. What that has to be for the largest
    distance to pass its critical value follows from the Brownian bridge, whose noise adds to a flat top (a uniform
    column) and less to a peak (a Laplace column): a line through simulated bridges, within some 5%.

    Args:
        edges: shape (K + 1,), ascending bounds of K cells of equal shares of the reference.
        spread: its standard deviation, above zero.
        size: :func:`effective_size`.
        level: of the test.

    Returns:
        None when no shift would do.
    """
    critical = float(special.kolmogi(level))
    shares = np.linspace(0.0, 1.0, len(edges))
    places = np.linspace(0.0, 1.0, 201)
    centres = np.interp(places, shares, edges)

    def surplus(shift: float) -> float:
        half = shift * spread / 2
        swept = np.interp(centres + half, edges, shares) - np.interp(centres - half, edges, shares)
        top = places[swept >= 0.8 * swept.max()]
        flat = len(top) / len(places)
        middle = float(top.mean())
        noise = 2 * math.sqrt(middle * (1 - middle))
        return math.sqrt(size) * float(swept.max()) - (critical - 0.29 + 0.66 * (1 - flat) * noise)

    low, high = 0.0, 1.0
    while surplus(high) < 0:
        low, high = high, 2 * high
        if high > _LARGEST_SHIFT:
            return None
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if surplus(middle) < 0 else (low, middle)
    return high


def detectable_tilt(values: FloatArray, shares: FloatArray, size: float, *, level: float) -> float | None:
    """Change of the mean of a column of few distinct values that chi-squared finds with 80% power, in spreads.

    A column of counts or flags cannot slide; its mean moves as the shares of its values are tilted, each in proportion
    to its distance from the mean. The noncentrality of that is the square of the shift times the size.

    Args:
        values: shape (K,), a value per cell, or the mean of the cell.
        shares: shape (K,), of the reference; they sum to 1.
        size: :func:`effective_size`.
        level: of the test.

    Returns:
        None when the cells do not differ in value.
    """
    mean = float(shares @ values)
    variance = float(shares @ (values - mean) ** 2)
    cells = int(np.count_nonzero(shares))
    return math.sqrt(_noncentrality(cells - 1, level) / size) if variance > 0 and cells > 1 else None


def detectable_mean(deviation: float, size: float, *, level: float) -> float | None:
    """Change of the mean as for :func:`detectable_tilt`, found by the Kolmogorov-Smirnov test.

    Tilted shares move the distribution function most at the mean: by half the mean absolute deviation times the shift.

    Args:
        deviation: mean absolute deviation of the reference, in spreads.
        size: :func:`effective_size`.
        level: of the test.
    """
    needed = (float(special.kolmogi(level)) + 0.05) / math.sqrt(size)
    return 2 * needed / deviation if deviation > 0 else None


def detectable_variation(shares: FloatArray, size: float, *, level: float) -> float | None:
    """Total variation at which chi-squared finds any change with 80% power, whichever levels it moves.

    Of all changes of one size, that between halves of the rows is the least conspicuous; a column whose commonest level
    has more than half of them can at most be changed between that level and the others.

    Args:
        shares: shape (K,), of the reference.
        size: :func:`effective_size`.
        level: of the test.

    Returns:
        None for one level, or when even a change of everything would not do.
    """
    cells = int(np.count_nonzero(shares))
    if cells < 2:
        return None
    half = max(float(shares.max()), 0.5)
    needed = math.sqrt(_noncentrality(cells - 1, level) / size * half * (1 - half))
    return needed if needed <= 1 else None


def _noncentrality(df: int, level: float) -> float:
    """At which a chi-squared test has the power."""
    critical = float(special.chdtri(df, level))
    low, high = 0.0, 1.0
    while float(special.chndtr(critical, df, high)) > 1 - POWER:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if float(special.chndtr(critical, df, middle)) > 1 - POWER else (low, middle)
        )
    return high
