"""What is measured on a table. To add a metric, add it to a module's ``METRICS``; to add a module, list it here."""

from tidegate.metrics import classification, columns, fairness, regression
from tidegate.metrics.base import Estimate, Metric, Paired

METRICS: dict[str, Metric] = {
    metric.name: metric
    for module in (classification, regression, columns, fairness)
    for metric in module.METRICS
}

__all__ = ["METRICS", "Estimate", "Metric", "Paired"]
