"""Conditions on features, one or two at a time: what a search for the worst slices goes through."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tidegate.metrics.binning import Period, bin_numbers, bin_times, quantile_edges
from tidegate.metrics.search import Evidence, Scan
from tidegate.tables import Column, Level

MOST_CROSSED = 30
_MOST_LEVELS = 30
_MOST_DISCRETE = 10
_BINS = 4
_MOST_PERIODS = 12
_PERIODS: tuple[Period, ...] = ("hour", "day", "week", "month", "quarter", "year")
_NEAR_UNIQUE = 0.5


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions on one column that are tried.

    Attributes:
        levels: the values, None for missing.
        codes: (n,) position in `levels` of each row, ``len(levels)`` for rows with any other value.
    """

    name: str
    levels: tuple[Level | None, ...]
    codes: np.ndarray

    @classmethod
    def of(cls, column: Column) -> "Conditions | None":
        """Conditions on a column; None where it has one value only, or a value of its own in most rows.

        Categories are taken as they are, of more than 30 values the 30 most frequent; numbers by value when there are
        at most 10, else by quartile; times by the shortest of hour, day, week, month, quarter and year that makes at
        most 12 periods.
        """
        category = _as_category(column)
        size = len(category.levels)
        # The code -1 of missing values counts as the last.
        counts = np.bincount(category.values % (size + 1), minlength=size + 1)
        found = np.flatnonzero(counts)
        known = int(counts[:size].sum())
        if len(found) < 2 or len(found) > max(_MOST_LEVELS, _NEAR_UNIQUE * known):
            return None
        kept = np.sort(found[np.argsort(-counts[found], kind="stable")[:_MOST_LEVELS]])
        lookup = np.full(size + 1, len(kept), dtype=np.int8)
        lookup[kept] = np.arange(len(kept))
        levels = (*category.levels, None)
        return cls(column.name, tuple(levels[i] for i in kept), lookup[category.values])

    def holds(self, level: int) -> np.ndarray:
        """Mask of the rows with one of the levels."""
        return np.asarray(self.codes == level)


def _as_category(column: Column) -> Column:
    if column.kind == "number":
        return _binned(column)
    if column.kind == "time":
        by_period = (bin_times(column, period) for period in _PERIODS)
        return next(
            (each for each in by_period if len(each.levels) <= _MOST_PERIODS), bin_times(column, "year")
        )
    return column


def _binned(column: Column) -> Column:
    known = ~np.isnan(column.values)
    distinct = np.unique(column.values[known])
    if len(distinct) > _MOST_DISCRETE:
        return bin_numbers(column, quantile_edges(column.values, _BINS))
    codes = np.searchsorted(distinct, column.values).astype(np.int32)
    codes[~known] = -1
    levels = tuple(int(value) if value.is_integer() else value for value in distinct.tolist())
    return Column(column.name, "category", codes, levels)


@dataclass(frozen=True, slots=True)
class Tested:
    """The slices tested, first those of one condition; T of them.

    Attributes:
        columns: positions of one or two columns, shape (T, 2); -1 for none.
        levels: positions of their levels, shape (T, 2); -1 for none.
        parents: of a pair, positions among these slices of its conditions alone, shape (T, 2); -1 for none.
        uncrossed: of one condition, at most how many pairs it makes with columns that it was not combined with, shape
            (T,); 0 for pairs.
        evidence: arrays of shape (T,).
        crossed: positions of the columns that were combined in pairs.
    """

    columns: np.ndarray
    levels: np.ndarray
    parents: np.ndarray
    uncrossed: np.ndarray
    evidence: Evidence
    crossed: tuple[int, ...]

    @property
    def pairs(self) -> np.ndarray:
        """Positions of the slices of two conditions."""
        return np.flatnonzero(self.parents[:, 0] >= 0)

    @property
    def candidates(self) -> int:
        """Number of slices that were tested or, had other columns been crossed, could have been; at least that."""
        # A pair that was not tested is counted with each of its two conditions.
        return len(self.uncrossed) + int(self.uncrossed.sum()) // 2


def measure_all(scan: Scan, conditions: Sequence[Conditions], min_rows: int) -> Tested:
    """Measure all slices of one and two conditions on which the metric stands on at least `min_rows` rows.

    A pair is left out where one of its conditions alone makes the same slice. Of more than 30 columns those are crossed
    whose single values are the most telling. As the outcomes choose them, the pairs of all other columns have to be
    counted as well, as if they had been tested and had p-values of 1; :attr:`Tested.candidates` does. To choose blindly
    would spare that, but miss most pairs: the choice decides whether a pair is looked at, the count costs a logarithm.
    """
    singles = [scan.measure(each.codes.astype(np.int64), len(each.levels) + 1) for each in conditions]
    strength = [each.p_value[:-1].min() for each in singles]
    crossed = tuple(sorted(np.argsort(strength, kind="stable")[:MOST_CROSSED].tolist()))
    uncrossed = _uncrossed(
        [each.support[:-1][each.usable(min_rows)[:-1]] for each in singles], crossed, min_rows
    )
    place: list[np.ndarray] = []
    parts: list[Tested] = []
    size = 0
    for i, single in enumerate(singles):
        usable = single.usable(min_rows)
        usable[-1] = False
        level = np.flatnonzero(usable)
        place.append(np.full(len(usable), -1))
        place[i][level] = size + np.arange(len(level))
        size += len(level)
        none = np.full(len(level), -1)
        one = np.stack([np.full(len(level), i), none], axis=1)
        parts.append(
            Tested(
                one,
                np.stack([level, none], axis=1),
                np.stack([none, none], axis=1),
                uncrossed[i],
                single.take(level),
                (),
            )
        )
    for i, j in combinations(crossed, 2):
        shape = len(conditions[i].levels) + 1, len(conditions[j].levels) + 1
        codes = conditions[i].codes.astype(np.int64) * shape[1] + conditions[j].codes
        pair = scan.measure(codes, shape[0] * shape[1])
        fewest = np.minimum.outer(singles[i].support, singles[j].support)
        usable = pair.usable(min_rows).reshape(shape) & (pair.support.reshape(shape) < fewest)
        usable[-1, :] = usable[:, -1] = False
        a, b = np.nonzero(usable)
        parts.append(
            Tested(
                np.tile([i, j], (len(a), 1)),
                np.stack([a, b], axis=1),
                np.stack([place[i][a], place[j][b]], axis=1),
                np.zeros(len(a), dtype=np.int64),
                pair.take(a * shape[1] + b),
                (),
            )
        )
    return Tested(
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.levels for part in parts]),
        np.concatenate([part.parents for part in parts]),
        np.concatenate([part.uncrossed for part in parts]),
        Evidence.joined([part.evidence for part in parts]),
        crossed,
    )


def _uncrossed(supports: Sequence[np.ndarray], crossed: Sequence[int], min_rows: int) -> list[np.ndarray]:
    """Upper bounds on the pairs of each level with columns that its own is not crossed with; levels by column.

    A pair needs `min_rows` rows and is smaller than either of its conditions; those of a level with one other column
    share the level's rows.
    """
    partners = np.array([np.count_nonzero(support > min_rows) for support in supports])
    outside = np.ones(len(supports), dtype=bool)
    outside[list(crossed)] = False
    result = []
    for i, support in enumerate(supports):
        others = outside.copy() if i in crossed else np.ones(len(supports), dtype=bool)
        others[i] = False
        room = np.where(support > min_rows, support // min_rows, 0)
        result.append(np.minimum.outer(room, partners[others]).sum(axis=1))
    return result
