"""Is a part of the rows worse than the rest? One-sided p-values of thousands of slices that hold far in the tail.

A search looks at p-values of one in a million, where the normal law is wrong by orders of magnitude for skewed losses
and few failures. So the law of a slice is taken from the table itself: were the slice nothing special, its rows would
be drawn from the table without replacement.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tidegate.stats.results import FloatArray, IntArray

_BLOCK = 32
_NEGLIGIBLE = 1e-17
_OUTERMOST = 32
_GROUPS = 80
_POINTS = 200
_CHUNK = 1_000
_ITERATIONS = 60
_ACCURATE = 1e-9


def hypergeometric_tail(bad: IntArray, drawn: IntArray, all_bad: int, rows: int) -> FloatArray:
    """Chance of at least as many bad rows in a slice if its rows were drawn blindly (Fisher, 1935): exact.

    Args:
        bad: bad rows of each slice, shape (G,).
        drawn: rows of each slice, shape (G,).
        all_bad: bad rows of the table.
        rows: rows of the table.

    Returns:
        Shape (G,); 1 where the slice has no more bad rows than its share of them.
    """
    p_values = np.ones(len(bad))
    worse = np.flatnonzero(bad * float(rows) > drawn * float(all_bad))
    k, n = bad[worse].astype(np.float64), drawn[worse].astype(np.float64)
    first = np.exp(_log_choose(all_bad, k) + _log_choose(rows - all_bad, n - k) - _log_choose(rows, n))
    # Beyond the mean each further term is smaller than the one before.
    total, term, active = np.ones(len(k)), np.ones(len(k)), np.arange(len(k))
    while len(active):
        at, size, each, added = k[active], n[active], term[active], np.zeros(len(active))
        for _ in range(_BLOCK):
            each = each * (all_bad - at) * (size - at) / ((at + 1) * (rows - all_bad - size + at + 1))
            at = at + 1
            added += each
        total[active] += added
        k[active], term[active] = at, each
        active = active[each > _NEGLIGIBLE * total[active]]
    p_values[worse] = np.minimum(first * total, 1.0)
    return p_values


def _log_choose(total: float, chosen: FloatArray) -> FloatArray:
    result: FloatArray = (
        special.gammaln(total + 1.0) - special.gammaln(chosen + 1) - special.gammaln(total - chosen + 1)
    )
    return result


def welch_tail(
    excess: NDArray[np.floating],
    variance: NDArray[np.floating],
    freedom: NDArray[np.floating],
    rest_variance: NDArray[np.floating],
    rest_freedom: NDArray[np.floating],
) -> FloatArray:
    """Chance of at least this excess over the rest, each with its own spread (Welch, 1947), shape (G,).

    Args:
        excess: difference of two independent estimates.
        variance: of the estimate of the slice.
        freedom: degrees of freedom of `variance`.
        rest_variance: of the estimate of the rest.
        rest_freedom: degrees of freedom of `rest_variance`.

    Returns:
        1 where a variance is unknown (NaN, or no degrees of freedom); 0 for an excess without any variance.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        both = variance + rest_variance
        degrees = both**2 / (variance**2 / freedom + rest_variance**2 / rest_freedom)
        p_values = special.stdtr(degrees, -excess / np.sqrt(both))
    p_values = np.where((both == 0) & (excess > 0), 0.0, p_values)
    known = (freedom > 0) & (rest_freedom > 0) & ~np.isnan(p_values)
    return np.where(known, p_values, 1.0)


@dataclass(frozen=True)
class Population:
    """The law of one number over the rows of a table, centred.

    Attributes:
        points: shape (M,), increasing, with mean zero.
        shares: of the rows at each point, shape (M,).
        span: the step that sums of discrete points are taken to move in; 0 for a continuous number.
    """

    points: FloatArray
    shares: FloatArray
    span: float = 0.0

    @classmethod
    def of_values(cls, values: FloatArray) -> "Population":
        """The values of all rows; of many, the outermost one by one, as they make the tails, the others in groups."""
        points, counts = np.unique(values, return_counts=True)
        if len(points) <= _POINTS:
            return cls._centred(points, counts, float(np.diff(points).max(initial=0.0)))
        ordered = np.sort(values)
        # The groups grow from the ends to the middle, so that those in the tails hold values that are alike.
        grown = np.geomspace(_OUTERMOST, len(values) / 2, _GROUPS).astype(np.int64)
        from_end = np.append(np.arange(_OUTERMOST), grown)
        starts = np.unique(np.concatenate((from_end, len(values) - 1 - from_end)))
        counts = np.diff(np.append(starts, len(values)))
        return cls._centred(np.add.reduceat(ordered, starts) / counts, counts, 0.0)

    @classmethod
    def _centred(cls, points: FloatArray, counts: IntArray, span: float) -> "Population":
        shares = counts / counts.sum()
        return cls(points - (points * shares).sum(), shares, span)

    @property
    def mirrored(self) -> "Population":
        """The law of the negated number."""
        return Population(-self.points[::-1], self.shares[::-1], self.span)


@dataclass(frozen=True)
class _Cumulants:
    """The cumulant generating function of a mean at t and its first derivatives, each of shape (B,)."""

    value: FloatArray
    slope: FloatArray
    curvature: FloatArray


Stratum = tuple[Population, FloatArray]
"""What rows are drawn from, and how many of them by each slice, shape (G,)."""


def drawn_mean_tail(strata: Sequence[Stratum], excess: FloatArray, drawn_share: FloatArray) -> FloatArray:
    """Chance that blindly drawn rows have a mean that far above the table's (a sum of means, over several strata).

    The saddlepoint approximation of a tail (Lugannani & Rice, 1980; Barndorff-Nielsen, 1986), whose error is relative
    and so stays small at any distance, never above Chernoff's bound. That bound holds for draws with replacement and
    thereby for draws without (Hoeffding, 1963, theorem 4), which vary less by the share that is left undrawn.

    Args:
        strata: what rows are drawn from; each slice draws at least one row of each stratum.
        excess: of each slice, shape (G,).
        drawn_share: the share of the table that each slice draws, shape (G,); 0 where it is to be disregarded.

    Returns:
        Shape (G,); 1 where there is no excess.
    """
    p_values = np.ones(len(excess))
    above = np.flatnonzero(excess > 0)
    for start in range(0, len(above), _CHUNK):
        part = above[start : start + _CHUNK]
        sized = [(population, sizes[part]) for population, sizes in strata]
        p_values[part] = _saddlepoint_tail(sized, excess[part], drawn_share[part])
    return p_values


def _saddlepoint_tail(strata: Sequence[Stratum], excess: FloatArray, drawn_share: FloatArray) -> FloatArray:
    # No draw goes further than all rows at the largest point; a statistic that is linear only nearly may.
    target = np.minimum(excess, sum(float(population.points.max()) for population, _ in strata))
    t = _saddlepoint(strata, target)
    at = _cumulants(strata, t)
    exponent = np.maximum(t * target - at.value, 0.0)
    root, scale = np.sqrt(2 * exponent), _step(strata, t) * np.sqrt(at.curvature)
    with np.errstate(invalid="ignore", divide="ignore"):
        corrected = np.where(root > 1e-3, root + np.log(scale / root) / root, 0.0)
    undrawn = np.sqrt(1 - drawn_share)
    tail = np.minimum(special.ndtr(-corrected / undrawn), np.exp(-exponent))
    return np.asarray(np.where(target > 0, tail, 1.0))


def _step(strata: Sequence[Stratum], t: FloatArray) -> FloatArray:
    """What stands for t: itself for a continuous mean, less for one that moves in steps: the tail holds its own."""
    step = sum((population.span / size for population, size in strata), start=np.zeros(len(t)))
    return np.where(step > 0, -np.expm1(-t * step) / np.where(step > 0, step, 1.0), t)


def _saddlepoint(strata: Sequence[Stratum], target: FloatArray) -> FloatArray:
    """The t at which the tilted mean is the target: Newton's steps, halved into a bracket where they leave it."""
    low, high = np.zeros(len(target)), np.full(len(target), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.nan_to_num(target / _cumulants(strata, low).curvature, posinf=0.0)
    for _ in range(_ITERATIONS):
        at = _cumulants(strata, t)
        missing = target - at.slope
        if (np.abs(missing) <= _ACCURATE * target).all():
            break
        low, high = np.where(missing > 0, t, low), np.where(missing > 0, high, t)
        with np.errstate(divide="ignore", invalid="ignore"):
            step = t + missing / at.curvature
        middle = np.where(np.isinf(high), 2 * t, (low + high) / 2)
        t = np.where((step > low) & (step < np.minimum(high, 4 * t)), step, middle)
    return t


def _cumulants(strata: Sequence[Stratum], t: FloatArray) -> _Cumulants:
    value, slope, curvature = (np.zeros(len(t)) for _ in range(3))
    for population, size in strata:
        exponent = (t / size)[:, None] * population.points
        largest = exponent.max(axis=1)
        weight = population.shares * np.exp(exponent - largest[:, None])
        mass = weight.sum(axis=1)
        mean = weight @ population.points / mass
        square = weight @ population.points**2 / mass
        value += size * (np.log(mass) + largest)
        slope += mean
        curvature += np.maximum(square - mean**2, 0.0) / size
    return _Cumulants(value, slope, curvature)
