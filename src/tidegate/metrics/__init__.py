"""What is measured on a table. To add a metric, add it to a module's ``METRICS``; to add a module, list it here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tidegate.metrics import (
    calibration,
    classification,
    columns,
    correlation,
    efficiency,
    fairness,
    operating_points,
    queries,
    regression,
)
from tidegate.metrics.base import Estimate, Metric, Paired

METRICS: dict[str, Metric] = {
    metric.name: metric
    for module in (
        classification,
        calibration,
        operating_points,
        regression,
        correlation,
        queries,
        columns,
        fairness,
        efficiency,
    )
    for metric in module.METRICS
}
PATTERNS = (r"^[a-z_]+@[1-9][0-9]*$", r"^latency_p[0-9]{1,2}(\.[0-9]+)?(_ratio)?$")
"""Names besides those of ``METRICS``: with their k, such as ``ndcg@10``, and any percentile of latency."""


@dataclass(frozen=True, slots=True)
class Found:
    """A metric by its name, with the options that the name implies."""

    metric: Metric
    implied: Mapping[str, Any] = field(default_factory=dict)


def find(name: str, k: int | None = None) -> Found | None:
    """The metric called `name`; ``recall`` with a k is that of rankings."""
    base, _, top = name.partition("@")
    if top:
        metric = METRICS.get(f"{base}@k", METRICS.get(base))
        if top == "k" and name in METRICS:
            return Found(METRICS[name])
        fits = re.fullmatch("[1-9][0-9]{0,8}", top) and metric is not None and "k" in metric.accepted
        return Found(metric, {"k": int(top)}) if metric is not None and fits else None
    if k is not None and f"{name}@k" in METRICS:
        return Found(METRICS[f"{name}@k"])
    if name in METRICS:
        return Found(METRICS[name])
    match = re.fullmatch(r"latency_p([0-9]{1,2}(?:\.[0-9]+)?)(_ratio)?", name)
    if match and 0 < float(match[1]) < 100:
        return Found(efficiency.latency_percentile(name, float(match[1]) / 100, relative=bool(match[2])))
    return None


__all__ = ["METRICS", "PATTERNS", "Estimate", "Found", "Metric", "Paired", "find"]
