"""Means of skewed numbers: Student's t corrected for skewness in closed form, and the bootstrap that it stands for.

Losses have long tails, and so have their differences between two models. Student's t then misses a
mean on one side far more often than on the other: with 200 exponential rows 4.1% against 1.4%, with
30 log-normal ones 11% against 0.2%. The studentised bootstrap repairs this at n times thousands of
operations; Hall's transformation does so as well as it does, at the cost of one more sum.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tidegate.stats.intervals import t_p_value, t_quantile
from tidegate.stats.results import FloatArray, Interval, PairedResult, identical, tail, unknown

BOOTSTRAP = "studentised bootstrap"
SEED = 19881001
RESAMPLES = 9_999

_CHUNK_VALUES = 1_000_000


def asymmetry(third: float, variance: float, n: int) -> float:
    """How far the skewness of n rows bends the law of their t statistic: between -1 and 1.

    The sample skewness, corrected for the size of the sample (Joanes & Gill, 1998), over the square root of n.

    Args:
        third: the mean cube of the rows about their mean.
        variance: their sample variance (ddof 1).
        n: rows; fewer than three have no skewness.
    """
    scale = variance * math.sqrt(variance)
    # Beyond the range of floats the figure says nothing, and Student's t is what remains.
    if n < 3 or not 0 < scale < math.inf or not math.isfinite(third):
        return 0.0
    skewness = third / scale * n * n / ((n - 1) * (n - 2))
    return min(max(skewness / math.sqrt(n), -1.0), 1.0)


def skewed_t_interval(mean: float, error: float, bend: float, n: int, *, confidence: float) -> Interval:
    """Interval of a mean: on each side the wider of Student's t (1908) and Hall's correction (1992).

    Hall's alone is short where tails are heavy but even (92% instead of 95% for 30 rows of Student's
    t with three degrees of freedom), where t alone is right; t alone is short where one tail is long.
    Together they cover 94.5% from 200 rows on unless very few rows carry the mean: no interval knows
    of losses that did not occur. Without skewness it is Student's interval.

    Args:
        mean: of n rows.
        error: its standard error.
        bend: see :func:`asymmetry`.
        n: rows, at least two.
        confidence: of the two-sided interval.
    """
    t = t_quantile(confidence, n - 1)
    return Interval(mean - error * max(t, _unbent(t, bend)), mean - error * min(-t, _unbent(-t, bend)))


def skewed_t_p_value(statistic: float, bend: float, n: int) -> float:
    """Two-sided p-value of mean over standard error: one minus the level at which the interval touches zero."""
    size = abs(statistic)
    nearest = min(size, _bent(size, bend if statistic >= 0 else -bend))
    return t_p_value(nearest, n - 1) if nearest > 0 else 1.0


def _bent(statistic: float, bend: float) -> float:
    """Hall's cubic, which makes a skewed t statistic nearly symmetric and is monotone."""
    return statistic + bend * statistic**2 / 3 + bend**2 * statistic**3 / 27 + bend / 6


def _unbent(value: float, bend: float) -> float:
    """Its inverse, in a form that loses no digits when there is next to no skewness."""
    shifted = value - bend / 6
    root = float(np.cbrt(1 + bend * shifted))
    return 3 * shifted / (root * root + root + 1)


def studentised_bootstrap(
    difference: NDArray[np.floating],
    *,
    confidence: float,
    n_resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> PairedResult:
    """Mean of per-row differences by the bootstrap of its t statistic (Efron, 1979; Hall, 1988).

    Second-order correct on each side (Davison & Hinkley, 1997, section 5.2). The yardstick of
    :func:`skewed_t_interval`, which is what :func:`tidegate.stats.paired.paired_mean` uses: over the
    laws in the tests neither covers better, and this one visits each row thousands of times.

    Args:
        difference: a - b, shape (n,).
        confidence: of the two-sided interval.
        n_resamples: number of draws.
        rng: seeded the same way on every run when not given.
    """
    n = len(difference)
    if n < 2:
        return unknown(float(difference[0]) if n else 0.0, n, BOOTSTRAP)
    # The bootstrap draws by position, and the order of a file must not matter.
    rows = np.sort(np.asarray(difference, dtype=np.float64))
    mean, error = float(rows.mean()), float(rows.std(ddof=1)) / math.sqrt(n)
    if error == 0:
        return (
            identical(n, BOOTSTRAP) if mean == 0 else PairedResult(mean, mean, mean, 0.0, 0.0, BOOTSTRAP, n)
        )
    draws = np.sort(
        np.concatenate([*_statistics(rows - mean, n_resamples, rng or np.random.default_rng(SEED))])
    )
    # A whole rank must not be lost to rounding, hence the small allowance.
    rank = max(math.floor((n_resamples + 1) * tail(confidence) + 1e-6), 1)
    low, high = mean - error * float(draws[-rank]), mean - error * float(draws[rank - 1])
    beyond = np.count_nonzero(draws >= mean / error if mean > 0 else draws <= mean / error)
    p_value = min(2 * (int(beyond) + 1) / (n_resamples + 1), 1.0)
    return PairedResult(mean, low, high, p_value, error, BOOTSTRAP, n)


def _statistics(centred: FloatArray, total: int, rng: np.random.Generator) -> Iterator[FloatArray]:
    """The t statistics of resamples, in chunks that bound the memory."""
    n = len(centred)
    size = max(1, _CHUNK_VALUES // n)
    for start in range(0, total, size):
        drawn = centred[rng.integers(0, n, size=(min(size, total - start), n))]
        means, spread = drawn.mean(axis=1), drawn.std(axis=1, ddof=1)
        # A resample of one row over and over has no spread, and bounds nothing on its side.
        spread[np.ptp(drawn, axis=1) == 0] = 0
        with np.errstate(divide="ignore", invalid="ignore"):
            yield np.nan_to_num(means / spread, nan=0.0, posinf=np.inf, neginf=-np.inf) * math.sqrt(n)
