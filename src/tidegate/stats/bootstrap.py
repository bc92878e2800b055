"""Paired bootstrap for statistics without a formula: F1 and its kin from joint cells, the rest from rows.

A resample of n rows is a multinomial draw over the occupied joint cells (label, both predictions),
so a statistic of counts costs the same at a thousand rows and at a hundred million.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tidegate.stats.intervals import t_p_value, t_quantile
from tidegate.stats.results import (
    FloatArray,
    IntArray,
    Interval,
    PairedResult,
    UndefinedStatisticError,
    identical,
    tail,
    unknown,
)

Statistic = Callable[[FloatArray], FloatArray]
"""Counts or weights, shape (..., C), to values, shape (...); NaN where it is undefined."""
Method = Literal["bca", "percentile"]

SEED = 20130101
RESAMPLES = 9_999
CELLS_METHOD = "paired bootstrap of cells"
ROWS_METHOD = "paired bootstrap of rows"
CLUSTERS_METHOD = "paired bootstrap of clusters"

_BLOCKS = 200
_CHUNK_VALUES = 500_000
_ROW_VISITS = 20_000_000
_ROW_RESAMPLES = 400, 999


def cell_bootstrap(
    counts: IntArray,
    statistic: Statistic,
    *,
    n_resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> FloatArray:
    """Values of a statistic of cell counts over resamples of the rows (Efron & Tibshirani, 1993).

    Args:
        counts: shape (C,), rows in each joint cell.
        statistic: called once with resampled counts, shape (n_resamples, C).
        n_resamples: number of draws.
        rng: seeded the same way on every run when not given.

    Returns:
        Shape (n_resamples,); NaN where the statistic is undefined in a resample.
    """
    rng = rng or np.random.default_rng(SEED)
    occupied = np.flatnonzero(counts)
    rows = int(counts.sum())
    drawn = rng.multinomial(rows, counts[occupied] / rows, size=n_resamples)
    resampled = np.zeros((n_resamples, len(counts)))
    resampled[:, occupied] = drawn
    return np.asarray(statistic(resampled), dtype=np.float64)


def bootstrap_interval(
    draws: FloatArray,
    estimate: float,
    *,
    confidence: float,
    method: Method = "bca",
    acceleration: float = 0.0,
) -> Interval:
    """Interval from bootstrap draws: bias-corrected and accelerated (Efron, 1987), or percentile.

    A resample in which the statistic is undefined cannot support a bound, so it counts at both ends:
    more such resamples than fit into a tail make that bound infinite.
    """
    alpha = tail(confidence)
    law = _law(draws, estimate, method, acceleration)
    n = len(draws)
    # A whole rank must not be lost to rounding, hence the small allowance.
    low_rank = math.floor((n + 1) * law.share(float(special.ndtri(alpha))) + 1e-6)
    high_rank = math.ceil((n + 1) * law.share(float(special.ndtri(1 - alpha))) - 1e-6)
    low = np.sort(np.where(np.isnan(draws), -np.inf, draws))[max(low_rank, 1) - 1]
    high = np.sort(np.where(np.isnan(draws), np.inf, draws))[min(high_rank, n) - 1]
    return Interval(float(low), float(high))


def cell_interval(
    counts: IntArray,
    statistic: Statistic,
    *,
    confidence: float,
    n_resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> Interval:
    """BCa interval of one statistic of joint cell counts, shape (C,).

    Raises:
        UndefinedStatisticError: when the statistic is NaN on the counts themselves.
    """
    estimate = _defined(statistic(np.asarray(counts, dtype=np.float64)))
    acceleration = _acceleration(*_cell_influence(counts, statistic, estimate))
    draws = cell_bootstrap(counts, statistic, n_resamples=n_resamples, rng=rng)
    return bootstrap_interval(draws, estimate, confidence=confidence, acceleration=acceleration)


def row_interval(
    statistic: Statistic,
    n: int,
    *,
    confidence: float,
    n_resamples: int | None = None,
    rng: np.random.Generator | None = None,
) -> Interval:
    """BCa interval of one statistic of row weights; arguments as for :func:`row_bootstrap_paired`.

    Raises:
        UndefinedStatisticError: when the statistic is NaN on the rows themselves.
    """
    rows = _resample_rows(statistic, n, n_resamples, rng or np.random.default_rng(SEED))
    return bootstrap_interval(
        rows.draws,
        rows.estimate,
        confidence=confidence,
        acceleration=_acceleration(rows.influence, rows.weights),
    )


def cell_paired(
    counts: IntArray,
    statistic_a: Statistic,
    statistic_b: Statistic,
    *,
    confidence: float,
    n_resamples: int = RESAMPLES,
    rng: np.random.Generator | None = None,
) -> PairedResult:
    """Difference of two statistics of the same joint cells, resampled together.

    The interval is normal on the bootstrap's standard error, widened by one row more of the most
    influential kind (as Agresti & Min, 2005, do for proportions). Where models differ on few rows the
    percentile and BCa intervals cover 88% to 94% instead of 95%, this one 94% or more, and its
    p-value is not bounded by the number of draws.

    Args:
        counts: shape (C,), rows by label and both predictions.
        statistic_a: the candidate's statistic of counts, shape (..., C) to (...).
        statistic_b: production's.
        confidence: of the two-sided interval.
        n_resamples: number of draws.
        rng: seeded the same way on every run when not given.

    Raises:
        UndefinedStatisticError: when the difference is NaN on the counts themselves.
    """

    def difference(cells: FloatArray) -> FloatArray:
        return statistic_a(cells) - statistic_b(cells)

    estimate = _defined(difference(np.asarray(counts, dtype=np.float64)))
    influence, _ = _cell_influence(counts, difference, estimate)
    draws = cell_bootstrap(counts, difference, n_resamples=n_resamples, rng=rng)
    return _paired(draws, estimate, influence, confidence, CELLS_METHOD, int(counts.sum()))


def row_bootstrap_paired(
    difference: Statistic,
    n: int,
    *,
    confidence: float,
    n_resamples: int | None = None,
    rng: np.random.Generator | None = None,
) -> PairedResult:
    """Difference of two statistics of weighted rows (average precision, quantiles), resampled together.

    The interval is that of :func:`cell_paired`, with one of 200 blocks of rows in the place of a row.
    Memory is bounded by resampling in chunks of half a million weights. The draws fall from 999 to 400
    as the rows grow, which leaves an error of 2% to 4% in the standard error.

    Args:
        difference: a - b from row weights: shape (k, n) to (k,).
        n: rows.
        confidence: of the two-sided interval.
        n_resamples: number of draws; chosen by the rows when not given.
        rng: seeded the same way on every run when not given.

    Raises:
        UndefinedStatisticError: when the difference is NaN on the rows themselves.
    """
    rows = _resample_rows(difference, n, n_resamples, rng or np.random.default_rng(SEED))
    return _paired(rows.draws, rows.estimate, rows.influence, confidence, ROWS_METHOD, n)


def cluster_interval(
    statistic: Statistic,
    cluster: IntArray,
    weight: FloatArray,
    *,
    confidence: float,
    n_resamples: int | None = None,
    rng: np.random.Generator | None = None,
) -> Interval:
    """BCa interval of one statistic of row weights, its ends moved out as far as Student's t is wider.

    Infinite with fewer than two clusters; arguments as for :func:`cluster_bootstrap_paired`.

    Raises:
        UndefinedStatisticError: when the statistic is NaN on the rows themselves.
    """
    law = _ClusterLaw.of(cluster, weight)
    if law.clusters < 2:
        return Interval(-math.inf, math.inf)
    rows = _resample_clusters(statistic, cluster, weight, n_resamples, rng or np.random.default_rng(SEED))
    found = bootstrap_interval(
        rows.draws,
        rows.estimate,
        confidence=confidence,
        acceleration=_acceleration(rows.influence, rows.weights),
    )
    wider = law.quantile(confidence) / t_quantile(confidence, math.inf)
    return Interval(
        rows.estimate - wider * max(rows.estimate - found.low, 0.0),
        rows.estimate + wider * max(found.high - rows.estimate, 0.0),
    )


def cluster_bootstrap_paired(
    difference: Statistic,
    cluster: IntArray,
    weight: FloatArray,
    *,
    confidence: float,
    n_resamples: int | None = None,
    rng: np.random.Generator | None = None,
) -> PairedResult:
    """As :func:`row_bootstrap_paired` with clusters of rows resampled (Davison & Hinkley, 1997, section 3.8).

    The draws of g clusters vary too little by a factor of (g - 1) / g, which is made good; and Student's t takes the
    place of the normal law, with one degree of freedom less than there are effective clusters (Kish, 1965).

    Args:
        difference: a - b from row weights: shape (k, n) to (k,).
        cluster: shape (n,), codes from 0, each of which occurs.
        weight: shape (n,), how much each row counts: above zero, of mean 1.
        confidence: of the two-sided interval.
        n_resamples: number of draws; chosen by the rows when not given.
        rng: seeded the same way on every run when not given.

    Raises:
        UndefinedStatisticError: when the difference is NaN on the rows themselves.
    """
    law = _ClusterLaw.of(cluster, weight)
    if law.clusters < 2:
        return unknown(_defined(difference(weight[None])), len(weight), CLUSTERS_METHOD)
    rows = _resample_clusters(difference, cluster, weight, n_resamples, rng or np.random.default_rng(SEED))
    found = _paired(rows.draws, rows.estimate, rows.influence, confidence, CLUSTERS_METHOD, len(weight))
    if found.standard_error == 0 or not math.isfinite(found.standard_error):
        return found
    error = found.standard_error * law.lost
    half = error * t_quantile(confidence, law.freedom)
    return replace(
        found,
        low=found.estimate - half,
        high=found.estimate + half,
        p_value=t_p_value(found.estimate / error, law.freedom),
        standard_error=error,
    )


@dataclass(frozen=True, slots=True)
class _ClusterLaw:
    """What few clusters of unequal weight cost."""

    clusters: int
    freedom: float

    @classmethod
    def of(cls, cluster: IntArray, weight: FloatArray) -> "_ClusterLaw":
        weights = np.bincount(cluster, weights=weight)
        effective = float(weights.sum() ** 2 / (weights**2).sum())
        return cls(len(weights), max(effective - 1, 1.0))

    @property
    def lost(self) -> float:
        return math.sqrt(self.clusters / (self.clusters - 1))

    def quantile(self, confidence: float) -> float:
        return self.lost * t_quantile(confidence, self.freedom)


@dataclass(frozen=True, slots=True)
class _RowDraws:
    estimate: float
    draws: FloatArray
    influence: FloatArray
    weights: IntArray


def _resample_rows(
    statistic: Statistic, n: int, n_resamples: int | None, rng: np.random.Generator
) -> _RowDraws:
    fewest, most = _ROW_RESAMPLES
    total = n_resamples or min(max(_ROW_VISITS // n, fewest), most)
    estimate = _defined(statistic(np.ones((1, n))))
    blocks = rng.permutation(n) % min(n, _BLOCKS)
    left_out = _chunked(statistic, n, int(blocks.max()) + 1, lambda ids: ids[:, None] != blocks)
    draws = _chunked(statistic, n, total, lambda ids: _row_weights(len(ids), n, rng))
    return _RowDraws(estimate, draws, estimate - left_out, np.ones(len(left_out), dtype=np.int64))


def _resample_clusters(
    statistic: Statistic,
    cluster: IntArray,
    weight: FloatArray,
    n_resamples: int | None,
    rng: np.random.Generator,
) -> _RowDraws:
    n, clusters = len(cluster), int(cluster.max()) + 1
    fewest, most = _ROW_RESAMPLES
    total = n_resamples or min(max(_ROW_VISITS // n, fewest), most)
    estimate = _defined(statistic(weight[None]))
    blocks = (rng.permutation(clusters) % min(clusters, _BLOCKS))[cluster]
    left_out = _chunked(statistic, n, int(blocks.max()) + 1, lambda ids: (ids[:, None] != blocks) * weight)
    draws = _chunked(
        statistic, n, total, lambda ids: _row_weights(len(ids), clusters, rng)[:, cluster] * weight
    )
    return _RowDraws(estimate, draws, estimate - left_out, np.ones(len(left_out), dtype=np.int64))


def _chunked(
    statistic: Statistic, n: int, total: int, weights: Callable[[IntArray], NDArray[Any]]
) -> FloatArray:
    size = max(1, _CHUNK_VALUES // n)
    chunks = (np.arange(start, min(start + size, total)) for start in range(0, total, size))
    return np.concatenate([statistic(np.asarray(weights(ids), dtype=np.float64)) for ids in chunks])


def _row_weights(k: int, n: int, rng: np.random.Generator) -> NDArray[Any]:
    drawn = rng.integers(0, n, size=(k, n))
    drawn += np.arange(k)[:, None] * n
    return np.bincount(drawn.ravel(), minlength=k * n).reshape(k, n)


def _cell_influence(counts: IntArray, statistic: Statistic, estimate: float) -> tuple[FloatArray, IntArray]:
    """What one row of each occupied cell adds to the estimate, and how many such rows there are."""
    occupied = np.flatnonzero(counts)
    left_out = np.asarray(statistic(counts - np.eye(len(counts))[occupied]), dtype=np.float64)
    return estimate - left_out, counts[occupied]


def _acceleration(influence: FloatArray, weights: IntArray) -> float:
    """Skewness of the influences over six (Efron, 1987)."""
    known = ~np.isnan(influence)
    values, weights = influence[known], weights[known]
    if not weights.sum():
        return 0.0
    values = values - np.average(values, weights=weights)
    spread = float((weights * values**2).sum())
    return float((weights * values**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0


def _paired(
    draws: FloatArray, estimate: float, influence: FloatArray, confidence: float, method: str, rows: int
) -> PairedResult:
    if estimate == 0 and not draws.any():
        return identical(rows, method)
    undefined = np.isnan(draws)
    if undefined.mean() > tail(confidence):
        return unknown(estimate, rows, method)
    known = influence[~np.isnan(influence)]
    error = math.hypot(float(draws[~undefined].std(ddof=1)), float(np.abs(known).max(initial=0.0)))
    half = t_quantile(confidence, math.inf) * error
    p_value = t_p_value(estimate / error, math.inf) if error else 0.0
    return PairedResult(estimate, estimate - half, estimate + half, p_value, error, method, rows)


def _defined(value: FloatArray) -> float:
    estimate = float(np.asarray(value).item())
    if math.isnan(estimate):
        raise UndefinedStatisticError("the statistic does not exist on these rows")
    return estimate


@dataclass(frozen=True, slots=True)
class _Law:
    """Efron's map from a nominal normal quantile to the share of draws to cut off."""

    bias: float
    acceleration: float

    def share(self, z: float) -> float:
        shifted = self.bias + z
        squeeze = 1 - self.acceleration * shifted
        if squeeze <= 0:
            return 1.0 if shifted > 0 else 0.0
        return float(special.ndtr(self.bias + shifted / squeeze))


def _law(draws: FloatArray, estimate: float, method: Method, acceleration: float) -> _Law:
    if method == "percentile":
        return _Law(0.0, 0.0)
    defined = draws[~np.isnan(draws)]
    # Rounding must not decide whether a draw ties with the estimate.
    tied = np.isclose(defined, estimate, rtol=0, atol=1e-12)
    below = np.count_nonzero((defined < estimate) & ~tied) + np.count_nonzero(tied) / 2
    share = (below + 0.5) / (len(defined) + 1)
    return _Law(float(special.ndtri(share)), acceleration)
