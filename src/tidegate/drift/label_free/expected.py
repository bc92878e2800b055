"""What a metric is expected to be when each row has chances instead of a label, and what each label would change."""

from dataclasses import dataclass, replace

import numpy as np

from tidegate.drift.label_free.results import CannotEstimateError
from tidegate.metrics.base import Metric, Options, needed
from tidegate.metrics.cells import CellMetric, row_weights
from tidegate.metrics.data import Predictions
from tidegate.metrics.ranking import AveragePrecision, RocAuc
from tidegate.metrics.rows import RowMean
from tidegate.stats.auc import average_precision, linearised_auc
from tidegate.stats.results import Linearised


@dataclass(frozen=True, slots=True)
class Expected:
    """An expected metric.

    Attributes:
        value: the metric of a table in which each row occurs once per class, with its chance as the weight.
        influence: shape (n, K), of each row if it is of each class; a row of chance c more for a class moves the value
            by c times the influence over n.
    """

    value: float
    influence: np.ndarray


def require_expectable(metric: Metric, task: str) -> None:
    """Check that the metric can be expected from chances.

    Raises:
        CannotEstimateError: it cannot.
    """
    if task not in metric.tasks:
        raise CannotEstimateError(f"{metric.name} is no metric of a {task} task")
    if metric.better == "neither":
        raise CannotEstimateError(f"{metric.name} has no direction that is better, so it cannot drop")
    of_label = "label" in metric.parts
    if not (of_label and isinstance(metric, CellMetric | RowMean | RocAuc | AveragePrecision)):
        raise CannotEstimateError(f"{metric.name} cannot be estimated without labels")


def expected_metric(metric: Metric, data: Predictions, chances: np.ndarray, options: Options) -> Expected:
    """The metric to be expected of rows whose labels have these chances.

    A ratio of expectations rather than an expectation of ratios: they differ by a share of 1 / n.

    Args:
        metric: one that :func:`require_expectable` lets pass.
        data: n rows; labels are not looked at.
        chances: shape (n, K), of each class.
        options: of the metric.

    Raises:
        CannotEstimateError: it does not exist on these rows.
    """
    if isinstance(metric, CellMetric):
        found = _of_cells(metric, data, chances, options)
    elif isinstance(metric, RowMean):
        found = _of_rows(metric, data, chances, options)
    elif data.task == "binary":
        found = _of_order(metric, data, needed(data.score), chances)
    else:
        found = _macro(metric, data, chances)
    if not np.isfinite(found.value):
        raise CannotEstimateError(f"{metric.name} does not exist on the rows of the current window")
    return found


def expected_cells(data: Predictions, chances: np.ndarray) -> np.ndarray:
    """Expected weights by label and prediction, shape (K, K)."""
    k, prediction, weight = chances.shape[1], needed(data.prediction), row_weights(data)
    return np.array(
        [np.bincount(prediction, weights=weight * chances[:, label], minlength=k) for label in range(k)]
    )


def _of_cells(metric: CellMetric, data: Predictions, chances: np.ndarray, options: Options) -> Expected:
    k = chances.shape[1]
    cells = expected_cells(data, chances)
    small = Predictions(
        task=data.task,
        rows=k * k,
        classes=data.classes,
        label=np.repeat(np.arange(k, dtype=np.int32), k),
        prediction=np.tile(np.arange(k, dtype=np.int32), k),
        weight=cells.ravel(),
    )
    found = metric.linearise(small, options)
    return Expected(found.value, found.influence.reshape(k, k).T[needed(data.prediction)])


def _of_rows(metric: RowMean, data: Predictions, chances: np.ndarray, options: Options) -> Expected:
    labels = (np.full(data.rows, k, dtype=np.int32) for k in range(chances.shape[1]))
    values = np.column_stack([metric.values(replace(data, label=label), options) for label in labels])
    mean = float(np.average((chances * values).sum(axis=1), weights=data.weight))
    return Expected(mean, values - mean)


def _of_order(metric: Metric, data: Predictions, score: np.ndarray, chances: np.ndarray) -> Expected:
    """Of two classes, the second of which is looked for."""
    truth = np.repeat([False, True], data.rows)
    weight = (row_weights(data)[:, None] * chances).T.ravel()
    twice = np.concatenate((score, score))
    found: Linearised
    if isinstance(metric, RocAuc):
        found = linearised_auc(truth, twice, weight)
    else:
        found = average_precision(truth, twice, weight)
    return Expected(found.value, found.influence.reshape(2, data.rows).T)


def _macro(metric: Metric, data: Predictions, chances: np.ndarray) -> Expected:
    """Mean over the classes, each against the rest."""
    k, score = chances.shape[1], needed(data.score)
    value, influence = 0.0, np.zeros(chances.shape)
    for one in range(k):
        pair = np.column_stack((1 - chances[:, one], chances[:, one]))
        found = _of_order(metric, data, score[:, one], pair)
        value += found.value / k
        influence += found.influence[:, :1] / k
        influence[:, one] += (found.influence[:, 1] - found.influence[:, 0]) / k
    return Expected(value, influence)
