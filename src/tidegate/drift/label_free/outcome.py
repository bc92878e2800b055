"""From what is not known about an estimate to its intervals, its verdict and the words for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.drift.label_free.results import Agreement
from tidegate.drift.performance import DEFAULT_DROP, DEFAULT_RISE
from tidegate.metrics.base import Metric, Options
from tidegate.stats.intervals import logit_interval, t_quantile
from tidegate.wording import number, plural

_OF_ORDER = ("roc_auc", "average_precision")
CONCEPT = (
    "labels hang on what is known of a row as they did in the reference: a change of that relation (concept drift)"
    " cannot be seen without labels"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, and how sure it is to be."""

    name: str
    metric: Metric
    options: Options
    confidence: float
    min_drop: float | None


@dataclass(frozen=True, slots=True)
class Uncertain:
    """An estimate and the variances of what is not known about it.

    Attributes:
        value: expected metric of the current window.
        labels: that the labels of this window are drawn at random.
        reference: that what links labels to rows was learnt from a finite reference.
        rows: that the rows of the current window are drawn at random.
        joint: of the difference to the metric of the reference, as far as the reference's rows and labels go.
        step: how far one label moves the metric.
    """

    value: float
    labels: float
    reference: float
    rows: float
    joint: float
    step: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """Intervals of the value and of the drop."""

    value: tuple[float, float]
    drop: tuple[float, float]


def bounds(metric: Metric, found: Uncertain, reference_value: float, confidence: float) -> Bounds:
    """Intervals, by a normal approximation; of measures of an order on the logit scale.

    That of the value is of the metric which this window's labels will show. That of the drop is of the same metric
    against the reference's, and it is no narrower than what the difference of both windows' laws needs: rows that were
    drawn by chance, in either window, are no drop.
    """
    realised = found.labels + found.reference
    law = found.labels + max(found.reference, found.rows + found.joint)
    value = _interval(metric, found.value, realised, found.step, confidence)
    ends = _interval(metric, found.value, law, found.step, confidence)
    first, second = (metric.sign * (reference_value - end) for end in ends)
    return Bounds(value, (min(first, second), max(first, second)))


def _interval(
    metric: Metric, value: float, variance: float, step: float, confidence: float
) -> tuple[float, float]:
    if metric.name in _OF_ORDER:
        # Few positives skew them away from their nearer end; at the end itself a logit has no bounds.
        error = min(math.sqrt(variance), 0.5)
        skewed = logit_interval(min(max(value, error), 1 - error), variance, confidence=confidence)
        return min(skewed.low, value), max(skewed.high, value)
    half = t_quantile(confidence, math.inf) * math.sqrt(variance) + step / 2
    low, high = extent(metric)
    return max(value - half, low), min(value + half, high)


def extent(metric: Metric) -> tuple[float, float]:
    """Between which values the metric lies."""
    if metric.extent is not None:
        return metric.extent
    if metric.name in _OF_ORDER:
        return 0.0, 1.0
    # A cost may be negative where a right answer is a gain; losses are not.
    return (-math.inf, math.inf) if metric.options else (0.0, math.inf)


def smallest_drop(metric: Metric, reference_value: float, min_drop: float | None) -> float:
    """The size that counts: as configured, else 0.02, and 5% of the reference for errors."""
    if min_drop is not None:
        return min_drop
    return DEFAULT_DROP if metric.sign > 0 else DEFAULT_RISE * abs(reference_value)


def agreement(
    realised: float, estimated: float, variance: float, step: float, rows: int, confidence: float
) -> Agreement:
    """Compare labels that have arrived with what was expected of the same rows."""
    half = t_quantile(confidence, math.inf) * math.sqrt(variance) + step / 2
    difference = realised - estimated
    disagrees = abs(difference) > half
    said = (
        f"on the {plural(rows, 'row')} of the current window that have a label the metric is {number(realised)} where"
        f" {number(estimated)} was expected (difference {number(difference)}"
        f" [{number(difference - half)}, {number(difference + half)}])"
    )
    ends = "concept drift is suspected" if disagrees else "no sign of concept drift"
    return Agreement(
        rows,
        realised,
        estimated,
        difference,
        (difference - half, difference + half),
        disagrees,
        f"{said}: {ends}",
    )


def in_words(
    metric: str,
    method: str,
    values: tuple[float, float],
    drop: float,
    ci: tuple[float, float],
    min_drop: float,
    rows: int,
    broken: Sequence[str],
) -> str:
    """One sentence with the estimate."""
    moved = "worse" if drop > 0 else "better"
    low, high = ci if drop > 0 else (-ci[1], -ci[0])
    doubt = f"; not to be relied on: {broken[0]}" if broken else ""
    return (
        f"{metric} {number(values[0])} → {number(values[1])} as estimated without labels ({method}): {moved} by"
        f" {number(abs(drop))} [{number(low)}, {number(high)}] on {plural(rows, 'row')};"
        f" {number(min_drop)} counts as a drop{doubt}"
    )


def finite(values: Sequence[float]) -> bool:
    """Whether all figures can be published."""
    return bool(np.isfinite(np.asarray(values, dtype=np.float64)).all())
