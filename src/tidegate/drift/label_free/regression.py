"""Performance of a regression without labels: direct loss estimation.

A model foresees the loss of production's prediction from the features and the prediction itself, cross-fitted on the
reference. What it misses there is added back, with the weights that make the reference look like the current window, so
that the estimate is right if either the model or the weights are (Robins, Rotnitzky & Zhao, 1994; Chernozhukov et al.,
2018), and its uncertainty is to first order that of a mean of residuals.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tidegate.covariates import pair
from tidegate.drift.label_free.curves import FOLDS
from tidegate.drift.label_free.rows import answers, arranged, folds
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

FITTED_ON = 30_000
_TREES = 100
_LEAVES = 15
_LEAST_LEAF = 20
_LEVELS = 100
_FAR = 1e150


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses of the reference and what was foreseen of them, and of the current window.

    Attributes:
        rows: positions in the reference, shape (k,).
        loss, foreseen: shape (k,), the latter by a model fitted without the row's fold.
        current: foreseen of rows of the current window, shape (n,).
    """

    rows: np.ndarray
    loss: np.ndarray
    foreseen: np.ndarray
    current: np.ndarray

    @property
    def explained(self) -> float:
        """Share of the variance of the loss that is foreseen on rows left out."""
        spread = float(((self.loss - self.loss.mean()) ** 2).sum())
        return 1 - float(((self.loss - self.foreseen) ** 2).sum()) / spread if spread > 0 else 0.0


def foresee(
    reference: Predictions,
    current: Predictions,
    loss: np.ndarray,
    reference_features: Mapping[str, Column],
    current_features: Mapping[str, Column],
    seed: int,
    rows: np.ndarray | None = None,
) -> Losses:
    """Fit the model of the loss, and apply it to the current window.

    Args:
        reference: labelled rows.
        current: rows to foresee the loss of.
        loss: shape (m,), of the reference; not negative.
        reference_features: of all m rows.
        current_features: of all n rows.
        seed: of the choice of rows, and of the model.
        rows: positions to fit on in an order that hangs on what rows hold alone; by default at most ``FITTED_ON``.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    shared = sorted(reference_features.keys() & current_features.keys())
    then, now = (
        {**{name: features[name] for name in shared}, **answers(data)}
        for features, data in ((reference_features, reference), (current_features, current))
    )
    if rows is None:
        rows = arranged(then, FITTED_ON, seed)
    design, categorical = _design({name: column.take(rows) for name, column in then.items()}, now)
    fold = folds(len(rows))
    varying = _varying(design[: len(rows)], fold)
    design, categorical = design[:, varying], categorical[varying]
    x, z = design[: len(rows)], design[len(rows) :]
    target = loss[rows]
    # Trees compare sums of squares: in units of the mean none of them overflows.
    unit = float(target.mean()) or 1.0
    if not varying.any():
        return Losses(rows, target, np.full(len(rows), target.mean()), np.full(len(z), target.mean()))
    foreseen, forecast = np.empty(len(rows)), np.zeros(len(z))
    for k in range(FOLDS):
        model = HistGradientBoostingRegressor(
            max_iter=_TREES,
            max_leaf_nodes=_LEAVES,
            min_samples_leaf=_LEAST_LEAF,
            l2_regularization=1.0,
            categorical_features=categorical,
            early_stopping=False,
            random_state=seed % 2**32,
        )
        model.fit(x[fold != k], target[fold != k] / unit)
        foreseen[fold == k] = model.predict(x[fold == k]) * unit
        forecast += model.predict(z) * (unit / FOLDS)
    return Losses(rows, target, np.maximum(foreseen, 0.0), np.maximum(forecast, 0.0))


def _design(then: Mapping[str, Column], now: Mapping[str, Column]) -> tuple[np.ndarray, np.ndarray]:
    """Both windows as numbers, the reference first, and which columns are codes of levels."""
    columns, categorical = [], []
    for name in sorted(then):
        both = pair(then[name], now[name])
        if both is None:
            continue
        categorical.append(not both.numeric)
        if both.numeric:
            columns.append(np.clip(both.values, -_FAR, _FAR))
        else:
            columns.append(_codes(both.values, both.split))
    return np.column_stack(columns), np.array(categorical)


def _varying(x: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """The columns with two values at least in the rows of each fit, shape (p,): there is nothing to split in others."""
    low, high = np.where(np.isnan(x), np.inf, x), np.where(np.isnan(x), -np.inf, x)
    fits = [low[fold != k].min(axis=0) < high[fold != k].max(axis=0) for k in range(FOLDS)]
    return np.asarray(np.all(fits, axis=0))


def _codes(values: np.ndarray, split: int) -> np.ndarray:
    """Frequent levels of the reference, the rest as one; NaN is missing."""
    counts = np.bincount(values[:split][values[:split] >= 0], minlength=int(values.max(initial=0)) + 1)
    order = np.argsort(-counts, kind="stable")[:_LEVELS]
    lookup = np.full(len(counts) + 1, float(len(order)))
    lookup[order] = np.arange(len(order))
    lookup[-1] = math.nan
    return np.asarray(lookup[values])
