"""Regression metrics, by scikit-learn's names and definitions."""

import math
from dataclasses import dataclass

import numpy as np

from tidegate.metrics.base import (
    LABEL_AND_PREDICTION,
    NUMBERS,
    Estimate,
    Metric,
    Options,
    Paired,
    SliceMetric,
    needed,
)
from tidegate.metrics.data import Predictions
from tidegate.metrics.quantiles import RowQuantile
from tidegate.metrics.rows import RowMean, SmoothMetric
from tidegate.stats.results import Linearised


def _errors(data: Predictions) -> np.ndarray:
    result: np.ndarray = needed(data.label) - needed(data.prediction)
    return result


def _absolute_error(data: Predictions, options: Options) -> np.ndarray:
    return np.abs(_errors(data))


def _relative_error(data: Predictions, options: Options) -> np.ndarray:
    # A label of zero is taken as the resolution of the type, as scikit-learn does.
    return np.abs(_errors(data)) / np.maximum(np.abs(needed(data.label)), np.finfo(np.float64).eps)


def _pinball(data: Predictions, options: Options) -> np.ndarray:
    """The loss whose minimum is a quantile (Koenker & Bassett 1978)."""
    errors, alpha = _errors(data), float(options["quantile"])
    return np.maximum(alpha * errors, (alpha - 1) * errors)


@dataclass(frozen=True, kw_only=True)
class MaxError(SliceMetric):
    """The largest absolute error; a sample says nothing about how much larger others are, so it has no interval."""

    undefined: str = "there are no rows"

    def estimate_rows(self, data: Predictions, confidence: float | None) -> Estimate:
        """See :meth:`SliceMetric.estimate_rows`."""
        return Estimate(float(np.abs(_errors(data)).max()), data.rows)

    def compare_rows(self, candidate: Predictions, production: Predictions, confidence: float) -> Paired:
        """See :meth:`SliceMetric.compare_rows`."""
        a, b = (float(np.abs(_errors(data)).max()) for data in (candidate, production))
        problem = "the largest error of a sample has no interval: compare a quantile of the error"
        return Paired(a, b, candidate.rows, problem=problem)


@dataclass(frozen=True, kw_only=True)
class _RootMeanSquaredError(SmoothMetric):
    undefined: str = "there are no rows"
    of_one_mean: bool = True

    def linearise(self, data: Predictions, options: Options) -> Linearised:
        squares = _errors(data) ** 2
        mean = float(np.average(squares, weights=data.weight))
        root = math.sqrt(mean)
        return Linearised(root, (squares - mean) / (2 * root) if root else np.zeros(data.rows))


@dataclass(frozen=True, kw_only=True)
class _R2(SmoothMetric):
    undefined: str = "the label is the same in every row"

    @property
    def perfect(self) -> float | None:
        """See :attr:`Metric.perfect`."""
        return 1.0

    def linearise(self, data: Predictions, options: Options) -> Linearised:
        label = needed(data.label)
        # Rounding gives most constants a tiny variance.
        if label.min() == label.max():
            return Linearised(math.nan, np.zeros(data.rows))
        squares, deviations = _errors(data) ** 2, (label - np.average(label, weights=data.weight)) ** 2
        error, variance = (float(np.average(each, weights=data.weight)) for each in (squares, deviations))
        if variance == 0 or not math.isfinite(error / variance):
            return Linearised(math.nan, np.zeros(data.rows))
        ratio = error / variance
        return Linearised(1 - ratio, (ratio * (deviations - variance) - (squares - error)) / variance)


METRICS: list[Metric] = [
    RowMean(
        name="mean_absolute_error",
        tasks=NUMBERS,
        better="lower",
        parts=LABEL_AND_PREDICTION,
        values=_absolute_error,
    ),
    RowMean(
        name="mean_absolute_percentage_error",
        tasks=NUMBERS,
        better="lower",
        parts=LABEL_AND_PREDICTION,
        values=_relative_error,
    ),
    RowMean(
        name="pinball_loss",
        tasks=NUMBERS,
        better="lower",
        parts=LABEL_AND_PREDICTION,
        options=frozenset({"quantile"}),
        values=_pinball,
    ),
    RowMean(
        name="mean_squared_error",
        tasks=NUMBERS,
        better="lower",
        parts=LABEL_AND_PREDICTION,
        values=lambda data, options: _errors(data) ** 2,
    ),
    RowQuantile(
        name="median_absolute_error",
        tasks=NUMBERS,
        better="lower",
        parts=LABEL_AND_PREDICTION,
        values=_absolute_error,
        share=0.5,
    ),
    MaxError(name="max_error", tasks=NUMBERS, better="lower", parts=LABEL_AND_PREDICTION),
    _RootMeanSquaredError(
        name="root_mean_squared_error", tasks=NUMBERS, better="lower", parts=LABEL_AND_PREDICTION
    ),
    _R2(name="r2", tasks=NUMBERS, better="higher", parts=LABEL_AND_PREDICTION),
]
