"""Calibration on the labelled reference: chances of the classes from scores, and what is not known of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.drift.label_free.curves import Curve, FittedCurve, fit_curve
from tidegate.drift.label_free.expected import require_expectable
from tidegate.drift.label_free.quality import calibration_quality
from tidegate.drift.label_free.results import CalibrationQuality, CannotEstimateError
from tidegate.drift.label_free.rows import folds_of_scores
from tidegate.metrics.base import Metric, Options, needed
from tidegate.metrics.cells import row_weights
from tidegate.metrics.data import Predictions
from tidegate.stats.clustered import design_effect

_CHUNK = 65_536
_SEED = 1


@dataclass(frozen=True, slots=True)
class StoredMetric:
    """A metric as it was realised on the reference.

    Attributes:
        variance: of its value over rows like the reference's.
        covariance: of its value with each coefficient of the calibration, shape (P,).
    """

    value: float
    variance: float
    covariance: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class StoredCalibration:
    """All that an estimate takes from a labelled reference; small enough to be kept in a profile.

    Attributes:
        classes: of the labels, in the order of their codes.
        rows: labelled rows of the reference.
        effective_rows: as many of equal weight would do.
        curves: of each class against the rest; of two classes of the second alone.
        covariance: of the coefficients of all curves one after the other, shape (P, P).
        ranges: lowest and highest score seen of each class that has a curve.
        design_effect: by how much clusters enlarge variances of labels given the scores; 1 without.
        quality: on rows left out of the fit.
        metrics: by name.
    """

    task: str
    classes: tuple[str, ...]
    rows: int
    effective_rows: float
    curves: tuple[Curve, ...]
    covariance: tuple[tuple[float, ...], ...]
    ranges: tuple[tuple[float, float], ...]
    design_effect: float
    quality: CalibrationQuality
    metrics: dict[str, StoredMetric]

    def chances(self, data: Predictions) -> np.ndarray:
        """Chances of the classes, shape (n, K)."""
        columns = score_columns(data)
        return _normalised(
            np.column_stack([curve.chance(columns[:, k]) for k, curve in enumerate(self.curves)])
        )

    def gradient(self, data: Predictions, chances: np.ndarray, influence: np.ndarray) -> np.ndarray:
        """Derivative of a metric by each coefficient, shape (P,).

        Args:
            data: n rows.
            chances: of them, shape (n, K).
            influence: of :class:`Expected`, shape (n, K).
        """
        columns, weight = score_columns(data), row_weights(data)
        weight = weight / weight.sum()
        total = np.zeros(sum(len(curve.coefficients) for curve in self.curves))
        for part in _chunks(data.rows):
            given, moved = chances[part], influence[part]
            first = 0
            # Of several classes the curves are divided by their sum, which each of them moves.
            mean = (given * moved).sum(axis=1)
            sums = _sum_of_curves(self.curves, columns[part])
            for k, curve in enumerate(self.curves):
                design = curve.design(columns[part, k])
                chance = curve.at(design, columns[part, k])
                pull = moved[:, 1] - moved[:, 0] if len(self.curves) == 1 else (moved[:, k] - mean) / sums
                size = design.shape[1]
                total[first : first + size] += (weight[part] * pull * chance * (1 - chance)) @ design
                first += size
        return total


def score_columns(data: Predictions) -> np.ndarray:
    """Scores that have a curve, shape (n, K), of two classes (n, 1)."""
    score = needed(data.score)
    return score[:, None] if score.ndim == 1 else score


def _sum_of_curves(curves: Sequence[Curve], columns: np.ndarray) -> np.ndarray:
    if len(curves) == 1:
        return np.ones(len(columns))
    return np.asarray(sum(curve.chance(columns[:, k]) for k, curve in enumerate(curves)))


def _normalised(raw: np.ndarray) -> np.ndarray:
    if raw.shape[1] == 1:
        return np.column_stack((1 - raw[:, 0], raw[:, 0]))
    return np.asarray(raw / raw.sum(axis=1, keepdims=True))


def _chunks(rows: int) -> Iterator[slice]:
    return (slice(first, min(first + _CHUNK, rows)) for first in range(0, rows, _CHUNK))


@dataclass(frozen=True, slots=True)
class Realised:
    """A metric on the labelled reference, the variance of its value, and the influence of each row, shape (m,)."""

    value: float
    variance: float
    influence: np.ndarray


def realise(metric: Metric, reference: Predictions, options: Options) -> Realised:
    """Measure a metric that can be expected without labels.

    Raises:
        CannotEstimateError: it cannot, or does not exist on the reference.
    """
    require_expectable(metric, reference.task)
    found = metric.linearise(reference, options)
    if found is None or not np.isfinite(found.value):
        raise CannotEstimateError(f"{metric.name} does not exist on the reference")
    weight = row_weights(reference)
    influence = np.nan_to_num(found.influence) * (weight / weight.mean())
    sums = influence if reference.cluster is None else np.bincount(reference.cluster, weights=influence)
    return Realised(found.value, float((sums**2).sum()) / reference.rows**2, influence)


def calibrate(
    reference: Predictions,
    realised: Mapping[str, Realised],
    *,
    confidence: float,
    chosen: np.ndarray | None = None,
    importance: np.ndarray | None = None,
) -> StoredCalibration:
    """Fit a calibration, on all rows of the reference or on some of them with weights.

    Args:
        reference: labelled rows that can be used.
        realised: metrics of all these rows, by name.
        confidence: of the interval of the calibration error.
        chosen: positions to fit on, shape (k,); None for all.
        importance: their weights, shape (k,).
    """
    data = reference if chosen is None else reference.take(chosen)
    weight = row_weights(data) if importance is None else row_weights(data) * importance
    weight = np.asarray(weight / weight.mean(), dtype=np.float64)
    fitted, chances = _fit(data, weight)
    residual = _residuals(data, fitted)
    influences = np.column_stack(
        [each.influence if chosen is None else each.influence[chosen] for each in realised.values()]
    )
    own, shared = _moments(data, fitted, weight[:, None] * residual, influences / reference.rows)
    terms = sum(len(each.curve.coefficients) for each in fitted)
    effective = float(weight.sum() ** 2 / (weight**2).sum())
    # The residuals of a fit are smaller than those of the law: by the usual correction for its terms.
    own, shared = (
        each * (effective / max(effective - terms, 1.0)) ** power
        for each, power in ((own, 1.0), (shared, 0.5))
    )
    columns = score_columns(data)
    return StoredCalibration(
        task=data.task,
        classes=data.classes,
        rows=reference.rows,
        effective_rows=effective,
        curves=tuple(each.curve for each in fitted),
        covariance=tuple(tuple(row) for row in own.tolist()),
        ranges=tuple((float(column.min()), float(column.max())) for column in columns.T),
        design_effect=_design_effect(data, residual[:, -1], weight),
        quality=calibration_quality(needed(data.label), chances, _normalised(columns), weight, confidence),
        metrics={
            name: StoredMetric(each.value, each.variance, tuple(shared[:, i].tolist()))
            for i, (name, each) in enumerate(realised.items())
        },
    )


def _fit(data: Predictions, weight: np.ndarray) -> tuple[list[FittedCurve], np.ndarray]:
    """The curves, and the chances of rows left out."""
    label, columns = needed(data.label), score_columns(data)
    fold = folds_of_scores(needed(data.score), label, _SEED)
    first = 1 if columns.shape[1] == 1 else 0
    fitted = [
        fit_curve(columns[:, k], (label == k + first).astype(np.float64), weight, fold)
        for k in range(columns.shape[1])
    ]
    return fitted, _normalised(np.column_stack([each.left_out for each in fitted]))


def _residuals(data: Predictions, fitted: Sequence[FittedCurve]) -> np.ndarray:
    """Label less chance of each curve, shape (m, curves)."""
    label, columns = needed(data.label), score_columns(data)
    first = 1 if len(fitted) == 1 else 0
    return np.column_stack(
        [(label == k + first) - each.curve.chance(columns[:, k]) for k, each in enumerate(fitted)]
    )


def _moments(
    data: Predictions, fitted: Sequence[FittedCurve], scaled: np.ndarray, influences: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Covariance of the coefficients, (P, P), and theirs with the metrics, (P, M), from the influence of each row."""
    columns = score_columns(data)
    size = sum(len(each.inverse) for each in fitted)
    own, shared = np.zeros((size, size)), np.zeros((size, influences.shape[1]))
    cluster = data.cluster
    if cluster is not None:
        count = int(cluster.max()) + 1
        of_cluster = np.zeros((count, size))
        of_metric = np.column_stack(
            [np.bincount(cluster, weights=column, minlength=count) for column in influences.T]
        )
    for part in _chunks(data.rows):
        moved = np.hstack(
            [
                (each.curve.design(columns[part, k]) * scaled[part, k : k + 1]) @ each.inverse
                for k, each in enumerate(fitted)
            ]
        )
        if cluster is not None:
            np.add.at(of_cluster, cluster[part], moved)
        else:
            own += moved.T @ moved
            shared += moved.T @ influences[part]
    if cluster is not None:
        own, shared = of_cluster.T @ of_cluster, of_cluster.T @ of_metric
    return own, shared


def _design_effect(data: Predictions, residual: np.ndarray, weight: np.ndarray) -> float:
    if data.cluster is None:
        return 1.0
    kept = weight > 0
    weight, cluster = weight[kept], data.cluster[kept]
    everything = np.zeros(len(weight), dtype=np.int64)
    deviations = residual[kept] - np.average(residual[kept], weights=weight)
    effect = design_effect(deviations, np.ones(len(weight)), cluster, everything)
    return effect if np.isfinite(effect) else float(len(weight))
