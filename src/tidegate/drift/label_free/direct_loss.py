"""The estimate of a regression's metric from foreseen losses, with its intervals."""

import math
from collections.abc import Mapping

import numpy as np

from tidegate.drift.label_free.labelling import labels_needed
from tidegate.drift.label_free.loss_window import (
    ROOT,
    LossWindow,
    foreseen_window,
    losses_of,
    of_root,
    uncertainty,
    weights_of,
)
from tidegate.drift.label_free.outcome import (
    CONCEPT,
    Asked,
    agreement,
    bounds,
    finite,
    in_words,
    smallest_drop,
)
from tidegate.drift.label_free.overlap import Weighed
from tidegate.drift.label_free.results import (
    Agreement,
    CannotEstimateError,
    ErrorModel,
    Estimated,
    LabelsNeeded,
)
from tidegate.drift.label_free.rows import check_answers, labelled_rows
from tidegate.metrics.base import Metric
from tidegate.metrics.cells import row_weights
from tidegate.metrics.data import Predictions
from tidegate.metrics.rows import RowMean
from tidegate.tables import Column
from tidegate.wording import number, plural

_LITTLE = 0.01
_COVERED = (
    "errors hang on the features given, and on the prediction, as they did in the reference, which has rows wherever"
    " the current window has them"
)


def estimate_losses(
    reference: Predictions,
    current: Predictions,
    asked: Asked,
    reference_features: Mapping[str, Column],
    current_features: Mapping[str, Column],
    *,
    weighed: Weighed | None,
    seed: int,
) -> Estimated:
    """Estimate a mean loss of the current window, or its root.

    Args:
        reference: labelled rows that can be used.
        current: predictions; labels as far as they have arrived.
        asked: the metric.
        reference_features: of the reference's rows.
        current_features: of the current window's rows.
        weighed: the reference weighted towards the current window; None when it cannot be.
        seed: of the choice of rows and of the model.

    Raises:
        CannotEstimateError: there is no estimate.
    """
    check_answers(current, "current window")
    metric = asked.metric
    loss = losses_of(metric, reference, asked.options)
    window = foreseen_window(reference, current, loss, reference_features, current_features, weighed, seed)
    weight = row_weights(reference)
    then = float(np.average(loss, weights=weight))
    influence = weight / weight.sum() * (loss - then)
    uncertain = uncertainty(reference, current, window, influence)
    realised = math.sqrt(then) if metric.name == ROOT else then
    if metric.name == ROOT:
        uncertain = of_root(uncertain, then)
    min_drop = smallest_drop(metric, realised, asked.min_drop)
    found = bounds(metric, uncertain, realised, asked.confidence)
    drop = uncertain.value - realised
    if not finite([uncertain.value, realised, *found.value, *found.drop]):
        raise CannotEstimateError(f"errors are too large for {metric.name} to be told")
    agreed = _agreement(current, window, asked)
    broken = [agreed.detail] if agreed is not None and agreed.disagrees else []
    broken += weighed.problems if weighed else []
    return Estimated(
        method="dle",
        metric=asked.name,
        reference_value=realised,
        value=uncertain.value,
        drop=drop,
        ci=found.drop,
        value_ci=found.value,
        confidence=asked.confidence,
        min_drop=min_drop,
        fired=found.drop[0] > 0 and drop > min_drop,
        rows_reference=reference.rows,
        rows_current=current.rows,
        effective_rows=1 / float((window.pull**2).sum()),
        error_model=_model_in_words(window, corrected=weights_of(weighed) is not None),
        overlap=weighed.overlap if weighed else None,
        agreement=agreed,
        assumptions=[CONCEPT, _COVERED],
        broken=broken,
        notes=_notes(reference, current, window),
        labels_needed=_labels(asked, window, min_drop, 2 * uncertain.value if metric.name == ROOT else 1.0),
        detail=in_words(
            asked.name, "DLE", (realised, uncertain.value), drop, found.drop, min_drop, current.rows, broken
        ),
    )


def require_loss(metric: Metric) -> None:
    """Check that the metric is a mean of losses, or the root of one.

    Raises:
        CannotEstimateError: it is not.
    """
    if "label" not in metric.parts or not (isinstance(metric, RowMean) or metric.name == ROOT):
        raise CannotEstimateError(f"{metric.name} cannot be estimated without labels")


def _agreement(current: Predictions, window: LossWindow, asked: Asked) -> Agreement | None:
    known = np.zeros(current.rows, dtype=np.bool_)
    known[labelled_rows(current)] = True
    inside = np.flatnonzero(known[window.positions])
    if not len(inside):
        return None
    loss = losses_of(asked.metric, current.without_columns().take(window.positions[inside]), asked.options)
    weight = window.weight[inside] / window.weight[inside].sum()
    realised, expected = (
        float(weight @ loss),
        max(float(weight @ window.losses.current[inside]) + window.shift, 0.0),
    )
    left = window.residual - window.shift
    variance = float((weight**2).sum()) * float(window.pull @ left**2) + float((window.pull**2) @ left**2)
    if asked.metric.name == ROOT:
        variance /= 4 * max(expected, 1e-300)
        realised, expected = math.sqrt(realised), math.sqrt(expected)
    return agreement(realised, expected, variance, 0.0, len(inside), asked.confidence)


def _model_in_words(window: LossWindow, *, corrected: bool) -> ErrorModel:
    explained, rows = window.losses.explained, len(window.losses.rows)
    weighed = ", weighted towards the current window" if corrected else ""
    if explained < _LITTLE:
        said = (
            "the features say next to nothing about the size of errors, so the estimate is hardly more than the"
            f" reference's own error{weighed}"
        )
    else:
        said = f"the features explain {number(100 * explained)}% of the variance of the loss on rows left out"
    return ErrorModel(explained, rows, f"{said}; fitted on {plural(rows, 'row')} of the reference")


def _notes(reference: Predictions, current: Predictions, window: LossWindow) -> list[str]:
    used, seen = len(window.losses.rows), len(window.positions)
    notes = []
    if used < reference.rows:
        notes.append(
            f"the model of errors is fitted on {used:,} of {plural(reference.rows, 'row')} of the reference"
        )
    if seen < current.rows:
        notes.append(
            f"errors are foreseen of {seen:,} of {plural(current.rows, 'row')} of the current window"
        )
    return notes


def _labels(asked: Asked, window: LossWindow, min_drop: float, scale: float) -> LabelsNeeded:
    """The plan of labels; `scale` is the derivative of the mean loss by the metric."""
    losses, left = window.losses, window.residual - window.shift
    edges = np.unique(np.quantile(losses.current, np.arange(1, 5) / 5, method="inverted_cdf"))
    then, now = np.searchsorted(edges, losses.foreseen), np.searchsorted(edges, losses.current)
    size = len(edges) + 1
    counts = np.bincount(then, minlength=size)
    squares = np.bincount(then, weights=left**2, minlength=size)
    overall = float((left**2).mean())
    # A few rows say little of the variance where they are.
    variance = (squares + 10 * overall) / (counts + 10)
    unit = scale**2 or 1.0
    of_label = variance[now] / unit
    return labels_needed(
        asked.metric,
        min_drop,
        asked.confidence,
        of="the error that is foreseen",
        key=losses.current,
        label_variance=of_label,
        total_variance=float(of_label.mean()) + float(losses.current.var()) / unit,
    )
