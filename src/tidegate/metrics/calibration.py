"""Calibration: do probabilities hold what they say? By bins of the score, and by Cox's regression."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tidegate.metrics.base import (
    BINARY,
    CLASSES,
    EMPTY_SLICE,
    LABEL_AND_SCORE,
    Estimate,
    Metric,
    Options,
    Paired,
    needed,
)
from tidegate.metrics.cells import oriented, row_weights
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.pools import Pools, totals, widened
from tidegate.metrics.rows import SmoothMetric
from tidegate.stats import calibration, cox
from tidegate.stats.bootstrap import Statistic, row_bootstrap_paired, row_interval
from tidegate.stats.calibration import ReliabilityTable
from tidegate.stats.clustered import design_effect
from tidegate.stats.results import Interval, Linearised


@dataclass(frozen=True, kw_only=True)
class Binned(Metric):
    """A figure of the reliability table; of several classes, whether the likeliest is right and how likely it is said.

    Attributes:
        value: the figure of a table.
        of_sums: the same from rows, labels and scores summed by bin, each of shape (k, bins), to (k,).
        limits: its interval; None for a bootstrap of the rows.
        excess: by how much chance makes a difference too large, from sums of rows, labels and scores by unit and bin.
    """

    value: Callable[[ReliabilityTable], float]
    of_sums: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    limits: Callable[..., Interval] | None = None
    excess: Callable[[np.ndarray, np.ndarray], Interval] | None = None
    defaults: Mapping[str, Any] = field(default_factory=lambda: {"bins": 15, "binning": "uniform"})

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`."""
        right, score = _top(data)
        return [self._estimate(right[rows], score[rows], options, confidence) for rows in groups.members]

    def _estimate(
        self, right: np.ndarray, score: np.ndarray, options: Options, confidence: float | None
    ) -> Estimate:
        rows = len(right)
        if rows == 0:
            return Estimate(None, 0, problem=EMPTY_SLICE)
        # Sums must not depend on the order of a file.
        order = np.lexsort((right, score))
        right, score = right[order], score[order]
        table = calibration.reliability_table(
            right, score, bins=int(options["bins"]), binning=options["binning"]
        )
        interval = None
        if confidence is not None:
            interval = (
                self.limits(table, confidence=confidence)
                if self.limits is not None
                else self._resampled(right, score, options, confidence)
            )
        return Estimate(self.value(table), rows, interval)

    def _resampled(
        self, right: np.ndarray, score: np.ndarray, options: Options, confidence: float
    ) -> Interval:
        pools = Pools.of_rows(len(right))
        return row_interval(self._of_pools(right, score, options, pools), pools.count, confidence=confidence)

    def robust_interval(
        self, data: Predictions, cluster: np.ndarray, options: Options, confidence: float
    ) -> Interval | None:
        """As its own interval, on a table of as many rows as the clusters and weights are worth.

        Rao and Scott's (1981) correction by the mean design effect of the bins, or that of all their gaps together
        where it is larger, as when a cluster lifts all bins at once. None where it has no formula.
        """
        if self.limits is None:
            return None
        right, score = _top(data)
        bins, weight = int(options["bins"]), row_weights(data)
        index = calibration.bin_index(score, bins=bins, binning=options["binning"])
        gaps = _means(index, weight, right - score, bins)[index]
        apart, together = right - score - gaps, np.zeros_like(index)
        effect = max(
            design_effect(apart, weight, cluster, index),
            design_effect(apart, weight, cluster, together),
            design_effect(apart * np.sign(gaps), weight, cluster, together),
        )
        if math.isinf(effect):
            return Interval(-math.inf, math.inf)
        scaled = weight * (data.rows / effect / weight.sum())
        return self.limits(_weighted_table(right, score, index, scaled, bins), confidence=confidence)

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; a bootstrap of the rows, each model on bins of its own.

        What is never negative is too large by chance, more so for the better model: the interval has room for that.

        Those of a large table are drawn in pools: of its calibration errors all that counts are sums by bin.
        """
        a, b = _top(candidate), _top(production)
        return [
            self._compare([part[rows] for part in (*a, *b)], options, confidence) for rows in groups.members
        ]

    def _compare(self, parts: list[np.ndarray], options: Options, confidence: float) -> Paired:
        rows = len(parts[0])
        if rows == 0:
            return Paired(None, None, 0, problem=EMPTY_SLICE)
        order = np.lexsort(parts)
        right_a, score_a, right_b, score_b = (part[order] for part in parts)
        pools = Pools.of_rows(rows)
        first = self._of_pools(right_a, score_a, options, pools)
        second = self._of_pools(right_b, score_b, options, pools)
        result = row_bootstrap_paired(
            lambda weights: first(weights) - second(weights), pools.count, confidence=confidence
        )
        if self.excess is not None:
            sums = (self._sums(*model, options, pools) for model in ((right_a, score_a), (right_b, score_b)))
            result = widened(result, self.excess(*sums))
        whole = np.ones((1, pools.count))
        return oriented(result, self.sign, float(first(whole)[0]), float(second(whole)[0]), rows)

    def of_weights(self, data: Predictions, options: Options) -> Statistic | None:
        """See :meth:`Reweighted.of_weights`; edges at quantiles are those of the rows, whatever their weights."""
        right, score = _top(data)
        return self._statistic(right, score, options) if len(right) else None

    def of_pools(self, data: Predictions, options: Options, pools: Pools) -> Statistic | None:
        """See :meth:`Pooled.of_pools`."""
        right, score = _top(data)
        return self._of_pools(right, score, options, pools) if len(right) else None

    def excess_of_pools(
        self, models: tuple[Predictions, Predictions], options: Options, pools: Pools
    ) -> Interval | None:
        """See :meth:`Overstated.excess_of_pools`."""
        if self.excess is None:
            return None
        first, second = (self._sums(*_top(data), options, pools) for data in models)
        return self.excess(first, second)

    def _sums(self, right: np.ndarray, score: np.ndarray, options: Options, pools: Pools) -> np.ndarray:
        """Rows, labels and scores summed by pool and bin of these rows, shape (3, pools, bins)."""
        bins = int(options["bins"])
        index = calibration.bin_index(score, bins=bins, binning=options["binning"])
        return np.stack([pools.sums(values, index, bins) for values in (np.ones(len(right)), right, score)])

    def _of_pools(self, right: np.ndarray, score: np.ndarray, options: Options, pools: Pools) -> Statistic:
        """The figure as a function of the weights of pools, on the bins of these rows."""
        bins = int(options["bins"])
        sums = np.hstack([*self._sums(right, score, options, pools)])

        def statistic(weights: np.ndarray) -> np.ndarray:
            # Without its only row a table has no figure.
            with np.errstate(invalid="ignore"):
                return self.of_sums(*np.moveaxis(totals(weights, sums).reshape(-1, 3, bins), 1, 0))

        return statistic

    def _statistic(self, right: np.ndarray, score: np.ndarray, options: Options) -> Statistic:
        """The figure as a function of row weights, on the bins of these rows."""
        bins = int(options["bins"])
        index = calibration.bin_index(score, bins=bins, binning=options["binning"])
        order = np.argsort(index, kind="stable")
        occupied, starts = np.unique(index[order], return_index=True)
        label, probability = right[order], score[order]

        def statistic(weights: np.ndarray) -> np.ndarray:
            drawn = weights[:, order]
            sums = [np.zeros((len(weights), bins)) for _ in range(3)]
            for total, values in zip(sums, (drawn, drawn * label, drawn * probability), strict=True):
                total[:, occupied] = np.add.reduceat(values, starts, axis=1)
            # Without its only row a table has no figure.
            with np.errstate(invalid="ignore"):
                return self.of_sums(*sums)

        return statistic


def _means(index: np.ndarray, weight: np.ndarray, values: np.ndarray, bins: int) -> np.ndarray:
    """Weighted mean of each bin, shape (bins,); 0 in an empty one."""
    sums, weights = (np.bincount(index, weights=each, minlength=bins) for each in (weight * values, weight))
    return np.divide(sums, weights, out=np.zeros(bins), where=weights > 0)


def _weighted_table(
    right: np.ndarray, score: np.ndarray, index: np.ndarray, weight: np.ndarray, bins: int
) -> ReliabilityTable:
    """As :func:`tidegate.stats.calibration.reliability_table` of rows that count more than once, or less."""
    mean_label, mean_score = (_means(index, weight, each, bins) for each in (right, score))
    of_label, of_score = right - mean_label[index], score - mean_score[index]

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(index, weights=weight * values, minlength=bins)

    return ReliabilityTable(
        rows=np.bincount(index, weights=weight, minlength=bins),
        mean_label=mean_label,
        mean_score=mean_score,
        squared_error=sums((score - right) ** 2),
        expected_error=sums(score * (1 - score)),
        score_variation=sums(of_score**2),
        covariation=sums(of_score * of_label),
    )


def _top(data: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Whether what was said came true, and its probability, both (n,)."""
    label, score = needed(data.label), needed(data.score)
    if data.task == "binary":
        return label.astype(np.float64), score
    best = np.argmax(score, axis=1)
    return (best == label).astype(np.float64), score[np.arange(data.rows), best]


def _calibration_error(rows: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.abs(labels - scores).sum(axis=-1) / rows.sum(axis=-1)
    return result


def _reliability(rows: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    squares = np.divide((labels - scores) ** 2, rows, out=np.zeros(rows.shape), where=rows > 0)
    result: np.ndarray = squares.sum(axis=-1) / rows.sum(axis=-1)
    return result


def _resolution(rows: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    total = rows.sum(axis=-1)
    overall = labels.sum(axis=-1) / total
    squares = np.divide(labels**2, rows, out=np.zeros(rows.shape), where=rows > 0)
    result: np.ndarray = squares.sum(axis=-1) / total - overall**2
    return result


def _uncertainty(rows: np.ndarray, labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    overall: np.ndarray = labels.sum(axis=-1) / rows.sum(axis=-1)
    return overall * (1 - overall)


def _reliability_excess(first: np.ndarray, second: np.ndarray) -> Interval:
    return calibration.square_excess(*(np.stack((sums[0], sums[1] - sums[2])) for sums in (first, second)))


def _resolution_excess(first: np.ndarray, second: np.ndarray) -> Interval:
    return calibration.square_excess(first[:2], second[:2])


@dataclass(frozen=True, kw_only=True)
class Cox(SmoothMetric):
    """A coefficient of Cox's regression of the label on the logit of the score."""

    undefined: str = "the labels are of one class, or the score parts the classes without error"
    fit: Callable[[np.ndarray, np.ndarray, np.ndarray | None], Linearised]

    def linearise(self, data: Predictions, options: Options) -> Linearised:
        """See :meth:`Metric.linearise`."""
        label, score = needed(data.label), needed(data.score)
        # Where the likelihood is flat the order of its sums shows in the tenth digit: let the values decide it.
        order = np.lexsort((label, score))
        found = self.fit(label[order], score[order], None if data.weight is None else data.weight[order])
        influence = np.empty(data.rows)
        influence[order] = found.influence
        return Linearised(found.value, influence)


METRICS: list[Metric] = [
    Binned(
        name="expected_calibration_error",
        tasks=CLASSES,
        better="lower",
        parts=LABEL_AND_SCORE,
        value=lambda table: table.expected_calibration_error,
        of_sums=_calibration_error,
        limits=calibration.calibration_error_interval,
        excess=calibration.calibration_error_excess,
    ),
    Binned(
        name="brier_reliability",
        tasks=BINARY,
        better="lower",
        parts=LABEL_AND_SCORE,
        value=lambda table: calibration.brier_parts(table).reliability,
        of_sums=_reliability,
        limits=calibration.reliability_interval,
        excess=_reliability_excess,
    ),
    Binned(
        name="brier_resolution",
        tasks=BINARY,
        better="higher",
        parts=LABEL_AND_SCORE,
        value=lambda table: calibration.brier_parts(table).resolution,
        of_sums=_resolution,
        limits=calibration.resolution_interval,
        excess=_resolution_excess,
    ),
    Binned(
        name="brier_uncertainty",
        tasks=BINARY,
        better="neither",
        parts=LABEL_AND_SCORE,
        value=lambda table: calibration.brier_parts(table).uncertainty,
        of_sums=_uncertainty,
    ),
    Cox(
        name="calibration_slope",
        tasks=BINARY,
        better="neither",
        parts=LABEL_AND_SCORE,
        fit=cox.calibration_slope,
    ),
    Cox(
        name="calibration_intercept",
        tasks=BINARY,
        better="neither",
        parts=LABEL_AND_SCORE,
        fit=cox.calibration_intercept,
    ),
]
