"""Outcomes of groups of rows in two windows: what a search for segments whose relation changed goes by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.metrics.search import Evidence, Scan
from tidegate.stats.clustered import design_effect
from tidegate.stats.slice_search import welch_tail

# Rows of the whole table's spread that are added, so that few rows do not seem certain (Agresti & Coull 1998).
_PRIOR = 2.0


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of both windows.

    Attributes:
        residual: shape (n, k).
        weight, current: of each row, and whether it is of the current window, shape (n,).
    """

    residual: np.ndarray
    weight: np.ndarray
    current: np.ndarray

    def take(self, rows: np.ndarray) -> "Rows":
        """The rows at `rows`."""
        return Rows(self.residual[rows], self.weight[rows], self.current[rows])


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """Changes of groups, shape (G, k), with their errors and p-values; rows of each window, shape (2, G)."""

    change: np.ndarray
    error: np.ndarray
    freedom: np.ndarray
    p_value: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True, slots=True)
class Law:
    """What all rows of each window say of the outcomes, shape (2, k).

    Attributes:
        spread: variances.
        effect: by how much clusters enlarge the variance of a mean; 1 where rows are independent.
    """

    spread: np.ndarray
    effect: np.ndarray

    @classmethod
    def of(cls, rows: Rows, clusters: Sequence[np.ndarray | None]) -> "Law":
        """The law of all rows, with the clusters of the rows of each window."""
        spreads, effects = [], []
        for window, cluster in zip((False, True), clusters, strict=True):
            here = rows.current == window
            weight = rows.weight[here] / rows.weight[here].mean()
            apart = rows.residual[here] - np.average(rows.residual[here], axis=0, weights=weight)
            spreads.append(np.average(apart**2, axis=0, weights=weight))
            together, alone = np.zeros(len(weight), dtype=np.int64), np.arange(len(weight))
            effects.append(
                [
                    1.0
                    if cluster is None
                    else design_effect(each, weight, cluster, together)
                    / design_effect(each, weight, alone, together)
                    for each in apart.T
                ]
            )
        return cls(np.array(spreads), np.maximum(np.array(effects), 1.0))


class ChangeScan(Scan):
    """Whether what is left of outcomes moved between the windows; support is of the thinner window and half."""

    def __init__(self, scanned: Rows, held_back: Rows, in_half: np.ndarray, law: Law) -> None:
        self._rows, self._held_back, self._half = scanned, held_back, in_half
        self._law = law

    def measure(self, codes: np.ndarray, count: int) -> Evidence:
        """See :meth:`Scan.measure`; the badness is how far the outcome moved that moved most certainly."""
        found = compare_groups(self._rows, codes[self._half], count, self._law)
        later = codes[~self._half]
        others = [
            np.bincount(later[self._held_back.current == window], minlength=count) for window in (False, True)
        ]
        support = np.minimum(found.rows.min(axis=0), np.minimum(*others))
        which = found.p_value.argmin(axis=1)
        rows = np.arange(count)
        with np.errstate(invalid="ignore"):
            badness = np.abs(found.change[rows, which])
        return Evidence(badness, found.error[rows, which], support, either(found.p_value))


def either(p_values: np.ndarray) -> np.ndarray:
    """Bonferroni over the outcomes, shape (G,)."""
    return np.asarray(np.minimum(p_values.min(axis=1) * p_values.shape[1], 1.0))


def compare_groups(rows: Rows, codes: np.ndarray, count: int, law: Law) -> GroupChanges:
    """Current minus weighted reference of each group, by Welch's test (1947), two-sided."""
    codes = codes * 2 + rows.current

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(codes, values, 2 * count).reshape(count, 2)

    found = []
    with np.errstate(invalid="ignore", divide="ignore"):
        total = sums(rows.weight)
        units = total**2 / sums(rows.weight**2)
        for k, values in enumerate(rows.residual.T):
            mean = sums(rows.weight * values) / total
            squares = sums((rows.weight * (values - mean.ravel()[codes])) ** 2) / total**2 * units**2
            # A segment's rows of one cluster are at most as many as the table's.
            freedom = np.maximum(units / law.effect[:, k] - 1, 0)
            variance = (squares + _PRIOR * law.spread[:, k]) / (units + _PRIOR) / freedom
            moved = mean[:, 1] - mean[:, 0]
            tail = welch_tail(np.abs(moved), variance[:, 1], freedom[:, 1], variance[:, 0], freedom[:, 0])
            both = variance.sum(axis=1)
            degrees = both**2 / (variance**2 / freedom).sum(axis=1)
            found.append((moved, np.sqrt(both), degrees, np.minimum(2 * np.nan_to_num(tail, nan=1.0), 1.0)))
    size = np.bincount(codes, minlength=2 * count).reshape(count, 2)
    change, error, degrees, p_value = (np.stack(each, axis=1) for each in zip(*found, strict=True))
    return GroupChanges(change, error, degrees, p_value, size.T)
