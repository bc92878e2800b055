"""Metrics without a formula for their uncertainty: a bootstrap over rows."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from tidegate.metrics.base import Estimate, Options, Paired, SliceMetric
from tidegate.metrics.cells import oriented
from tidegate.metrics.data import Predictions
from tidegate.stats.bootstrap import Statistic, row_bootstrap_paired, row_interval
from tidegate.stats.results import Interval


@runtime_checkable
class Reweighted(Protocol):
    """A metric without influences, which any weights of the rows give a value."""

    def of_weights(self, data: Predictions, options: Options) -> Statistic | None:
        """Its value as a function of row weights, shape (k, n) to (k,), of mean 1 where all rows are there once.

        NaN where it does not exist; None when it is not one of these rows.
        """


@dataclass(frozen=True, kw_only=True)
class ResampledMetric(SliceMetric):
    """A statistic that can be computed from row weights."""

    def of_weights(self, data: Predictions, options: Options) -> Statistic | None:
        """See :meth:`Reweighted.of_weights`."""
        return self.statistic(data)

    @abstractmethod
    def statistic(self, data: Predictions) -> Statistic:
        """The statistic as a function of row weights, shape (k, n) to (k,); NaN where it does not exist.

        What depends on the rows alone, such as their order, is done once, before any weights are known.
        """

    def usable(self, data: Predictions) -> Predictions:
        """The rows that the statistic stands on."""
        return data

    def interval(self, data: Predictions, confidence: float) -> Interval:
        """Interval of the statistic; a formula may replace it."""
        return row_interval(self.statistic(data), data.rows, confidence=confidence)

    def estimate_rows(self, data: Predictions, confidence: float | None) -> Estimate:
        """See :meth:`SliceMetric.estimate_rows`."""
        (data,) = _in_one_order(self.usable(data))
        value = self._value(data)
        if value is None:
            return Estimate(None, data.rows, problem=self.undefined)
        if confidence is None:
            return Estimate(value, data.rows)
        return Estimate(value, data.rows, self.interval(data, confidence))

    def compare_rows(self, candidate: Predictions, production: Predictions, confidence: float) -> Paired:
        """See :meth:`SliceMetric.compare_rows`."""
        candidate, production = _in_one_order(candidate, production)
        a, b = self._value(candidate), self._value(production)
        if a is None or b is None:
            return Paired(a, b, candidate.rows, problem=self.undefined)
        first, second = self.statistic(candidate), self.statistic(production)
        result = row_bootstrap_paired(
            lambda weights: first(weights) - second(weights), candidate.rows, confidence=confidence
        )
        return oriented(result, self.sign, a, b, candidate.rows)

    def _value(self, data: Predictions) -> float | None:
        if data.rows == 0:
            return None
        value = float(self.statistic(data)(np.ones((1, data.rows)))[0])
        return None if math.isnan(value) else value


def _in_one_order(*models: Predictions) -> tuple[Predictions, ...]:
    """The same rows in an order that their values alone decide."""
    # The bootstrap draws by position, and the order of a file must not matter.
    keys = [
        values
        for data in models
        for values in (data.label, data.score, data.latency)
        if values is not None and values.ndim == 1
    ]
    order = np.lexsort(keys)
    return tuple(data.take(order) for data in models)
