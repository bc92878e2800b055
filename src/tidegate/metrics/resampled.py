"""Metrics without a formula for their uncertainty: a bootstrap over rows."""

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np

from tidegate.metrics.base import Estimate, Metric, Options, Paired
from tidegate.metrics.cells import oriented
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.bootstrap import Statistic, row_bootstrap_paired
from tidegate.stats.results import Interval


@dataclass(frozen=True, kw_only=True)
class ResampledMetric(Metric):
    """A statistic that can be computed from integer row weights.

    Attributes:
        undefined: why it does not exist, in words, when it does not.
    """

    undefined: str

    @abstractmethod
    def statistic(self, data: Predictions) -> Statistic:
        """The statistic as a function of row weights, shape (k, n) to (k,); NaN where it does not exist.

        What depends on the rows alone, such as their order, is done once, before any weights are known.
        """

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`."""
        return [self._estimate(data.take(members), confidence) for members in groups.members]

    def usable(self, data: Predictions) -> Predictions:
        """The rows that the statistic stands on."""
        return data

    def _estimate(self, data: Predictions, confidence: float | None) -> Estimate:
        (data,) = _in_one_order(self.usable(data))
        value = self._value(data)
        if value is None:
            return Estimate(None, data.rows, problem=self.undefined if data.rows else "the slice has no rows")
        if confidence is None:
            return Estimate(value, data.rows)
        return Estimate(value, data.rows, self.interval(data, value, confidence))

    def _value(self, data: Predictions) -> float | None:
        if data.rows == 0:
            return None
        value = float(self.statistic(data)(np.ones((1, data.rows)))[0])
        return None if math.isnan(value) else value

    def interval(self, data: Predictions, value: float, confidence: float) -> Interval:
        """Interval of the statistic; a formula may replace it."""
        result = row_bootstrap_paired(self.statistic(data), data.rows, confidence=confidence)
        return Interval(result.low, result.high)

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`."""
        return [
            self._compare(candidate.take(members), production.take(members), confidence)
            for members in groups.members
        ]

    def _compare(self, candidate: Predictions, production: Predictions, confidence: float) -> Paired:
        candidate, production = _in_one_order(candidate, production)
        a, b = self._value(candidate), self._value(production)
        if a is None or b is None:
            problem = self.undefined if candidate.rows else "the slice has no rows"
            return Paired(a, b, candidate.rows, problem=problem)
        first, second = self.statistic(candidate), self.statistic(production)
        result = row_bootstrap_paired(
            lambda weights: first(weights) - second(weights), candidate.rows, confidence=confidence
        )
        return oriented(result, self.sign, a, b, candidate.rows)


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
