"""Is a model worse than another within a segment? One-sided p-values of the mean difference of many segments at once.

Every row has a difference, positive where the first model is better. What is asked of a segment is whether its mean
lies below zero, by its own rows alone: other segments may be better or worse as they please.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tidegate.stats.multiplicity import benjamini_hochberg
from tidegate.stats.results import BoolArray, FloatArray, IntArray

Codes = NDArray[np.integer]
_SHORT = np.iinfo(np.int16).max


@dataclass(frozen=True, slots=True)
class GroupMeans:
    """Means of groups of rows; arrays of shape (G,).

    Attributes:
        mean: NaN where a group has no rows.
        error: standard error of the mean; NaN for fewer than two independent units.
        units: the independent rows, or clusters of rows, of equal weight that would tell as much (Kish, 1965).
    """

    mean: FloatArray
    error: FloatArray
    units: FloatArray

    def take(self, chosen: IntArray) -> "GroupMeans":
        """The groups at `chosen`, in their order."""
        return GroupMeans(self.mean[chosen], self.error[chosen], self.units[chosen])


def row_means(codes: Codes, count: int, values: FloatArray, weights: FloatArray | None = None) -> GroupMeans:
    """Means of independent rows.

    Args:
        codes: group of each row, shape (n,), below `count`.
        count: number of groups.
        values: shape (n,).
        weights: positive, shape (n,); None when all rows count alike. The error allows for rows that vary the more, or
            the less, the more they count (Huber, 1967).
    """
    units = np.bincount(codes, minlength=count).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        if weights is None:
            mean = np.bincount(codes, values, count) / units
            spread = np.bincount(codes, values * values, count) / units - mean**2
            return GroupMeans(mean, _root(spread / (units - 1)), units)
        squared = weights * weights
        total, total_squared = (np.bincount(codes, each, count) for each in (weights, squared))
        mean = np.bincount(codes, weights * values, count) / total
        first, second = (np.bincount(codes, each, count) for each in (squared * values, squared * values**2))
        units = np.where(total > 0, total**2 / total_squared, 0.0)
        spread = (second - 2 * mean * first + mean**2 * total_squared) / total**2
        return GroupMeans(mean, _root(spread * units / (units - 1)), units)


def cluster_means(
    codes: Codes, count: int, clusters: Codes, values: FloatArray, weights: FloatArray | None = None
) -> GroupMeans:
    """Means of rows that are independent between clusters only, each left out in turn for the error (Miller, 1974).

    Args:
        codes: group of each row, shape (n,), below `count`.
        count: number of groups.
        clusters: cluster of each row, shape (n,); the rows of a cluster stand next to one another.
        values: shape (n,).
        weights: positive, shape (n,); None when all rows count alike.
    """
    # Codes of 16 bits are sorted many times as fast, and a stable sort leaves clusters next to one another.
    order = np.argsort(codes.astype(np.int16) if count <= _SHORT else codes, kind="stable")
    by_group, by_cluster = codes[order], clusters[order]
    changes = (by_group[1:] != by_group[:-1]) | (by_cluster[1:] != by_cluster[:-1])
    starts = np.flatnonzero(np.concatenate(([len(order) > 0], changes)))
    weight = np.diff(np.append(starts, len(order))).astype(np.float64)
    if weights is not None:
        values, weight = values * weights, np.add.reduceat(weights[order], starts)
    total = np.add.reduceat(values[order], starts)
    group = by_group[starts]
    parts, all_weight, all_total, square = (
        np.bincount(group, each, count) for each in (None, weight, total, weight**2)
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = all_total / all_weight
        without = (all_total[group] - total) / (all_weight[group] - weight)
        moved = np.bincount(group, (without - mean[group]) ** 2, count)
        units = np.where(parts > 1, all_weight**2 / square, np.minimum(parts, 1.0))
        return GroupMeans(mean, np.where(parts > 1, _root(moved * (parts - 1) / parts), np.nan), units)


def _root(variance: FloatArray) -> FloatArray:
    """Square root of what rounding may have made negative; NaN and infinite stand for unknown."""
    return np.sqrt(np.where(np.isfinite(variance), np.maximum(variance, 0.0), np.nan))


@dataclass(frozen=True, slots=True)
class Gains:
    """The law of the differences over all rows, of which a segment has seen a part.

    Attributes:
        values: ascending, shape (n,).
        moments: of the differences from each on to the largest, their share of the weight, sum and sum of squares as
            shares of it; shape (3, n + 1).
    """

    values: FloatArray
    moments: FloatArray

    @classmethod
    def of(cls, values: FloatArray, weights: FloatArray | None = None) -> "Gains":
        """The law of `values`, shape (n,), weighted by `weights`."""
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        weight = np.full(len(values), 1 / max(len(values), 1))
        if weights is not None:
            weight = weights[order] / weights.sum()
        moments = np.zeros((3, len(values) + 1))
        for k in range(3):
            moments[k, :-1] = np.cumsum((weight * ordered**k)[::-1])[::-1]
        return cls(ordered, moments)

    def beyond(self, largest: FloatArray) -> FloatArray:
        """Share, mean and mean square contributed by differences above `largest`, shape (3, G)."""
        found: FloatArray = self.moments[:, np.searchsorted(self.values, largest, side="right")]
        return found


def lower_tail(means: GroupMeans) -> FloatArray:
    """Chance of a mean this low if the true one were zero (Student, 1908), shape (G,); 1 where it is unknown."""
    return _student(means.mean, means.error, means.units)


def _student(mean: FloatArray, error: FloatArray, units: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        tail = special.stdtr(units - 1, mean / error)
    tail = np.where(error == 0, np.where(mean < 0, 0.0, 1.0), tail)
    return np.where(np.isnan(tail) | (units <= 1), 1.0, tail)


def guarded_tail(means: GroupMeans, largest: FloatArray, gains: Gains) -> FloatArray:
    """As :func:`lower_tail`, but without taking rare large gains for absent because a segment has not met one.

    Student's test rejects far too often when the harm of most rows is made up for by few: most segments hold none of
    the few, and their spread does not tell of them. So a segment must be worse also with the gains beyond its own
    largest that the whole table has, at the table's rate; unless, at that rate, it would have met one.

    Args:
        means: of the groups.
        largest: difference of each group, shape (G,).
        gains: of the whole table.
    """
    share, first, second = gains.beyond(largest)
    lifted = means.mean * (1 - share) + first
    with np.errstate(invalid="ignore", divide="ignore"):
        unseen = np.maximum(second - 2 * means.mean * first + means.mean**2 * share, 0.0) / means.units
        with_gains = _student(lifted, np.sqrt(means.error**2 + unseen), means.units)
        none_met = (1 - share) ** means.units
    tail: FloatArray = np.maximum(lower_tail(means), np.minimum(with_gains, none_met))
    return tail


def sign_tail(lost: IntArray, won: IntArray, *, mid: bool) -> FloatArray:
    """Chance of so many losses among the rows that were won or lost, were either as likely: the sign test, shape (G,).

    Args:
        lost: rows of each segment that only the second model has right.
        won: rows that only the first has right.
        mid: count what was observed half (Lancaster, 1961): the level holds on average over the possible numbers of
            rows won or lost, rather than for each of them.
    """
    rows = lost + won
    tail = np.asarray(special.bdtrc(lost - 1.0, rows, 0.5), dtype=np.float64)
    return (tail + special.bdtrc(lost.astype(np.float64), rows, 0.5)) / 2 if mid else tail


def shared_discovery_rate(p_values: FloatArray, family: IntArray, sizes: IntArray) -> FloatArray:
    """Adjusted p-values that control the false discovery rate, the families of tests having equal parts in it.

    Benjamini and Hochberg's procedure (1995) with weights (Genovese, Roeder & Wasserman, 2006): the few tests of a
    small family are not drowned by the many of a large one.

    Args:
        p_values: shape (k,).
        family: of each test, shape (k,).
        sizes: tests of each family; more than have a p-value when the others count as having 1.
    """
    tests, families = int(sizes.sum()), int((sizes > 0).sum())
    weighted = np.minimum(p_values * (families * sizes[family] / max(tests, 1)), 1.0)
    return benjamini_hochberg(weighted, tests=tests)


def cluster_keys(keys: NDArray[np.uint64], clusters: Codes) -> NDArray[np.uint64]:
    """The smallest key of the cluster of each row, from the keys and clusters of rows, of shape (n,)."""
    smallest = np.full(int(clusters.max(initial=0)) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(smallest, clusters, keys)
    return smallest[clusters]


def in_first_half(keys: NDArray[np.uint64]) -> BoolArray:
    """Mask of the rows of one of two random halves, by their keys alone, shape (n,).

    The keys are mixed (Steele, Lea & Flood, 2014), for their own bits may have been used elsewhere, or be no hash.
    """
    mixed = keys + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(63)) == 0)
