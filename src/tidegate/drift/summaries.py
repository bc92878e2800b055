"""What the drift tests need to know of a column: everything of a table at hand, little enough of one to keep."""

import math

import numpy as np

from tidegate.drift import calendar, texts
from tidegate.drift.column_summary import (
    BUCKETS,
    CategorySummary,
    DateSummary,
    NumericSummary,
    Summary,
    TextSummary,
    bucket,
)
from tidegate.drift.dependence import column_design_effect
from tidegate.metrics.data import canonical
from tidegate.tables import Column

__all__ = [
    "BUCKETS",
    "CategorySummary",
    "DateSummary",
    "NumericSummary",
    "Summary",
    "TextSummary",
    "bucket",
    "numeric",
    "summarise",
    "without_values",
]

_TINY, _HUGE = 1e-100, 1e100
"""Between these no square leaves the range of numbers."""


def summarise(
    column: Column,
    *,
    like: Summary | None = None,
    text: bool | None = None,
    timestamp: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
) -> Summary:
    """Everything that the tests need of a column.

    Args:
        column: n rows, of any kind.
        like: the summary of the reference, for a later window: says what is text, and by which words to measure it.
        text: whether a category is free text; by default its values tell.
        timestamp: shape (n,) datetime64, the time of each row, for the age of dates.
        cluster: shape (n,), codes of what rows come from, when these are not independent.
    """
    if column.kind == "number":
        return numeric(column.name, column.values, cluster)
    if column.kind == "time":
        return _dates(column, timestamp, cluster)
    by_reference = None if like is None else isinstance(like, TextSummary)
    asked = text if text is not None else by_reference
    if texts.is_text(column) if asked is None else asked:
        return _texts(column, like.vocabulary if isinstance(like, TextSummary) else None, cluster)
    return _categories(column, cluster)


def without_values(name: str, rows: int, like: Summary) -> Summary:
    """The summary of a column that is missing in every row, of the kind of another."""
    if isinstance(like, NumericSummary):
        return numeric(name, np.full(rows, np.nan))
    if isinstance(like, DateSummary):
        return DateSummary(name, rows, rows)
    if isinstance(like, TextSummary):
        return TextSummary(name, rows, rows)
    return CategorySummary(name, rows, rows, {}, boolean=like.boolean)


def numeric(name: str, values: np.ndarray, cluster: np.ndarray | None = None) -> NumericSummary:
    """The summary of numbers; NaN is missing.

    Args:
        name: of the column.
        values: shape (n,) float64.
        cluster: shape (n,), as for :func:`summarise`.
    """
    finite = np.isfinite(values)
    ascending = np.sort(values if finite.all() else values[finite])
    # One spelling of zero.
    ascending += 0.0
    last = np.flatnonzero(ascending[1:] != ascending[:-1]) if len(ascending) else np.empty(0, dtype=np.int64)
    if len(ascending):
        last = np.append(last, len(ascending) - 1)
    mean, spread = _moments(ascending)
    infinite = 0 if len(ascending) == len(values) else int(np.isinf(values).sum())
    return NumericSummary(
        name=name,
        rows=len(values),
        missing=len(values) - len(ascending) - infinite,
        infinite=infinite,
        points=ascending if len(last) == len(ascending) else ascending[last],
        upto=last + 1,
        mean=mean,
        spread=spread,
        design_effect=_design_effect(Column(name, "number", values), cluster),
        clusters=_clusters(cluster),
    )


def _moments(ascending: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation, without squares beyond the largest number."""
    if not len(ascending):
        return 0.0, 0.0
    largest = float(max(abs(ascending[0]), abs(ascending[-1])))
    if largest == 0 or ascending[0] == ascending[-1]:
        return float(ascending[0]), 0.0
    scale = largest if not _TINY < largest < _HUGE else 1.0
    deviations = ascending / scale if scale != 1.0 else ascending
    mean = float(deviations.mean())
    deviations = deviations - mean
    return mean * scale, math.sqrt(float(deviations @ deviations) / len(deviations)) * scale


def _design_effect(column: Column, cluster: np.ndarray | None) -> float:
    return 1.0 if cluster is None else column_design_effect(column, cluster)


def _clusters(cluster: np.ndarray | None) -> int | None:
    return None if cluster is None else len(np.unique(cluster))


def _categories(column: Column, cluster: np.ndarray | None) -> CategorySummary:
    found = np.bincount(column.values + 1, minlength=len(column.levels) + 1).tolist()
    counts: dict[str, int] = {}
    for level, count in zip(column.levels, found[1:], strict=True):
        if count:
            name = canonical(level)
            counts[name] = counts.get(name, 0) + count
    return CategorySummary(
        name=column.name,
        rows=len(column.values),
        missing=found[0],
        counts=counts,
        boolean=bool(column.levels) and all(isinstance(level, bool) for level in column.levels),
        design_effect=_design_effect(column, cluster),
        clusters=_clusters(cluster),
    )


def _texts(column: Column, vocabulary: tuple[str, ...] | None, cluster: np.ndarray | None) -> TextSummary:
    described = texts.describe(column, vocabulary)
    descriptors = {}
    for name, values in described.values.items():
        known = ~np.isnan(values)
        of = None if cluster is None else cluster[described.rows[known]]
        descriptors[name] = numeric(name, values[known], of)
    gaps = Column(column.name, "category", np.where(column.values < 0, -1, 0).astype(np.int32), ("filled",))
    return TextSummary(
        name=column.name,
        rows=len(column.values),
        missing=int((column.values < 0).sum()),
        descriptors=descriptors,
        vocabulary=described.vocabulary,
        design_effect=_design_effect(gaps, cluster),
        clusters=_clusters(cluster),
    )


def _dates(column: Column, timestamp: np.ndarray | None, cluster: np.ndarray | None) -> DateSummary:
    known = ~column.missing
    times = column.values[known].astype("datetime64[us]")
    gaps = Column(column.name, "category", np.where(known, 0, -1).astype(np.int32), ("filled",))
    parts = calendar.parts(times)
    age = None
    if timestamp is not None:
        age = numeric("age", calendar.days_before(column.values, timestamp), cluster)
    return DateSummary(
        name=column.name,
        rows=len(column.values),
        missing=int((~known).sum()),
        first=calendar.written(times.min()) if len(times) else None,
        last=calendar.written(times.max()) if len(times) else None,
        weekday=_calendar_part("weekday", calendar.WEEKDAYS, parts.weekday, parts.week),
        hour=_calendar_part("hour", calendar.HOURS, parts.hour, parts.day),
        age=age if age is not None and age.spread > 0 else None,
        design_effect=_design_effect(gaps, cluster),
        clusters=_clusters(cluster),
    )


def _calendar_part(
    name: str, levels: tuple[str, ...], codes: np.ndarray | None, unit: np.ndarray
) -> CategorySummary | None:
    """Rows of one day have much in common, and so have those of one week: these are what is independent."""
    if codes is None:
        return None
    return _categories(Column(name, "category", codes.astype(np.int32), levels), unit)
