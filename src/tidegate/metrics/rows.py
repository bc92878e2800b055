"""Metrics that are means over rows, and smooth functions of such means."""

import math
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tidegate.metrics.base import Estimate, Metric, Options, Paired, SliceMetric
from tidegate.metrics.cells import oriented, row_weights
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.search import MeanScan, Scan, Searchable, ShareScan
from tidegate.stats.intervals import clopper_pearson, mean_t, without_variation
from tidegate.stats.paired import paired_mean, proportion_difference
from tidegate.stats.results import Linearised, PairedResult, identical
from tidegate.tables import Column, Want

VALUE = "value"
_NO_ROWS = "there are no rows with a value"
_TOO_LARGE = "figures of rows are too large to be added"


@dataclass(frozen=True, kw_only=True)
class RowMean(Searchable, Metric):
    """The mean of a number per row.

    Attributes:
        values: the number of each row, shape (n,); NaN leaves the row out.
        bounded: each is between 0 and 1 by what it is; None when only the values tell that it is one of these.
    """

    values: Callable[[Predictions, Options], np.ndarray]
    bounded: bool | None = False

    @property
    def extent(self) -> tuple[float, float] | None:
        """See :attr:`Metric.extent`."""
        return (0.0, 1.0) if self.bounded else None

    def are_shares(self, values: np.ndarray) -> bool:
        """Whether the known values are all 0 or 1, and not by chance."""
        return self.bounded is not False and bool(np.isin(values, (0.0, 1.0)).all())

    def within(self, groups: Groups) -> "RowMean":
        """The same where what a row counts for depends on the other rows of its group."""
        return self

    def known(self, data: Predictions, groups: Groups, options: Options) -> tuple["KnownMean", Predictions]:
        """The mean of numbers that have been found, and the rows with them."""
        values = self.within(groups).values(data, options)
        column = Column(VALUE, "number", np.asarray(values, dtype=np.float64))
        mean = KnownMean(name=self.name, tasks=self.tasks, better=self.better, bounded=self.bounded)
        return mean, replace(data, columns={(VALUE, "number"): column})

    def linearise(self, data: Predictions, options: Options) -> Linearised | None:
        """See :meth:`Metric.linearise`; a row without a value has no influence."""
        return self.mean(data, options)

    def mean(self, data: Predictions, options: Options) -> Linearised:
        """The weighted mean of the rows that have a value, which are the ones with an influence."""
        values, weight = self.values(data, options), row_weights(data)
        known = ~np.isnan(values)
        if not known.any():
            return Linearised(math.nan, np.zeros(data.rows))
        mean = float(np.average(values[known], weights=weight[known]))
        share = float(weight[known].sum() / weight.sum())
        if not math.isfinite(mean):
            return Linearised(math.nan, np.zeros(data.rows))
        return Linearised(mean, np.where(known, (values - mean) / share, 0.0))

    def scan(self, data: Predictions, options: Options) -> Scan:
        """See :meth:`Searchable.scan`; shares of rows are tested exactly."""
        values = self.values(data, options)
        zero, one = values == 0, values == 1
        if not self.are_shares(values[~np.isnan(values)]):
            return MeanScan(-self.sign * values)
        return ShareScan(one, zero) if self.sign > 0 else ShareScan(zero, one)

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
        shares = self.are_shares(values)
        results = []
        for g in range(groups.count):
            n = int(counts[g])
            if n == 0:
                results.append(Estimate(None, 0, problem=_NO_ROWS))
                continue
            mean, interval = float(means[g]), None
            if confidence is not None:
                if shares:
                    interval = clopper_pearson(float(sums[g]), n, confidence=confidence)
                elif self.bounded and squares[g] == 0:
                    interval = without_variation(mean, n, confidence=confidence)
                else:
                    variance = float(squares[g]) / max(n - 1, 1)
                    interval = mean_t(mean, variance, n, confidence=confidence)
            results.append(Estimate(mean, n, interval))
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
        shares = self.are_shares(a[known]) and self.are_shares(b[known])
        results = []
        for members in groups.members:
            rows = members[known[members]] if not known.all() else members
            if len(rows) == 0:
                results.append(Paired(None, None, 0, problem=_NO_ROWS))
                continue
            of_a, of_b = a[rows], b[rows]
            result: PairedResult
            if not np.isfinite(np.abs(of_a).sum() + np.abs(of_b).sum()):
                results.append(Paired(None, None, len(rows), problem=_TOO_LARGE))
                continue
            if same:
                result = identical(len(rows), "identical rows")
            elif shares:
                result = proportion_difference(of_a == 1, of_b == 1, confidence=confidence)
            else:
                result = paired_mean(of_a - of_b, confidence=confidence)
            results.append(oriented(result, self.sign, float(of_a.mean()), float(of_b.mean()), len(rows)))
        return results


def _found(data: Predictions, options: Options) -> np.ndarray:
    return data.columns[VALUE, "number"].values


@dataclass(frozen=True, kw_only=True)
class KnownMean(RowMean):
    """The mean of a column of numbers that have been found of each row."""

    values: Callable[[Predictions, Options], np.ndarray] = _found

    def columns(self, options: Options) -> dict[str, Want]:
        """See :meth:`Metric.columns`."""
        return {VALUE: "number"}


@dataclass(frozen=True, kw_only=True)
class SmoothMetric(Searchable, SliceMetric):
    """A smooth function of means over rows; intervals by the infinitesimal jackknife (Efron 1981).

    Attributes:
        of_one_mean: it rises or falls with one mean over rows, as a root mean square does, and so can be searched by.
    """

    of_one_mean: bool = False

    @property
    def searchable(self) -> bool:
        """See :attr:`Metric.searchable`."""
        return self.of_one_mean

    def scan(self, data: Predictions, options: Options) -> Scan:
        """See :meth:`Searchable.scan`."""
        return MeanScan(-self.sign * self.linearise(_alike(data), options).influence)

    @abstractmethod
    def linearise(self, data: Predictions, options: Options) -> Linearised:
        """See :meth:`Metric.linearise`."""

    def estimate_rows(self, data: Predictions, confidence: float | None) -> Estimate:
        """See :meth:`SliceMetric.estimate_rows`."""
        result = self.linearise(_alike(data), {})
        if math.isnan(result.value):
            return Estimate(None, data.rows, problem=self.undefined)
        if confidence is None:
            return Estimate(result.value, data.rows)
        variance = float(result.influence.var(ddof=1)) if data.rows > 1 else math.nan
        interval = mean_t(result.value, variance, data.rows, confidence=confidence)
        return Estimate(result.value, data.rows, interval)

    def compare_rows(self, candidate: Predictions, production: Predictions, confidence: float) -> Paired:
        """See :meth:`SliceMetric.compare_rows`."""
        a, b = self.linearise(_alike(candidate), {}), self.linearise(_alike(production), {})
        if math.isnan(a.value) or math.isnan(b.value):
            return Paired(None, None, candidate.rows, problem=self.undefined)
        result = difference_of(a, b, confidence=confidence)
        return oriented(result, self.sign, a.value, b.value, candidate.rows)


def difference_of(a: Linearised, b: Linearised, *, confidence: float) -> PairedResult:
    """Difference a - b of two smooth statistics of the same rows (Efron, 1981)."""
    moved = a.influence - b.influence
    # The mean influence is zero; adding the difference makes its t interval that of the difference.
    result = paired_mean(moved - moved.mean() + (a.value - b.value), confidence=confidence)
    return replace(result, method="infinitesimal jackknife")


def _alike(data: Predictions) -> Predictions:
    """The same rows, of which all count alike: :mod:`tidegate.metrics.dependent` is what respects weights."""
    return replace(data, weight=None)
