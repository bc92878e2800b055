"""Numbers and times as categories: bins with edges that are given or taken from the values, and calendar periods."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from tidegate.tables import Column

Period = Literal["hour", "day", "week", "month", "quarter", "year"]
ONE_BIN = "any number"

_UNITS: dict[Period, Literal["h", "D", "M", "Y"]] = {
    "hour": "h",
    "day": "D",
    "week": "D",
    "month": "M",
    "quarter": "M",
    "year": "Y",
}
_WEEK = 7
# Day 0, 1970-01-01, was a Thursday: three days after the Monday of its week.
_THURSDAY = 3
_QUARTER = 3


def bin_numbers(column: Column, edges: Sequence[float]) -> Column:
    """A number as the bins between edges: ``< 10``, ``[10, 20)``, ``>= 20``.

    Args:
        column: a number; missing values stay missing, infinite ones fall into the outer bins.
        edges: finite and increasing; none gives one bin of all numbers.

    Returns:
        A category whose levels are all bins in their order, those without rows included.

    Raises:
        ValueError: edges that are not finite and increasing.
    """
    limits = np.asarray(edges, dtype=np.float64)
    if limits.ndim != 1 or not np.isfinite(limits).all() or (np.diff(limits) <= 0).any():
        raise ValueError("the edges of bins must be finite numbers, each larger than the one before")
    codes = np.searchsorted(limits, column.values, side="right").astype(np.int32)
    codes[np.isnan(column.values)] = -1
    return Column(column.name, "category", codes, _bin_labels(limits.tolist()))


def quantile_edges(values: np.ndarray, bins: int) -> list[float]:
    """Edges that cut values into bins of rows as equal as repeated values allow.

    An edge is as short a decimal as parts the same rows, so that labels stay readable. Few distinct values give fewer
    edges; a constant gives none.

    Args:
        values: shape (n,); NaN is ignored.
        bins: how many, at least 1.

    Returns:
        At most ``bins - 1`` increasing edges for :func:`bin_numbers`; no bin between them is empty.
    """
    distinct, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    below = np.cumsum(counts) - counts
    usable = np.isfinite(distinct)
    # An edge at the least value would leave nothing below it.
    usable[:1] = False
    candidates, shares = distinct[usable], below[usable]
    if len(candidates) == 0:
        return []
    targets = np.arange(1, bins) * (counts.sum() / bins)
    right = np.clip(np.searchsorted(shares, targets), 1, max(len(shares) - 1, 1))
    left = right - 1
    right = np.minimum(right, len(shares) - 1)
    chosen = np.unique(np.where(targets - shares[left] <= shares[right] - targets, left, right))
    position = np.flatnonzero(usable)[chosen]
    return [_shortest_between(float(distinct[i - 1]), float(distinct[i])) for i in position]


def _shortest_between(below: float, value: float) -> float:
    """The number with the fewest digits above `below` and not above `value`: it parts them as `value` does."""
    for digits in range(1, 17):
        rounded = float(f"{value:.{digits}g}")
        if below < rounded <= value:
            return rounded
    return value


def bin_times(column: Column, period: Period) -> Column:
    """A time as the calendar period that it falls into, in UTC.

    Labels: ``2026-01-31 13h``, ``2026-01-31``, ``2026-W05`` (ISO 8601 weeks), ``2026-01``, ``2026-Q1``, ``2026``.

    Args:
        column: a time; missing values stay missing.
        period: ``hour``, ``day``, ``week``, ``month``, ``quarter`` or ``year``.

    Returns:
        A category whose levels are the periods that occur, in their order.
    """
    missing = np.isnat(column.values)
    number = column.values.astype(f"datetime64[{_UNITS[period]}]").astype(np.int64)
    if period == "week":
        number = (number + _THURSDAY) // _WEEK
    elif period == "quarter":
        number = number // _QUARTER
    found, codes = np.unique(number[~missing], return_inverse=True)
    values = np.full(len(number), -1, dtype=np.int32)
    values[~missing] = codes
    return Column(column.name, "category", values, tuple(_period_labels(found, period)))


def _bin_labels(edges: list[float]) -> tuple[str, ...]:
    if not edges:
        return (ONE_BIN,)
    shown = [_plain(edge) for edge in edges]
    between = [f"[{low}, {high})" for low, high in pairwise(shown)]
    return (f"< {shown[0]}", *between, f">= {shown[-1]}")


def _plain(edge: float) -> str:
    """The shortest text that reads back as the same number."""
    return str(int(edge)) if edge.is_integer() and abs(edge) < 1e15 else repr(edge)


def _period_labels(number: np.ndarray, period: Period) -> list[str]:
    if period == "week":
        # The ISO year of a week is that of its Thursday.
        thursday = (number * _WEEK).astype("datetime64[D]")
        year = thursday.astype("datetime64[Y]")
        week = (thursday - year.astype("datetime64[D]")).astype(np.int64) // _WEEK + 1
        return [f"{y}-W{w:02d}" for y, w in zip(year.astype(str).tolist(), week.tolist(), strict=True)]
    if period == "quarter":
        first = (number * _QUARTER).astype("datetime64[M]")
        quarter = number % (12 // _QUARTER) + 1
        return [
            f"{y}-Q{q}"
            for y, q in zip(first.astype("datetime64[Y]").astype(str).tolist(), quarter.tolist(), strict=True)
        ]
    labels: list[str] = number.astype(f"datetime64[{_UNITS[period]}]").astype(str).tolist()
    return [label.replace("T", " ") + "h" for label in labels] if period == "hour" else labels
