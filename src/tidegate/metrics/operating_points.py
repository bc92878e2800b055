"""Metrics at the best threshold under a condition: what a team that may raise so many alarms can still find."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tidegate.metrics.base import BINARY, LABEL_AND_SCORE, Estimate, Metric, Options, Paired, needed
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.resampled import ResampledMetric
from tidegate.stats import operating_points
from tidegate.stats.bootstrap import Statistic
from tidegate.stats.intervals import clopper_pearson
from tidegate.stats.results import Interval

Measure = Callable[[np.ndarray, np.ndarray, float], Statistic]


@dataclass(frozen=True, kw_only=True)
class _AtCondition(ResampledMetric):
    measure: Measure
    of_found: bool
    at: float

    def statistic(self, data: Predictions) -> Statistic:
        return self.measure(needed(data.label) == 1, needed(data.score), self.at)

    def interval(self, data: Predictions, confidence: float) -> Interval:
        found = super().interval(data, confidence)
        if found.low < found.high:
            return found
        # Rows without an exception look the same in every draw, which proves no more than their number does. A recall
        # stands on the positives; a precision on no fewer rows than the positives that had to be found.
        positives = np.count_nonzero(needed(data.label) == 1)
        trials = math.ceil(positives * (self.at if self.of_found else 1))
        exact = clopper_pearson(found.low * trials, trials, confidence=confidence)
        return Interval(min(exact.low, found.low), max(exact.high, found.high))


@dataclass(frozen=True, kw_only=True)
class OperatingPoint(Metric):
    """The best that any threshold reaches under a condition, which the option `at` says.

    Attributes:
        measure: labels, scores and the condition to the statistic.
        of_found: it is a share of the rows called positive, not of the positives.
        undefined: why it does not exist on rows where it does not, in words.
    """

    measure: Measure
    of_found: bool
    undefined: str
    options: frozenset[str] = frozenset({"at"})

    def check(self, options: Options) -> None:
        """See :meth:`Metric.check`: `at` is a share."""
        if not 0 < options["at"] < 1:
            raise ValueError(f"`at:` of {self.name!r} is {options['at']:g}: write a share between 0 and 1")

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`; a bootstrap of the rows."""
        return self._under(options).estimate(data, groups, options, confidence)

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; each model at a threshold of its own."""
        return self._under(options).compare(candidate, production, groups, options, confidence)

    def of_weights(self, data: Predictions, options: Options) -> Statistic | None:
        """See :meth:`Reweighted.of_weights`."""
        return self._under(options).statistic(data)

    @property
    def extent(self) -> tuple[float, float] | None:
        """See :attr:`Metric.extent`."""
        return 0.0, 1.0

    def _under(self, options: Options) -> _AtCondition:
        return _AtCondition(
            name=self.name,
            tasks=self.tasks,
            better=self.better,
            parts=self.parts,
            undefined=self.undefined,
            measure=self.measure,
            of_found=self.of_found,
            at=float(options["at"]),
        )


METRICS: list[Metric] = [
    OperatingPoint(
        name=name,
        tasks=BINARY,
        better="higher",
        parts=LABEL_AND_SCORE,
        measure=measure,
        of_found=name.startswith("precision"),
        undefined=undefined,
    )
    for name, measure, undefined in (
        ("precision_at_recall", operating_points.precision_at_recall, "no row is labelled positive"),
        ("recall_at_precision", operating_points.recall_at_precision, "no row is labelled positive"),
        ("recall_at_fpr", operating_points.recall_at_false_positive_rate, "all rows are of one class"),
    )
]
