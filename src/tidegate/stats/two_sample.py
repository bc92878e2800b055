"""Did a numeric column change between two windows? Kolmogorov-Smirnov and Wasserstein, from one merge."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tidegate.stats.results import BoolArray, FloatArray, IntArray

EXACT_ROWS = 4_000
"""Rows of both samples together up to which the exact law is computed."""
_RESCALE = 256  # steps: path counts at most double with each, and doubles end at 2 ** 1024


@dataclass(frozen=True, slots=True)
class KsResult:
    """Largest distance between two empirical distribution functions, and its p-value."""

    statistic: float
    p_value: float


@dataclass(frozen=True, slots=True)
class NumericChange:
    """Everything that one merged pass over two samples says about their difference.

    ``distance``, ``null_distance`` and ``effect`` are in the units of the values.
    """

    ks: KsResult
    distance: float
    null_distance: float
    effect: float


@dataclass(frozen=True, slots=True)
class Merged:
    """Two samples as cumulative counts at common ascending points, the last of which has all rows.

    Attributes:
        values: shape (k,), the points; where nothing else is said, the pooled distinct values.
        x_upto, y_upto: shape (k,), rows at or below each point.
        slack: shape (k,), by how much the difference of the two shares may be off where a count is interpolated;
            None where all counts are known.
        dense: shape (k - 1,), whether further values lie between a point and the next, so that the distance of the
            two distribution functions moves from one height to the other instead of jumping; None: nowhere.
    """

    values: FloatArray
    x_upto: IntArray
    y_upto: IntArray
    slack: FloatArray | None = None
    dense: BoolArray | None = None

    @property
    def sizes(self) -> tuple[int, int]:
        """Rows of x and of y."""
        return int(self.x_upto[-1]), int(self.y_upto[-1])


def merge(x_sorted: NDArray[np.floating], y_sorted: NDArray[np.floating]) -> Merged:
    """Merge two ascending samples without NaN; costs little beside the sorting.

    Raises:
        ValueError: when a sample is empty.
    """
    if not (len(x_sorted) and len(y_sorted)):
        raise ValueError("both samples need at least one value")
    pooled = np.concatenate((x_sorted, y_sorted)).astype(np.float64, copy=False)
    # numpy's stable sort finds the two ascending runs and merges them in linear time.
    order = np.argsort(pooled, kind="stable")
    pooled = pooled[order]
    last = np.append(np.flatnonzero(pooled[1:] != pooled[:-1]), len(pooled) - 1)
    x_upto = np.cumsum(order < len(x_sorted))[last]
    return Merged(pooled[last], x_upto, last + 1 - x_upto)


def compare_numeric(
    x: NDArray[np.floating], y: NDArray[np.floating], *, assume_sorted: bool = False
) -> NumericChange:
    """Kolmogorov-Smirnov test, Wasserstein distance and its size by chance, from one merged pass."""
    return compare_merged(merge(x, y) if assume_sorted else merge(np.sort(x), np.sort(y)))


def compare_merged(merged: Merged, *, design_effect: float = 1.0) -> NumericChange:
    """The same from cumulative counts at points, which may be few.

    At fewer points the largest distance can only be smaller, so that its p-value stays on the safe side.

    Args:
        merged: both samples.
        design_effect: by how much dependence enlarges the variance of shares, at least 1; as many times fewer
            independent rows would say the same (Rao & Scott, 1981).
    """
    distance = _wasserstein(merged)
    null = math.sqrt(design_effect) * _wasserstein_null(merged)
    return NumericChange(_ks(merged, design_effect), distance, null, corrected_effect(distance, null))


def ks(x: NDArray[np.floating], y: NDArray[np.floating], *, assume_sorted: bool = False) -> KsResult:
    """Two-sample Kolmogorov-Smirnov test (Smirnov, 1939), two-sided.

    Up to 4,000 rows in both together: exact, given the ties (Schröer & Trenkler, 1995), where the
    p-value may matter. Otherwise Kolmogorov's limit law, which errs to the safe side, and far so when
    a column has few distinct values: such a column is better compared as categories.

    Args:
        x: shape (n,), no NaN.
        y: shape (m,), no NaN.
        assume_sorted: both are ascending already.
    """
    return _ks(merge(x, y) if assume_sorted else merge(np.sort(x), np.sort(y)))


def wasserstein(x_sorted: NDArray[np.floating], y_sorted: NDArray[np.floating]) -> float:
    """Wasserstein-1 distance of two ascending finite samples (Vallender, 1974)."""
    return _wasserstein(merge(x_sorted, y_sorted))


def wasserstein_null(x_sorted: NDArray[np.floating], y_sorted: NDArray[np.floating]) -> float:
    """Distance to expect when nothing changed, from the pooled sample.

    At each value the two empirical distribution functions differ by a normal variable of variance
    F(1 - F)(1/n + 1/m), whose mean absolute value is integrated (del Barrio et al., 1999).
    """
    return _wasserstein_null(merge(x_sorted, y_sorted))


def corrected_effect(distance: float, null_distance: float) -> float:
    """A distance without the part that sampling alone would give it.

    Chance and shift are near independent and so add in squares: subtracting the null from the
    distance itself would hide half of a shift as large as the noise.
    """
    if distance <= null_distance:
        return 0.0
    # The difference of the squares in factors, so that no square exceeds the largest number.
    return math.sqrt(distance - null_distance) * math.sqrt(distance + null_distance)


def _ks(merged: Merged, design_effect: float = 1.0) -> KsResult:
    n, m = merged.sizes
    gaps = np.abs(merged.x_upto / n - merged.y_upto / m)
    if merged.slack is not None:
        gaps = np.maximum(gaps - merged.slack, 0.0)
    statistic = float(gaps.max())
    p_value = float(special.kolmogorov(math.sqrt(n * m / (n + m) / design_effect) * statistic))
    # The limit law errs to the safe side, so that above a half nobody needs the exact one.
    if p_value < 0.5 and n + m <= EXACT_ROWS and design_effect == 1 and merged.slack is None:
        # Integers, so that no rounding decides whether a path reaches the observed distance.
        largest = int(np.abs(merged.x_upto * m - merged.y_upto * n).max())
        p_value = _ks_exact(n, m, largest, merged.x_upto + merged.y_upto)
    return KsResult(statistic, p_value)


def _ks_exact(n: int, m: int, largest: int, block_ends: IntArray) -> float:
    """Probability that a random interleaving reaches the observed distance at the end of a tie.

    Counts the interleavings by how many of the rows so far came from x, in the band that stays under
    the distance. Those that leave it are summed, not those that stay, so small p-values are accurate.
    """
    total = n + m
    seen = np.arange(total + 1)
    low = np.maximum((seen * n - largest) // total + 1, np.maximum(seen - m, 0)).tolist()
    high = np.minimum(-(-(seen * n + largest) // total) - 1, np.minimum(seen, n)).tolist()
    is_end = np.zeros(total + 1, dtype=bool)
    is_end[block_ends] = True
    paths = np.zeros(n + 2)
    paths[0] = 1.0
    first, last, log_scale = 0, 0, 0.0
    left_at, left_from_x, left_log = [], [], []
    for step, ends in enumerate(is_end.tolist()[1:], start=1):
        paths[first + 1 : last + 2] += paths[first : last + 1]
        last += 1
        if ends:
            for i in (*range(first, low[step]), *range(high[step] + 1, last + 1)):
                if paths[i] > 0 and step - m <= i <= n:
                    left_at.append(step)
                    left_from_x.append(i)
                    left_log.append(log_scale + math.log(paths[i]))
                paths[i] = 0.0
            first, last = low[step], high[step]
            if first > last:
                break
        last = min(last, n)
        if step % _RESCALE == 0:
            peak = paths[first : last + 1].max()
            paths /= peak
            log_scale += math.log(peak)
    at, from_x = np.array(left_at), np.array(left_from_x)
    onwards = _log_choose(total - at, n - from_x) - _log_choose(total, n)
    return min(1.0, float(np.exp(np.array(left_log) + onwards).sum()))


def _log_choose(n: IntArray | int, k: IntArray | int) -> FloatArray:
    return np.asarray(special.gammaln(n + 1.0) - special.gammaln(k + 1.0) - special.gammaln(n - k + 1.0))


def _wasserstein(merged: Merged) -> float:
    n, m = merged.sizes
    return _integral(merged, np.abs(merged.x_upto / n - merged.y_upto / m))


def _wasserstein_null(merged: Merged) -> float:
    n, m = merged.sizes
    pooled = (merged.x_upto + merged.y_upto) / (n + m)
    scale = math.sqrt(2 / math.pi) * math.sqrt(1 / n + 1 / m)
    return scale * _integral(merged, np.sqrt(pooled * (1 - pooled)))


def _integral(merged: Merged, heights: FloatArray) -> float:
    # Halves, because the width of two finite values may exceed the largest number.
    widths = np.diff(merged.values / 2)
    level = heights[:-1]
    if merged.dense is not None:
        level = np.where(merged.dense, (level + heights[1:]) / 2, level)
    return 2 * float(widths @ level)
