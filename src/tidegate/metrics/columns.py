"""Metrics of any column: its mean, its missing share, and latency percentiles."""

from dataclasses import dataclass

import numpy as np

from tidegate.metrics.base import ALL_TASKS, Metric, Options, needed
from tidegate.metrics.data import Predictions
from tidegate.metrics.resampled import ResampledMetric
from tidegate.metrics.rows import RowMean
from tidegate.stats.bootstrap import Statistic
from tidegate.stats.intervals import quantile_order_statistics
from tidegate.stats.results import Interval
from tidegate.tables import Want


@dataclass(frozen=True, kw_only=True)
class ColumnMean(RowMean):
    """A mean over a column that the config names."""

    kind: Want
    options: frozenset[str] = frozenset({"column"})

    def columns(self, options: Options) -> dict[str, Want]:
        """The column, as a number where its values count."""
        return {str(options["column"]): self.kind}


@dataclass(frozen=True, kw_only=True)
class LatencyQuantile(ResampledMetric):
    """A percentile of latency, by linear interpolation as in numpy."""

    quantile: float
    undefined: str = "no row has a latency"

    def usable(self, data: Predictions) -> Predictions:
        """The rows whose latency is known."""
        return data.take(np.flatnonzero(~np.isnan(needed(data.latency))))

    def statistic(self, data: Predictions) -> Statistic:
        """Quantiles of the repeated rows, shape (k, n) to (k,)."""
        values = needed(data.latency)
        known = np.flatnonzero(~np.isnan(values))
        order = known[np.argsort(values[known], kind="stable")]
        ordered = values[order]
        last = len(ordered) - 1

        def value(weights: np.ndarray) -> np.ndarray:
            if len(order) == 0:
                return np.full(len(weights), np.nan)
            upto = np.cumsum(weights[:, order], axis=1)
            total = upto[:, -1]
            position = self.quantile * (total - 1)
            low = np.floor(position)
            # The value ranked r (from 0) is the first whose cumulative weight exceeds r.
            below, above = (
                np.array(
                    [np.searchsorted(row, rank, side="right") for row, rank in zip(upto, ranks, strict=True)]
                )
                for ranks in (low, low + 1)
            )
            first, second = ordered[np.minimum(below, last)], ordered[np.minimum(above, last)]
            result: np.ndarray = np.where(total > 0, first + (position - low) * (second - first), np.nan)
            return result

        return value

    def interval(self, data: Predictions, confidence: float) -> Interval:
        """Distribution-free, from order statistics."""
        values = needed(data.latency)
        return quantile_order_statistics(
            np.sort(values[~np.isnan(values)]), self.quantile, confidence=confidence
        )


def _column(data: Predictions, options: Options) -> np.ndarray:
    return data.columns[str(options["column"]), "number"].values


def _missing(data: Predictions, options: Options) -> np.ndarray:
    return data.columns[str(options["column"]), "any"].missing.astype(np.float64)


def _above(data: Predictions, options: Options) -> np.ndarray:
    values = _column(data, options)
    return np.where(np.isnan(values), np.nan, values > float(options["at"]))


def _below(data: Predictions, options: Options) -> np.ndarray:
    values = _column(data, options)
    return np.where(np.isnan(values), np.nan, values < float(options["at"]))


METRICS: list[Metric] = [
    ColumnMean(name="mean", tasks=ALL_TASKS, better="neither", kind="number", values=_column),
    ColumnMean(name="missing_share", tasks=ALL_TASKS, better="lower", kind="any", values=_missing),
    *(
        ColumnMean(
            name=name,
            tasks=ALL_TASKS,
            better="neither",
            kind="number",
            options=frozenset({"column", "at"}),
            values=values,
        )
        for name, values in (("share_above", _above), ("share_below", _below))
    ),
    *(
        LatencyQuantile(
            name=f"latency_p{percent}",
            tasks=ALL_TASKS,
            better="lower",
            parts=frozenset({"latency"}),
            quantile=percent / 100,
        )
        for percent in (50, 95, 99)
    ),
]
