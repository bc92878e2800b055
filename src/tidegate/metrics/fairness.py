"""Fairness metrics: gaps between the groups of a protected column, by fairlearn's names and definitions."""

import math
from dataclasses import dataclass

import numpy as np

from tidegate.metrics.base import BINARY, Estimate, Metric, Options, Paired, needed
from tidegate.metrics.cells import count_cells, not_narrower, oriented
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.bootstrap import cell_interval, cell_paired
from tidegate.tables import Want


@dataclass(frozen=True, kw_only=True)
class DemographicParityDifference(Metric):
    """Largest minus smallest share of positive predictions over the groups (Dwork et al. 2012)."""

    options: frozenset[str] = frozenset({"by"})

    def columns(self, options: Options) -> dict[str, Want]:
        """The protected column, as a category."""
        return {str(options["by"]): "category"}

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`."""
        cells = self._cells(groups, data, [needed(data.prediction)], options)
        return [self._estimate(cells[g], confidence) for g in range(groups.count)]

    def _cells(
        self, groups: Groups, data: Predictions, codes: list[np.ndarray], options: Options
    ) -> np.ndarray:
        """Counts of prediction codes in each slice and protected group, shape (slices, protected, 2, ...)."""
        protected = Groups.of_column(data.columns[str(options["by"]), "category"])
        combined = np.where(groups.codes >= 0, groups.codes * protected.count + protected.codes, -1)
        counts = count_cells(Groups(combined, (None,) * (groups.count * protected.count)), codes, 2)
        return counts.reshape(groups.count, protected.count, *counts.shape[1:])

    def _estimate(self, cells: np.ndarray, confidence: float | None) -> Estimate:
        rows = int(cells.sum())
        if np.count_nonzero(cells.sum(axis=1)) < 2:
            return Estimate(None, rows, problem="fewer than two groups of the protected column have rows")
        value = float(_gap(cells))
        if confidence is None:
            return Estimate(value, rows)
        shape = cells.shape
        interval = cell_interval(
            cells.ravel(), lambda flat: _gap(flat.reshape(*flat.shape[:-1], *shape)), confidence=confidence
        )
        return Estimate(value, rows, interval)

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; a bootstrap of the joint cells."""
        codes = [needed(candidate.prediction), needed(production.prediction)]
        joint = self._cells(groups, production, codes, options)
        same = bool(np.array_equal(codes[0], codes[1]))
        return [self._compare(joint[g], confidence, same=same) for g in range(groups.count)]

    def _compare(self, joint: np.ndarray, confidence: float, *, same: bool) -> Paired:
        rows, shape = int(joint.sum()), joint.shape
        if np.count_nonzero(joint.sum(axis=(1, 2))) < 2:
            return Paired(None, None, rows, problem="fewer than two groups of the protected column have rows")
        result = cell_paired(
            joint.ravel(),
            lambda flat: _gap(flat.reshape(*flat.shape[:-1], *shape).sum(axis=-1)),
            lambda flat: _gap(flat.reshape(*flat.shape[:-1], *shape).sum(axis=-2)),
            confidence=confidence,
        )
        if not same:
            sizes = joint.sum(axis=(1, 2))
            result = not_narrower(result, 1 / float(sizes[sizes > 0].min()), confidence)
        return oriented(
            result, self.sign, float(_gap(joint.sum(axis=-1))), float(_gap(joint.sum(axis=-2))), rows
        )


def _gap(cells: np.ndarray) -> np.ndarray:
    """Largest difference of the positive shares of occupied groups, shape (..., groups, 2) to (...)."""
    with np.errstate(invalid="ignore"):
        shares = cells[..., 1] / cells.sum(axis=-1)
    highest = np.where(np.isnan(shares), -math.inf, shares).max(axis=-1)
    lowest = np.where(np.isnan(shares), math.inf, shares).min(axis=-1)
    result: np.ndarray = highest - lowest
    return result


METRICS: list[Metric] = [
    DemographicParityDifference(
        name="demographic_parity_difference",
        tasks=BINARY,
        better="lower",
        parts=frozenset({"prediction"}),
    ),
]
