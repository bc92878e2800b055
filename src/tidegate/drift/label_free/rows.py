"""Which rows count, whether they can be used at all, and an order of them that hangs on what they hold alone."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from tidegate.covariates import Pair, fingerprints, pair
from tidegate.drift.label_free.curves import FOLDS
from tidegate.drift.label_free.results import CannotEstimateError
from tidegate.metrics.base import needed
from tidegate.metrics.data import Predictions
from tidegate.tables import Column
from tidegate.wording import plural

LEAST_ROWS = 30
MOST_CLASSES = 100
_GOLDEN_RATIO = (5**0.5 - 1) / 2


def labelled_rows(data: Predictions) -> np.ndarray:
    """Positions of the rows that have a label: a class code of 0 or more, or a finite number."""
    if data.label is None:
        return np.empty(0, dtype=np.int64)
    known = np.isfinite(data.label) if data.task == "regression" else data.label >= 0
    return np.flatnonzero(known if data.weight is None else known & (data.weight > 0))


def usable_reference(reference: Predictions) -> tuple[Predictions, np.ndarray]:
    """The labelled rows of the reference, and their positions.

    Raises:
        CannotEstimateError: there are too few, or they cannot be used.
    """
    rows = labelled_rows(reference)
    if len(rows) < LEAST_ROWS:
        raise CannotEstimateError(
            f"the reference has {plural(len(rows), 'labelled row')}; an estimate without labels needs {LEAST_ROWS}"
        )
    data = reference.without_columns()
    data = data if len(rows) == data.rows else data.take(rows)
    check_answers(data, "reference window")
    if data.task != "regression" and len(np.unique(needed(data.label))) < 2:
        raise CannotEstimateError("all labelled rows of the reference are of one class")
    return data, rows


def check_answers(data: Predictions, window: str) -> None:
    """Check that the answers of the model are there and make sense.

    Raises:
        CannotEstimateError: they are not, or do not.
    """
    if data.rows == 0 or (data.weight is not None and not (data.weight > 0).any()):
        raise CannotEstimateError(f"the {window} has no rows")
    if data.task == "regression":
        if data.prediction is None or not np.isfinite(data.prediction).all():
            raise CannotEstimateError(f"predictions are missing or not finite in the {window}")
        return
    if len(data.classes) > MOST_CLASSES:
        raise CannotEstimateError(f"{len(data.classes):,} classes: an estimate takes up to {MOST_CLASSES}")
    score = data.score
    if score is None:
        raise CannotEstimateError(f"the {window} has no scores: an estimate without labels starts from them")
    # NaN fails both comparisons.
    if not ((score >= 0) & (score <= 1)).all():
        raise CannotEstimateError(f"scores of the {window} are missing or no probabilities between 0 and 1")


def with_predictions(data: Predictions, threshold: float) -> Predictions:
    """With the predicted classes that follow from the scores, where the table has none."""
    if data.prediction is not None or data.score is None:
        return data
    if data.task == "binary":
        return replace(data, prediction=(data.score >= threshold).astype(np.int32))
    return replace(data, prediction=np.argmax(data.score, axis=1).astype(np.int32))


def answers(data: Predictions) -> dict[str, Column]:
    """What the model said, as columns: they tell windows apart as well as features do."""
    if data.task == "regression":
        return {"production's prediction": Column("prediction", "number", np.asarray(data.prediction))}
    score = np.asarray(data.score)
    scores = score[:, None] if score.ndim == 1 else score[:, : min(score.shape[1] - 1, 20)]
    return {
        f"production's score {k}": Column("score", "number", scores[:, k]) for k in range(scores.shape[1])
    }


def arranged(columns: Mapping[str, Column], most: int, seed: int) -> np.ndarray:
    """Positions of at most so many rows, in an order that hangs on what they hold alone.

    Evenly spaced in an order that is random for all that anybody looks at; rows that are equal stand together.
    """
    pairs = [p for name in sorted(columns) if (p := pair(columns[name], columns[name].take(np.arange(0))))]
    order = np.argsort(fingerprints(pairs, seed), kind="stable")
    count = min(most, len(order))
    return np.asarray(order[np.arange(count) * len(order) // count])


def folds(rows: int) -> np.ndarray:
    """Folds in turn, by multiples of an irrational number, of rows in the order of :func:`arranged`."""
    return np.asarray(np.arange(rows) * _GOLDEN_RATIO % 1.0 * FOLDS, dtype=np.int64)


def folds_of_scores(score: np.ndarray, label: np.ndarray, seed: int) -> np.ndarray:
    """The fold of each row, shape (m,), which hangs on its scores and, where they tie, on its label alone."""
    columns = score[:, None] if score.ndim == 1 else score
    digest = fingerprints(
        [Pair("", True, columns[:, k], len(columns)) for k in range(columns.shape[1])], seed
    )
    result = np.empty(len(columns), dtype=np.int64)
    result[np.lexsort((label, digest))] = folds(len(columns))
    return result
