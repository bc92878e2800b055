"""Comparisons at levels so far out that normal tails do not hold: the same answers from bounds that do.

A set that judges 32 candidates, each made in the light of all earlier decisions, has an error of about one in 2^32 for
each. Metrics for which no bound is known there say so.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tidegate.metrics.base import EMPTY_SLICE, Metric, Options, Paired, needed
from tidegate.metrics.cells import CellMetric, oriented
from tidegate.metrics.classification import OfClass, against_rest, cost_matrix
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.ranking import RocAuc
from tidegate.metrics.rows import RowMean
from tidegate.stats.auc import roc_auc
from tidegate.stats.distribution_free import (
    Share,
    auc_difference,
    paired_mean,
    paired_shares,
    separate_shares,
    weighted_mean,
)
from tidegate.stats.results import PairedResult, identical

FAR_OUT = 1e-4
"""Error of a decision below which these bounds take the place of the usual ones."""

_USE = {
    "binary": "accuracy, recall, f1, roc_auc or brier_score",
    "multiclass": "accuracy, recall, f1 or brier_score",
}
_NO_ROWS = "there are no rows with a value"
Judge = Callable[[np.ndarray], Paired]


def compare(
    metric: Metric,
    candidate: Predictions,
    production: Predictions,
    groups: Groups,
    options: Options,
    confidence: float,
    *,
    error: float | None = None,
) -> list[Paired]:
    """As :func:`tidegate.metrics.dependent.compare`, by bounds that hold at any level.

    Args:
        metric: shares of rows, means of values between known limits, the AUC of two classes, F1 and precision.
        candidate: the new model.
        production: the one that serves, on the same rows.
        groups: slices.
        options: of the metric.
        confidence: of the two-sided interval.
        error: 1 - confidence, where that is too small for a float to hold the confidence.

    Raises:
        ValueError: no error is left.
    """
    error = 1 - confidence if error is None else error
    if not 0 < error < 1:
        raise ValueError(f"the error must lie between 0 and 1, not {error}")
    judge = _judge(metric, candidate, production, options, error)
    return [
        judge(rows) if len(rows) else Paired(None, None, 0, problem=EMPTY_SLICE) for rows in groups.members
    ]


def _judge(
    metric: Metric, candidate: Predictions, production: Predictions, options: Options, error: float
) -> Judge:
    """How a slice is judged, from its row numbers."""
    alike = candidate.cluster is None and candidate.weight is None
    if isinstance(metric, OfClass):
        candidate, production = against_rest(candidate, options), against_rest(production, options)
    by_row = _by_row(metric, candidate, production, options)
    if by_row is not None:
        return lambda rows: by_row.judge(rows, error)
    if isinstance(metric, RocAuc) and candidate.task == "binary" and alike:
        return lambda rows: _areas(metric, candidate.take(rows), production.take(rows), error)
    if isinstance(metric, OfClass) and metric.name in _SEPARATE and alike:
        return lambda rows: _separate(metric, candidate, production, rows, error)
    what = metric.name if alike else f"{metric.name} of rows in clusters or with weights"
    use = _USE.get(candidate.task, "a share of rows such as share_above")
    problem = f"no bound holds at this level for {what}: use {use}, or a shorter horizon"
    return lambda rows: Paired(None, None, len(rows), problem=problem)


@dataclass(frozen=True, slots=True)
class _ByRow:
    """A metric that is the mean over rows of a figure between two limits.

    Attributes:
        candidate, production: (n,) figure of each row, NaN where it is left out.
        extent: the limits.
    """

    metric: Metric
    candidate: np.ndarray
    production: np.ndarray
    extent: tuple[float, float]
    shares: bool
    cluster: np.ndarray | None
    weight: np.ndarray | None

    def judge(self, rows: np.ndarray, error: float) -> Paired:
        a, b = self.candidate[rows], self.production[rows]
        known = ~(np.isnan(a) | np.isnan(b))
        a, b, rows = a[known], b[known], rows[known]
        weight = np.ones(len(rows)) if self.weight is None else self.weight[rows]
        if weight.sum() == 0:
            return Paired(None, None, len(rows), problem=_NO_ROWS)
        clusters = None if self.cluster is None else len(np.unique(self.cluster[rows]))
        result = self._result(a - b, rows, weight, error)
        first, second = (float(weight @ values / weight.sum()) for values in (a, b))
        found = oriented(result, self.metric.sign, first, second, len(rows))
        return replace(found, clusters=clusters)

    def _result(
        self, difference: np.ndarray, rows: np.ndarray, weight: np.ndarray, error: float
    ) -> PairedResult:
        width = 2 * (self.extent[1] - self.extent[0])
        if width == 0 or np.array_equal(self.candidate, self.production, equal_nan=True):
            return identical(len(rows), "identical rows")
        if self.cluster is not None or self.weight is not None:
            units = np.arange(len(rows)) if self.cluster is None else self.cluster[rows]
            _, codes = np.unique(units, return_inverse=True)
            sizes = np.bincount(codes, weights=weight).astype(np.float64)
            sums = np.bincount(codes, weights=weight * difference)
            return weighted_mean(sums[sizes > 0] / sizes[sizes > 0], sizes[sizes > 0], width, error=error)
        if self.shares:
            won, lost = int((difference > 0).sum()), int((difference < 0).sum())
            return paired_shares(won, lost, len(rows), error=error, same=False)
        return paired_mean(difference, width, error=error)


def _by_row(
    metric: Metric, candidate: Predictions, production: Predictions, options: Options
) -> _ByRow | None:
    """None for a metric that is no mean over rows, or one whose limits are not known."""
    if isinstance(metric, CellMetric):
        if not metric.is_paired_share:
            return None
        a, b = (metric.hits(data, options) for data in (candidate, production))
        extent: tuple[float, float] | None = (0.0, 1.0)
        shares = True
    elif isinstance(metric, RowMean) and type(metric).compare is RowMean.compare:
        # A metric that compares in a way of its own has rows that depend on each other.
        a, b = (metric.values(data, options) for data in (candidate, production))
        shares = all(metric.are_shares(values[~np.isnan(values)]) for values in (a, b))
        extent = (0.0, 1.0) if shares else _extent(metric, candidate, options)
    else:
        return None
    if extent is None:
        return None
    return _ByRow(metric, a, b, extent, shares, candidate.cluster, candidate.weight)


def _extent(metric: RowMean, data: Predictions, options: Options) -> tuple[float, float] | None:
    """Between which limits the figure of a row lies, whatever the model does."""
    if metric.name == "brier_score":
        return (0.0, 1.0) if data.task == "binary" else (0.0, 2.0)
    if metric.name == "expected_cost":
        costs = cost_matrix(options["costs"], data.classes)
        return float(costs.min()), float(costs.max())
    return metric.extent


def _areas(metric: RocAuc, candidate: Predictions, production: Predictions, error: float) -> Paired:
    label = needed(candidate.label) == 1
    a, b = needed(candidate.score), needed(production.score)
    if label.all() or not label.any():
        return Paired(None, None, candidate.rows, problem=metric.undefined)
    result = auc_difference(label, a, b, error=error)
    return oriented(result, metric.sign, roc_auc(label, a), roc_auc(label, b), candidate.rows)


_SEPARATE: dict[str, Callable[[float], float]] = {"precision": lambda q: q, "f1": lambda q: 2 * q / (1 + q)}


def _separate(
    metric: OfClass, candidate: Predictions, production: Predictions, rows: np.ndarray, error: float
) -> Paired:
    label = needed(candidate.label)[rows] == 1
    first, second = (needed(data.prediction)[rows] == 1 for data in (candidate, production))
    scale, of_one = _SEPARATE[metric.name], metric.name == "precision"
    one, other = (
        Share(int((label & said).sum()), int((said if of_one else label | said).sum()))
        for said in (first, second)
    )
    support = min(one.trials, other.trials) if of_one else int(label.sum())
    if one.trials == 0 or other.trials == 0:
        return Paired(None, None, support, problem=metric.undefined)
    a, b = (scale(share.successes / share.trials) for share in (one, other))
    if np.array_equal(needed(candidate.prediction), needed(production.prediction)):
        result = identical(len(rows), "identical rows")
    else:
        result = separate_shares(one, other, support, error=error, scale=scale)
    return oriented(result, metric.sign, a, b, support)
