"""The rows whose answer changed between two models: new errors first, and what was fixed. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tidegate.metrics.base import needed
from tidegate.metrics.data import Predictions
from tidegate.tables import Column, Level

Change = Literal["new_error", "fixed"]
Answer = str | float
Names = Callable[[np.ndarray], Column]
"""From row numbers to a category of what those rows are called, whose levels are sorted."""
# Larger errors are alike, so that differences stay numbers.
_LARGEST = 1e150


@dataclass(frozen=True, slots=True)
class Flip:
    """One row whose answer changed.

    Attributes:
        id: as it is in the table; None where it is missing.
        kind: ``new_error`` where the candidate is wrong, or further off, and production is not; else ``fixed``.
        label, production, candidate: class names, or numbers.
        production_score, candidate_score: probability of the positive class, of several classes that of the label; None
            for numbers and where no score was read.
        change: of the absolute error, for classes of the probability that is not given to the label; negative is
            better. None where no score was read.
    """

    id: Level | None
    kind: Change
    label: Answer
    production: Answer
    candidate: Answer
    production_score: float | None
    candidate_score: float | None
    change: float | None


@dataclass(frozen=True, slots=True)
class Flips:
    """The rows whose answer changed; the fields are those of the JSON document.

    Attributes:
        kind: ``class`` where an answer is right or wrong; ``error`` where it is more or less far off.
        new_errors: rows that production has right and the candidate wrong; where it is further off.
        fixed: the reverse.
        rows_compared: rows that both models answered.
        rows: new errors first. Classes: the most confident mistakes first, by the probability not given to the label,
            of the model that makes them. Numbers: those of either kind whose absolute error changed most.
    """

    kind: Literal["class", "error"]
    new_errors: int
    fixed: int
    rows_compared: int
    rows: list[Flip]


def flipped(candidate: Predictions, production: Predictions, ids: Names, limit: int) -> Flips | None:
    """The rows that two models answer differently.

    Args:
        candidate: its label and prediction are needed, its score is shown and decides the order where it was read.
        production: of the same rows and in the same classes.
        ids: from row numbers to the ids of those rows; of rows that changed alike the smaller id comes first.
        limit: how many rows are listed.

    Returns:
        None for a ranking, and where labels or predictions were not read.
    """
    read = (candidate.label, candidate.prediction, production.prediction)
    if candidate.task == "ranking" or any(part is None for part in read):
        return None
    if candidate.task == "regression":
        return _changed_errors(candidate, production, ids, limit)
    return _changed_classes(candidate, production, ids, limit)


def _changed_classes(candidate: Predictions, production: Predictions, ids: Names, limit: int) -> Flips:
    label = needed(candidate.label)
    right, was_right = (needed(data.prediction) == label for data in (candidate, production))
    broken, fixed = np.flatnonzero(was_right & ~right), np.flatnonzero(right & ~was_right)
    new = _first(broken, _missed(candidate, broken), ids, limit)
    old = _first(fixed, _missed(production, fixed), ids, limit - len(new))
    rows, change = np.concatenate((new, old)), None
    if candidate.score is not None and production.score is not None:
        change = _missed(candidate, rows) - _missed(production, rows)
    listed = _listed(candidate, production, ids, rows, len(new), change)
    return Flips("class", len(broken), len(fixed), candidate.rows, listed)


def _changed_errors(candidate: Predictions, production: Predictions, ids: Names, limit: int) -> Flips:
    with np.errstate(over="ignore"):
        error, was = (
            np.minimum(np.abs(needed(data.prediction) - needed(data.label)), _LARGEST)
            for data in (candidate, production)
        )
    change = error - was
    moved = np.flatnonzero(change)
    rows = _first(moved, np.abs(change[moved]), ids, limit)
    grown = change[rows] > 0
    rows = np.concatenate((rows[grown], rows[~grown]))
    listed = _listed(candidate, production, ids, rows, int(grown.sum()), change[rows])
    new_errors = int(np.count_nonzero(change > 0))
    return Flips("error", new_errors, len(moved) - new_errors, candidate.rows, listed)


def _missed(data: Predictions, rows: np.ndarray) -> np.ndarray:
    """The probability that is not given to the label, at `rows`; 0 where no score was read."""
    if data.score is None:
        return np.zeros(len(rows))
    label, score = needed(data.label)[rows], data.score[rows]
    if data.task == "binary":
        return np.asarray(np.abs(label - score))
    return np.asarray(1 - score[np.arange(len(rows)), label])


def _first(rows: np.ndarray, size: np.ndarray, ids: Names, limit: int) -> np.ndarray:
    """At most `limit` of the rows, of the largest size first, then by id: never by where a row stands."""
    if limit <= 0:
        return rows[:0]
    if len(rows) > limit:
        last = np.partition(size, len(size) - limit)[len(size) - limit]
        sure, tied = np.flatnonzero(size > last), np.flatnonzero(size == last)
        more = limit - len(sure)
        if more < len(tied):
            tied = tied[np.argpartition(ids(rows[tied]).values, more - 1)[:more]]
        kept = np.concatenate((sure, tied))
        rows, size = rows[kept], size[kept]
    return np.asarray(rows[np.lexsort((ids(rows).values, -size))])


def _listed(
    candidate: Predictions,
    production: Predictions,
    ids: Names,
    rows: np.ndarray,
    new: int,
    change: np.ndarray | None,
) -> list[Flip]:
    columns = [
        _answers(candidate, candidate.label, rows),
        _answers(production, production.prediction, rows),
        _answers(candidate, candidate.prediction, rows),
        _scores(production, rows),
        _scores(candidate, rows),
        [None] * len(rows) if change is None else change.tolist(),
    ]
    named = ids(rows)
    names = [named.levels[code] if code >= 0 else None for code in named.values.tolist()]
    return [
        Flip(name, "new_error" if i < new else "fixed", *values)
        for i, (name, *values) in enumerate(zip(names, *columns, strict=True))
    ]


def _answers(data: Predictions, values: np.ndarray | None, rows: np.ndarray) -> list[Answer]:
    found: list[Answer] = needed(values)[rows].tolist()
    return [data.classes[int(code)] for code in found] if data.classes else found


def _scores(data: Predictions, rows: np.ndarray) -> list[float | None]:
    if data.score is None:
        return [None] * len(rows)
    at = data.score[rows]
    scores: list[float | None] = (
        at if data.task == "binary" else at[np.arange(len(rows)), needed(data.label)[rows]]
    ).tolist()
    return scores
