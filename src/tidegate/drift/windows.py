"""Two windows in memory: their columns and realised performance, and the decision. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tidegate.drift.concluding import Circumstances, conclude
from tidegate.drift.levels import Question, divided
from tidegate.drift.performance import Realised, realised_drop
from tidegate.drift.quality import Finding
from tidegate.drift.results import Columns, DriftResult, Seen
from tidegate.drift.rules import Policy
from tidegate.drift.univariate import ColumnTest, compare_columns
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

NEVER = Policy()


@dataclass(frozen=True, slots=True)
class Window:
    """One window of production rows.

    Attributes:
        rows: number of rows, at least one.
        features: the columns to watch.
        prediction: the score, or else the prediction.
        label: the label, with its missing values.
        labelled: the rows that have a label, as predictions; None when a metric cannot be computed on them.
    """

    rows: int
    features: Mapping[str, Column]
    prediction: Column | None = None
    label: Column | None = None
    labelled: Predictions | None = None


def watch(
    reference: Window,
    current: Window,
    policy: Policy = NEVER,
    *,
    false_alarm_rate: float = 0.01,
    min_effect: float = 0.05,
    metric: str | None = None,
    min_drop: float | None = None,
    findings: Sequence[Finding] = (),
    new_rows: int | None = None,
    now: datetime | None = None,
) -> DriftResult:
    """Compare two windows and apply the trigger policy.

    Args:
        reference: the window that things are compared with.
        current: the window under watch; same features as the reference.
        policy: when to retrain.
        false_alarm_rate: of the whole report.
        min_effect: size of a change of a column that counts.
        metric: of realised performance; None when it cannot be computed.
        min_drop: size of a drop that counts.
        findings: what reading the windows has already found.
        new_rows: rows that production was not trained on; by default those of the current window.
        now: time of the report.
    """
    both = reference.labelled is not None and current.labelled is not None
    asked: list[Question] = ["columns", "performance"] if metric is not None and both else ["columns"]
    levels = divided(false_alarm_rate, asked)
    realised: Realised | str | None = None
    if metric is not None:
        realised = _realised(metric, reference.labelled, current.labelled, levels, min_drop)
    known = None if current.label is None else current.rows - int(current.label.missing.sum())
    seen = Seen(
        columns=_tested(reference, current, min_effect, levels["columns"]),
        metric=metric,
        realised=realised,
        quality=list(findings),
        rows=current.rows,
        labels=known,
        new_rows=new_rows,
    )
    return conclude(seen, policy, levels, Circumstances(now=now or datetime.now(UTC)), min_effect=min_effect)


def one_sided(level: float) -> float:
    """Confidence of a two-sided interval of which one side alone raises an alarm."""
    return 1 - 2 * level


def known(label: Column | None) -> Column | None:
    """Labels that have arrived: those still missing say nothing about drift."""
    if label is None or label.missing.all():
        return None
    return label.take((~label.missing).nonzero()[0])


def _realised(
    metric: str,
    reference: Predictions | None,
    current: Predictions | None,
    levels: Mapping[Question, float],
    min_drop: float | None,
) -> Realised | str:
    if reference is None or current is None:
        window = "reference" if reference is None else "current"
        return f"the {window} window has no labels, so performance is not known"
    confidence = one_sided(levels["performance"])
    found = realised_drop(metric, reference, current, confidence=confidence, min_drop=min_drop)
    return found.realised or found.detail


def _tested(reference: Window, current: Window, min_effect: float, level: float) -> Columns:
    outcomes = [(reference.prediction, current.prediction), (known(reference.label), known(current.label))]
    count = len(reference.features) + sum(a is not None and b is not None for a, b in outcomes)

    def test(then: Column, now: Column) -> ColumnTest:
        return compare_columns(then, now, min_effect=min_effect, level=level / max(count, 1))

    prediction, label = (None if then is None or now is None else test(then, now) for then, now in outcomes)
    features = [test(column, current.features[name]) for name, column in reference.features.items()]
    return Columns(features=features, prediction=prediction, label=label)
