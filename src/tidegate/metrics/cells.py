"""Metrics that are functions of the confusion matrix: all slices from one count of the joint cells."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tidegate.metrics.base import EMPTY_SLICE, Estimate, Metric, Options, Paired, needed, or_none
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.search import CellScan, Scan, Searchable, ShareScan
from tidegate.stats.bootstrap import RESAMPLES, cell_interval, cell_paired
from tidegate.stats.intervals import clopper_pearson, t_p_value, t_quantile, without_variation
from tidegate.stats.paired import proportion_difference_from_counts
from tidegate.stats.results import FloatArray, Interval, Linearised, PairedResult

Cells = np.ndarray
"""Counts, shape (..., K, K): label by prediction."""
# Only the spread of the draws is used: 999 give it within 2%, and with many classes more would take minutes.
_FEWEST_RESAMPLES = 999
_CELL_DRAWS = 1_000_000
_CELLS_AT_ONCE = 4_000_000
_STEP = 1e-30


@dataclass(frozen=True, kw_only=True)
class CellMetric(Searchable, Metric):
    """A function of the confusion matrix.

    Attributes:
        value: cells to values, shape (..., K, K) to (...); NaN where it does not exist.
        support: cells to the rows that the metric stands on, shape (..., K, K) to (...).
        undefined: why it does not exist, in words, when it does not.
        proportion: the metric is a share of its support with these successes, shape (..., K, K) to (...).
        lowest: what the metric cannot fall below; none of them exceeds 1.
        given_label: the support depends on the label alone, so that both models share it and the comparison is one of
            paired proportions.
    """

    value: Callable[[Cells], np.ndarray]
    support: Callable[[Cells], np.ndarray]
    undefined: str
    proportion: Callable[[Cells], np.ndarray] | None = None
    lowest: float = 0.0
    given_label: bool = False

    @property
    def extent(self) -> tuple[float, float] | None:
        """See :attr:`Metric.extent`."""
        return self.lowest, 1.0

    def coded(self, data: Predictions, options: Options) -> Predictions:
        """The rows with labels and predictions as it tells them apart."""
        return data

    def scan(self, data: Predictions, options: Options) -> Scan:
        """See :meth:`Searchable.scan`; shares are tested exactly."""
        if self.proportion is None:
            data = self.coded(data, options)
            k = len(data.classes)
            cells = needed(data.label).astype(np.int64) * k + needed(data.prediction)
            return CellScan(cells, (k, k), lambda counts: -self.sign * self.value(counts), self.support)
        hits = self.hits(data, options)
        good, bad = hits == 1, hits == 0
        return ShareScan(good, bad) if self.sign > 0 else ShareScan(bad, good)

    @property
    def is_paired_share(self) -> bool:
        """Whether it is a share of the same rows whatever the model says."""
        return self.proportion is not None and self.given_label

    def hits(self, data: Predictions, options: Options) -> FloatArray:
        """Whether each row is one of the share that the metric is, shape (n,); NaN where it does not stand on the row.

        Raises:
            LookupError: it is no share.
        """
        if self.proportion is None:
            raise LookupError(f"{self.name} is no share of rows")
        cell, cells = self._weighted_cells(replace(data, weight=None), options)
        counted, hit = (_of_each(cells, of) > 0 for of in (self.support, self.proportion))
        found: FloatArray = np.where(counted, hit, np.nan)[cell]
        return found

    def linearise(self, data: Predictions, options: Options) -> Linearised:
        """See :meth:`Metric.linearise`; the influence of a row is that of its cell."""
        cell, cells = self._weighted_cells(data, options)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = float(self.value(cells))
            if math.isnan(value):
                return Linearised(math.nan, np.zeros(data.rows))
            return Linearised(value, cells.sum() * self._derivatives(cells)[cell])

    def _derivatives(self, cells: Cells) -> FloatArray:
        """By the weight of each cell, shape (K * K,): exact to rounding, by a complex step (Squire & Trapp, 1998)."""
        return _of_each(cells, lambda one: np.imag(self.value(cells + 1j * _STEP * one)) / _STEP)

    def stands_on(self, data: Predictions, options: Options) -> np.ndarray:
        """Which rows it stands on, shape (n,)."""
        cell, cells = self._weighted_cells(data, options)
        return _of_each(cells, self.support)[cell] > 0

    def one_row(self, data: Predictions, options: Options, rows: float) -> float:
        """The most that another prediction for one row could change, of so many rows that are as these are."""
        _, cells = self._weighted_cells(data, options)
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._one_row(cells * (rows / cells.sum()))

    def _weighted_cells(self, data: Predictions, options: Options) -> tuple[np.ndarray, Cells]:
        """The cell of each row, shape (n,), and the weights of all, shape (K, K)."""
        data = self.coded(data, options)
        k = len(data.classes)
        cell = needed(data.label).astype(np.int64) * k + needed(data.prediction)
        return cell, np.bincount(cell, weights=row_weights(data), minlength=k * k).reshape(k, k)

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`; shares get exact intervals, the rest a bootstrap of the cells."""
        data = self.coded(data, options)
        k = len(data.classes)
        cells = count_cells(groups, [needed(data.label), needed(data.prediction)], k)
        supports = self.support(cells)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = self.value(cells)
        return [
            self._estimate(cells[g], float(values[g]), int(supports[g]), confidence)
            for g in range(groups.count)
        ]

    def _estimate(self, cells: Cells, value: float, support: int, confidence: float | None) -> Estimate:
        if math.isnan(value):
            return Estimate(None, support, problem=self.undefined if cells.sum() else EMPTY_SLICE)
        interval = None if confidence is None else self._interval(cells, support, confidence)
        return Estimate(value, support, interval)

    def _interval(self, cells: Cells, support: int, confidence: float) -> Interval:
        if self.proportion is not None:
            return clopper_pearson(float(self.proportion(cells)), support, confidence=confidence)
        k = cells.shape[-1]
        with np.errstate(invalid="ignore", divide="ignore"):
            found = cell_interval(
                cells.ravel(),
                lambda flat: self.value(flat.reshape(*flat.shape[:-1], k, k)),
                confidence=confidence,
            )
            if found.low < found.high:
                return found
            # No draw differed from the others: how few rows there are of a class then says how little that proves.
            labels = cells.sum(axis=-1)
            return without_variation(
                float(self.value(cells)),
                int(labels[labels > 0].min()),
                confidence=confidence,
                lowest=self.lowest,
            )

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; paired proportions where both share the support, else a bootstrap."""
        candidate, production = self.coded(candidate, options), self.coded(production, options)
        k = len(candidate.classes)
        first, second = needed(candidate.prediction), needed(production.prediction)
        same = bool(np.array_equal(first, second))
        joint = count_cells(groups, [needed(candidate.label), first, second], k)
        return [self._compare(joint[g], confidence, same=same) for g in range(groups.count)]

    def _compare(self, joint: np.ndarray, confidence: float, *, same: bool) -> Paired:
        of_candidate, of_production = joint.sum(axis=-1), joint.sum(axis=-2)
        support = int(min(self.support(of_candidate), self.support(of_production)))
        with np.errstate(invalid="ignore", divide="ignore"):
            a, b = float(self.value(of_candidate)), float(self.value(of_production))
            if math.isnan(a) or math.isnan(b):
                problem = self.undefined if joint.sum() else EMPTY_SLICE
                return Paired(or_none(a), or_none(b), support, problem=problem)
            result = (
                self._paired_share(joint, support, confidence, same=same)
                if self.is_paired_share
                else self._bootstrap(joint, confidence, same=same)
            )
        return oriented(result, self.sign, a, b, support)

    def _paired_share(
        self, joint: np.ndarray, support: int, confidence: float, *, same: bool
    ) -> PairedResult:
        if self.proportion is None:
            raise LookupError("a paired share needs a proportion")
        # Whether a cell counts as a success depends on label and prediction alone: ask for each pair once.
        k = joint.shape[0]
        hit = self.proportion(np.eye(k * k).reshape(k * k, k, k)).reshape(k, k)
        discordant = hit[:, :, None] - hit[:, None, :]
        won, lost = int(joint[discordant > 0].sum()), int(joint[discordant < 0].sum())
        return proportion_difference_from_counts(won, lost, support, confidence=confidence, same=same)

    def _bootstrap(self, joint: np.ndarray, confidence: float, *, same: bool) -> PairedResult:
        # Of the k * k * k cells few are occupied when there are many classes.
        occupied = np.flatnonzero(joint)
        label, first, second = np.unravel_index(occupied, joint.shape)
        k = joint.shape[0]
        result = cell_paired(
            joint.ravel()[occupied],
            self._of_joint(label, first, k),
            self._of_joint(label, second, k),
            confidence=confidence,
            n_resamples=min(RESAMPLES, max(_FEWEST_RESAMPLES, _CELL_DRAWS // len(occupied))),
        )
        return result if same else not_narrower(result, self._one_row(joint.sum(axis=-1)), confidence)

    def _of_joint(
        self, label: np.ndarray, prediction: np.ndarray, k: int
    ) -> Callable[[np.ndarray], np.ndarray]:
        """The metric of one model from counts of occupied joint cells, shape (..., C) to (...)."""
        cell = label * k + prediction
        order = np.argsort(cell, kind="stable")
        found, starts = np.unique(cell[order], return_index=True)

        def statistic(counts: np.ndarray) -> np.ndarray:
            cells = np.zeros((*counts.shape[:-1], k * k))
            cells[..., found] = np.add.reduceat(counts[..., order], starts, axis=-1)
            return self.value(cells.reshape(*counts.shape[:-1], k, k))

        return statistic

    def _one_row(self, cells: Cells) -> float:
        """The most that another prediction for one row could change."""
        k = len(cells)
        each, largest = np.arange(k), 0.0
        for label in np.flatnonzero(cells.sum(axis=-1)):
            added = np.repeat(cells[None], k, axis=0)
            added[each, label, each] += 1
            largest = max(largest, float(np.ptp(self.value(added))))
        return largest


def not_narrower(result: PairedResult, one_row: float, confidence: float) -> PairedResult:
    """No interval claims more than if the models, which do differ, did so on none of these rows.

    A resample holds only the kinds of difference that occurred. None in n rows has the score interval of z squared
    over n to each side (Tango 1998), here in units of what one row can change.
    """
    z = t_quantile(confidence, math.inf)
    if result.standard_error >= z * one_row:
        return result
    error, half = z * one_row, z * z * one_row
    return replace(
        result,
        low=result.estimate - half,
        high=result.estimate + half,
        p_value=t_p_value(result.estimate / error, math.inf),
        standard_error=error,
    )


def _of_each(cells: Cells, of: Callable[[Cells], np.ndarray]) -> FloatArray:
    """What comes of one row in each occupied cell by itself, shape (K * K,)."""
    found = np.zeros(cells.size)
    occupied = np.flatnonzero(cells)
    parts = max(1, math.ceil(len(occupied) * cells.size / _CELLS_AT_ONCE))
    for some in np.array_split(occupied, parts):
        one = np.zeros((len(some), cells.size))
        one[np.arange(len(some)), some] = 1
        found[some] = of(one.reshape(-1, *cells.shape))
    return found


def row_weights(data: Predictions) -> np.ndarray:
    """How much each row counts, shape (n,): all 1 where the table does not say."""
    return np.ones(data.rows) if data.weight is None else data.weight


def count_cells(groups: Groups, codes: list[np.ndarray], k: int) -> np.ndarray:
    """Counts of each combination of codes in each group, shape (G, k, ..., k), in one pass over the rows."""
    index = groups.codes.astype(np.int64)
    inside = index >= 0
    for code in codes:
        index = index * k + code
    shape = (groups.count, *[k] * len(codes))
    size = int(np.prod(shape))
    counted = index if inside.all() else index[inside]
    return np.bincount(counted, minlength=size).reshape(shape)


def oriented(result: PairedResult, sign: int, candidate: float, production: float, rows: int) -> Paired:
    """A raw difference turned so that positive means the candidate is better."""
    turned = -result if sign < 0 else result
    return Paired(
        candidate=candidate,
        production=production,
        rows=rows,
        delta=turned.estimate,
        interval=Interval(turned.low, turned.high),
        p_value=turned.p_value,
        p_better=turned.p_better,
        standard_error=turned.standard_error,
        method=turned.method,
    )
