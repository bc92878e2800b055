"""The worst slices that nobody listed: a search over one and two conditions on features, with its multiplicity stated.

After Slice Finder (Chung et al. 2019) and SliceLine (Sagadeeva & Boehm 2021), with a promise that they do not make: on
a table without any slice effect, the chance to claim even one slice is at most ``1 - confidence``, whatever the number
of slices searched (Holm 1979). Of many columns only the most telling are combined in pairs; the pairs of the others
count in the correction as if they had been tested and had shown nothing, for the outcomes decided which they are.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from tidegate.errors import ConfigError
from tidegate.metrics import METRICS
from tidegate.metrics.base import Estimate, Metric
from tidegate.metrics.conditions import Conditions, Tested, measure_all
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.search import Scan, Searchable
from tidegate.tables import Column, Level

MAX_CONDITIONS = 2
CORRECTION = "Holm (1979)"
_DIGITS = 12


@dataclass(frozen=True, slots=True)
class DiscoveredSlice:
    """One slice of a search.

    Attributes:
        slice: value by column, of one or two columns; None stands for missing.
        rows: rows that the metric stands on.
        share: the slice's share of all rows.
        difference: from the value on all other rows, turned so that negative is worse.
        p_value: one-sided, of being no worse than all other rows.
        adjusted_p_value: the same over all slices tested, or that could have been.
        claimed: the search vouches for it; otherwise it is among the worst of those that may be chance.
    """

    slice: dict[str, Level | None]
    value: float
    rows: int
    share: float
    difference: float
    p_value: float
    adjusted_p_value: float
    claimed: bool


@dataclass(frozen=True, slots=True)
class Discovery:
    """A search for the worst slices by one metric; the fields are those of the JSON document.

    Attributes:
        overall: the metric on all rows; when it cannot be computed (None) or is infinite, nothing is searched.
        rows: rows that the metric stands on.
        searched: number of slices tested.
        corrected_for: number of slices that the p-values are adjusted for, when it is larger: with those tested, an
            upper bound on the pairs of columns that were not crossed. Else None.
        tested_columns: columns whose values were tested.
        crossed_columns: those whose values were also combined in pairs.
        left_out: columns with one value, or with a value of its own in most rows.
        found: number of slices that could be claimed, those included that only repeat others or overlap with them.
        slices: claimed ones first, worst first.
    """

    metric: str
    column: str | None
    options: dict[str, float | str]
    overall: float | None
    rows: int
    searched: int
    corrected_for: int | None
    tested_columns: list[str]
    crossed_columns: list[str]
    left_out: list[str]
    max_conditions: int
    min_rows: int
    correction: str
    confidence: float
    found: int
    slices: list[DiscoveredSlice]


def search(
    data: Predictions,
    columns: Sequence[Column],
    metric: Metric,
    options: Mapping[str, Any],
    *,
    min_rows: int,
    confidence: float,
    most: int = 5,
) -> Discovery:
    """Search for the slices on which a metric is worst.

    Args:
        data: the predictions.
        columns: the features, of the same rows as `data`, of any kind.
        metric: one that is :class:`Searchable` and knows which direction is better.
        options: of the metric.
        min_rows: slices on which the metric stands on fewer rows are not tested.
        confidence: no slice at all is claimed with this probability when all rows are alike.
        most: how many slices are listed.

    Raises:
        ConfigError: the metric cannot be searched by, or does not know which direction is better.
    """
    scanned = _searchable(metric)
    overall = metric.estimate(data, Groups.everything(data.rows), options, None)[0]
    tried = [Conditions.of(column) for column in columns]
    kept = [each for each in tried if each is not None]
    left_out = [column.name for column, each in zip(columns, tried, strict=True) if each is None]
    fewest = max(min_rows, 1)
    result = _Result()
    if overall.value is not None and math.isfinite(overall.value) and kept:
        scan = scanned.scan(data, options)
        tested = measure_all(scan, kept, fewest)
        result = _report(_Subject(data, metric, options, kept), scan, tested, 1 - confidence, most)
    return Discovery(
        metric=metric.name,
        column=options.get("column"),
        options={
            name: value
            for name, value in options.items()
            if name not in ("column", "by") and isinstance(value, (int, float, str))
        },
        overall=overall.value,
        rows=overall.rows,
        searched=result.searched,
        corrected_for=result.candidates if result.candidates > result.searched else None,
        tested_columns=[each.name for each in kept],
        crossed_columns=[kept[i].name for i in result.crossed],
        left_out=left_out,
        max_conditions=MAX_CONDITIONS,
        min_rows=fewest,
        correction=CORRECTION,
        confidence=confidence,
        found=result.found,
        slices=result.slices,
    )


def _searchable(metric: Metric) -> Searchable:
    if not isinstance(metric, Searchable) or not metric.searchable:
        names = sorted(name for name, each in METRICS.items() if each.searchable and each.better != "neither")
        raise ConfigError(
            f"`discover:` cannot search by {metric.name!r}: use one of {', '.join(names)}, or leave `discover:` out"
        )
    if metric.better == "neither":
        raise ConfigError(
            f"`discover:` cannot tell which slices are worst by {metric.name!r}, which may rise or fall: use a metric"
            " that knows which direction is better, or leave `discover:` out"
        )
    return metric


@dataclass(frozen=True, slots=True)
class _Result:
    searched: int = 0
    candidates: int = 0
    crossed: tuple[int, ...] = ()
    found: int = 0
    slices: list[DiscoveredSlice] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is searched by what."""

    data: Predictions
    metric: Metric
    options: Mapping[str, Any]
    conditions: Sequence[Conditions]

    def rows_of(self, tested: Tested, which: int) -> np.ndarray:
        """Mask of the rows of a slice."""
        inside = np.ones(self.data.rows, dtype=bool)
        for column, level in zip(tested.columns[which], tested.levels[which], strict=True):
            if column >= 0:
                inside &= self.conditions[column].holds(level)
        return inside

    def name(self, tested: Tested, which: int) -> dict[str, Level | None]:
        """A slice as value by column."""
        each = zip(tested.columns[which].tolist(), tested.levels[which].tolist(), strict=True)
        return {
            self.conditions[column].name: self.conditions[column].levels[level]
            for column, level in each
            if column >= 0
        }

    def values(self, inside: np.ndarray) -> list[Estimate]:
        """The metric on the rows of a slice and on all others, exactly as a check has it."""
        groups = Groups(np.where(inside, 0, 1).astype(np.int32), ({}, {}))
        return self.metric.estimate(self.data, groups, self.options, None)


def _report(subject: _Subject, scan: Scan, tested: Tested, alpha: float, most: int) -> _Result:
    evidence, adjusted = tested.evidence, adjust(tested.evidence.p_value, tested.candidates)
    own, significant = _beyond_parents(tested, alpha), adjusted <= alpha
    claimed = np.flatnonzero(own & significant)
    worst_first = claimed[_ranking(-evidence.badness[claimed])]
    stories = _stories(subject, scan, tested, worst_first, alpha, most)
    listed = _described(subject, tested, adjusted, stories, most, claimed=True)
    others = np.flatnonzero(own & ~significant & (evidence.badness > 0))
    likeliest = others[_ranking(evidence.p_value[others])]
    listed += _described(subject, tested, adjusted, likeliest, most - len(listed), claimed=False)
    return _Result(len(adjusted), tested.candidates, tested.crossed, len(claimed), listed)


def adjust(p_values: np.ndarray, candidates: int) -> np.ndarray:
    """Holm's p-values (1979) over that many tests, of which those without a p-value, shape (k,), have 1."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(p_values[order] * (candidates - np.arange(len(order))))
    return np.minimum(adjusted, 1.0)


def _beyond_parents(tested: Tested, alpha: float) -> np.ndarray:
    """Mask of the slices of one condition, and of the pairs that are worse than each of their conditions alone.

    By more than noise: a pair differs from its parent with its own error, less what both share. The level is divided by
    the number of pairs that a parent has, for the worst of many is always somewhat worse than all of them; those with
    columns that were not crossed count too, for the crossed ones are no blind choice.
    """
    evidence, pairs = tested.evidence, tested.pairs
    result = np.ones(len(tested.parents), dtype=bool)
    children = tested.uncrossed + np.bincount(tested.parents[pairs].ravel(), minlength=len(result))
    for parent in tested.parents[pairs].T:
        shared = evidence.support[pairs] / evidence.support[parent]
        errors = -special.ndtri(alpha / children[parent])
        noise = errors * evidence.error[pairs] * np.sqrt(1 - shared)
        result[pairs] &= evidence.badness[pairs] - evidence.badness[parent] > noise
    return result


def _stories(
    subject: _Subject, scan: Scan, tested: Tested, worst_first: np.ndarray, alpha: float, most: int
) -> np.ndarray:
    """Those slices that are still worse than the others without the rows of the slices before them."""
    found: list[int] = []
    told = np.zeros(subject.data.rows, dtype=bool)
    for which in worst_first.tolist():
        if len(found) >= most:
            break
        inside = subject.rows_of(tested, which)
        remaining = inside & ~told
        if scan.measure(np.where(remaining, 0, 1), 2).p_value[0] <= alpha:
            found.append(which)
            told |= inside
    return np.array(found, dtype=np.int64)


def _described(
    subject: _Subject, tested: Tested, adjusted: np.ndarray, order: np.ndarray, most: int, *, claimed: bool
) -> list[DiscoveredSlice]:
    """The first few slices, each set of rows once, with the values that a check would give; worst first."""
    found: list[DiscoveredSlice] = []
    seen: list[np.ndarray] = []
    for which in order.tolist():
        if len(found) >= most:
            break
        inside = subject.rows_of(tested, which)
        if any(np.array_equal(inside, other) for other in seen):
            continue
        seen.append(inside)
        here, elsewhere = subject.values(inside)
        if here.value is None or elsewhere.value is None:
            continue
        found.append(
            DiscoveredSlice(
                slice=subject.name(tested, which),
                value=here.value,
                rows=here.rows,
                share=float(inside.mean()),
                difference=subject.metric.sign * (here.value - elsewhere.value),
                p_value=float(tested.evidence.p_value[which]),
                adjusted_p_value=float(adjusted[which]),
                claimed=claimed,
            )
        )
    return [found[i] for i in _ranking(np.array([each.difference for each in found]))]


def _ranking(values: np.ndarray) -> np.ndarray:
    """Ascending order that the last bits of floating-point sums, and so the order of rows, do not decide."""
    scale = 10.0 ** np.floor(np.log10(np.maximum(np.abs(values), np.finfo(np.float64).tiny)))
    return np.argsort(np.round(values / scale, _DIGITS - 1) * scale, kind="stable")
