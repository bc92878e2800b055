"""A metric on rows that come in clusters or do not count alike: from the influence of each row, or by resampling.

Influences give a cluster-robust variance, see :mod:`tidegate.stats.clustered`. Quantiles and calibration errors have
intervals of their own on as many rows as those at hand are worth; what has no formula is resampled by cluster.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from tidegate.metrics.base import Estimate, Metric, Options, Paired, needed, or_none
from tidegate.metrics.calibration import Binned
from tidegate.metrics.cells import CellMetric, not_narrower, oriented, row_weights
from tidegate.metrics.data import Predictions
from tidegate.metrics.efficiency import Latency, LatencyRatio, ModelSize, ServiceMean, Throughput
from tidegate.metrics.operating_points import OperatingPoint
from tidegate.metrics.quantiles import RowQuantile
from tidegate.metrics.ranking import AveragePrecision, RocAuc
from tidegate.metrics.regression import MaxError
from tidegate.metrics.resampled_clusters import of_weights, resampled_difference, resampled_interval
from tidegate.metrics.rows import RowMean
from tidegate.metrics.weighted_shares import no_surer_than_score, paired_outcomes
from tidegate.stats.bootstrap import Statistic
from tidegate.stats.clustered import Spread, effective_rows, spread
from tidegate.stats.clustered_intervals import (
    loss_interval,
    mean_interval,
    paired_difference,
    quantile_interval,
    share_interval,
)
from tidegate.stats.intervals import t_quantile, without_variation
from tidegate.stats.results import Interval, Linearised, PairedResult, identical

_FEWER = 0.9  # effective rows, of the rows, from which down they are worth a note
_NO_FORM = "it cannot respect clusters or weights: leave out `columns.cluster:` and `columns.weight:`"
_UNDEFINED = "it does not exist on these rows"


def goes_its_own_way(metric: Metric, data: Predictions, *, paired: bool = False) -> bool:
    """Whether clusters and weights change nothing: it is measured of the model as a whole, or has no interval."""
    if isinstance(metric, ModelSize | MaxError) or (paired and isinstance(metric, LatencyRatio | Throughput)):
        return True
    if isinstance(metric, ServiceMean):
        return getattr(data, metric.part) is None
    if isinstance(metric, LatencyRatio):
        return data.latency is None or data.production_latency is None
    if isinstance(metric, Throughput):
        measured = data.performance is not None and data.performance.throughput is not None
        return measured or data.latency is None
    return isinstance(metric, Latency) and data.latency is None


def agree(metric: Metric, first: Predictions, second: Predictions, options: Options) -> bool:
    """Whether two models, as far as the metric looks, said the same of every row."""
    if isinstance(metric, RowMean | RowQuantile):
        a, b = metric.values(first, options), metric.values(second, options)
        return bool(np.array_equal(a, b, equal_nan=True))
    answers = [
        (getattr(first, part), getattr(second, part))
        for part in ("prediction", "score")
        if part in metric.parts
    ]
    return all(np.array_equal(needed(a), needed(b)) for a, b in answers)


def method_in_words(data: Predictions) -> str:
    """How the variance was found."""
    words = "heteroskedasticity-robust (HC3)" if data.cluster is None else "cluster-robust (CR3)"
    return words if data.weight is None else f"weighted, {words}"


@dataclass(frozen=True, slots=True)
class Rows:
    """A metric on rows of which there is at least one, all of weight above zero."""

    metric: Metric
    data: Predictions
    options: Options

    def estimate(self, plain: Estimate, confidence: float | None) -> Estimate:
        """The weighted value, with an interval where one is asked for, on the rows of the unweighted one."""
        found = self.linearised
        if found is not None:
            if math.isnan(found.value):
                return replace(plain, value=None, problem=plain.problem or _UNDEFINED)
            of = spread(found.influence, row_weights(self.data), self.units, self.strata(found))
            interval = None if confidence is None else self._interval(found.value, of, plain.rows, confidence)
            return self._noted(plain, found.value, interval, of.clusters)
        statistic = self.statistic
        if statistic is None:
            return replace(plain, value=None, problem=_NO_FORM)
        value = float(statistic(row_weights(self.data)[None])[0])
        if math.isnan(value):
            return replace(plain, value=None, problem=plain.problem or _UNDEFINED)
        interval = None if confidence is None else self._resampled(value, confidence)
        return self._noted(plain, value, interval, len(np.unique(self.units)))

    @property
    def linearised(self) -> Linearised | None:
        """See :meth:`Metric.linearise`."""
        return self.metric.linearise(self.data, self.options)

    @property
    def statistic(self) -> Statistic | None:
        """The metric as a function of row weights; None where it is none."""
        return of_weights(self.metric, self.data, self.options)

    @property
    def units(self) -> np.ndarray:
        """Shape (n,), codes from 0, each of which occurs, of what is independent: clusters, or rows."""
        if self.data.cluster is None:
            return np.arange(self.data.rows)
        return np.unique(self.data.cluster, return_inverse=True)[1]

    def strata(self, found: Linearised) -> np.ndarray:
        """Shape (n,), of what the metric takes means over by itself; -1 for rows that do not count."""
        if isinstance(self.metric, RocAuc | AveragePrecision):
            return needed(self.data.label).astype(np.int64)
        counts = found.influence != 0
        if isinstance(self.metric, CellMetric):
            counts = counts | self.metric.stands_on(self.data, self.options)
        elif isinstance(self.metric, RowMean):
            counts = ~np.isnan(self.metric.values(self.data, self.options))
        else:
            counts = np.ones(self.data.rows, dtype=bool)
        return np.where(counts, 0, -1)

    @property
    def is_share(self) -> bool:
        """Whether the metric is a share of the rows that count."""
        if isinstance(self.metric, RowMean):
            values = self.metric.values(self.data, self.options)
            return self.metric.are_shares(values[~np.isnan(values)])
        return isinstance(self.metric, CellMetric) and self.metric.proportion is not None

    @property
    def extent(self) -> tuple[float, float] | None:
        """Between which values the metric lies; None where there is no limit."""
        if isinstance(self.metric, RocAuc | AveragePrecision):
            return 0.0, 1.0
        return (0.0, 1.0) if self.is_share else self.metric.extent

    def _interval(self, value: float, of: Spread, rows: int, confidence: float) -> Interval:
        if self.extent is None:
            limits = loss_interval if self.metric.better == "lower" else mean_interval
            return limits(value, of, confidence=confidence)
        extent = None if self.is_share else self.extent
        return share_interval(value, of, rows, confidence=confidence, extent=extent)

    def _resampled(self, value: float, confidence: float) -> Interval:
        weight, units = row_weights(self.data), self.units
        if isinstance(self.metric, RowQuantile):
            values = self.metric.values(self.data, self.options)
            known, share = ~np.isnan(values), self.metric.share_of(self.options)
            return quantile_interval(
                values[known], value, share, weight[known], units[known], confidence=confidence
            )
        if isinstance(self.metric, Binned):
            found = self.metric.robust_interval(self.data, units, self.options, confidence)
            if found is not None:
                return found
        found = resampled_interval(self.metric, self.data, units, weight, self.options, confidence)
        if self.extent is None or not math.isfinite(found.low + found.high):
            return found
        lowest, highest = self.extent
        if found.low < found.high:
            return Interval(max(found.low, lowest), min(found.high, highest))
        few = self._fewest()
        return without_variation(value, few, confidence=confidence, lowest=lowest, highest=highest)

    def _fewest(self) -> float:
        """Effective clusters of the class that has fewest, and of those the share that had to be found."""
        label = np.zeros(self.data.rows) if self.data.label is None else self.data.label
        weight, units = row_weights(self.data), self.units
        fewest = min(
            effective_rows(np.bincount(units[label == each], weights=weight[label == each]))
            for each in np.unique(label)
        )
        of_found = isinstance(self.metric, OperatingPoint) and self.metric.of_found
        return fewest * float(self.options["at"]) if of_found else fewest

    def _noted(self, plain: Estimate, value: float, interval: Interval | None, clusters: int) -> Estimate:
        notes = [plain.note] if plain.note else []
        if self.data.weight is not None:
            worth = effective_rows(self.data.weight)
            if worth < _FEWER * self.data.rows:
                notes.append(f"the weights leave as much as {worth:,.0f} rows of equal weight would")
        return replace(
            plain,
            value=value,
            interval=interval,
            problem="",
            note="; ".join(notes),
            clusters=None if self.data.cluster is None else clusters,
        )


@dataclass(frozen=True, slots=True, kw_only=False)
class Pair:
    """A metric of two models on rows of which there is at least one, all of weight above zero.

    Attributes:
        same: the models said the same of every row of the table, of which these may be a part.
    """

    metric: Metric
    candidate: Predictions
    production: Predictions
    options: Options
    same: bool

    def compare(self, candidate: Estimate, production: Estimate, confidence: float) -> Paired:
        """The comparison, on the rows of the unweighted estimates."""
        rows = min(candidate.rows, production.rows)
        one, other = (Rows(self.metric, data, self.options) for data in (self.candidate, self.production))
        first, second = one.linearised, other.linearised
        problem = candidate.problem or production.problem or _UNDEFINED
        if first is not None and second is not None:
            if math.isnan(first.value) or math.isnan(second.value):
                return Paired(or_none(first.value), or_none(second.value), rows, problem=problem)
            stratum = np.maximum(one.strata(first), other.strata(second))
            of = spread(first.influence - second.influence, row_weights(self.production), one.units, stratum)
            result = self._difference(first, second, of, rows, confidence)
            return self._turned(result, first.value, second.value, rows, of.clusters)
        return self._resampled(one, other, rows, problem, confidence)

    def _difference(
        self, a: Linearised, b: Linearised, of: Spread, rows: int, confidence: float
    ) -> PairedResult:
        method = method_in_words(self.production)
        if self.same:
            return identical(rows, method)
        result = paired_difference(a.value - b.value, of, rows, confidence=confidence, method=method)
        outcomes = paired_outcomes(self.metric, self.candidate, self.production, self.options)
        if outcomes is not None and of.differing:
            result = no_surer_than_score(result, outcomes, of, confidence)
        z = t_quantile(confidence, math.inf)
        extent = Rows(self.metric, self.production, self.options).extent
        if not math.isfinite(of.variance) or of.differing >= z * z:
            return result
        if isinstance(self.metric, CellMetric):
            # So many rows, each with a cluster's say, that those that count are as many as their clusters.
            counted = self._share_that_counts(b)
            one_row = self.metric.one_row(self.production, self.options, of.effective_clusters / counted)
        elif extent is not None and self._might_differ(a, b, of, extent):
            one_row = (extent[1] - extent[0]) / of.effective_clusters
        else:
            return result if of.differing else identical(rows, method)
        return not_narrower(result, one_row, confidence)

    def _share_that_counts(self, of: Linearised) -> float:
        weight = row_weights(self.production)
        counted = Rows(self.metric, self.production, self.options).strata(of) >= 0
        return float(weight[counted].sum() / weight.sum()) or 1.0

    def _might_differ(self, a: Linearised, b: Linearised, of: Spread, extent: tuple[float, float]) -> bool:
        """Whether no difference, or one of few clusters, is what these rows may have missed more of."""
        if isinstance(self.metric, RocAuc | AveragePrecision):
            # Two perfect orders have no influences, however they differ; elsewhere equal influences are one order.
            perfect = a.value == b.value and a.value in extent
            return bool(of.differing) or (
                perfect and not agree(self.metric, self.candidate, self.production, {})
            )
        return True

    def _resampled(self, one: Rows, other: Rows, rows: int, problem: str, confidence: float) -> Paired:
        first, second = one.statistic, other.statistic
        if first is None or second is None:
            return Paired(None, None, rows, problem=_NO_FORM)
        weight = row_weights(self.production)
        a, b = (float(of(weight[None])[0]) for of in (first, second))
        if math.isnan(a) or math.isnan(b):
            return Paired(or_none(a), or_none(b), rows, problem=problem)
        units, models = one.units, (self.candidate, self.production)
        result = (
            identical(rows, "")
            if self.same
            else resampled_difference(self.metric, models, units, weight, self.options, confidence)
        )
        kind = "bootstrap of rows" if self.production.cluster is None else "cluster bootstrap"
        words = kind if self.production.weight is None else f"weighted {kind}"
        return self._turned(replace(result, method=words), a, b, rows, int(units.max()) + 1)

    def _turned(self, result: PairedResult, a: float, b: float, rows: int, clusters: int) -> Paired:
        found = oriented(result, self.metric.sign, a, b, rows)
        return replace(found, clusters=None if self.production.cluster is None else clusters)
