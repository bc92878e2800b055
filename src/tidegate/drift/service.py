"""Service over time: what answering costs, business outcomes, and how many rows a day brings."""

from collections.abc import Sequence

import numpy as np

from tidegate.drift.figures import FAR, Figure, Measure
from tidegate.metrics.base import ALL_TASKS, needed
from tidegate.metrics.data import Predictions
from tidegate.metrics.rows import RowMean
from tidegate.stats.intervals import mean_t
from tidegate.tables import Column
from tidegate.wording import plural

_FULL_DAYS = 3
_MOST_DAYS = 100_000
_DAY = 86_400
_LATENCY = RowMean(
    name="latency_mean",
    tasks=ALL_TASKS,
    better="lower",
    parts=frozenset({"latency"}),
    values=lambda data, options: needed(data.latency),
)
_SERVICE = ("latency_p50", "latency_p95", "latency_p99", "error_rate", "cost_per_row")


def service_measures(data: Predictions, kpi: Sequence[str]) -> list[Measure]:
    """What of latency, errors, cost and outcomes the table has."""
    parts = {"error_rate": "error", "cost_per_row": "cost"}
    found = [Measure(name) for name in _SERVICE if getattr(data, parts.get(name, "latency")) is not None]
    if data.latency is not None:
        found.insert(0, Measure(_LATENCY.name, definition=_LATENCY))
    return found + [Measure("mean", {"column": name}) for name in kpi if (name, "number") in data.columns]


def rows_per_day(times: Column, *, confidence: float) -> Figure:
    """Rows per calendar day, by the days that are there as a whole: the first and the last are cut off somewhere.

    Days are the units of the interval (Student's t), for rows do not come independently of one another.
    """
    values = times.values.astype("datetime64[us]")
    values = values[~np.isnat(values)]
    if not len(values):
        return Figure(None, 0, (), "no row has a time")
    days = values.astype("datetime64[D]").astype(np.int64)
    counts = (
        np.bincount(days - days.min(), minlength=1) if days.max() - days.min() < _MOST_DAYS else np.zeros(0)
    )
    full = counts[1:-1]
    if len(full) < _FULL_DAYS:
        seconds = max(float((values.max() - values.min()).astype(np.float64)) / 1e6, 1.0)
        problem = f"{plural(len(full), 'full day')}, too few for an interval"
        return Figure(len(values) * _DAY / seconds, len(values), (), problem)
    mean, variance = float(full.mean()), float(full.var(ddof=1))
    limits = []
    for level in sorted({confidence, max(confidence, FAR)}):
        bounds = mean_t(mean, variance, len(full), confidence=level)
        limits.append((level, max(bounds.low, 0.0), bounds.high))
    return Figure(mean, int(full.sum()), tuple(limits))
