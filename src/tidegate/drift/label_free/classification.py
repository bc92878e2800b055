"""Performance of a classifier without labels: CBPE, and PAPE where the calibration is weighted towards the window.

Confidence-based performance estimation takes calibrated scores for what they say: each row is right or wrong, positive
or negative, with the chance that rows of its score had in the reference. Probabilistic adaptive performance estimation
(Białek, Kuberski, Perrakis & Bifet, 2024) fits that calibration on the reference weighted towards the current window,
so that it holds there even if the score is not all that a label hangs on.
"""

from dataclasses import dataclass, replace

import numpy as np

from tidegate.drift.label_free.calibration import StoredCalibration, StoredMetric, score_columns
from tidegate.drift.label_free.expected import Expected, expected_cells, expected_metric
from tidegate.drift.label_free.labelling import labels_needed
from tidegate.drift.label_free.outcome import (
    CONCEPT,
    Asked,
    Uncertain,
    agreement,
    bounds,
    finite,
    in_words,
    smallest_drop,
)
from tidegate.drift.label_free.overlap import Weighed
from tidegate.drift.label_free.results import Agreement, CannotEstimateError, Estimated, LabelsNeeded, Method
from tidegate.drift.label_free.rows import check_answers, labelled_rows
from tidegate.metrics.base import Metric, needed
from tidegate.metrics.cells import CellMetric, row_weights
from tidegate.metrics.data import Predictions
from tidegate.stats.importance import noticeable
from tidegate.wording import number, plural

_SHOWN_CLASSES = 20
_FEW = {"average_precision": 50}
_FEW_OF_OTHERS = 20
_MUCH_OUTSIDE = 0.01
_CALIBRATED = (
    "chances of the classes hang on the score as they did in the reference, wherever rows have moved to"
)
_COVERED = (
    "labels hang on the features given as they did in the reference, and the reference has rows wherever the"
    " current window has them"
)


@dataclass(frozen=True, slots=True)
class _Window:
    """Rows with their chances, and what the metric is expected to be."""

    data: Predictions
    chances: np.ndarray
    expected: Expected
    uncertain: Uncertain
    label_variance: np.ndarray


def estimate_classes(
    stored: StoredCalibration, current: Predictions, asked: Asked, *, method: Method, weighed: Weighed | None
) -> Estimated:
    """Estimate a metric of the current window from a calibration.

    Args:
        stored: the calibration.
        current: scores and predictions; labels as far as they have arrived.
        asked: the metric.
        method: that the calibration was fitted for.
        weighed: how far the reference can speak for the window; None when not known.

    Raises:
        CannotEstimateError: there is no estimate.
    """
    metric = asked.metric
    realised = stored.metrics.get(asked.name)
    if realised is None:
        raise CannotEstimateError(f"the stored calibration knows nothing of {asked.name}")
    data, label = _aligned(current, stored)
    window = _expect(stored, realised, data, asked)
    min_drop = smallest_drop(metric, realised.value, asked.min_drop)
    found = bounds(metric, window.uncertain, realised.value, asked.confidence)
    value = window.expected.value
    drop = metric.sign * (realised.value - value)
    agreed = _agreement(stored, realised, data, label, asked)
    broken = _broken(stored, data, agreed, weighed)
    if not finite([value, drop, *found.value, *found.drop]):
        raise CannotEstimateError(f"{metric.name} of the current window is too large to be told")
    return Estimated(
        method=method,
        metric=asked.name,
        reference_value=realised.value,
        value=value,
        drop=drop,
        ci=found.drop,
        value_ci=found.value,
        confidence=asked.confidence,
        min_drop=min_drop,
        fired=found.drop[0] > 0 and drop > min_drop,
        rows_reference=stored.rows,
        rows_current=data.rows,
        effective_rows=stored.effective_rows,
        calibration=stored.quality,
        overlap=weighed.overlap if weighed else None,
        agreement=agreed,
        confusion=_confusion(window),
        assumptions=[CONCEPT, _COVERED if method == "pape" else _CALIBRATED],
        broken=broken,
        notes=[*_notes(metric, window), *_thinned(stored, weighed)],
        labels_needed=_labels(window, asked, min_drop),
        detail=in_words(
            asked.name, method.upper(), (realised.value, value), drop, found.drop, min_drop, data.rows, broken
        ),
    )


def _aligned(current: Predictions, stored: StoredCalibration) -> tuple[Predictions, np.ndarray]:
    """The current window with the classes of the reference, and its labels, -1 where there is none yet."""
    check_answers(current, "current window")
    label = np.full(current.rows, -1, dtype=np.int64)
    rows = labelled_rows(current)
    bare = replace(current.without_columns(), label=None)
    if current.task != stored.task:
        raise CannotEstimateError(
            f"the reference is of a {stored.task} task, the current window of a {current.task} one"
        )
    unknown = [name for name in current.classes if name not in stored.classes]
    if unknown:
        raise CannotEstimateError(
            f"the class {unknown[0]!r} of the current window does not occur in the reference, so nothing is known of it"
        )
    places = np.array([stored.classes.index(name) for name in current.classes], dtype=np.int64)
    if len(rows):
        label[rows] = places[needed(current.label)[rows]]
    if current.task == "binary" and current.classes != stored.classes:
        raise CannotEstimateError("the two windows do not have the same positive class")
    return bare.recoded(stored.classes), label


def _expect(stored: StoredCalibration, realised: StoredMetric, data: Predictions, asked: Asked) -> _Window:
    if "prediction" in asked.metric.parts and data.prediction is None:
        raise CannotEstimateError("the current window has no predictions")
    chances = stored.chances(data)
    expected = expected_metric(asked.metric, data, chances, asked.options)
    influence = expected.influence
    weight = row_weights(data) / row_weights(data).sum()
    mean = (chances * influence).sum(axis=1)
    # A reference without a surprise cannot say that there is less than one in as many rows as it has.
    rarest = 1 / stored.effective_rows
    reach = influence.max(axis=1) - influence.min(axis=1)
    of_labels = np.maximum((chances * influence**2).sum(axis=1) - mean**2, rarest * reach**2)
    moved = weight * mean
    sums = moved if data.cluster is None else np.bincount(data.cluster, weights=moved)
    gradient = stored.gradient(data, chances, influence)
    reference = float(gradient @ np.asarray(stored.covariance) @ gradient)
    shared = float(gradient @ np.asarray(realised.covariance))
    effect = 1.0 if data.cluster is None else stored.design_effect
    uncertain = Uncertain(
        value=expected.value,
        labels=effect * float(weight**2 @ of_labels),
        reference=max(reference, 0.0) + (rarest * float(weight @ reach)) ** 2,
        rows=float((sums**2).sum()),
        joint=max(realised.variance - 2 * shared + reference, 0.0),
        step=_step(asked.metric, reach, of_labels),
    )
    return _Window(data, chances, expected, uncertain, of_labels)


def _step(metric: Metric, reach: np.ndarray, of_labels: np.ndarray) -> float:
    """How far one label that may go either way moves a metric that is made of counts."""
    if not isinstance(metric, CellMetric) or not of_labels.any():
        return 0.0
    return float(np.average(reach, weights=of_labels)) / len(reach)


def _agreement(
    stored: StoredCalibration, realised: StoredMetric, data: Predictions, label: np.ndarray, asked: Asked
) -> Agreement | None:
    rows = np.flatnonzero(label >= 0)
    if not len(rows):
        return None
    part = data.take(rows)
    found = asked.metric.linearise(replace(part, label=label[rows].astype(np.int32)), asked.options)
    if found is None or not np.isfinite(found.value):
        return None
    try:
        window = _expect(stored, realised, part, asked)
    except CannotEstimateError:
        return None
    known = window.uncertain
    return agreement(
        found.value, known.value, known.labels + known.reference, known.step, len(rows), asked.confidence
    )


def _broken(
    stored: StoredCalibration, data: Predictions, agreed: Agreement | None, weighed: Weighed | None
) -> list[str]:
    found = [agreed.detail] if agreed is not None and agreed.disagrees else []
    if stored.quality.verdict == "poor":
        found.append(stored.quality.detail)
    columns = score_columns(data)
    low, high = np.array(stored.ranges).T
    outside = float(((columns < low) | (columns > high)).any(axis=1).mean())
    if outside >= _MUCH_OUTSIDE and noticeable(np.array(outside), stored.rows):
        found.append(f"{outside:.1%} of the scores lie outside the range that the reference has seen")
    return found + (weighed.problems if weighed else [])


def _confusion(window: _Window) -> list[list[float]] | None:
    if window.data.prediction is None or window.chances.shape[1] > _SHOWN_CLASSES:
        return None
    cells: list[list[float]] = expected_cells(window.data, window.chances).tolist()
    return cells


def _notes(metric: Metric, window: _Window) -> list[str]:
    weight = row_weights(window.data)
    counts = weight @ window.chances
    if isinstance(metric, CellMetric) and "class" not in metric.accepted and len(counts) > 2:
        return []
    least = float(counts.min())
    few = _FEW.get(metric.name, _FEW_OF_OTHERS)
    if least >= few or metric.name in ("accuracy", "log_loss", "brier_score", "expected_cost"):
        return []
    return [
        f"about {number(least)} rows of the rarer class are expected in this window: the interval, a normal"
        " approximation, is rough"
    ]


def _thinned(stored: StoredCalibration, weighed: Weighed | None) -> list[str]:
    if weighed is None or len(weighed.rows) >= stored.rows:
        return []
    return [f"weights rest on {len(weighed.rows):,} of {plural(stored.rows, 'row')} of the reference"]


def _labels(window: _Window, asked: Asked, min_drop: float) -> LabelsNeeded:
    data, chances = window.data, window.chances
    if data.task == "binary":
        of, key = "the score", needed(data.score)
    else:
        of, key = "the chance of the likeliest class", chances.max(axis=1)
    mean = (chances * window.expected.influence).sum(axis=1)
    return labels_needed(
        asked.metric,
        min_drop,
        asked.confidence,
        of=of,
        key=key,
        label_variance=window.label_variance,
        total_variance=float((mean**2 + window.label_variance).mean()),
    )
