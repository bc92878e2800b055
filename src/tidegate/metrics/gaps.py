"""The gap that a metric leaves between groups: the largest difference, or the smallest ratio, of two of them.

A group in which a figure does not exist (no positives, for the true positive rate) is left out, as is one with fewer
rows than `min_rows`. The interval is one of the gap itself, see :mod:`tidegate.stats.contrasts`.
"""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from tidegate.metrics.base import Estimate, Metric, Options, Paired, or_none
from tidegate.metrics.cells import oriented
from tidegate.metrics.cuts import groups_of, wants
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.contrasts import Estimates, largest_difference, smallest_ratio
from tidegate.stats.paired_gaps import METHOD, TwoModels, gap_difference, independent_groups
from tidegate.stats.results import Intervals, identical
from tidegate.tables import Want
from tidegate.wording import name_slice, number, plural

_TOO_FEW = "fewer than two groups of the protected column have rows"
_ALL_ZERO = "the figure is zero in every group, which have no ratio"


@dataclass(frozen=True, slots=True)
class Family:
    """One figure for each protected group, with the rows that each stands on, shape (groups,).

    Attributes:
        correlation: of the figures of some groups, by the first and their number; None where all are independent.
    """

    estimates: Estimates
    support: np.ndarray
    correlation: Callable[[int, int], np.ndarray] | None = None


@dataclass(frozen=True, slots=True)
class Both:
    """Figures of groups by two models.

    Attributes:
        first, second: of candidate and production, shape (families, groups).
        covariance: of some groups, by the first and their number, as :attr:`TwoModels.covariance`.
        support: the rows that both stand on, the fewer of both, shape (families, groups).
        freedom: degrees of freedom of the covariances, infinite for those of shares, shape (families, groups).
        same: the models said the same of every row.
    """

    first: np.ndarray
    second: np.ndarray
    covariance: Callable[[int, int], np.ndarray]
    support: np.ndarray
    freedom: np.ndarray
    same: bool

    def part(self, start: int, count: int) -> "Both":
        """Some of the groups."""
        chosen = np.s_[:, start : start + count]
        return replace(
            self,
            first=self.first[chosen],
            second=self.second[chosen],
            covariance=lambda first, some: self.covariance(start + first, some),
            support=self.support[chosen],
            freedom=self.freedom[chosen],
        )


@dataclass(frozen=True, kw_only=True)
class GroupGap(Metric):
    """The largest difference, or the smallest ratio, between two groups.

    Attributes:
        kind: ``difference`` or ``ratio``.
    """

    kind: Literal["difference", "ratio"]
    options: frozenset[str] = frozenset({"by"})
    defaults: dict[str, Any] = field(default_factory=lambda: {"min_rows": None})

    def columns(self, options: Options) -> dict[str, Want]:
        """The protected columns."""
        return wants(options["by"])

    @abstractmethod
    def families(self, data: Predictions, groups: Groups) -> list[Family]:
        """Per figure (equalized odds has two) the family of all groups."""

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`."""
        protected, combined = _combined(data, groups, options)
        found = self._families(data, combined, groups.count, protected.count)
        fewest = int(options.get("min_rows") or 1)
        return [self._estimate(each, protected, fewest, confidence) for each in found]

    def _families(self, data: Predictions, combined: Groups, slices: int, count: int) -> list[list[Family]]:
        """Per slice its families, each over the protected groups."""
        whole = self.families(data, combined)
        return [[_part(family, i * count, count) for family in whole] for i in range(slices)]

    def _estimate(
        self, families: Sequence[Family], protected: Groups, fewest: int, confidence: float | None
    ) -> Estimate:
        kept = [_without_thin(family, fewest) for family in families]
        rows = int(families[0].support.sum())
        largest = largest_difference if self.kind == "difference" else smallest_ratio
        gap = largest(*kept, confidence=confidence)
        if math.isnan(gap.value):
            if any(np.count_nonzero(~np.isnan(each.values)) > 1 for each in kept):
                return Estimate(None, rows, problem=_ALL_ZERO)
            # What a second group would need is what says whether min_rows explains it.
            second = (
                max(int(np.sort(each.support)[-2:][0]) for each in families) if protected.count > 1 else 0
            )
            return Estimate(None, second, problem=_TOO_FEW)
        values = kept[gap.family].values
        names = [
            f"{name_slice(protected.slices[i]).removeprefix(' for ')} ({number(float(values[i]))})"
            for i in (gap.highest, gap.lowest)
        ]
        note = f"highest for {names[0]}, lowest for {names[1]}"
        thin = int(np.any([(each.support > 0) & (each.support < fewest) for each in families], axis=0).sum())
        note += f"; {plural(thin, 'group')} under min_rows left out" if thin else ""
        return Estimate(gap.value, rows, gap.interval, note=note)

    @abstractmethod
    def both(self, candidate: Predictions, production: Predictions, groups: Groups) -> Both:
        """The figures of all groups by two models, with their covariances."""

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; contrasts of the groups, see :mod:`tidegate.stats.paired_gaps`."""
        protected, combined = _combined(production, groups, options)
        both = self.both(candidate, production, combined)
        fewest = int(options.get("min_rows") or 1)
        return [
            self._compare(both.part(i * protected.count, protected.count), fewest, confidence)
            for i in range(groups.count)
        ]

    def _compare(self, both: Both, fewest: int, confidence: float) -> Paired:
        # A group counts when it has enough rows by both models, or the gaps would be of different groups.
        kept = both.support >= fewest
        first, second = (np.where(kept, values, np.nan) for values in (both.first, both.second))
        rows = int(both.support[0].sum())
        a, b = self._worst(first), self._worst(second)
        if math.isnan(a) or math.isnan(b):
            problem = _ALL_ZERO if (kept.sum(axis=1) > 1).any() else _TOO_FEW
            return Paired(or_none(a), or_none(b), rows, problem=problem)
        if both.same:
            return oriented(identical(rows, METHOD), self.sign, a, b, rows)
        freedom = float(both.freedom[kept].min())
        groups = TwoModels(first, second, both.covariance(0, first.shape[1]), freedom)
        result = gap_difference(groups, kind=self.kind, confidence=confidence, rows=rows)
        return oriented(result, self.sign, a, b, rows)

    def _worst(self, values: np.ndarray) -> float:
        """The worst gap of the families, shape (families, groups)."""
        gaps = self.gap(values)
        known = gaps[~np.isnan(gaps)]
        if len(known) == 0:
            return math.nan
        return float(known.max() if self.kind == "difference" else known.min())

    def gap(self, values: np.ndarray) -> np.ndarray:
        """Largest difference or smallest ratio of what exists, shape (..., groups) to (...)."""
        known = ~np.isnan(values)
        highest = np.where(known, values, -math.inf).max(axis=-1, initial=-math.inf)
        lowest = np.where(known, values, math.inf).min(axis=-1, initial=math.inf)
        if self.kind == "difference":
            result: np.ndarray = highest - lowest
        else:
            result = np.divide(lowest, highest, out=np.full(highest.shape, np.nan), where=highest > 0)
        return np.where(known.sum(axis=-1) > 1, result, np.nan)


def separate(covariance: np.ndarray) -> Callable[[int, int], np.ndarray]:
    """For :attr:`Both.covariance` that of both figures of each group, shape (families, groups, 2, 2)."""
    return lambda start, count: independent_groups(covariance[:, start : start + count])


def _combined(data: Predictions, groups: Groups, options: Options) -> tuple[Groups, Groups]:
    """The protected groups, and their combinations with the slices."""
    protected = groups_of(data, options["by"])
    inside = (groups.codes >= 0) & (protected.codes >= 0)
    codes = np.where(inside, groups.codes.astype(np.int64) * protected.count + protected.codes, -1)
    return protected, Groups(codes, (None,) * (groups.count * protected.count))


def _part(family: Family, start: int, count: int) -> Family:
    values, limits = family.estimates.values, family.estimates.limits

    def limited(confidence: float) -> Intervals:
        all_of_them = limits(confidence)
        return Intervals(all_of_them.low[start : start + count], all_of_them.high[start : start + count])

    of_all = family.correlation
    correlation = None if of_all is None else partial(of_all, start, count)
    estimates = Estimates(values[start : start + count], limited, correlation)
    return Family(estimates, family.support[start : start + count])


def _without_thin(family: Family, fewest: int) -> Estimates:
    values = np.where(family.support >= fewest, family.estimates.values, np.nan)
    return replace(family.estimates, values=values)
