"""Metrics that are a quantile of a number per row, with distribution-free intervals."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tidegate.metrics.base import Estimate, Metric, Options, Paired
from tidegate.metrics.cells import oriented
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.pools import Pools, totals
from tidegate.stats.bootstrap import Statistic, row_bootstrap_paired
from tidegate.stats.intervals import quantile_order_statistics
from tidegate.stats.results import Interval

_ROUNDING = 1e-6
_SUMS = 4_000_000
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
        """See :meth:`Metric.compare`; a bootstrap of the rows that have both values, of a large table in pools."""
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

    def of_pools(self, data: Predictions, options: Options, pools: Pools) -> Statistic | None:
        """See :meth:`Pooled.of_pools`."""
        values = self.values(data, options)
        known = np.flatnonzero(~np.isnan(values))
        return weighted_quantile(values[known], self.share_of(options), pools.take(known))

    def _compare(self, a: np.ndarray, b: np.ndarray, share: float, confidence: float) -> Paired:
        if len(a) == 0:
            return Paired(None, None, 0, problem=_NO_ROWS)
        # The bootstrap draws by position, and the order of a file must not matter.
        order = np.lexsort((b, a))
        a, b = a[order], b[order]
        pools = Pools.of_rows(len(a))
        first, second = (weighted_quantile(values, share, pools) for values in (a, b))
        result = row_bootstrap_paired(
            lambda weights: first(weights) - second(weights), pools.count, confidence=confidence
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


def weighted_quantile(values: np.ndarray, share: float, pools: Pools | None = None) -> Statistic:
    """The quantile of rows that count more than once, or less, as a function of how much; shape (k, n) to (k,).

    Args:
        values: shape (n,).
        share: which quantile.
        pools: those of the rows, whose weights the function is then one of, shape (k, pools).
    """
    if len(values) == 0:
        return lambda weights: np.full(len(weights), np.nan)
    pools = Pools(np.arange(len(values)), len(values), np.ones(len(values))) if pools is None else pools
    order = np.argsort(values, kind="stable")
    ordered, of = values[order], pools.take(order)
    # Which of some parts of the rows a rank falls into is found first, from sums by pool; and then the row in it.
    # A row of a part costs about as much as sums of eight.
    parts = max(1, min(_SUMS // of.count, math.isqrt(16 * len(ordered) // of.count)))
    edges = len(ordered) * np.arange(parts + 1) // parts
    part = np.repeat(np.arange(parts), np.diff(edges))
    upto_part = np.cumsum(of.sums(np.ones(len(ordered)), part, parts), axis=1)

    def ranked(drawn: np.ndarray, upto: np.ndarray, rank: float) -> float:
        """The value ranked so, from 0: the first whose cumulative weight exceeds it, by more than rounding does."""
        rank += _ROUNDING
        found = min(int(np.searchsorted(upto, rank, side="right")), parts - 1)
        here = slice(edges[found], edges[found + 1])
        within = np.cumsum(drawn[of.codes[here]] * of.weight[here])
        before = upto[found - 1] if found else 0.0
        row = edges[found] + np.searchsorted(within, rank - before, side="right")
        return float(ordered[min(row, edges[found + 1] - 1)])

    def statistic(weights: np.ndarray) -> np.ndarray:
        upto = totals(weights, upto_part)
        total = upto[:, -1]
        position = np.maximum(share * (total - 1), 0.0)
        low = np.floor(position)
        first, second = (
            np.array([ranked(*each) for each in zip(weights, upto, ranks, strict=True)])
            for ranks in (low, low + 1)
        )
        result: np.ndarray = np.where(total > 0, first + (position - low) * (second - first), np.nan)
        return result

    return statistic
