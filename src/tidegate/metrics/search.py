"""What a search for the worst slices asks of a metric: all slices of a partition at once, each against the rest."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from tidegate.metrics.data import Predictions
from tidegate.stats.slice_search import Population, drawn_mean_tail, hypergeometric_tail, welch_tail

# A slice that the crudest test finds likely is not looked at more closely.
UNREMARKABLE = 0.1
_HALF = 0.5
_CELLS_AT_ONCE = 4_000_000
# Two of each kind are added, so that no failure among few rows is not taken for certainty (Agresti & Coull 1998).
_PRIOR = 2.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What each slice of a partition says.

    Attributes:
        badness: by how much the slice is worse than the table, in the metric's units; NaN where it has no value.
        error: standard error of `badness`, never zero for want of rows.
        support: rows that the metric stands on.
        p_value: one-sided, of being no worse than the rest; 1 where it is not worse.
    """

    badness: np.ndarray
    error: np.ndarray
    support: np.ndarray
    p_value: np.ndarray

    def usable(self, min_rows: int) -> np.ndarray:
        """Mask of the slices that have a value, from enough rows."""
        return np.asarray(~np.isnan(self.badness) & (self.support >= min_rows))

    def take(self, chosen: np.ndarray) -> "Evidence":
        """The slices at `chosen`, in their order."""
        return Evidence(self.badness[chosen], self.error[chosen], self.support[chosen], self.p_value[chosen])

    @classmethod
    def joined(cls, parts: Sequence["Evidence"]) -> "Evidence":
        """One after the other."""
        return cls(
            np.concatenate([part.badness for part in parts]),
            np.concatenate([part.error for part in parts]),
            np.concatenate([part.support for part in parts]),
            np.concatenate([part.p_value for part in parts]),
        )


class Scan(ABC):
    """A metric on one table, ready for any number of partitions of its rows."""

    @abstractmethod
    def measure(self, codes: np.ndarray, count: int) -> Evidence:
        """Evidence on each of `count` groups, from the group of each row, shape (n,)."""


class Searchable(ABC):
    """A metric whose worst slices can be searched for."""

    @property
    def searchable(self) -> bool:
        """Whether this one can be, after all."""
        return True

    @abstractmethod
    def scan(self, data: Predictions, options: Mapping[str, Any]) -> Scan:
        """The metric on a table on which it exists.

        Raises:
            ConfigError: the table is of a kind by which it cannot be searched.
        """


class ShareScan(Scan):
    """A share of rows that are good; the test is exact (Fisher 1935)."""

    def __init__(self, good: np.ndarray, bad: np.ndarray) -> None:
        """Rows that are neither do not count; both of shape (n,)."""
        self._outcome = good + 2 * bad.astype(np.int64)
        self._rows = int(np.count_nonzero(good) + np.count_nonzero(bad))
        self._all_bad = int(np.count_nonzero(bad))

    def measure(self, codes: np.ndarray, count: int) -> Evidence:
        """See :meth:`Scan.measure`."""
        counted = np.bincount(codes * 3 + self._outcome, minlength=3 * count).reshape(count, 3)
        bad = counted[:, 2]
        support = bad + counted[:, 1]
        smoothed = (bad + _PRIOR) / (support + 2 * _PRIOR)
        with np.errstate(invalid="ignore", divide="ignore"):
            badness = bad / support - self._all_bad / self._rows
        return Evidence(
            badness=badness,
            error=np.sqrt(smoothed * (1 - smoothed) / (support + 2 * _PRIOR)),
            support=support,
            p_value=hypergeometric_tail(bad, support, self._all_bad, self._rows),
        )


class MeanScan(Scan):
    """A mean of numbers.

    A slice must be worse than the rest by its own spread (Welch 1947), for it may spread more, and than rows drawn
    blindly from the table would be, for the numbers may be skewed: the larger of both p-values.
    """

    def __init__(self, badness: np.ndarray) -> None:
        """The badness of each row, shape (n,); rows that are NaN do not count."""
        self._known = ~np.isnan(badness)
        known = badness[self._known]
        self._rows = len(known)
        self._centred = known - (known.mean() if len(known) else 0.0)
        self._squares = self._centred**2
        self._population = Population.of_values(self._centred)

    def measure(self, codes: np.ndarray, count: int) -> Evidence:
        """See :meth:`Scan.measure`."""
        codes = codes if self._rows == len(codes) else codes[self._known]
        support = np.bincount(codes, minlength=count)
        sums = np.bincount(codes, weights=self._centred, minlength=count)
        squares = np.bincount(codes, weights=self._squares, minlength=count)
        rest = self._rows - support
        with np.errstate(invalid="ignore", divide="ignore"):
            mean, variance = _moments(support, sums, squares)
            rest_mean, rest_variance = _moments(rest, -sums, self._squares.sum() - squares)
        p_values = welch_tail(mean - rest_mean, variance, support - 1.0, rest_variance, rest - 1.0)
        closer = np.flatnonzero(p_values < UNREMARKABLE)
        blind = blind_tail(self._population, mean[closer], support[closer], self._rows)
        p_values[closer] = np.maximum(p_values[closer], blind)
        with np.errstate(invalid="ignore", divide="ignore"):
            by_chance = np.sqrt(self._squares.mean() / support)
        return Evidence(mean, np.fmax(np.sqrt(variance), by_chance), support, p_values)


def _moments(rows: np.ndarray, sums: np.ndarray, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and the variances of those means."""
    mean = sums / rows
    return mean, np.maximum(squares - sums * mean, 0.0) / (rows - 1.0) / rows


def blind_tail(population: Population, excess: np.ndarray, drawn: np.ndarray, rows: int) -> np.ndarray:
    """Chance that rows drawn from the table have a mean that far above its own, shape (G,)."""
    share = drawn / rows
    # What is left undrawn is as much a blind draw; the smaller of the two vary by the law of large tables.
    other = share > _HALF
    p_values = np.empty(len(excess))
    for side, law in ((~other, population), (other, population.mirrored)):
        size = np.where(other, rows - drawn, drawn)[side].astype(np.float64)
        beyond = excess[side] * drawn[side] / size
        p_values[side] = drawn_mean_tail([(law, size)], beyond, size / rows)
    return p_values


class CellScan(Scan):
    """A smooth function of counts of cells; the p-value is the larger of two as in :class:`MeanScan`.

    A slice's own variance is that of the infinitesimal jackknife (Efron 1981); for the blind draw the function is
    linear in its influence values (Hampel 1974) on the whole table.
    """

    def __init__(
        self,
        cells: np.ndarray,
        shape: tuple[int, ...],
        badness: Callable[[np.ndarray], np.ndarray],
        support: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        """Cell of each row (n,); counts of shape (..., *shape) to badness and to support, each of shape (...)."""
        self._occupied, self._cells = np.unique(cells, return_inverse=True)
        self._shape, self._badness, self._support = shape, badness, support
        self._total = np.bincount(self._cells).astype(np.float64)
        self._value = self._values(self._total[None])[0]
        self._influence = self._influences(self._total[None])[0]
        self._population = Population.of_values(self._influence[self._cells])

    def measure(self, codes: np.ndarray, count: int) -> Evidence:
        """See :meth:`Scan.measure`."""
        kinds = len(self._occupied)
        counted = np.bincount(codes * kinds + self._cells, minlength=count * kinds).reshape(count, kinds)
        rows, total = counted.sum(axis=1), int(self._total.sum())
        badness = self._values(counted) - self._value
        with np.errstate(invalid="ignore", divide="ignore"):
            linear = counted @ self._influence / rows
            by_chance = np.sqrt(self._total @ self._influence**2 / total / rows)
            unusual = linear / by_chance
        p_values = np.where((badness > 0) & (unusual > 0) & (rows < total), special.ndtr(-unusual), 1.0)
        closer = np.flatnonzero(p_values < UNREMARKABLE)
        excess, variance, rest = self._against_rest(counted[closer])
        support = self._full(counted, self._support).astype(np.int64)
        own = welch_tail(excess, variance, support[closer] - 1.0, rest, total - rows[closer] - 1.0)
        blind = blind_tail(self._population, linear[closer], rows[closer], total)
        p_values[closer] = np.maximum(own, blind)
        error = by_chance.copy()
        error[closer] = np.fmax(np.sqrt(variance), by_chance[closer])
        return Evidence(badness, error, support, p_values)

    def _against_rest(self, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Badness beyond that of the rest, and the variances of both."""
        rest = self._total - counted
        # Of the rest, which is like the table, the influence is that on the table: its own would take K^4 steps each.
        variances = _variances(counted, self._influences(counted)), _variances(rest, self._influence)
        return self._values(counted) - self._values(rest), *variances

    def _values(self, counted: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self._full(counted, self._badness), dtype=np.float64)

    def _full(self, counted: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """A function of all cells, on those that the table occupies."""
        size = int(np.prod(self._shape))
        parts = [np.zeros(0)]
        step = max(_CELLS_AT_ONCE // size, 1)
        for start in range(0, len(counted), step):
            part = counted[start : start + step]
            cells = np.zeros((len(part), size))
            cells[:, self._occupied] = part
            parts.append(function(cells.reshape(len(part), *self._shape)))
        return np.concatenate(parts)

    def _influences(self, counted: np.ndarray) -> np.ndarray:
        """Influence of one row of each cell, shape (G, C), by central differences; 0 where a cell has no rows."""
        rows = counted.sum(axis=1)
        step = np.minimum(0.1, 1e-5 * rows)
        result = np.zeros(counted.shape)
        for cell in range(counted.shape[1]):
            present = np.flatnonzero(counted[:, cell])
            ahead, behind = (counted[present].astype(np.float64) for _ in range(2))
            ahead[:, cell] += step[present]
            behind[:, cell] -= step[present]
            moved = self._values(ahead) - self._values(behind)
            result[present, cell] = moved / (2 * step[present]) * rows[present]
        return result


def _variances(counted: np.ndarray, influence: np.ndarray) -> np.ndarray:
    """Variances of statistics from the influence of each cell (C,) or (G, C) and the counts of cells (G, C)."""
    rows = counted.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (counted * influence).sum(axis=1) / rows
        square = (counted * influence**2).sum(axis=1) / rows
        return np.asarray(np.maximum(square - mean**2, 0.0) / (rows - 1.0))
