"""What answering costs: latency, throughput, errors, money and size, by row or measured of the model as a whole."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tidegate.errors import ConfigError
from tidegate.metrics.base import ALL_TASKS, Estimate, Metric, Options, Paired, Part, needed
from tidegate.metrics.cells import row_weights
from tidegate.metrics.data import Groups, Performance, Predictions
from tidegate.metrics.pools import Pools
from tidegate.metrics.quantiles import RowQuantile, estimate_quantile, quantile, weighted_quantile
from tidegate.metrics.rows import RowMean
from tidegate.metrics.search import Scan
from tidegate.stats.bootstrap import Statistic, row_interval
from tidegate.stats.intervals import clopper_pearson, mean_t
from tidegate.stats.results import Interval, Linearised

_WHOLE = "it is known for the model as a whole, not for slices"
_MILLISECONDS = 1_000
_SMALLEST = np.finfo(np.float64).tiny


def _whole(groups: Groups, result: Estimate) -> list[Estimate]:
    """One estimate of the model as a whole; slices of it are not known."""
    if result.value is None:
        return [result] * groups.count
    return [result if where is None else Estimate(None, 0, problem=_WHOLE) for where in groups.slices]


def _measured(value: float | None, performance: Performance, problem: str = "") -> Estimate:
    """A figure of the model as a whole, on as many requests as are known of."""
    requests = performance.requests
    return Estimate(value, requests or 0, problem=problem, rows_known=requests is not None)


def _performance(data: Predictions) -> Performance:
    return data.performance or Performance()


@dataclass(frozen=True, kw_only=True)
class Latency(RowQuantile):
    """A percentile of latency in milliseconds, from the column or from what was measured of the model."""

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`; distribution-free intervals where single latencies are known."""
        if data.latency is not None:
            return super().estimate(data, groups, options, confidence)
        measured, share = _performance(data), self.share_of(options)
        if measured.latency is not None:
            return _whole(groups, estimate_quantile(measured.latency, share, confidence))
        known = next((v for q, v in measured.percentiles.items() if abs(q - share) < 1e-9), None)
        problem = "" if known is not None else "no latency was measured"
        return _whole(groups, _measured(known, measured, problem=problem))

    def of_weights(self, data: Predictions, options: Options) -> Statistic | None:
        """See :meth:`Reweighted.of_weights`; None where it was measured of the model as a whole."""
        return super().of_weights(data, options) if data.latency is not None else None


@dataclass(frozen=True, kw_only=True)
class LatencyRatio(Metric):
    """A percentile of latency over that of production, measured interleaved: the machine's moods meet both."""

    share: float

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`; a bootstrap of the pairs."""
        if data.latency is not None and data.production_latency is not None:
            a, b = data.latency, data.production_latency
            return [self._ratio(a[rows], b[rows], confidence) for rows in groups.members]
        measured = _performance(data)
        if measured.latency is None or measured.production_latency is None:
            problem = "latency of production, measured interleaved, is not there"
            return _whole(groups, Estimate(None, 0, problem=problem))
        return _whole(groups, self._ratio(measured.latency, measured.production_latency, confidence))

    def of_weights(self, data: Predictions, options: Options) -> Statistic | None:
        """See :meth:`Reweighted.of_weights`; None where it was measured of the model as a whole."""
        a, b = data.latency, data.production_latency
        if a is None or b is None:
            return None
        known = np.flatnonzero(~(np.isnan(a) | np.isnan(b)))
        of_known = self._of_pools(a[known], b[known], None)
        return lambda weights: of_known(weights[:, known])

    def of_pools(self, data: Predictions, options: Options, pools: Pools) -> Statistic | None:
        """See :meth:`Pooled.of_pools`."""
        a, b = data.latency, data.production_latency
        if a is None or b is None:
            return None
        known = np.flatnonzero(~(np.isnan(a) | np.isnan(b)))
        return self._of_pools(a[known], b[known], pools.take(known))

    def _of_pools(self, a: np.ndarray, b: np.ndarray, pools: Pools | None) -> Statistic:
        first, second = (weighted_quantile(values, self.share, pools) for values in (a, b))

        def ratio(weights: np.ndarray) -> np.ndarray:
            # A resample may hold no latency of production's but zeros.
            below = second(weights)
            return np.divide(first(weights), below, out=np.full(below.shape, np.nan), where=below > 0)

        return ratio

    def _ratio(self, a: np.ndarray, b: np.ndarray, confidence: float | None) -> Estimate:
        known = ~(np.isnan(a) | np.isnan(b))
        a, b = a[known], b[known]
        if len(a) == 0:
            return Estimate(None, 0, problem="no row has both latencies")
        order = np.lexsort((b, a))
        a, b = a[order], b[order]
        below = quantile(np.sort(b), self.share)
        if below <= 0:
            return Estimate(None, len(a), problem="production's latency is zero")
        value = quantile(a, self.share) / below
        if confidence is None:
            return Estimate(value, len(a))
        pools = Pools.of_rows(len(a))
        interval = row_interval(self._of_pools(a, b, pools), pools.count, confidence=confidence)
        return Estimate(value, len(a), interval)

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; the ratio is a comparison already."""
        problem = "it compares with production by itself: check it in the gate"
        return [Paired(None, None, len(rows), problem=problem) for rows in groups.members]


@dataclass(frozen=True, kw_only=True)
class ServiceMean(RowMean):
    """A mean over rows, or what was measured of the model as a whole.

    Attributes:
        part: the column of the table.
        measured: the model's own figure.
    """

    part: Part
    measured: Callable[[Performance, float | None], Estimate]

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`."""
        if getattr(data, self.part) is not None:
            return super().estimate(data, groups, options, confidence)
        return _whole(groups, self.measured(_performance(data), confidence))

    def linearise(self, data: Predictions, options: Options) -> Linearised | None:
        """See :meth:`Metric.linearise`; None of the model as a whole."""
        return super().linearise(data, options) if getattr(data, self.part) is not None else None

    def scan(self, data: Predictions, options: Options) -> Scan:
        """See :meth:`Searchable.scan`."""
        if getattr(data, self.part) is None:
            raise ConfigError(
                f"`discover:` searches rows, and no column holds {self.name!r} by row: name it under `columns:`"
            )
        return super().scan(data, options)


def _measured_errors(performance: Performance, confidence: float | None) -> Estimate:
    rate, requests = performance.error_rate, performance.requests
    if rate is None:
        return Estimate(None, 0, problem="no error rate was measured")
    interval = None
    if confidence is not None and requests:
        interval = clopper_pearson(round(rate * requests), requests, confidence=confidence)
    return replace(_measured(rate, performance), interval=interval)


def _measured_cost(performance: Performance, confidence: float | None) -> Estimate:
    cost = performance.cost_per_row
    return _measured(cost, performance, problem="" if cost is not None else "no cost was measured")


@dataclass(frozen=True, kw_only=True)
class Throughput(Metric):
    """Answers per second: as measured or, of one worker that answers one row after another, from mean latency."""

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`."""
        measured = _performance(data)
        if measured.throughput is not None:
            return _whole(groups, _measured(measured.throughput, measured))
        if data.latency is None:
            if measured.latency is None:
                return _whole(groups, Estimate(None, 0, problem="no throughput was measured"))
            return _whole(groups, _rate(measured.latency, confidence))
        return [_rate(data.latency[rows], confidence) for rows in groups.members]

    def linearise(self, data: Predictions, options: Options) -> Linearised | None:
        """See :meth:`Metric.linearise`; None of the model as a whole."""
        if data.latency is None or _performance(data).throughput is not None:
            return None
        weight = np.where(np.isnan(data.latency), 0.0, row_weights(data))
        latency = np.nan_to_num(data.latency)
        mean = float(weight @ latency) / max(float(weight.sum()), _SMALLEST)
        if mean <= 0 or not math.isfinite(_MILLISECONDS / mean):
            return Linearised(math.nan, np.zeros(data.rows))
        share = float(weight.sum()) / float(row_weights(data).sum())
        moved = np.where(np.isnan(data.latency), 0.0, latency - mean) / share
        return Linearised(_MILLISECONDS / mean, -_MILLISECONDS / mean**2 * moved)

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; throughput belongs to a run, not to rows that could be paired."""
        problem = "throughput is no figure of single rows: compare a percentile of latency"
        return [Paired(None, None, len(rows), problem=problem) for rows in groups.members]


def _rate(latency: np.ndarray, confidence: float | None) -> Estimate:
    known = latency[~np.isnan(latency)]
    if len(known) == 0 or known.mean() <= 0:
        return Estimate(None, len(known), problem="no row has a latency above zero")
    mean = float(known.mean())
    if not math.isfinite(_MILLISECONDS / mean):
        return Estimate(None, len(known), problem="latencies this small have no rate")
    interval = None
    if confidence is not None:
        variance = float(known.var(ddof=1)) if len(known) > 1 else 0.0
        bounds = mean_t(mean, variance, len(known), confidence=confidence)
        high = _MILLISECONDS / bounds.low if bounds.low > 0 else np.inf
        interval = Interval(_MILLISECONDS / bounds.high, float(high))
    return Estimate(_MILLISECONDS / mean, len(known), interval)


@dataclass(frozen=True, kw_only=True)
class ModelSize(Metric):
    """Size of the model's files in megabytes (10^6 bytes)."""

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`; a size is no sample, so its interval is itself."""
        size = _performance(data).model_bytes
        if size is None:
            problem = "the model's files are not known: set `retrain.artifacts:` or `performance:`"
            return _whole(groups, Estimate(None, 0, problem=problem))
        value = size / 1e6
        return _whole(groups, Estimate(value, data.rows, Interval(value, value) if confidence else None))

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; sizes are no figures of rows."""
        problem = "the size of a model is no figure of rows: check it in the gate"
        return [Paired(None, None, len(rows), problem=problem) for rows in groups.members]


def _latency_of_rows(data: Predictions, options: Options) -> np.ndarray:
    return needed(data.latency)


def latency_percentile(name: str, share: float, *, relative: bool) -> Metric:
    """The percentile of latency called `name`, of the model's own or relative to production's."""
    if relative:
        return LatencyRatio(
            name=name,
            tasks=ALL_TASKS,
            better="lower",
            parts=frozenset({"latency", "production_latency"}),
            share=share,
        )
    return Latency(
        name=name,
        tasks=ALL_TASKS,
        better="lower",
        parts=frozenset({"latency"}),
        values=_latency_of_rows,
        share=share,
    )


METRICS: list[Metric] = [
    *(
        latency_percentile(f"latency_p{percent}{suffix}", percent / 100, relative=bool(suffix))
        for suffix in ("", "_ratio")
        for percent in (50, 95, 99)
    ),
    Throughput(name="throughput", tasks=ALL_TASKS, better="higher", parts=frozenset({"latency"})),
    ServiceMean(
        name="error_rate",
        tasks=ALL_TASKS,
        better="lower",
        parts=frozenset({"error"}),
        part="error",
        values=lambda data, options: needed(data.error),
        bounded=True,
        measured=_measured_errors,
    ),
    ServiceMean(
        name="cost_per_row",
        tasks=ALL_TASKS,
        better="lower",
        parts=frozenset({"cost"}),
        part="cost",
        values=lambda data, options: needed(data.cost),
        measured=_measured_cost,
    ),
    ModelSize(name="model_size_mb", tasks=ALL_TASKS, better="lower"),
]
