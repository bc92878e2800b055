"""Fairness metrics: gaps between the groups of protected columns, by fairlearn's names and definitions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tidegate.metrics.base import (
    BINARY,
    CLASSES,
    LABEL_AND_PREDICTION,
    LABEL_AND_SCORE,
    NUMBERS,
    Metric,
    needed,
)
from tidegate.metrics.cells import count_cells
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.gaps import Both, Family, GroupGap, separate
from tidegate.metrics.weighted_gaps import independent, weighted_both, weighted_family
from tidegate.stats.contrasts import Estimates, means, shares
from tidegate.stats.intervals import mean_t
from tidegate.stats.results import Intervals

Counts = Callable[[np.ndarray], np.ndarray]
"""Cells, shape (..., 2, 2) by label and prediction, to counts, shape (...)."""


@dataclass(frozen=True, kw_only=True)
class RateGap(GroupGap):
    """A gap of shares that are read off the confusion matrix.

    Attributes:
        rates: per figure the successes and the trials.
    """

    rates: tuple[tuple[Counts, Counts], ...]

    def families(self, data: Predictions, groups: Groups) -> list[Family]:
        """See :meth:`GroupGap.families`."""
        if not independent(data):
            return [weighted_family(data, groups, *self._rows(data, rate), share=True) for rate in self.rates]
        cells = count_cells(groups, [self._label(data), needed(data.prediction)], 2)
        return [_share_family(hits(cells), trials(cells)) for hits, trials in self.rates]

    def _rows(self, data: Predictions, rate: tuple[Counts, Counts]) -> tuple[np.ndarray, np.ndarray]:
        """Of each row whether it is a success, and whether it is a trial, both (n,)."""
        each = np.eye(4).reshape(4, 2, 2)
        cell = self._label(data) * 2 + needed(data.prediction)
        hit, counted = (of(each) > 0 for of in rate)
        return hit[cell].astype(np.float64), counted[cell]

    def _label(self, data: Predictions) -> np.ndarray:
        return needed(data.label) if "label" in self.parts else np.zeros(data.rows, dtype=np.int32)

    def both(self, candidate: Predictions, production: Predictions, groups: Groups) -> Both:
        """See :meth:`GroupGap.both`; from the joint cells of label and both predictions."""
        first, second = needed(candidate.prediction), needed(production.prediction)
        same = bool(np.array_equal(first, second))
        if not independent(candidate):
            pairs = [tuple(self._rows(data, rate) for data in (candidate, production)) for rate in self.rates]
            return weighted_both(candidate, groups, pairs, same=same, share=True)
        joint = count_cells(groups, [self._label(candidate), first, second], 2)
        found = [_two_shares(joint, hits, trials) for hits, trials in self.rates]
        figures, others, covariances, supports = (np.stack(parts) for parts in zip(*found, strict=True))
        freedom = np.full(supports.shape, np.inf)
        return Both(figures, others, separate(covariances), supports, freedom, same=same)


def _two_shares(joint: np.ndarray, hits: Counts, trials: Counts) -> tuple[np.ndarray, ...]:
    """Both models' shares, their covariances and the fewer trials, from counts of shape (groups, 2, 2, 2)."""
    each = np.eye(4).reshape(4, 2, 2)
    hit, counted = (of(each).reshape(2, 2) for of in (hits, trials))
    values, moved, totals = [], [], []
    with np.errstate(invalid="ignore", divide="ignore"):
        # A row's label and prediction say by how much it moves a share (Hampel 1974).
        for cells, axes in (
            (joint.sum(axis=-1), np.s_[:, :, :, None]),
            (joint.sum(axis=-2), np.s_[:, :, None]),
        ):
            total = trials(cells)
            value = hits(cells) / total
            by_row = (hit - value[:, None, None] * counted) / total[:, None, None]
            values.append(value)
            moved.append(np.broadcast_to(by_row[axes], joint.shape))
            totals.append(total)
        covariance = np.einsum("gijk,agijk,bgijk->gab", joint, np.stack(moved), np.stack(moved))
        # One row more of another kind: what never happened among these rows is not impossible.
        for i, total in enumerate(totals):
            covariance[:, i, i] += 1 / total**2
    return values[0], values[1], covariance, np.minimum(*totals)


def _share_family(hits: np.ndarray, trials: np.ndarray) -> Family:
    return Family(shares(hits.astype(np.float64), trials.astype(np.float64)), trials)


@dataclass(frozen=True, kw_only=True)
class MeanGap(GroupGap):
    """A gap of means over rows.

    Attributes:
        values: the number of each row, shape (n,).
        root: take the root of each mean.
        share: each number is 0 or 1.
    """

    values: Callable[[Predictions], np.ndarray]
    root: bool = False
    share: bool = False

    def families(self, data: Predictions, groups: Groups) -> list[Family]:
        """See :meth:`GroupGap.families`."""
        values, inside = self.values(data), groups.codes >= 0
        if not independent(data):
            counted = np.ones(data.rows, dtype=bool)
            return [weighted_family(data, groups, values, counted, share=self.share, root=self.root)]
        codes, inner = groups.codes[inside], values[inside]
        rows = np.bincount(codes, minlength=groups.count)
        with np.errstate(invalid="ignore", divide="ignore"):
            sums = np.bincount(codes, weights=inner, minlength=groups.count)
            if self.share:
                # Exact limits claim no certainty where no row or every row is a success.
                return [_share_family(sums, rows)]
            mean = sums / rows
            squares = np.bincount(codes, weights=(inner - mean[codes]) ** 2, minlength=groups.count)
            variance = np.where(rows > 1, squares / (rows - 1), np.nan)
        estimates = (
            _roots(mean, variance, rows) if self.root else means(mean, variance, rows.astype(np.float64))
        )
        return [Family(estimates, rows)]

    def both(self, candidate: Predictions, production: Predictions, groups: Groups) -> Both:
        """See :meth:`GroupGap.both`."""
        a, b = self.values(candidate), self.values(production)
        same = bool(np.array_equal(a, b))
        if not independent(candidate):
            counted = np.ones(candidate.rows, dtype=bool)
            pair_of = ((a, counted), (b, counted))
            return weighted_both(candidate, groups, [pair_of], same=same, share=self.share, root=self.root)
        inside = groups.codes >= 0
        codes, pair = groups.codes[inside], (a[inside], b[inside])
        rows = np.bincount(codes, minlength=groups.count)

        def mean(values: np.ndarray) -> np.ndarray:
            return np.bincount(codes, weights=values, minlength=groups.count) / rows

        with np.errstate(invalid="ignore", divide="ignore"):
            means_of = [mean(values) for values in pair]
            apart = [values - centre[codes] for values, centre in zip(pair, means_of, strict=True)]
            # One row says nothing of its spread; a share's is known from the share.
            degrees = rows if self.share else np.where(rows > 1, rows - 1, np.nan)
            spread = np.array([[mean(one * other) for other in apart] for one in apart]) / degrees
            if self.root:
                roots = np.sqrt(means_of)
                slope = np.divide(0.5, roots, out=np.zeros(roots.shape), where=roots > 0)
                spread, means_of = spread * slope[:, None] * slope, list(roots)
            if self.share:
                spread += np.eye(2)[:, :, None] / rows**2
        covariance = np.moveaxis(spread, -1, 0)
        first, second = means_of
        freedom = np.full(rows.shape, np.inf) if self.share else rows - 1.0
        return Both(
            first[None], second[None], separate(covariance[None]), rows[None], freedom[None], same=same
        )


def _roots(mean: np.ndarray, variance: np.ndarray, rows: np.ndarray) -> Estimates:
    """Roots of means: a monotone function carries the limits over."""
    n = rows.astype(np.float64)

    def limits(confidence: float) -> Intervals:
        of_mean = mean_t(np.nan_to_num(mean), np.nan_to_num(variance), n, confidence=confidence)
        return Intervals(np.sqrt(np.maximum(of_mean.low, 0)), np.sqrt(of_mean.high))

    return Estimates(np.sqrt(mean), limits)


def _positives(cells: np.ndarray) -> np.ndarray:
    return cells[..., :, 1].sum(axis=-1)


_SELECTION = (_positives, lambda cells: cells.sum(axis=(-2, -1)))
_TRUE_POSITIVES = (lambda cells: cells[..., 1, 1], lambda cells: cells[..., 1, :].sum(axis=-1))
_FALSE_POSITIVES = (lambda cells: cells[..., 0, 1], lambda cells: cells[..., 0, :].sum(axis=-1))
_PRECISION = (lambda cells: cells[..., 1, 1], _positives)

_RATES: dict[str, tuple[tuple[Counts, Counts], ...]] = {
    "demographic_parity": (_SELECTION,),
    "equal_opportunity": (_TRUE_POSITIVES,),
    "equalized_odds": (_TRUE_POSITIVES, _FALSE_POSITIVES),
    "predictive_parity": (_PRECISION,),
}


def _correct(data: Predictions) -> np.ndarray:
    return (needed(data.label) == needed(data.prediction)).astype(np.float64)


def _calibration_bias(data: Predictions) -> np.ndarray:
    result: np.ndarray = needed(data.score) - needed(data.label)
    return result


def _error(data: Predictions) -> np.ndarray:
    result: np.ndarray = needed(data.prediction) - needed(data.label)
    return result


METRICS: list[Metric] = [
    *(
        RateGap(
            name=f"{name}_{kind}",
            tasks=BINARY,
            better="lower" if kind == "difference" else "higher",
            parts=frozenset({"prediction"}) if name == "demographic_parity" else LABEL_AND_PREDICTION,
            kind=kind,
            rates=rates,
        )
        for name, rates in _RATES.items()
        for kind in ("difference", "ratio")
    ),
    MeanGap(
        name="accuracy_difference",
        tasks=CLASSES,
        better="lower",
        parts=LABEL_AND_PREDICTION,
        kind="difference",
        values=_correct,
        share=True,
    ),
    MeanGap(
        name="calibration_difference",
        tasks=BINARY,
        better="lower",
        parts=LABEL_AND_SCORE,
        kind="difference",
        values=_calibration_bias,
    ),
    MeanGap(
        name="mean_error_difference",
        tasks=NUMBERS,
        better="lower",
        parts=LABEL_AND_PREDICTION,
        kind="difference",
        values=_error,
    ),
    *(
        MeanGap(
            name=f"mean_absolute_error_{kind}",
            tasks=NUMBERS,
            better="lower" if kind == "difference" else "higher",
            parts=LABEL_AND_PREDICTION,
            kind=kind,
            values=lambda data: np.abs(_error(data)),
        )
        for kind in ("difference", "ratio")
    ),
    MeanGap(
        name="root_mean_squared_error_difference",
        tasks=NUMBERS,
        better="lower",
        parts=LABEL_AND_PREDICTION,
        kind="difference",
        root=True,
        values=lambda data: _error(data) ** 2,
    ),
]
