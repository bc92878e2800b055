"""Classification metrics, by scikit-learn's names and definitions."""

from collections.abc import Callable
from functools import partial

import numpy as np

from tidegate.metrics.base import (
    BINARY,
    CLASSES,
    LABEL_AND_PREDICTION,
    LABEL_AND_SCORE,
    Metric,
    Options,
    needed,
)
from tidegate.metrics.cells import CellMetric, Cells
from tidegate.metrics.data import Predictions
from tidegate.metrics.ranking import AveragePrecision, RocAuc
from tidegate.metrics.rows import RowMean

PerClass = Callable[[Cells], np.ndarray]
_EPSILON = float(np.finfo(np.float64).eps)


def _all_rows(cells: Cells) -> np.ndarray:
    return cells.sum(axis=(-2, -1))


def _diagonal(cells: Cells) -> np.ndarray:
    return np.trace(cells, axis1=-2, axis2=-1)


def _label_counts(cells: Cells) -> np.ndarray:
    return cells.sum(axis=-1)


def _predicted_counts(cells: Cells) -> np.ndarray:
    return cells.sum(axis=-2)


def _hits(cells: Cells) -> np.ndarray:
    return np.diagonal(cells, axis1=-2, axis2=-1)


def _zero_if_undefined(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=0.0)


def _recalls(cells: Cells) -> np.ndarray:
    return _hits(cells) / _label_counts(cells)


def _precisions(cells: Cells) -> np.ndarray:
    return _hits(cells) / _predicted_counts(cells)


def _f1s(cells: Cells) -> np.ndarray:
    return 2 * _hits(cells) / (_label_counts(cells) + _predicted_counts(cells))


def _macro(per_class: PerClass, cells: Cells) -> np.ndarray:
    """Mean over the classes that occur; a class without a value counts as 0, as in scikit-learn."""
    present = (_label_counts(cells) + _predicted_counts(cells)) > 0
    values = np.where(present, _zero_if_undefined(per_class(cells)), 0.0)
    return values.sum(axis=-1) / present.sum(axis=-1)


def _weighted(per_class: PerClass, cells: Cells) -> np.ndarray:
    """Mean over classes, weighted by how often each is the label."""
    weights = _label_counts(cells)
    return (_zero_if_undefined(per_class(cells)) * weights).sum(axis=-1) / weights.sum(axis=-1)


def _balanced_accuracy(cells: Cells) -> np.ndarray:
    """Mean recall over the classes that occur as label."""
    occurs = _label_counts(cells) > 0
    return np.where(occurs, _zero_if_undefined(_recalls(cells)), 0.0).sum(axis=-1) / occurs.sum(axis=-1)


def _matthews(cells: Cells) -> np.ndarray:
    """Correlation of label and prediction (Gorodkin 2004); 0 where one of them is constant, as in scikit-learn."""
    total = _all_rows(cells).astype(np.float64)
    labels, predicted = _label_counts(cells).astype(np.float64), _predicted_counts(cells).astype(np.float64)
    together = _diagonal(cells) * total - (labels * predicted).sum(axis=-1)
    spread = (total**2 - (labels**2).sum(axis=-1)) * (total**2 - (predicted**2).sum(axis=-1))
    return np.where(total > 0, np.where(spread > 0, together / np.sqrt(spread), 0.0), np.nan)


def _kappa(cells: Cells) -> np.ndarray:
    """Agreement beyond chance (Cohen 1960); it does not exist where chance alone agrees everywhere."""
    total = _all_rows(cells).astype(np.float64)
    by_chance = (_label_counts(cells) / total[..., None] * _predicted_counts(cells)).sum(axis=-1)
    return 1 - (total - _diagonal(cells)) / (total - by_chance)


def _averaged(name: str, per_class: PerClass) -> list[Metric]:
    return [
        CellMetric(
            name=f"{name}_{suffix}",
            tasks=CLASSES,
            better="higher",
            parts=LABEL_AND_PREDICTION,
            value=partial(average, per_class),
            support=_all_rows,
            undefined="there are no rows",
        )
        for suffix, average in (("macro", _macro), ("weighted", _weighted))
    ]


def _log_loss(data: Predictions, options: Options) -> np.ndarray:
    label, score = needed(data.label), needed(data.score)
    if data.task == "binary":
        of_label = np.where(label == 1, score, 1 - score)
    else:
        total = score.sum(axis=1)
        of_label = score[np.arange(data.rows), label] / total
    # scikit-learn clips at the resolution of the type, so that one confident mistake stays finite.
    return -np.log(np.clip(of_label, _EPSILON, 1 - _EPSILON))


def _brier(data: Predictions, options: Options) -> np.ndarray:
    label, score = needed(data.label), needed(data.score)
    if data.task == "binary":
        return (score - label) ** 2
    truth = np.eye(len(data.classes))[label]
    return ((score - truth) ** 2).sum(axis=1)


def _in_top_k(data: Predictions, options: Options) -> np.ndarray:
    """Whether the label is among the k likeliest; of equal scores the later class goes first, as in scikit-learn."""
    label, score = needed(data.label), needed(data.score)
    best = np.argsort(score, axis=1, kind="stable")[:, ::-1][:, : int(options["k"])]
    return (best == label[:, None]).any(axis=1).astype(np.float64)


METRICS: list[Metric] = [
    CellMetric(
        name="accuracy",
        tasks=CLASSES,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=lambda cells: _diagonal(cells) / _all_rows(cells),
        support=_all_rows,
        proportion=_diagonal,
        given_label=True,
        undefined="there are no rows",
    ),
    CellMetric(
        name="balanced_accuracy",
        tasks=CLASSES,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=_balanced_accuracy,
        support=_all_rows,
        undefined="there are no rows",
    ),
    CellMetric(
        name="precision",
        tasks=BINARY,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=lambda cells: cells[..., 1, 1] / cells[..., :, 1].sum(axis=-1),
        support=lambda cells: cells[..., :, 1].sum(axis=-1),
        proportion=lambda cells: cells[..., 1, 1],
        undefined="no row is predicted positive",
    ),
    CellMetric(
        name="recall",
        tasks=BINARY,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=lambda cells: cells[..., 1, 1] / cells[..., 1, :].sum(axis=-1),
        support=lambda cells: cells[..., 1, :].sum(axis=-1),
        proportion=lambda cells: cells[..., 1, 1],
        given_label=True,
        undefined="no row is labelled positive",
    ),
    CellMetric(
        name="f1",
        tasks=BINARY,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=lambda cells: _f1s(cells)[..., 1],
        support=lambda cells: cells[..., 1, :].sum(axis=-1),
        undefined="no row is labelled or predicted positive",
    ),
    *_averaged("precision", _precisions),
    *_averaged("recall", _recalls),
    *_averaged("f1", _f1s),
    CellMetric(
        name="matthews_corrcoef",
        tasks=CLASSES,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=_matthews,
        support=_all_rows,
        undefined="there are no rows",
    ),
    CellMetric(
        name="cohen_kappa",
        tasks=CLASSES,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=_kappa,
        support=_all_rows,
        undefined="label and prediction are the same constant",
    ),
    RocAuc(name="roc_auc", tasks=CLASSES, better="higher", parts=LABEL_AND_SCORE),
    AveragePrecision(name="average_precision", tasks=BINARY, better="higher", parts=LABEL_AND_SCORE),
    RowMean(name="log_loss", tasks=CLASSES, better="lower", parts=LABEL_AND_SCORE, values=_log_loss),
    RowMean(name="brier_score", tasks=CLASSES, better="lower", parts=LABEL_AND_SCORE, values=_brier),
    RowMean(
        name="top_k_accuracy",
        tasks=frozenset({"multiclass"}),
        better="higher",
        parts=LABEL_AND_SCORE,
        options=frozenset({"k"}),
        values=_in_top_k,
    ),
]
