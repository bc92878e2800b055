"""Classification metrics, by scikit-learn's names and definitions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import numpy as np

from tidegate.errors import ConfigError
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
from tidegate.metrics.data import Predictions, canonical
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


def _cell(label: int, prediction: int, cells: Cells) -> np.ndarray:
    return cells[..., label, prediction]


def _labelled(label: int, cells: Cells) -> np.ndarray:
    return _label_counts(cells)[..., label]


def _rate_of(label: int, prediction: int, cells: Cells) -> np.ndarray:
    return _cell(label, prediction, cells) / _labelled(label, cells)


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
    # Squares of counts would overflow as integers; weights may be complex, see `CellMetric.linearise`.
    cells = cells * 1.0
    total, labels, predicted = _all_rows(cells), _label_counts(cells), _predicted_counts(cells)
    together = _diagonal(cells) * total - (labels * predicted).sum(axis=-1)
    spread = (total**2 - (labels**2).sum(axis=-1)) * (total**2 - (predicted**2).sum(axis=-1))
    return np.where(total > 0, np.where(spread > 0, together / np.sqrt(spread), 0.0), np.nan)


def _kappa(cells: Cells) -> np.ndarray:
    """Agreement beyond chance (Cohen 1960); it does not exist where chance alone agrees everywhere."""
    total = _all_rows(cells) * 1.0
    by_chance = (_label_counts(cells) / total[..., None] * _predicted_counts(cells)).sum(axis=-1)
    return 1 - (total - _diagonal(cells)) / (total - by_chance)


def _micro(per_class: PerClass, cells: Cells) -> np.ndarray:
    """Over all classes together every wrong answer is one false positive and one false negative: the accuracy."""
    return _diagonal(cells) / _all_rows(cells)


def _averaged(name: str, per_class: PerClass) -> list[Metric]:
    return [
        CellMetric(
            name=f"{name}_{suffix}",
            tasks=CLASSES,
            better="higher",
            parts=LABEL_AND_PREDICTION,
            value=partial(average, per_class),
            support=_all_rows,
            proportion=_diagonal if average is _micro else None,
            given_label=average is _micro,
            undefined="there are no rows",
        )
        for suffix, average in (("macro", _macro), ("micro", _micro), ("weighted", _weighted))
    ]


@dataclass(frozen=True, kw_only=True)
class OfClass(CellMetric):
    """A metric of one class against the rest; of two classes the positive one unless the options say otherwise."""

    defaults: Mapping[str, Any] = field(default_factory=lambda: {"class": None})

    def coded(self, data: Predictions, options: Options) -> Predictions:
        """See :meth:`CellMetric.coded`."""
        return against_rest(data, options)


def against_rest(data: Predictions, options: Options) -> Predictions:
    """Label and prediction as the class of the options (1) against all others (0).

    Raises:
        ConfigError: there is no such class.
    """
    name = options.get("class")
    if name is None:
        if data.task == "binary":
            return data
        raise ConfigError("a metric of one class needs `class:` where there are several")
    wanted = canonical(name)
    if wanted not in data.classes:
        raise ConfigError(
            f"`class: {name}` is none of the classes in the table: {', '.join(data.classes[:10])}"
        )
    if data.task == "binary" and wanted == data.classes[1]:
        return data
    code = data.classes.index(wanted)
    return replace(
        data,
        task="binary",
        classes=("rest", wanted),
        label=(needed(data.label) == code).astype(np.int32),
        prediction=(needed(data.prediction) == code).astype(np.int32),
        score=None,
    )


def cost_matrix(costs: Any, classes: tuple[str, ...]) -> np.ndarray:
    """Costs by label and prediction, shape (K, K), from any of the forms that the config takes.

    Raises:
        ConfigError: an entry is missing, or the matrix has another shape.
    """
    k = len(classes)
    if isinstance(costs, list):
        if [len(row) for row in costs] != [k] * k:
            raise ConfigError(f"`costs:` as a matrix must be {k} by {k}, in the order {', '.join(classes)}")
        return np.array(costs, dtype=np.float64)
    if not any(isinstance(value, Mapping) for value in costs.values()):
        return _four_costs(costs, k)
    if not all(isinstance(row, Mapping) for row in costs.values()):
        raise ConfigError("`costs:` by label needs {prediction: cost} for each label, not a number")
    by_label = {canonical(label): row for label, row in costs.items()}
    result = np.zeros((k, k))
    for i, label in enumerate(classes):
        row = {canonical(name): cost for name, cost in by_label.get(label, {}).items()}
        for j, prediction in enumerate(classes):
            if prediction in row:
                result[i, j] = row[prediction]
            elif i != j:
                raise ConfigError(
                    f"`costs:` does not say what it costs to answer {prediction!r} for {label!r}"
                )
    return result


_FOUR = {
    "tn": (0, 0),
    "fp": (0, 1),
    "fn": (1, 0),
    "tp": (1, 1),
    "true_negative": (0, 0),
    "false_positive": (0, 1),
    "false_negative": (1, 0),
    "true_positive": (1, 1),
}


def _four_costs(costs: Mapping[Any, float], k: int) -> np.ndarray:
    unknown = [name for name in costs if name not in _FOUR]
    if unknown or k != 2:
        raise ConfigError(
            "`costs:` takes {fp: 1, fn: 10} for two classes, or {label: {prediction: cost}} for any number"
        )
    result = np.zeros((2, 2))
    given = {_FOUR[str(name)] for name in costs}
    for mistake in ("fp", "fn"):
        if _FOUR[mistake] not in given:
            raise ConfigError(f"`costs:` does not say what a mistake costs: add `{mistake}:`")
    for name, cost in costs.items():
        result[_FOUR[str(name)]] = cost
    return result


def _cost(data: Predictions, options: Options) -> np.ndarray:
    matrix = cost_matrix(options["costs"], data.classes)
    return matrix[needed(data.label), needed(data.prediction)]


def _log_loss(data: Predictions, options: Options) -> np.ndarray:
    label, score = needed(data.label), needed(data.score)
    binary = data.task == "binary"
    of_label = np.where(label == 1, score, 1 - score) if binary else score[np.arange(data.rows), label]
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


_ERROR_RATES: tuple[tuple[str, int, int, Literal["higher", "lower"]], ...] = (
    ("false_positive_rate", 0, 1, "lower"),
    ("false_negative_rate", 1, 0, "lower"),
    ("specificity", 0, 0, "higher"),
)

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
    OfClass(
        name="precision",
        tasks=CLASSES,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=lambda cells: cells[..., 1, 1] / cells[..., :, 1].sum(axis=-1),
        support=lambda cells: cells[..., :, 1].sum(axis=-1),
        proportion=lambda cells: cells[..., 1, 1],
        undefined="no row is predicted positive",
    ),
    OfClass(
        name="recall",
        tasks=CLASSES,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=lambda cells: cells[..., 1, 1] / cells[..., 1, :].sum(axis=-1),
        support=lambda cells: cells[..., 1, :].sum(axis=-1),
        proportion=lambda cells: cells[..., 1, 1],
        given_label=True,
        undefined="no row is labelled positive",
    ),
    OfClass(
        name="f1",
        tasks=CLASSES,
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
        lowest=-1.0,
        tasks=CLASSES,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=_matthews,
        support=_all_rows,
        undefined="there are no rows",
    ),
    CellMetric(
        name="cohen_kappa",
        lowest=-1.0,
        tasks=CLASSES,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        value=_kappa,
        support=_all_rows,
        undefined="label and prediction are the same constant",
    ),
    *(
        CellMetric(
            name=name,
            tasks=BINARY,
            better=better,
            parts=LABEL_AND_PREDICTION,
            value=partial(_rate_of, i, j),
            support=partial(_labelled, i),
            proportion=partial(_cell, i, j),
            given_label=True,
            undefined=f"no row is labelled {('negative', 'positive')[i]}",
        )
        for name, i, j, better in _ERROR_RATES
    ),
    RowMean(
        name="selection_rate",
        tasks=BINARY,
        better="neither",
        parts=frozenset({"prediction"}),
        values=lambda data, options: needed(data.prediction).astype(np.float64),
        bounded=True,
    ),
    RowMean(
        name="expected_cost",
        tasks=CLASSES,
        better="lower",
        parts=LABEL_AND_PREDICTION,
        options=frozenset({"costs"}),
        values=_cost,
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
        bounded=True,
    ),
]
