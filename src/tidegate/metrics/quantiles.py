"""Metrics that are a quantile of a number per row, with distribution-free intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tidegate.metrics.base import Estimate, Metric, Options, Paired
from tidegate.metrics.cells import oriented
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.bootstrap import Statistic, row_bootstrap_paired
from tidegate.stats.intervals import quantile_order_statistics
from tidegate.stats.results import Interval

_ROUNDING = 1e-6
_NO_ROWS = "there are no rows with a value"


@dataclass(frozen=True, kw_only=True)
class RowQuantile(Metric):
    """A quantile of a number per row, by linear interpolation as in numpy.

    With weights it is the inverse of the weighted distribution function, interpolated the same way: the weights, of
    mean 1, take the place of ones in the cumulative ranks. Equal weights give the quantile without any.

    Attributes:
        values: the number of each row, shape (n,); NaN leaves the row out.
        share: which quantile; None when the options say it.
    """

    values: Callable[[Predictions, Options], np.ndarray]
    share: float | None = None

    def share_of(self, options: Options) -> float:
        """Which quantile is asked for."""
        return self.share if self.share is not None else float(options["quantile"])

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`; intervals between order statistics."""
        values = self.values(data, options)
        return [
            estimate_quantile(values[rows], self.share_of(options), confidence) for rows in groups.members
        ]

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; a bootstrap of the rows that have both values."""
        a, b = self.values(candidate, options), self.values(production, options)
        known = ~(np.isnan(a) | np.isnan(b))
        return [
            self._compare(a[rows], b[rows], self.share_of(options), confidence)
            for rows in (members[known[members]] for members in groups.members)
        ]

    def of_weights(self, data: Predictions, options: Options) -> Statistic | None:
        """See :meth:`Reweighted.of_weights`."""
        values = self.values(data, options)
        known = np.flatnonzero(~np.isnan(values))
        statistic = weighted_quantile(values[known], self.share_of(options))
        return lambda weights: statistic(weights[:, known])

    def _compare(self, a: np.ndarray, b: np.ndarray, share: float, confidence: float) -> Paired:
        if len(a) == 0:
            return Paired(None, None, 0, problem=_NO_ROWS)
        # The bootstrap draws by position, and the order of a file must not matter.
        order = np.lexsort((b, a))
        a, b = a[order], b[order]
        first, second = weighted_quantile(a, share), weighted_quantile(b, share)
        result = row_bootstrap_paired(
            lambda weights: first(weights) - second(weights), len(a), confidence=confidence
        )
        return oriented(result, self.sign, quantile(np.sort(a), share), quantile(np.sort(b), share), len(a))


def estimate_quantile(values: np.ndarray, share: float, confidence: float | None) -> Estimate:
    """A quantile of the values that are known, with an interval when a confidence is asked for."""
    known = np.sort(values[~np.isnan(values)])
    if len(known) == 0:
        return Estimate(None, 0, problem=_NO_ROWS)
    value = quantile(known, share)
    if confidence is None:
        return Estimate(value, len(known))
    bounds = quantile_order_statistics(known, share, confidence=confidence)
    # Interpolation among few rows may fall short of the row that bounds the quantile.
    interval = Interval(min(bounds.low, value), max(bounds.high, value))
    return Estimate(value, len(known), interval)


def quantile(ordered: np.ndarray, share: float) -> float:
    """A quantile of sorted values, shape (n,) with n at least 1, by linear interpolation."""
    position = share * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (position - low) * (ordered[high] - ordered[low]))


def weighted_quantile(values: np.ndarray, share: float) -> Statistic:
    """The quantile of rows that count more than once, or less, as a function of how much; shape (k, n) to (k,)."""
    order = np.argsort(values, kind="stable")
    ordered, last = values[order], len(values) - 1

    def statistic(weights: np.ndarray) -> np.ndarray:
        if len(ordered) == 0:
            return np.full(len(weights), np.nan)
        upto = np.cumsum(weights[:, order], axis=1)
        total = upto[:, -1]
        position = np.maximum(share * (total - 1), 0.0)
        low = np.floor(position)
        # The value ranked r (from 0) is the first whose cumulative weight exceeds r, by more than rounding does.
        below, above = (
            np.array(
                [
                    np.searchsorted(row, rank + _ROUNDING, side="right")
                    for row, rank in zip(upto, ranks, strict=True)
                ]
            )
            for ranks in (low, low + 1)
        )
        first, second = ordered[np.minimum(below, last)], ordered[np.minimum(above, last)]
        result: np.ndarray = np.where(total > 0, first + (position - low) * (second - first), np.nan)
        return result

    return statistic
