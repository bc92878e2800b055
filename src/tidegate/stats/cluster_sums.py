"""Rows summed by cluster and group: what cluster-robust variances and covariances are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidegate.stats.results import FloatArray, IntArray

WHOLE = 1 - 1e-9
"""Share of a stratum from which a cluster is all of it."""
_VALUES_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Moves:
    """How far each cluster of each of several groups moves the estimate of its group: arrays of shape (P,).

    Attributes:
        group, cluster: codes from 0, in the order of the groups.
        value: squares of a group sum to the variance; NaN where the cluster holds a whole stratum.
    """

    group: IntArray
    cluster: IntArray
    value: FloatArray

    @property
    def alike(self) -> "Moves":
        """The same clusters, each of which moves its groups by 1."""
        return replace(self, value=np.ones(len(self.value)))

    def of_groups(self, start: int, count: int) -> "Moves":
        """Those of some groups, which are numbered from 0."""
        here = slice(*np.searchsorted(self.group, (start, start + count)))
        return Moves(self.group[here] - start, self.cluster[here], self.value[here])


@dataclass(frozen=True, slots=True)
class ClusterSums:
    """Rows summed by cluster and group. Pairs of these, in the order of the groups, have arrays of shape (P,).

    Attributes:
        moved, weight: of each row that counts, shape (n,): its weight times its influence, and its weight.
        pair: of each row, shape (n,).
        layer: stratum of each row in its group, shape (n,).
        group, cluster: of each pair.
        pull: sum of `moved` of each pair, with what the cluster itself pulls made good; NaN where it holds a whole
            stratum.
        total: weight of each group, shape (g,).
        effective: clusters of each group that would do if they had equal weight, shape (g,).
        differs: whether the pair moves the estimate at all.
    """

    moved: FloatArray
    weight: FloatArray
    pair: NDArray[np.integer]
    layer: IntArray
    group: IntArray
    cluster: IntArray
    pull: FloatArray
    total: FloatArray
    effective: FloatArray
    differs: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        influence: FloatArray,
        weight: FloatArray,
        cluster: IntArray,
        group: NDArray[np.integer],
        groups: int,
        stratum: NDArray[np.integer] | None,
    ) -> "ClusterSums":
        """Arguments as for :func:`tidegate.stats.clustered.spreads`."""
        inside = group >= 0
        total = np.bincount(group[inside], weights=weight[inside], minlength=groups)
        counted = inside if stratum is None else inside & (stratum >= 0)
        of_row = group[counted].astype(np.int64)
        moved, weight = weight[counted] * influence[counted], weight[counted]
        layer = (
            np.zeros(len(weight), dtype=np.int64) if stratum is None else stratum[counted].astype(np.int64)
        )
        layers = int(layer.max(initial=0)) + 1
        base = int(cluster.max(initial=0)) + 1
        found, pair = np.unique(of_row * base + cluster[counted], return_inverse=True)
        of_pair, pairs = found // base, len(found)

        def by_layer(values: FloatArray) -> NDArray[Any]:
            summed = np.bincount(pair * layers + layer, weights=values, minlength=pairs * layers)
            return summed.reshape(pairs, layers)

        def by_group(values: NDArray[Any]) -> FloatArray:
            return _sums(values, of_pair, groups)

        weights, sums = by_layer(weight), by_layer(moved)
        of_layer = np.column_stack([by_group(each) for each in weights.T])
        squares = np.column_stack([by_group(each**2) for each in weights.T])
        with np.errstate(invalid="ignore", divide="ignore"):
            effective = np.where(of_layer > 0, of_layer**2 / squares, np.inf).min(axis=1)
            share = np.where(weights > 0, weights / of_layer[of_pair], 0.0)
            pull = (sums / np.where(share < WHOLE, 1 - share, np.nan)).sum(axis=1)
        # Sums that cancel but for rounding do not move anything.
        floor = 1e-12 * by_group(np.bincount(pair, weights=np.abs(moved), minlength=pairs))
        return cls(
            moved=moved,
            weight=weight,
            pair=pair,
            layer=of_row * layers + layer,
            group=of_pair,
            cluster=found % base,
            pull=pull,
            total=total.astype(np.float64, copy=False),
            effective=effective,
            differs=np.abs(sums).sum(axis=1) > floor[of_pair],
        )

    @property
    def clusters(self) -> IntArray:
        """How many each group has, shape (g,)."""
        return np.bincount(self.group, minlength=len(self.total))

    @property
    def moves(self) -> Moves:
        """What the variances are the sums of the squares of."""
        clusters = self.clusters[self.group]
        scale = np.sqrt((clusters - 1) / clusters) / self.total[self.group]
        return Moves(self.group, self.cluster, self.pull * scale)

    def by_group(self, values: NDArray[Any]) -> FloatArray:
        """Sums over the pairs of each group, shape (g,)."""
        return _sums(values, self.group, len(self.total))


def joint_covariance(figures: Sequence[Moves], start: int, count: int) -> FloatArray:
    """Covariance of several figures of several groups that clusters may have in common.

    Args:
        figures: from the same rows and clusters.
        start: the first of the groups.
        count: how many.

    Returns:
        Shape (figures, count, figures, count), positive semidefinite; with the variances that
        :func:`tidegate.stats.clustered.spreads` finds, where those are not infinite.
    """
    parts = [figure.of_groups(start, count) for figure in figures]
    columns = len(parts) * count
    column = np.concatenate([part.group + i * count for i, part in enumerate(parts)])
    # Only the clusters of these groups.
    _, cluster = np.unique(np.concatenate([part.cluster for part in parts]), return_inverse=True)
    value = np.nan_to_num(np.concatenate([part.value for part in parts]))
    order = np.argsort(cluster, kind="stable")
    column, cluster, value = column[order], cluster[order], value[order]
    rows = int(cluster[-1]) + 1 if len(cluster) else 0
    covariance = np.zeros((columns, columns))
    step = max(1, _VALUES_AT_ONCE // columns)
    for low in range(0, rows, step):
        high = min(low + step, rows)
        here = slice(*np.searchsorted(cluster, (low, high)))
        moved = np.zeros((high - low, columns))
        moved[cluster[here] - low, column[here]] = value[here]
        covariance += np.einsum("ci,cj->ij", moved, moved)
    return covariance.reshape(len(parts), count, len(parts), count)


def _sums(values: NDArray[Any], group: IntArray, groups: int) -> FloatArray:
    return np.bincount(group, weights=values, minlength=groups).astype(np.float64, copy=False)
