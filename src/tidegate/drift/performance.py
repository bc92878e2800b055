"""Realised performance: metrics of the current window against the reference, on rows that have labels."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tidegate.drift.figures import Figure, Measure, change, figure_from_json, figures
from tidegate.errors import DataError
from tidegate.metrics.base import finite_bounds
from tidegate.metrics.data import Groups, Predictions
from tidegate.wording import number, plural

DEFAULT_METRIC = {"binary": "roc_auc", "multiclass": "accuracy", "regression": "root_mean_squared_error"}
DEFAULT_DROP = 0.02
DEFAULT_RISE = 0.05
"""For errors, relative to the reference."""
_MOST_STORED = 1_000


@dataclass(frozen=True, slots=True)
class Realised:
    """A metric in both windows.

    Attributes:
        drop: how much worse the current window is; positive is worse, whichever direction the metric has.
        ci: of the drop, two-sided; None when the rows are too few to bound it.
        min_drop: the size that counts.
        fired: the interval excludes zero and the estimate exceeds `min_drop`.
        p_value: two-sided, of no change; below one minus the confidence where the interval excludes zero.
        p_worse: one-sided, of being no worse: what a monitor over many windows adds up.
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
    p_value: float = 1.0
    p_worse: float = 0.5


@dataclass(frozen=True, slots=True)
class Performance:
    """Performance as far as it is known."""

    metric: str
    realised: Realised | None
    estimated: None
    detail: str


@dataclass(frozen=True, slots=True)
class ReferenceFigures:
    """What a profile keeps of the performance on the reference: figures by the name of their measure."""

    figures: dict[str, Figure] = field(default_factory=dict)

    @classmethod
    def of(cls, measures: Sequence[Measure], data: Predictions, *, confidence: float) -> "ReferenceFigures":
        """Measure the reference once, for comparisons at any confidence up to about the one given."""
        everything = Groups.everything(data.rows)
        found = {each.name: figures(each, data, everything, confidence=confidence)[0] for each in measures}
        return cls(found)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: asdict(each) for name, each in self.figures.items()}

    @classmethod
    def from_json(cls, kept: object) -> "ReferenceFigures":
        """Read what :meth:`to_json` wrote, or a mapping of names to ``{value, ci, rows}``.

        Raises:
            DataError: it is neither.
        """
        if not isinstance(kept, Mapping) or len(kept) > _MOST_STORED:
            raise DataError("stored performance must map names of metrics to figures: make the profile again")
        return cls({str(name): figure_from_json(each) for name, each in kept.items()})

    def figure(self, measure: Measure) -> Figure:
        """The figure of a measure; one without a value where none is kept."""
        missing = Figure(None, 0, (), "the profile does not hold it: make the profile again")
        return self.figures.get(measure.name, missing)


def realised_drop(
    metric: str,
    reference: Predictions | ReferenceFigures,
    current: Predictions,
    *,
    confidence: float,
    min_drop: float | None,
    options: Mapping[str, Any] | None = None,
) -> Performance:
    """Compare a metric between two independent windows.

    The interval combines those of both windows (Zou & Donner 2008), in which clusters and weights are respected. A
    cluster in both makes it too wide rather than too narrow. The p-value is where that interval touches zero.

    Args:
        metric: by name.
        reference: labelled rows of the reference, or the figures that were kept of them.
        current: labelled rows of the current window.
        confidence: of the two-sided interval.
        min_drop: the size that counts; by default 0.02, and for errors 5% of the reference.
        options: of the metric, beyond those that it has by default.

    Raises:
        ConfigError: there is no such metric, or it lacks an option.
    """
    measure = Measure(metric, options or {})
    then = (
        reference.figure(measure)
        if isinstance(reference, ReferenceFigures)
        else _whole(measure, reference, confidence)
    )
    rows = then.rows if isinstance(reference, ReferenceFigures) else reference.rows
    now = _whole(measure, current, confidence)
    return _compared(measure, then, now, (rows, current.rows), confidence, min_drop)


def _whole(measure: Measure, data: Predictions, confidence: float) -> Figure:
    return figures(measure, data, Groups.everything(data.rows), confidence=confidence)[0]


def _compared(
    measure: Measure,
    then: Figure,
    now: Figure,
    rows: tuple[int, int],
    confidence: float,
    min_drop: float | None,
) -> Performance:
    metric, sign = measure.name, measure.how.sign
    for window, each in (("reference", then), ("current", now)):
        if each.value is None:
            return Performance(metric, None, None, f"{metric} of the {window} window: {each.problem}")
    moved = change(then, now, confidence=confidence)
    if moved is None or then.value is None or now.value is None:
        return Performance(metric, None, None, f"{metric}: the difference is too large a number")
    worse = -moved.interval if sign > 0 else moved.interval
    drop = -sign * moved.change + 0.0
    if min_drop is None:
        min_drop = size_that_counts(measure, then.value)
    half = moved.p_value / 2
    realised = Realised(
        reference=then.value,
        current=now.value,
        drop=drop,
        ci=finite_bounds(worse),
        confidence=confidence,
        min_drop=min_drop,
        rows_reference=rows[0],
        rows_current=rows[1],
        fired=worse.low > 0 and drop > min_drop,
        p_value=moved.p_value,
        p_worse=half if drop > 0 else 1 - half,
    )
    return Performance(metric, realised, None, in_words(metric, realised))


def size_that_counts(measure: Measure, reference: float) -> float:
    """By default: 0.02 of what is better when higher, 5% of the reference of anything else."""
    return DEFAULT_DROP if measure.how.better == "higher" else DEFAULT_RISE * abs(reference)


def in_words(metric: str, realised: Realised) -> str:
    """One sentence with the metric of both windows."""
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
