"""Where in feature space the relation of labels to features changed: a scan of segments on half of the rows.

Segments of one and two conditions are compared between the windows by what their rows' outcomes have beyond what the
relation of the reference gives. What a scan of one half of the rows finds, at a stated false discovery rate, is tested
again on the other half, which had no part in the choice (Holm, 1979).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tidegate.drift.concept_rows import Windows
from tidegate.drift.concept_scan import ChangeScan, Law, Rows, compare_groups, either
from tidegate.metrics.conditions import Conditions, Tested, measure_all
from tidegate.metrics.data import canonical
from tidegate.stats.intervals import t_quantile
from tidegate.stats.multiplicity import holm
from tidegate.stats.segment_scan import in_first_half, shared_discovery_rate
from tidegate.tables import Column, Level
from tidegate.wording import name_slice, number

MOST = 10
FALSE_DISCOVERIES = 0.1
_EXAMINED = 100


@dataclass(frozen=True, slots=True)
class ConceptSegment:
    """A segment in which the relation seems to have changed.

    Attributes:
        slice: value by column, of one or two columns; None stands for missing.
        outcome: what moved most certainly: ``label`` (against what the reference's relation gives) or ``loss``.
        change: of its mean, in the units of the outcome, on the rows held back; `ci` is two-sided.
        rows_reference, rows_current: held back.
        p_value, adjusted_p_value: on the rows held back; over all segments found by the scan.
        confirmed: it changed, and not by chance.
    """

    slice: dict[str, Level | None]
    outcome: str
    change: float
    ci: tuple[float, float] | None
    rows_reference: int
    rows_current: int
    p_value: float
    adjusted_p_value: float
    confirmed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class SegmentScan:
    """A search for segments whose relation changed.

    Attributes:
        searched: segments tested.
        discovered: found at the false discovery rate, those that only repeat others included.
        found: the others, at most ten, confirmed ones first.
    """

    searched: int
    discovered: int
    false_discovery_rate: float
    columns: list[str]
    found: list[ConceptSegment]


def scan_segments(
    windows: Windows,
    residuals: tuple[np.ndarray, np.ndarray],
    names: Sequence[str],
    *,
    level: float,
    min_rows: int,
) -> SegmentScan:
    """Search for segments whose outcomes moved beyond what the reference's relation gives.

    Args:
        windows: rows of both.
        residuals: outcomes less what is expected of them, of either window, shapes (n, k) and (m, k).
        names: of the outcomes.
        level: the chance that any segment is confirmed when the relation did not change.
        min_rows: fewest rows of a segment in either half of either window.
    """
    conditions = [each for each in map(Conditions.of, _pooled(windows)) if each is not None]
    empty = SegmentScan(0, 0, FALSE_DISCOVERIES, [each.name for each in conditions], [])
    n, m = (len(each) for each in residuals)
    everything = Rows(
        np.concatenate(residuals),
        np.concatenate((windows.weight, windows.current.weight)),
        np.repeat([False, True], [n, m]),
    )
    first = _halves(windows)
    halves = everything.take(np.flatnonzero(first)), everything.take(np.flatnonzero(~first))
    if not conditions or any(
        np.count_nonzero(half.current == window) < min_rows for half in halves for window in (False, True)
    ):
        return empty
    law = Law.of(everything, [rows.data.cluster for rows in (windows.reference, windows.current)])
    scan = ChangeScan(*halves, first, law)
    tested = measure_all(scan, conditions, min_rows)
    if not len(tested.evidence.p_value):
        return empty
    pairs = tested.parents[:, 0] >= 0
    sizes = np.array([int((~pairs).sum()), tested.candidates - int((~pairs).sum())])
    discovered = (
        shared_discovery_rate(tested.evidence.p_value, pairs.astype(np.int64), sizes) <= FALSE_DISCOVERIES
    )
    told = _told(scan, tested, conditions, discovered, everything)
    return replace(
        empty,
        searched=len(discovered),
        discovered=int(discovered.sum()),
        found=_again((halves[1], law), first, told, names, level),
    )


def _halves(windows: Windows) -> np.ndarray:
    """Mask of the rows to scan; clusters stay whole."""
    result = []
    for rows in (windows.reference, windows.current):
        keys = rows.keys
        if rows.data.cluster is not None:
            smallest = np.full(int(rows.data.cluster.max()) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
            np.minimum.at(smallest, rows.data.cluster, keys)
            keys = smallest[rows.data.cluster]
        result.append(in_first_half(keys))
    return np.concatenate(result)


def _pooled(windows: Windows) -> list[Column]:
    """Columns of both windows in one, the reference's rows first; of different kinds, or of times, none."""
    result = []
    for name, first in windows.reference.features.items():
        second = windows.current.features.get(name)
        if second is None or first.kind != second.kind or first.kind == "time":
            continue
        if first.kind == "number":
            values = np.concatenate((first.values, second.values))
            result.append(Column(name, "number", np.where(np.isfinite(values), values, np.nan)))
            continue
        known: dict[str, Level] = {canonical(level): level for level in (*second.levels, *first.levels)}
        place = {text: i for i, text in enumerate(sorted(known))}
        codes = [
            np.array([*(place[canonical(level)] for level in column.levels), -1], dtype=np.int32)[
                column.values
            ]
            for column in (first, second)
        ]
        result.append(Column(name, "category", np.concatenate(codes), tuple(known[text] for text in place)))
    return result


@dataclass(frozen=True, slots=True)
class _Segment:
    name: dict[str, Level | None]
    inside: np.ndarray


def _told(
    scan: ChangeScan,
    tested: Tested,
    conditions: Sequence[Conditions],
    discovered: np.ndarray,
    everything: Rows,
) -> list[_Segment]:
    """The most certain segments, each still changed without the rows of those before it."""
    told: list[_Segment] = []
    covered = np.zeros(len(everything.current), dtype=np.bool_)
    candidates = np.flatnonzero(discovered)
    by_p = candidates[
        np.argsort(np.round(np.log(tested.evidence.p_value[candidates] + 1e-300), 9), kind="stable")
    ]
    for which in by_p[:_EXAMINED].tolist():
        if len(told) >= MOST:
            break
        each = zip(tested.columns[which].tolist(), tested.levels[which].tolist(), strict=True)
        parts = [(conditions[column], level) for column, level in each if column >= 0]
        inside = np.logical_and.reduce([column.holds(level) for column, level in parts])
        left = np.where(inside & ~covered, 0, 1)
        if scan.measure(left, 2).p_value[0] <= FALSE_DISCOVERIES / max(len(candidates), 1):
            told.append(_Segment({column.name: column.levels[level] for column, level in parts}, inside))
            covered |= inside
    return told


def _again(
    held_back: tuple[Rows, Law],
    first: np.ndarray,
    told: Sequence[_Segment],
    names: Sequence[str],
    level: float,
) -> list[ConceptSegment]:
    if not told:
        return []
    rows, law = held_back
    groups = [compare_groups(rows, np.where(each.inside[~first], 0, 1), 2, law) for each in told]
    p_values = np.array([either(found.p_value)[0] for found in groups])
    result = []
    for each, found, p, adjusted in zip(told, groups, p_values, holm(p_values), strict=True):
        k = int(found.p_value[0].argmin())
        change, half = float(found.change[0, k]), np.inf
        if found.freedom[0, k] > 0:
            half = t_quantile(1 - level, float(found.freedom[0, k])) * float(found.error[0, k])
        confirmed = bool(adjusted <= level)
        said = "changed" if confirmed else "seemed to change, which the rows held back do not confirm"
        result.append(
            ConceptSegment(
                slice=each.name,
                outcome=names[k],
                change=change,
                ci=(change - half, change + half) if np.isfinite(half) else None,
                rows_reference=int(found.rows[0, 0]),
                rows_current=int(found.rows[1, 0]),
                p_value=float(p),
                adjusted_p_value=float(adjusted),
                confirmed=confirmed,
                detail=f"{names[k]}{name_slice(each.name)} {said}: by {number(change)} beyond what features explain",
            )
        )
    return sorted(result, key=lambda one: (not one.confirmed, -abs(one.change)))
