"""A metric without influences on rows that come in clusters or do not count alike: clusters are resampled."""

import numpy as np

from tidegate.metrics.base import Metric, Options
from tidegate.metrics.data import Predictions
from tidegate.metrics.pools import Overstated, Pooled, Pools, widened
from tidegate.metrics.resampled import Reweighted
from tidegate.stats.bootstrap import Statistic, cluster_bootstrap_paired, cluster_interval
from tidegate.stats.results import Interval, PairedResult


def resampled_interval(
    metric: Metric,
    data: Predictions,
    units: np.ndarray,
    weight: np.ndarray,
    options: Options,
    confidence: float,
) -> Interval:
    """Interval of a metric that is :class:`Reweighted`.

    Args:
        metric: the metric.
        data: its rows.
        units: shape (n,), codes from 0, each of which occurs, of what is independent.
        weight: shape (n,), above zero, of mean 1.
        options: of the metric.
        confidence: of the two-sided interval.
    """
    (statistic,), codes, sizes = _on_units(metric, (data,), units, weight, options)
    return cluster_interval(statistic, codes, sizes, confidence=confidence)


def resampled_difference(
    metric: Metric,
    models: tuple[Predictions, Predictions],
    units: np.ndarray,
    weight: np.ndarray,
    options: Options,
    confidence: float,
) -> PairedResult:
    """Difference of two models, the first less the second; arguments as for :func:`resampled_interval`."""
    (first, second), codes, sizes = _on_units(metric, models, units, weight, options)
    found = cluster_bootstrap_paired(
        lambda weights: first(weights) - second(weights), codes, sizes, confidence=confidence
    )
    if not isinstance(metric, Overstated):
        return found
    excess = metric.excess_of_pools(models, options, Pools.of_units(units, weight))
    return found if excess is None else widened(found, excess)


def of_weights(metric: Metric, data: Predictions, options: Options) -> Statistic | None:
    """The metric as a function of row weights; None where it is none."""
    return metric.of_weights(data, options) if isinstance(metric, Reweighted) else None


def _on_units(
    metric: Metric, models: tuple[Predictions, ...], units: np.ndarray, weight: np.ndarray, options: Options
) -> tuple[list[Statistic], np.ndarray, np.ndarray]:
    """The metric of each model as a function of weights of rows or pools, with what is drawn and how much it weighs."""
    order, codes = _in_one_order(units, *models)
    if isinstance(metric, Pooled):
        numbered = np.empty_like(codes)
        numbered[order] = codes
        pools = Pools.of_units(numbered, weight)
        sizes = pools.sizes
        found = [metric.of_pools(data, options, pools) for data in models]
        return [_scaled(each, sizes) for each in found if each is not None], np.arange(pools.count), sizes
    back = np.argsort(order)
    found = [of_weights(metric, data, options) for data in models]
    return [_reordered(each, back) for each in found if each is not None], codes, weight[order]


def _scaled(statistic: Statistic, sizes: np.ndarray) -> Statistic:
    """As a function of the weights of pools, rather than of how often each is there."""
    return lambda weights: statistic(weights / sizes)


def _reordered(statistic: Statistic, back: np.ndarray) -> Statistic:
    """The statistic of weights that are given in another order."""
    return lambda weights: statistic(weights[:, back])


def _in_one_order(units: np.ndarray, *models: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Rows in an order that what they hold decides, and their units numbered in it: draws go by these numbers."""
    keys = [
        values
        for data in models
        for values in (
            *(data.label, data.prediction, data.score, data.latency, data.production_latency, data.weight),
            *(column.values for column in data.columns.values()),
        )
        if values is not None and values.ndim == 1
    ]
    order = np.lexsort([units, *keys])
    _, first, codes = np.unique(units[order], return_index=True, return_inverse=True)
    return order, np.argsort(np.argsort(first))[codes]
