"""Labelled rows of two windows side by side, with the weights and the regressions that make them comparable."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidegate.covariates import Encoding, Pair, encode, fingerprints, pair
from tidegate.metrics.cells import row_weights
from tidegate.metrics.data import Predictions
from tidegate.reweighting import Importance, importance_weights
from tidegate.stats.adjusted import Regressions, Sums, cross_fitted
from tidegate.tables import Column
from tidegate.wording import plural

ROWS = 50_000
"""Rows of each window that are looked at; more would change the answer by less than its own error."""
LEAST_ROWS = 50
FOLDS = 5
_CHUNK = 8_192
_SEED = 19940601
_STEP = np.uint64(0x9E3779B97F4A7C15)
_SCORE = "(score)"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one window, in an order that hangs on what they hold.

    Attributes:
        data: predictions with labels.
        features: by name, of the same rows, the score or prediction among them.
        taken_from: rows of the window.
        keys: what tells rows apart wherever they stand, shape (n,) uint64.
    """

    data: Predictions
    features: dict[str, Column]
    taken_from: int
    keys: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """How much each row counts by the table's own account."""
        return np.asarray(row_weights(self.data), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Windows:
    """Both windows.

    Attributes:
        importance: how rows of the reference are weighted.
        encoding: of the rows of both, the reference first.
        fold: of each row of the reference.
    """

    reference: Rows
    current: Rows
    importance: Importance
    encoding: Encoding
    fold: np.ndarray

    @property
    def weight(self) -> np.ndarray:
        """Of the rows of the reference: their own times that which makes them look like the current window."""
        return np.asarray(self.reference.weight * self.importance.weights)

    def expected(self, outcomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Outcomes by regression on the features of the reference: of its rows (n, k), and of the current (m, k)."""
        n, m = len(self.fold), self.current.data.rows
        parts: list[Sums | None] = [None] * FOLDS
        for rows in _chunks(0, n):
            design = self.encoding.design(rows)
            for k in range(FOLDS):
                here = self.fold[rows] == k
                sums = Sums.of(design[here], outcomes[rows[here]])
                before = parts[k]
                parts[k] = sums if before is None else before + sums
        fitted = cross_fitted([part for part in parts if part is not None], self.encoding.refining)
        return self._predicted(fitted, n, m, outcomes.shape[1])

    def _predicted(self, fitted: Regressions, n: int, m: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        own, other = np.empty((n, k)), np.empty((m, k))
        for rows in _chunks(0, n):
            own[rows] = fitted.own(self.encoding.design(rows), self.fold[rows])
        for rows in _chunks(n, n + m):
            other[rows - n] = fitted.other(self.encoding.design(rows))
        return own, other


def _chunks(first: int, last: int) -> list[np.ndarray]:
    """Row numbers in parts that fit a processor's cache."""
    return [np.arange(start, min(start + _CHUNK, last)) for start in range(first, last, _CHUNK)]


def side_by_side(
    reference: Predictions,
    current: Predictions,
    reference_features: Mapping[str, Column],
    current_features: Mapping[str, Column],
    *,
    seed: int,
) -> Windows | str:
    """Bring the labelled rows of two windows together; a sentence where they do not allow it."""
    for name, data in (("reference", reference), ("current", current)):
        if data.label is None:
            return f"the {name} window has no labels"
        rows = data.rows if data.weight is None else int(np.count_nonzero(data.weight))
        if rows < LEAST_ROWS:
            return f"the {name} window has {plural(rows, 'labelled row')}; {LEAST_ROWS} are needed"
    first = _rows(reference, reference_features)
    second = _rows(current, current_features)
    shared = sorted(first.features.keys() & second.features.keys())
    found = {name: pair(first.features[name], second.features[name]) for name in shared}
    pairs = [each for each in found.values() if each is not None]
    if not pairs:
        return "the windows share no feature of one kind, by which their rows could be told apart"
    importance = importance_weights(
        {name: first.features[name] for name in shared},
        {name: second.features[name] for name in shared},
        seed=seed,
    )
    fold = np.arange(first.data.rows) % FOLDS
    return Windows(first, second, importance, encode(pairs), fold)


def _rows(data: Predictions, features: Mapping[str, Column]) -> Rows:
    """At most so many rows; equal rows keep their share."""
    data, features = _counted(data, features)
    everything = {**features, **_said(data)}
    keys = _keys({**everything, **_truth(data)}, data.rows)
    order = np.argsort(keys, kind="stable")
    count = min(ROWS, data.rows)
    taken = order[np.arange(count) * data.rows // count]
    return Rows(
        data=data.without_columns().take(taken),
        features={name: column.take(taken) for name, column in everything.items()},
        taken_from=data.rows,
        keys=_apart(keys[taken]),
    )


def _apart(keys: np.ndarray) -> np.ndarray:
    """Ascending keys with those of equal rows told apart: any of such rows may stand for another, not all for one."""
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    rank = np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))
    return np.asarray(keys + rank.astype(np.uint64) * _STEP)


def _counted(data: Predictions, features: Mapping[str, Column]) -> tuple[Predictions, Mapping[str, Column]]:
    """The rows of weight above zero."""
    if data.weight is None or data.weight.all():
        return data, features
    kept = np.flatnonzero(data.weight)
    return data.take(kept), {name: column.take(kept) for name, column in features.items()}


def _said(data: Predictions) -> dict[str, Column]:
    """What the model said, which tells rows apart where the features at hand do not."""
    score, said = data.score, data.prediction
    if data.task == "regression":
        return {} if said is None else {_SCORE: _number(_SCORE, said)}
    if score is None:
        return {} if said is None else {_SCORE: _category(_SCORE, said, data.classes)}
    if score.ndim == 1:
        return {_SCORE: _number(_SCORE, score)}
    likeliest = _category(f"{_SCORE} class", np.argmax(score, axis=1), data.classes)
    return {_SCORE: _number(_SCORE, score.max(axis=1)), likeliest.name: likeliest}


def _truth(data: Predictions) -> dict[str, Column]:
    """What else tells rows apart."""
    by_row = {
        "label": data.label,
        "prediction": data.prediction,
        "weight": data.weight,
        "cluster": data.cluster,
    }
    return {
        f"({name})": _number(f"({name})", values) for name, values in by_row.items() if values is not None
    }


def _number(name: str, values: np.ndarray) -> Column:
    return Column(name, "number", values.astype(np.float64))


def _category(name: str, codes: np.ndarray, classes: tuple[str, ...]) -> Column:
    return Column(name, "category", codes.astype(np.int32), classes)


def _keys(columns: Mapping[str, Column], rows: int) -> np.ndarray:
    nothing = np.zeros(0, dtype=np.int64)
    pairs: list[Pair] = []
    for name in sorted(columns):
        both = pair(columns[name], columns[name].take(nothing))
        if both is not None:
            pairs.append(both)
    return fingerprints(pairs, _SEED) if pairs else np.arange(rows, dtype=np.uint64)
