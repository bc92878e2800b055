"""A classifier that tells rows of two windows apart, each fold scored by a model of the folds before it.

Trees see what hangs together in whichever way. A discriminant beside them sees small shifts of single columns, which
trees lose among many: the log odds of both are added.
"""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tidegate.drift.encoding import Encoded

_PRODUCTS = 10
# Small trees in small steps: most windows are told apart by little, if at all.
_SETTINGS = {"learning_rate": 0.05, "max_iter": 40, "early_stopping": False}
_LEAVES = 4
_LEAVES_OF_MANY = 8
_MANY = 5_000
_LEAF_ROWS = 40
_RIDGE = 120.0
_SHRUNKEN = 0.1


@dataclass(frozen=True, slots=True)
class Model:
    """What tells the windows apart.

    Attributes:
        trees: None where the rows to learn from were of one window.
        products: pairs of columns whose product is a feature, shape (k, 2).
        direction: of the discriminant, on lines and products, shape (p + k,).
    """

    trees: Any
    products: np.ndarray
    direction: np.ndarray

    def scores(self, values: np.ndarray, lines: np.ndarray) -> np.ndarray:
        """Higher for rows that look like the current window, shape (n,).

        Args:
            values: of the rows to score, as :class:`Encoded` has them, shape (n, p).
            lines: likewise.
        """
        if self.trees is None:
            return np.zeros(len(values))
        products = _multiplied(lines, self.products)
        log_odds = self.trees.decision_function(np.hstack((values, products)))
        log_odds = log_odds + np.hstack((lines, products)) @ self.direction
        # Sums that differ in their last bits alone are of one score.
        return np.asarray(np.round(log_odds, 9))


@dataclass(frozen=True, slots=True)
class Fitted:
    """Scores of rows, 0 in fold 0, and the model that scored each fold from fold 1 on."""

    scores: np.ndarray
    models: list[Model]


def cross_fit(encoded: Encoded, current: np.ndarray, fold: np.ndarray, seed: int) -> Fitted:
    """Fit a model before each fold, and score the fold by it.

    Args:
        encoded: n rows.
        current: mask of the rows of the current window, shape (n,).
        fold: shape (n,).
        seed: of the trees.
    """
    scores, models = np.zeros(len(fold)), []
    for k in range(1, int(fold.max()) + 1):
        model = _fit(encoded, current, np.flatnonzero(fold < k), seed)
        here = fold == k
        if here.any():
            scores[here] = model.scores(encoded.values[here], encoded.lines[here])
        models.append(model)
    return Fitted(scores, models)


def single_thread() -> AbstractContextManager[Any]:
    """While it lasts sums are made in one order: threads would each add up in their own, on every runner another."""
    import sklearn.ensemble  # noqa: F401 (only what is loaded already can be limited)
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no type hints

    limited: AbstractContextManager[Any] = threadpool_limits(limits=1)
    return limited


def _fit(encoded: Encoded, current: np.ndarray, rows: np.ndarray, seed: int) -> Model:
    target, values, lines = current[rows], encoded.values[rows], encoded.lines[rows]
    if target.all() or not target.any():
        return Model(None, np.empty((0, 2), dtype=np.int64), np.empty(0))
    pairs = _products(lines, target, encoded.crossed)
    products = _multiplied(lines, pairs)
    # The trees cannot take a column without any value; one that never varies they leave alone.
    values[:, np.isnan(values).all(axis=0)] = 0.0
    share = float(target.mean())
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = HistGradientBoostingClassifier(
        **_SETTINGS,
        max_leaf_nodes=_LEAVES if len(rows) < _MANY else _LEAVES_OF_MANY,
        min_samples_leaf=max(2, min(_LEAF_ROWS, len(rows) // 20)),
        # In units of the curvature that a row has, so that windows of unequal size are held back as much.
        l2_regularization=_RIDGE * share * (1 - share),
        categorical_features=np.concatenate((encoded.categorical, np.zeros(len(pairs), dtype=np.bool_))),
        random_state=seed % 2**32,
    )
    trees.fit(np.hstack((values, products)), target)
    return Model(trees, pairs, _direction(np.hstack((lines, products)), target))


def _products(lines: np.ndarray, target: np.ndarray, crossed: np.ndarray) -> np.ndarray:
    """The pairs of columns whose correlation clearly differs between the windows, shape (k, 2).

    Trees find such a pair by luck only: neither column by itself tells them anything.
    """
    sides = [lines[side][:, crossed] for side in (target, ~target)]
    moments = [side.T @ side / len(side) for side in sides]
    error = math.sqrt(math.fsum(1 / len(side) for side in sides))
    apart = np.round(np.triu(np.abs(moments[0] - moments[1]), 1) / error, 9).ravel()
    order = np.argsort(-apart, kind="stable")[:_PRODUCTS]
    # What the largest of so many is by chance would cost the trees power (Donoho & Johnstone, 1994).
    by_chance = math.sqrt(2 * math.log(max(len(crossed) * (len(crossed) - 1) / 2, 2)))
    order = order[apart[order] > by_chance]
    return np.column_stack([crossed[each] for each in np.unravel_index(order, moments[0].shape)])


def _multiplied(lines: np.ndarray, products: np.ndarray) -> np.ndarray:
    return np.asarray(lines[:, products[:, 0]] * lines[:, products[:, 1]])


def _direction(features: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Fisher's discriminant, of differences that are shrunk the more the less certain they are (Breiman, 1995)."""
    apart = features[target].mean(axis=0) - features[~target].mean(axis=0)
    certainty = apart**2 / (1 / np.count_nonzero(target) + 1 / np.count_nonzero(~target))
    apart = apart * np.maximum(0.0, 1 - 1 / np.maximum(certainty, 1e-12))
    centred = features - features.mean(axis=0)
    covariance = centred.T @ centred / len(centred)
    covariance[np.diag_indices(len(apart))] += _SHRUNKEN
    return np.asarray(np.linalg.solve(covariance, apart))
