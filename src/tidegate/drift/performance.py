"""Realised performance: a metric of the current window against the reference, on rows that have labels."""

from dataclasses import dataclass

from tidegate.metrics import METRICS, dependent
from tidegate.metrics.base import finite_bounds
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.intervals import mover_difference
from tidegate.wording import number, plural

DEFAULT_METRIC = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "root_mean_squared_error"}
DEFAULT_DROP = 0.02
DEFAULT_RISE = 0.05
"""For errors, relative to the reference."""


@dataclass(frozen=True, slots=True)
class Realised:
    """A metric in both windows.

    Attributes:
        drop: how much worse the current window is; positive is worse, whichever direction the metric has.
        ci: of the drop, two-sided; None when the rows are too few to bound it.
        min_drop: the size that counts.
        fired: the interval excludes zero and the estimate exceeds `min_drop`.
    """

    reference: float
    current: float
    drop: float
    ci: tuple[float, float] | None
    confidence: float
    min_drop: float
    rows_reference: int
    rows_current: int
    fired: bool


@dataclass(frozen=True, slots=True)
class Performance:
    """Performance as far as it is known."""

    metric: str
    realised: Realised | None
    estimated: None
    detail: str


def realised_drop(
    metric: str, reference: Predictions, current: Predictions, *, confidence: float, min_drop: float | None
) -> Performance:
    """Compare a metric between two independent windows.

    The interval combines those of both windows (Zou & Donner 2008), in which clusters and weights are respected. A
    cluster in both makes it too wide rather than too narrow.

    Args:
        metric: a metric without options.
        reference: labelled rows of the reference.
        current: labelled rows of the current window.
        confidence: of the two-sided interval.
        min_drop: the size that counts; by default 0.02, and for errors 5% of the reference.
    """
    definition = METRICS[metric]
    then, now = (
        dependent.estimate(definition, data, Groups.everything(data.rows), {}, confidence)[0]
        for data in (reference, current)
    )
    if then.value is None or then.interval is None:
        return Performance(metric, None, None, f"{metric} of the reference window: {then.problem}")
    if now.value is None or now.interval is None:
        return Performance(metric, None, None, f"{metric} of the current window: {now.problem}")
    worse = mover_difference(then.value, then.interval, now.value, now.interval)
    worse = worse if definition.sign > 0 else -worse
    drop = definition.sign * (then.value - now.value)
    if min_drop is None:
        min_drop = DEFAULT_DROP if definition.sign > 0 else DEFAULT_RISE * abs(then.value)
    fired = worse.low > 0 and drop > min_drop
    realised = Realised(
        reference=then.value,
        current=now.value,
        drop=drop,
        ci=finite_bounds(worse),
        confidence=confidence,
        min_drop=min_drop,
        rows_reference=reference.rows,
        rows_current=current.rows,
        fired=fired,
    )
    return Performance(metric, realised, None, _in_words(metric, realised))


def _in_words(metric: str, realised: Realised) -> str:
    moved = "got worse by" if realised.drop > 0 else "got better by"
    bounds = "too few rows for an interval"
    if realised.ci is not None:
        low, high = realised.ci if realised.drop > 0 else (-realised.ci[1], -realised.ci[0])
        bounds = f"{number(low)}, {number(high)}"
    return (
        f"{metric} {number(realised.reference)} → {number(realised.current)}: {moved} {number(abs(realised.drop))}"
        f" [{bounds}] on {plural(realised.rows_current, 'labelled row')};"
        f" {number(realised.min_drop)} counts as a drop"
    )
