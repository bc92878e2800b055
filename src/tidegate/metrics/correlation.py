"""How closely predicted numbers follow the true ones, whatever their scale."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from tidegate.metrics.base import LABEL_AND_PREDICTION, NUMBERS, Estimate, Metric, Options, Paired, needed
from tidegate.metrics.cells import oriented
from tidegate.metrics.data import Predictions
from tidegate.metrics.rows import SmoothMetric
from tidegate.stats.correlation import correlation_difference, correlation_interval, pearson, spearman
from tidegate.stats.results import FloatArray, Linearised

Correlation = Callable[[FloatArray, FloatArray, FloatArray | None], Linearised]


@dataclass(frozen=True, kw_only=True)
class _Correlation(SmoothMetric):
    """The correlation of label and prediction; a model that says the same of every row has none."""

    correlation: Correlation
    undefined: str = "the label or the prediction is the same in every row"

    @property
    def extent(self) -> tuple[float, float] | None:
        """See :attr:`Metric.extent`."""
        return -1.0, 1.0

    def linearise(self, data: Predictions, options: Options) -> Linearised:
        """See :meth:`Metric.linearise`."""
        return self.correlation(needed(data.label), needed(data.prediction), data.weight)

    def estimate_rows(self, data: Predictions, confidence: float | None) -> Estimate:
        """See :meth:`SliceMetric.estimate_rows`."""
        found = self.linearise(data, {})
        if math.isnan(found.value):
            return Estimate(None, data.rows, problem=self.undefined)
        if confidence is None:
            return Estimate(found.value, data.rows)
        interval = correlation_interval(found, data.rows, confidence=confidence)
        return Estimate(found.value, data.rows, interval)

    def compare_rows(self, candidate: Predictions, production: Predictions, confidence: float) -> Paired:
        """See :meth:`SliceMetric.compare_rows`."""
        a, b = self.linearise(candidate, {}), self.linearise(production, {})
        if math.isnan(a.value) or math.isnan(b.value):
            return Paired(None, None, candidate.rows, problem=self.undefined)
        result = correlation_difference(a, b, candidate.rows, confidence=confidence)
        return oriented(result, self.sign, a.value, b.value, candidate.rows)


METRICS: list[Metric] = [
    _Correlation(
        name="pearson_correlation",
        tasks=NUMBERS,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        correlation=pearson,
    ),
    _Correlation(
        name="spearman_correlation",
        tasks=NUMBERS,
        better="higher",
        parts=LABEL_AND_PREDICTION,
        correlation=spearman,
    ),
]
