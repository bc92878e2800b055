"""Metrics that are means over rows, and smooth functions of such means."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tidegate.metrics.base import Estimate, Metric, Options, Paired, SliceMetric
from tidegate.metrics.cells import oriented
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.intervals import clopper_pearson, mean_t
from tidegate.stats.paired import paired_mean, proportion_difference
from tidegate.stats.results import PairedResult, identical

_NO_ROWS = "there are no rows with a value"


@dataclass(frozen=True, kw_only=True)
class RowMean(Metric):
    """The mean of a number per row.

    Attributes:
        values: the number of each row, shape (n,); NaN leaves the row out.
    """

    values: Callable[[Predictions, Options], np.ndarray]

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`; exact interval for shares of rows, Student's t otherwise."""
        values = self.values(data, options)
        known = ~np.isnan(values) & (groups.codes >= 0)
        if not known.all():
            values, codes = values[known], groups.codes[known]
        else:
            codes = groups.codes
        counts = np.bincount(codes, minlength=groups.count)
        sums = np.bincount(codes, weights=values, minlength=groups.count)
        with np.errstate(invalid="ignore"):
            means = sums / counts
            # Two passes: the one-pass formula loses the digits of a small variance about a large mean.
            squares = np.bincount(codes, weights=(values - means[codes]) ** 2, minlength=groups.count)
        shares = np.isin(values, (0.0, 1.0)).all()
        results = []
        for g in range(groups.count):
            n = int(counts[g])
            if n == 0:
                results.append(Estimate(None, 0, problem=_NO_ROWS))
                continue
            interval = None
            if confidence is not None:
                interval = (
                    clopper_pearson(float(sums[g]), n, confidence=confidence)
                    if shares
                    else mean_t(float(means[g]), float(squares[g]) / max(n - 1, 1), n, confidence=confidence)
                )
            results.append(Estimate(float(means[g]), n, interval))
        return results

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; rows without a value for either model are left out."""
        a, b = self.values(candidate, options), self.values(production, options)
        same = bool(np.array_equal(a, b, equal_nan=True))
        known = ~(np.isnan(a) | np.isnan(b))
        shares = bool(np.isin(a[known], (0.0, 1.0)).all() and np.isin(b[known], (0.0, 1.0)).all())
        results = []
        for members in groups.members:
            rows = members[known[members]] if not known.all() else members
            if len(rows) == 0:
                results.append(Paired(None, None, 0, problem=_NO_ROWS))
                continue
            of_a, of_b = a[rows], b[rows]
            result: PairedResult
            if same:
                result = identical(len(rows), "identical rows")
            elif shares:
                result = proportion_difference(of_a == 1, of_b == 1, confidence=confidence)
            else:
                result = paired_mean(of_a - of_b, confidence=confidence)
            results.append(oriented(result, self.sign, float(of_a.mean()), float(of_b.mean()), len(rows)))
        return results


@dataclass(frozen=True, slots=True)
class Linearised:
    """A smooth statistic with the influence of each row on it (Hampel 1974): its variance is theirs over n.

    Attributes:
        value: NaN where it does not exist.
        influence: shape (n,), mean zero.
    """

    value: float
    influence: np.ndarray


@dataclass(frozen=True, kw_only=True)
class SmoothMetric(SliceMetric):
    """A smooth function of means over rows; intervals by the infinitesimal jackknife (Efron 1981)."""

    @abstractmethod
    def linearise(self, data: Predictions) -> Linearised:
        """The statistic of these rows and the influence of each."""

    def estimate_rows(self, data: Predictions, confidence: float | None) -> Estimate:
        """See :meth:`SliceMetric.estimate_rows`."""
        result = self.linearise(data)
        if math.isnan(result.value):
            return Estimate(None, data.rows, problem=self.undefined)
        if confidence is None:
            return Estimate(result.value, data.rows)
        variance = float(result.influence.var(ddof=1)) if data.rows > 1 else math.nan
        interval = mean_t(result.value, variance, data.rows, confidence=confidence)
        return Estimate(result.value, data.rows, interval)

    def compare_rows(self, candidate: Predictions, production: Predictions, confidence: float) -> Paired:
        """See :meth:`SliceMetric.compare_rows`."""
        a, b = self.linearise(candidate), self.linearise(production)
        if math.isnan(a.value) or math.isnan(b.value):
            return Paired(None, None, candidate.rows, problem=self.undefined)
        moved = a.influence - b.influence
        # The mean influence is zero; adding the difference makes its t interval that of the difference.
        result = paired_mean(moved - moved.mean() + (a.value - b.value), confidence=confidence)
        named = replace(result, method="infinitesimal jackknife")
        return oriented(named, self.sign, a.value, b.value, candidate.rows)
