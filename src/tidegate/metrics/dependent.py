"""Estimates and comparisons of rows that are not independent, or do not count alike.

With neither clusters nor weights a metric goes its own way; otherwise see :mod:`tidegate.metrics.robust`. Rows of
weight zero are as if absent, and equal weights as if there were none.
"""

import math
from dataclasses import replace

import numpy as np

from tidegate.metrics.base import EMPTY_SLICE, Estimate, Metric, Options, Paired
from tidegate.metrics.cells import not_narrower
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.gaps import GroupGap
from tidegate.metrics.quantiles import RowQuantile
from tidegate.metrics.queries import QueryMean, explained
from tidegate.metrics.robust import Pair, Rows, agree, goes_its_own_way, method_in_words
from tidegate.metrics.rows import RowMean
from tidegate.stats.results import Interval, PairedResult


def estimate(
    metric: Metric, data: Predictions, groups: Groups, options: Options, confidence: float | None
) -> list[Estimate]:
    """As :meth:`Metric.estimate`, with clusters and weights respected where there are any.

    Raises:
        DataError: the items of a query are of several clusters.
    """
    kept = _present(data)
    data, groups = _scaled(data, kept), _kept(groups, kept)
    if _independent(data) or goes_its_own_way(metric, data):
        return metric.estimate(data, groups, options, confidence)
    if isinstance(metric, QueryMean):
        queries = metric.by_query(data, groups, options)
        means = estimate(queries.mean, queries.data, queries.groups, {}, confidence)
        return [explained(one, len(items)) for one, items in zip(means, groups.members, strict=True)]
    if isinstance(metric, GroupGap):
        gaps = metric.estimate(data, groups, options, confidence)
        return [
            replace(gap, clusters=count)
            for gap, count in zip(gaps, cluster_counts(data, groups), strict=True)
        ]
    if isinstance(metric, RowMean):
        metric, data = metric.known(data, groups, options)
    # What it stands on, and why it does not exist, is what it says without weights.
    plain = metric.estimate(_alike(data), groups, options, None)
    if confidence is None and data.weight is None:
        return [
            replace(one, clusters=count)
            for one, count in zip(plain, cluster_counts(data, groups), strict=True)
        ]
    light = _light(metric, data, options)
    return [
        Rows(metric, light.take(rows), options).estimate(one, confidence) if len(rows) else one
        for one, rows in zip(plain, groups.members, strict=True)
    ]


def compare(
    metric: Metric,
    candidate: Predictions,
    production: Predictions,
    groups: Groups,
    options: Options,
    confidence: float,
) -> list[Paired]:
    """As :meth:`Metric.compare`, with clusters and weights respected where there are any.

    Those of production count for both. Models that differ somewhere are not known to agree in a slice where they do,
    nor are rows that all differ by the same amount known to be all there is: no such interval is left without width.

    Raises:
        DataError: the items of a query are of several clusters.
    """
    kept = _present(production)
    production, candidate, groups = _scaled(production, kept), _scaled(candidate, kept), _kept(groups, kept)
    candidate = replace(candidate, cluster=production.cluster, weight=production.weight)
    found = _compare(metric, candidate, production, groups, options, confidence)
    if not any(map(_certain, found)) or agree(metric, candidate, production, options):
        return found
    largest = _largest_difference(metric, candidate, production, options)
    return [_opened(each, largest, confidence) if _certain(each) else each for each in found]


def _compare(
    metric: Metric,
    candidate: Predictions,
    production: Predictions,
    groups: Groups,
    options: Options,
    confidence: float,
) -> list[Paired]:
    if _independent(production) or goes_its_own_way(metric, production, paired=True):
        return metric.compare(candidate, production, groups, options, confidence)
    if isinstance(metric, QueryMean):
        first, second = (metric.by_query(data, groups, options) for data in (candidate, production))
        means = _compare(second.mean, first.data, second.data, second.groups, {}, confidence)
        return [explained(one, len(items)) for one, items in zip(means, groups.members, strict=True)]
    if isinstance(metric, GroupGap):
        gaps = metric.compare(candidate, production, groups, options, confidence)
        words = method_in_words(production)
        return [
            replace(gap, clusters=count, method=f"{gap.method}, {words}" if gap.method else "")
            for gap, count in zip(gaps, cluster_counts(production, groups), strict=True)
        ]
    return _compare_slices(metric, candidate, production, groups, options, confidence)


def _compare_slices(
    metric: Metric,
    candidate: Predictions,
    production: Predictions,
    groups: Groups,
    options: Options,
    confidence: float,
) -> list[Paired]:
    if isinstance(metric, RowMean):
        _, candidate = metric.known(candidate, groups, options)
        metric, production = metric.known(production, groups, options)
    first, second = (_light(metric, data, options) for data in (candidate, production))
    same = agree(metric, first, second, options)
    if isinstance(metric, RowMean | RowQuantile):
        # Rows without a value for either model are left out.
        missing = np.isnan(metric.values(first, options)) | np.isnan(metric.values(second, options))
        groups = Groups(np.where(missing, -1, groups.codes), groups.slices)
    plain = (metric.estimate(_alike(data), groups, options, None) for data in (first, second))
    return [
        Pair(metric, first.take(rows), second.take(rows), options, same=same).compare(a, b, confidence)
        if len(rows)
        else Paired(None, None, 0, problem=a.problem or EMPTY_SLICE)
        for a, b, rows in zip(*plain, groups.members, strict=True)
    ]


def _certain(answer: Paired) -> bool:
    """Whether its interval has no width."""
    return answer.interval is not None and answer.interval.low == answer.interval.high


def _largest_difference(
    metric: Metric, candidate: Predictions, production: Predictions, options: Options
) -> float | None:
    """The most that one row moves the difference, times the rows, as far as the table shows; None where it does not."""
    first, second = metric.linearise(candidate, options), metric.linearise(production, options)
    if first is not None and second is not None:
        moved = np.abs(first.influence - second.influence)
        largest = float(np.max(moved, where=np.isfinite(moved), initial=0.0))
        if largest > 0:
            return largest
    return None if metric.extent is None else metric.extent[1] - metric.extent[0]


def _opened(answer: Paired, largest: float | None, confidence: float) -> Paired:
    """The difference that so many rows, or clusters, may well have missed: z squared of one (Tango 1998)."""
    units = answer.clusters or answer.rows
    delta = answer.delta or 0.0
    most = 2 * abs(delta) if delta else largest
    if most is None or units == 0:
        return replace(
            answer, interval=Interval(-math.inf, math.inf), p_value=1.0, p_better=0.5, standard_error=math.inf
        )
    certain = PairedResult(delta, delta, delta, 1.0, 0.0, answer.method, answer.rows)
    result = not_narrower(certain, most / units, confidence)
    return replace(
        answer,
        interval=Interval(result.low, result.high),
        p_value=result.p_value,
        p_better=result.p_better,
        standard_error=result.standard_error,
    )


def cluster_counts(data: Predictions, groups: Groups) -> list[int | None]:
    """The clusters of each group; None where the table has none."""
    if data.cluster is None:
        return [None] * groups.count
    inside = groups.codes >= 0
    base = int(data.cluster.max(initial=0)) + 1
    pairs = np.unique(groups.codes[inside].astype(np.int64) * base + data.cluster[inside])
    return np.bincount(pairs // base, minlength=groups.count).tolist()


def _independent(data: Predictions) -> bool:
    return data.cluster is None and data.weight is None


def _alike(data: Predictions) -> Predictions:
    return replace(data, cluster=None, weight=None)


def _present(data: Predictions) -> np.ndarray | None:
    """The rows with a weight above zero; None for all."""
    return None if data.weight is None or data.weight.all() else np.flatnonzero(data.weight)


def _scaled(data: Predictions, kept: np.ndarray | None) -> Predictions:
    """The rows that are there, with weights of mean 1, or none where all count alike."""
    data = data if kept is None else data.take(kept)
    if data.weight is None or data.rows == 0 or (data.weight == data.weight[0]).all():
        return replace(data, weight=None)
    return replace(data, weight=data.weight / data.weight.mean())


def _kept(groups: Groups, kept: np.ndarray | None) -> Groups:
    return groups if kept is None else Groups(groups.codes[kept], groups.slices)


def _light(metric: Metric, data: Predictions, options: Options) -> Predictions:
    """With no more columns than the metric reads: what is cheap to cut into slices."""
    return replace(data, columns={key: data.columns[key] for key in metric.columns(options).items()})
