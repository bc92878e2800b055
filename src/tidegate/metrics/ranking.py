"""Metrics of the order that a score gives: area under the ROC curve and average precision."""

import math
from dataclasses import dataclass, replace

import numpy as np

from tidegate.errors import ConfigError
from tidegate.metrics.base import Estimate, Options, Paired, SliceMetric, needed
from tidegate.metrics.cells import oriented
from tidegate.metrics.data import Predictions
from tidegate.metrics.resampled import ResampledMetric
from tidegate.metrics.rows import SmoothMetric, difference_of
from tidegate.metrics.search import Scan, Searchable
from tidegate.metrics.search_auc import AucScan
from tidegate.stats.auc import (
    auc_interval,
    average_precision,
    delong,
    linearised_auc,
    paired_areas,
    roc_auc,
)
from tidegate.stats.bootstrap import Statistic
from tidegate.stats.intervals import logit_interval, without_variation
from tidegate.stats.results import Interval, Linearised

_LARGE = 20_000
_OF_EACH_CLASS = 100


@dataclass(frozen=True, kw_only=True)
class _MacroAuc(SmoothMetric):
    """Mean of the one-against-rest areas (Provost & Domingos 2000) over all classes."""

    undefined: str = "a class has no rows, or all of them"

    def linearise(self, data: Predictions, options: Options) -> Linearised:
        """See :meth:`Metric.linearise`."""
        label, score = needed(data.label), needed(data.score)
        value, influence = 0.0, np.zeros(data.rows)
        for k in range(len(data.classes)):
            truth = label == k
            if truth.all() or not truth.any():
                return Linearised(math.nan, influence)
            found = linearised_auc(truth, score[:, k], data.weight)
            value, influence = value + found.value, influence + found.influence
        return Linearised(value / len(data.classes), influence / len(data.classes))

    def estimate_rows(self, data: Predictions, confidence: float | None) -> Estimate:
        """See :meth:`SliceMetric.estimate_rows`; without overlap of the classes, by the rows of the smallest."""
        found = super().estimate_rows(data, confidence)
        if confidence is None or found.interval is None or found.interval.low < found.interval.high:
            return found
        fewest = int(np.bincount(needed(data.label)).min())
        return replace(found, interval=without_variation(found.value or 0.0, fewest, confidence=confidence))


@dataclass(frozen=True, kw_only=True)
class RocAuc(Searchable, SliceMetric):
    """Area under the ROC curve; for several classes the mean of one against the rest."""

    undefined: str = "all rows are of one class"

    @property
    def perfect(self) -> float | None:
        """See :attr:`Metric.perfect`."""
        return 1.0

    @property
    def _macro(self) -> _MacroAuc:
        return _MacroAuc(name=self.name, tasks=self.tasks, better=self.better, parts=self.parts)

    def scan(self, data: Predictions, options: Options) -> Scan:
        """See :meth:`Searchable.scan`; of two classes only."""
        if data.task == "multiclass":
            raise ConfigError(
                f"`discover:` can search by {self.name!r} for two classes only: use accuracy or log_loss"
            )
        return AucScan(needed(data.label) == 1, needed(data.score))

    def linearise(self, data: Predictions, options: Options) -> Linearised:
        """See :meth:`Metric.linearise`."""
        if data.task == "multiclass":
            return self._macro.linearise(data, options)
        label, score = needed(data.label) == 1, needed(data.score)
        if label.all() or not label.any():
            return Linearised(math.nan, np.zeros(data.rows))
        return linearised_auc(label, score, data.weight)

    def estimate_rows(self, data: Predictions, confidence: float | None) -> Estimate:
        """See :meth:`SliceMetric.estimate_rows`; DeLong's variance."""
        if data.task == "multiclass":
            return self._macro.estimate_rows(data, confidence)
        label, score = needed(data.label) == 1, needed(data.score)
        if label.all() or not label.any():
            return Estimate(None, data.rows, problem=self.undefined)
        if confidence is None:
            return Estimate(roc_auc(label, score), data.rows)
        result = delong(label, score)
        return Estimate(result.auc, data.rows, auc_interval(result, confidence=confidence))

    def compare_rows(self, candidate: Predictions, production: Predictions, confidence: float) -> Paired:
        """See :meth:`SliceMetric.compare_rows`; paired DeLong."""
        if candidate.task == "multiclass":
            return self._macro.compare_rows(candidate, production, confidence)
        label, a, b = needed(candidate.label) == 1, needed(candidate.score), needed(production.score)
        if label.all() or not label.any():
            return Paired(None, None, candidate.rows, problem=self.undefined)
        areas = paired_areas(label, a, b, confidence=confidence)
        return oriented(areas.difference, self.sign, areas.first, areas.second, candidate.rows)


@dataclass(frozen=True, kw_only=True)
class AveragePrecision(ResampledMetric):
    """Mean precision over the recall steps, without interpolation, as scikit-learn defines it."""

    undefined: str = "no row is labelled positive"

    @property
    def perfect(self) -> float | None:
        """See :attr:`Metric.perfect`."""
        return 1.0

    def linearise(self, data: Predictions, options: Options) -> Linearised:
        """See :meth:`Metric.linearise`."""
        return average_precision(needed(data.label) == 1, needed(data.score), data.weight)

    def interval(self, data: Predictions, confidence: float) -> Interval:
        """See :meth:`ResampledMetric.interval`; where no draw differs, by the rows of the smaller class."""
        if _is_large(data):
            whole = self.linearise(replace(data, weight=None), {})
            variance = float(whole.influence.var(ddof=1)) / data.rows
            if variance > 0:
                return logit_interval(whole.value, variance, confidence=confidence)
        found = super().interval(data, confidence)
        if found.low < found.high:
            return found
        positives = int(np.count_nonzero(needed(data.label) == 1))
        return without_variation(
            found.low, max(min(positives, data.rows - positives), 1), confidence=confidence
        )

    def compare_rows(self, candidate: Predictions, production: Predictions, confidence: float) -> Paired:
        """See :meth:`SliceMetric.compare_rows`; by influences where a bootstrap would take long."""
        if not _is_large(candidate):
            return super().compare_rows(candidate, production, confidence)
        a, b = (self.linearise(replace(data, weight=None), {}) for data in (candidate, production))
        result = difference_of(a, b, confidence=confidence)
        return oriented(result, self.sign, a.value, b.value, candidate.rows)

    def statistic(self, data: Predictions) -> Statistic:
        """See :meth:`ResampledMetric.statistic`."""
        label, score = needed(data.label) == 1, needed(data.score)
        order = np.argsort(-score, kind="stable")
        ends = np.append(np.flatnonzero(np.diff(score[order])), data.rows - 1)
        # Precision counts only where a tie of scores holds a positive.
        hits = np.flatnonzero(label[order])
        step = np.unique(np.searchsorted(ends, hits))
        last, starts = ends[step], np.searchsorted(hits, np.append(-1, ends)[step], side="right")
        positives = order[hits]

        def value(weights: np.ndarray) -> np.ndarray:
            if len(hits) == 0:
                return np.full(len(weights), np.nan)
            seen = np.cumsum(weights[:, order], axis=1)[:, last]
            gained = np.add.reduceat(weights[:, positives], starts, axis=1)
            found = np.cumsum(gained, axis=1)
            with np.errstate(invalid="ignore", divide="ignore"):
                precision = np.where(seen > 0, found / seen, 0.0)
                result: np.ndarray = (precision * gained).sum(axis=1) / found[:, -1]
            return result

        return value


def _is_large(data: Predictions) -> bool:
    """Whether influences tell the spread of an average precision as well as resamples do, which take long by then."""
    positives = int(np.count_nonzero(needed(data.label) == 1))
    return data.rows >= _LARGE and min(positives, data.rows - positives) >= _OF_EACH_CLASS
