"""Estimates and comparisons of rows that are not independent, or do not count alike."""

from tidegate.metrics.base import Estimate, Metric, Options, Paired
from tidegate.metrics.data import Groups, Predictions


def estimate(
    metric: Metric, data: Predictions, groups: Groups, options: Options, confidence: float | None
) -> list[Estimate]:
    """As :meth:`Metric.estimate`, with clusters and weights respected where there are any."""
    return metric.estimate(data, groups, options, confidence)


def compare(
    metric: Metric,
    candidate: Predictions,
    production: Predictions,
    groups: Groups,
    options: Options,
    confidence: float,
) -> list[Paired]:
    """As :meth:`Metric.compare`, with clusters and weights respected where there are any."""
    return metric.compare(candidate, production, groups, options, confidence)
