"""Losses of a window as they are foreseen, corrected by what was missed on the reference."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from tidegate.drift.label_free.outcome import Uncertain
from tidegate.drift.label_free.overlap import Weighed
from tidegate.drift.label_free.regression import Losses, foresee
from tidegate.drift.label_free.results import CannotEstimateError
from tidegate.drift.label_free.rows import answers, arranged
from tidegate.metrics.base import Metric, Options, needed
from tidegate.metrics.cells import row_weights
from tidegate.metrics.data import Predictions
from tidegate.metrics.rows import RowMean
from tidegate.stats.clustered import design_effect
from tidegate.tables import Column

ROOT = "root_mean_squared_error"
_CURRENT_ROWS = 30_000


@dataclass(frozen=True, slots=True)
class LossWindow:
    """Foreseen losses of the current window, or of some of its rows, and the residuals that correct them.

    Attributes:
        residual: loss less what was foreseen, of rows of the reference, shape (k,).
        pull: their weights, of sum 1.
        shift: what the foreseen losses are short by on average.
        weight: of the rows of the current window, of sum 1.
        positions: of these rows.
    """

    losses: Losses
    residual: np.ndarray
    pull: np.ndarray
    shift: float
    weight: np.ndarray
    positions: np.ndarray


def losses_of(metric: Metric, data: Predictions, options: Options) -> np.ndarray:
    """The losses whose mean, or its root, the metric is, shape (n,).

    Raises:
        CannotEstimateError: they are too large for their variance to be a number.
    """
    with np.errstate(over="ignore"):
        if isinstance(metric, RowMean):
            loss = np.asarray(metric.values(data, options))
        else:
            loss = (needed(data.label) - needed(data.prediction)) ** 2
        total = float((loss**2).sum())
    # Variances are of squares of losses.
    if not math.isfinite(total):
        raise CannotEstimateError(f"errors are too large for {metric.name} to be estimated")
    return loss


def weights_of(weighed: Weighed | None) -> np.ndarray | None:
    """Weights of the residuals, where the windows differ and the reference can bear them."""
    return weighed.weights if weighed is not None and weighed.overlap.moved and weighed.suffices else None


def foreseen_window(
    reference: Predictions,
    current: Predictions,
    loss: np.ndarray,
    reference_features: Mapping[str, Column],
    current_features: Mapping[str, Column],
    weighed: Weighed | None,
    seed: int,
) -> LossWindow:
    """Foresee the losses of the current window, or of some of its rows where there are very many.

    Args:
        reference: labelled rows.
        current: rows to foresee the loss of.
        loss: shape (m,), of the reference.
        reference_features: of the m rows.
        current_features: of the current window's rows.
        weighed: the reference weighted towards the current window; None when it cannot be.
        seed: of the choice of rows and of the model.
    """
    positions = np.arange(current.rows)
    if current.rows > _CURRENT_ROWS:
        kept = {**current_features, **answers(current)}
        positions = np.sort(arranged(kept, _CURRENT_ROWS, seed))
        current = current.take(positions)
        current_features = {name: column.take(positions) for name, column in current_features.items()}
    losses = foresee(
        reference,
        current,
        loss,
        reference_features,
        current_features,
        seed,
        weighed.rows if weighed else None,
    )
    importance = weights_of(weighed)
    pull = row_weights(reference)[losses.rows] * (1.0 if importance is None else importance)
    pull = pull / pull.sum()
    residual = losses.loss - losses.foreseen
    weight = row_weights(current)
    return LossWindow(losses, residual, pull, float(pull @ residual), weight / weight.sum(), positions)


def uncertainty(
    reference: Predictions, current: Predictions, window: LossWindow, influence: np.ndarray
) -> Uncertain:
    """The mean loss of the current window, and what is not known about it.

    Args:
        reference: labelled rows.
        current: all rows of the window.
        window: its foreseen losses.
        influence: shape (m,), of each row of the reference on the mean loss there.
    """
    foreseen, weight, pull = window.losses.current, window.weight, window.pull
    mean = float(weight @ foreseen)
    left = window.residual - window.shift
    of_label = float(pull @ left**2)
    cluster = None if current.cluster is None else current.cluster[window.positions]
    moved = pull * left
    against = influence.copy()
    against[window.losses.rows] -= moved
    # Of a very large window some rows were foreseen, which vary as the window itself does.
    sampled = float(weight**2 @ (foreseen - mean) ** 2)
    missed = sampled * (1 - len(foreseen) / current.rows)
    share = (
        1 / current.rows
        if current.weight is None
        else float((current.weight**2).sum()) / float(current.weight.sum()) ** 2
    )
    return Uncertain(
        value=max(mean + window.shift, 0.0),
        labels=_design_effect(reference, current, window, left) * of_label * share,
        reference=_summed(moved, _clusters(reference, window)) + missed,
        rows=_summed(weight * (foreseen - mean), cluster),
        joint=_summed(against, reference.cluster),
        step=0.0,
    )


def _clusters(reference: Predictions, window: LossWindow) -> np.ndarray | None:
    return None if reference.cluster is None else reference.cluster[window.losses.rows]


def _design_effect(
    reference: Predictions, current: Predictions, window: LossWindow, left: np.ndarray
) -> float:
    cluster = _clusters(reference, window)
    if cluster is None or current.cluster is None:
        return 1.0
    effect = design_effect(
        left - left.mean(), np.ones(len(left)), cluster, np.zeros(len(left), dtype=np.int64)
    )
    return effect if math.isfinite(effect) else float(len(left))


def _summed(values: np.ndarray, cluster: np.ndarray | None) -> float:
    sums = values if cluster is None else np.bincount(cluster, weights=values)
    return float((sums**2).sum())


def of_root(mean: Uncertain, then: float) -> Uncertain:
    """The same of the root, by its derivative at the mean; that of the reference's root is close to it."""
    root = math.sqrt(mean.value)
    scale = 1 / (4 * max(mean.value, then * 1e-12, 1e-300))
    return replace(
        mean,
        value=root,
        labels=mean.labels * scale,
        reference=mean.reference * scale,
        rows=mean.rows * scale,
        joint=mean.joint * scale,
    )
