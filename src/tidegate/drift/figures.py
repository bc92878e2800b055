"""A metric of one window with all it needs to be compared later: small enough to keep where the rows are not."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import special

from tidegate.documents import is_number
from tidegate.errors import ConfigError, DataError
from tidegate.metrics import METRICS, Metric, dependent, find
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.intervals import mover_difference, t_quantile
from tidegate.stats.results import Interval
from tidegate.suggest import did_you_mean
from tidegate.wording import name_measure, significant

FAR = 0.9999
"""Confidence of the second interval that is kept: p-values that are corrected for many tests lie out there."""
_STEPS = 60
_UNSAID = frozenset({"column", "by", "min_rows"})
_FARTHEST = 40.0


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric with its options.

    Attributes:
        metric: by name, such as ``roc_auc`` or ``latency_p95``.
        options: such as ``column``, ``by`` (cuts) or ``k``.
        definition: of the metric, where it is none of those with a name.

    Raises:
        ConfigError: there is no metric of that name, or it lacks an option.
    """

    metric: str
    options: Mapping[str, Any] = field(default_factory=dict)
    definition: Metric | None = None

    def __post_init__(self) -> None:
        known = find(self.metric)
        if self.definition is None and known is None:
            raise ConfigError(f"unknown metric {self.metric!r}.{did_you_mean(self.metric, METRICS)}")
        implied = known.implied if known else {}
        missing = self.how.options - self.options.keys() - implied.keys()
        if missing:
            raise ConfigError(f"metric {self.metric!r} needs {' and '.join(sorted(missing))}")

    @property
    def how(self) -> Metric:
        """The metric itself."""
        found = find(self.metric)
        return self.definition or (found.metric if found else METRICS[self.metric])

    @property
    def settled(self) -> dict[str, Any]:
        """All options: those that the metric has by default, those that its name implies, and those given."""
        found = find(self.metric)
        return {**self.how.settled, **(found.implied if found else {}), **self.options}

    @property
    def name(self) -> str:
        """In words, as results are told apart by."""
        by = [cut.column for cut in self.options.get("by", ())]
        others = {key: value for key, value in self.options.items() if key not in _UNSAID}
        plain = {key: value for key, value in others.items() if isinstance(value, int | float | str)}
        return name_measure(self.metric, self.options.get("column"), by or None, plain)


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of the rows of one window, or of one slice of them.

    Attributes:
        value: None when it does not exist, for the reason in `problem`.
        rows: the rows that it stands on.
        limits: intervals as ``(confidence, low, high)``, the confidences ascending; bounds that the rows cannot give
            are None.
    """

    value: float | None
    rows: int
    limits: tuple[tuple[float, float | None, float | None], ...] = ()
    problem: str = ""

    def reach(self, z: float, *, up: bool) -> float:
        """How far the interval of the level that belongs to `z` reaches from the value to one side; may be infinite.

        Between the levels that are kept it is interpolated, so that skewed intervals stay skewed; one level alone is
        stretched as a normal one would be.
        """
        if self.value is None or not self.limits:
            return math.inf
        places, widths = [0.0], [0.0]
        for confidence, low, high in self.limits:
            bound = high if up else low
            places.append(t_quantile(confidence, math.inf))
            widths.append(math.inf if bound is None else max(abs(bound - self.value), widths[-1]))
        for i in range(1, len(places)):
            if z <= places[i]:
                share = (z - places[i - 1]) / (places[i] - places[i - 1])
                return widths[i - 1] + share * (widths[i] - widths[i - 1]) if share > 0 else widths[i - 1]
        # Intervals that widen faster than a normal one go on to do so.
        steps = zip(places, places[1:], widths, widths[1:], strict=False)
        if math.isinf(widths[-1]):
            return math.inf
        steepest = max((right - left) / (b - a) for a, b, left, right in steps)
        return widths[-1] + steepest * (z - places[-1])

    def interval(self, confidence: float) -> Interval:
        """Two-sided; bounds may be infinite."""
        z, value = t_quantile(confidence, math.inf), self.value or 0.0
        return Interval(value - self.reach(z, up=False), value + self.reach(z, up=True))

    def bounds(self, confidence: float) -> tuple[float, float] | None:
        """The interval as it is published: None where the rows do not bound it."""
        interval = self.interval(confidence)
        finite = math.isfinite(interval.low) and math.isfinite(interval.high)
        return (interval.low, interval.high) if finite else None


@dataclass(frozen=True, slots=True)
class Change:
    """Current minus reference of a figure.

    Attributes:
        interval: two-sided (Zou & Donner, 2008); bounds may be infinite.
        p_value: two-sided, of no change: where the interval begins to hold zero.
    """

    change: float
    interval: Interval
    p_value: float


def figures(measure: Measure, data: Predictions, groups: Groups, *, confidence: float) -> list[Figure]:
    """A metric on each group of rows, clusters and weights respected; one that does not exist there says why."""
    problem = unreadable(measure, data)
    if problem:
        return [Figure(None, 0, (), problem)] * groups.count
    levels = sorted({confidence, max(confidence, FAR)})
    with np.errstate(over="ignore", invalid="ignore"):
        found = [dependent.estimate(measure.how, data, groups, measure.settled, level) for level in levels]
    result = []
    for each in zip(*found, strict=True):
        first = each[0]
        if first.value is None or not math.isfinite(first.value):
            problem = first.problem or "it is too large a number"
            result.append(Figure(None, first.rows, (), problem))
            continue
        limits = [
            (
                level,
                *((_finite(one.interval.low), _finite(one.interval.high)) if one.interval else (None, None)),
            )
            for level, one in zip(levels, each, strict=True)
        ]
        # The order of rows shows in the last digits, which a difference would bring to the fore.
        result.append(Figure(significant(first.value), first.rows, tuple(limits)))
    return result


def change(reference: Figure, current: Figure, *, confidence: float) -> Change | None:
    """Compare a figure of two independent windows; None where one of them has no value."""
    if reference.value is None or current.value is None:
        return None
    moved = current.value - reference.value
    if not math.isfinite(moved):
        return None
    between = mover_difference(
        current.value, current.interval(confidence), reference.value, reference.interval(confidence)
    )
    return Change(moved, between, _p_value(reference, current, moved))


def _p_value(reference: Figure, current: Figure, moved: float) -> float:
    """Two-sided: the level at which the interval of the change touches zero, by bisection."""
    if moved == 0:
        return 1.0
    low, high = 0.0, _FARTHEST
    for _ in range(_STEPS):
        z = (low + high) / 2
        width = math.hypot(reference.reach(z, up=moved > 0), current.reach(z, up=moved < 0))
        low, high = (z, high) if width < abs(moved) else (low, z)
    return float(2 * special.ndtr(-low))


def unreadable(measure: Measure, data: Predictions) -> str:
    """Why a metric cannot be read off this table; empty when it can."""
    if data.task not in measure.how.tasks:
        return f"{measure.metric} is no metric of a {data.task} model"
    # What was measured of the model as a whole needs no column.
    missing = [part for part in measure.how.parts if getattr(data, part) is None]
    if missing and data.performance is None:
        return f"the table has no {' and no '.join(sorted(missing))}"
    for key in measure.how.columns(measure.settled).items():
        if key not in data.columns:
            return f"the table has no column {key[0]!r}"
    return ""


def _finite(value: float) -> float | None:
    return significant(value) if math.isfinite(value) else None


def figure_from_json(kept: object) -> Figure:
    """A figure as it was kept: ``{value, rows, limits}``, or ``{value, ci, rows, confidence}`` (0.95 by default).

    Raises:
        DataError: it is none; a stored file is not to be trusted.
    """
    if not isinstance(kept, Mapping):
        raise DataError("a stored figure must be a mapping with value, ci and rows: make the profile again")
    value, rows = kept.get("value"), kept.get("rows", 0)
    limits = kept.get("limits")
    if limits is None:
        bounds = kept.get("ci")
        limits = [] if bounds is None else [[kept.get("confidence", 0.95), *_sequence(bounds)]]
    levels = tuple(_level(each) for each in _sequence(limits))
    if not (value is None or is_number(value)) or not (type(rows) is int and rows >= 0):
        raise DataError(
            "a stored figure must have a finite value and a count of rows: make the profile again"
        )
    if [each[0] for each in levels] != sorted({each[0] for each in levels}):
        raise DataError("intervals of a stored figure must have ascending levels: make the profile again")
    return Figure(None if value is None else float(value), rows, levels, str(kept.get("problem", ""))[:200])


def _level(kept: object) -> tuple[float, float | None, float | None]:
    parts = _sequence(kept)
    if len(parts) != 3 or not is_number(parts[0]) or not 0 < parts[0] < 1:
        raise DataError(
            "an interval of a stored figure must be a level between 0 and 1 and two bounds: make the profile again"
        )
    if not all(each is None or is_number(each) for each in parts[1:]):
        raise DataError("bounds of a stored figure must be finite numbers or null: make the profile again")
    low, high = (None if each is None else float(each) for each in parts[1:])
    return float(parts[0]), low, high


def _sequence(kept: object) -> Sequence[Any]:
    if not isinstance(kept, list | tuple) or len(kept) > 10:
        raise DataError("intervals of a stored figure must be short lists: make the profile again")
    return kept
