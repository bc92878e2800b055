"""Cox's recalibration: the slope and the intercept by which the logits of a score meet the labels."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from tidegate.stats.results import FloatArray, Linearised

_STEPS = 200
_CLOSE = 1e-11
_FARTHEST = 5.0
_FLAT = (
    1e-5  # information, by what it is the difference of, below which rounding decides where the maximum is
)
_SMALLEST = 1e-6


def calibration_slope(
    label: NDArray[Any], score: NDArray[np.floating], weight: FloatArray | None = None
) -> Linearised:
    """Slope of a logistic regression of the label on the logit of the score (Cox, 1958).

    1 for a calibrated model, less for one that is too sure of itself (Van Calster et al., 2016). NaN where
    the regression has no solution: labels of one class, one score for all, or scores that separate the
    classes, sharing one value at most.

    Args:
        label: 0 or 1, shape (n,).
        score: probabilities, shape (n,).
        weight: how much each row counts, shape (n,), not negative; None: all alike.
    """
    y, x = np.asarray(label, dtype=np.float64), _logit(score)
    w = np.ones(len(y)) if weight is None else weight
    ones, zeros = x[(y == 1) & (w > 0)], x[(y == 0) & (w > 0)]
    if not (len(ones) and len(zeros)) or zeros.max() <= ones.min() or ones.max() <= zeros.min():
        return Linearised(math.nan, np.zeros(len(y)))
    # Standardised, so that scores close together leave the equations well conditioned.
    centre = float(np.average(x, weights=w))
    scale = math.sqrt(float(np.average((x - centre) ** 2, weights=w)))
    design = np.column_stack((np.ones_like(x), (x - centre) / scale))
    found = _logistic(design, np.zeros_like(x), y, w)
    return Linearised(found.value / scale, found.influence / scale)


def calibration_intercept(
    label: NDArray[Any], score: NDArray[np.floating], weight: FloatArray | None = None
) -> Linearised:
    """Intercept of the logistic regression whose slope is 1: calibration in the large (Cox, 1958).

    0 for a calibrated model, positive where the labels exceed the scores on the whole (Van Calster et al.,
    2016). NaN when the labels are of one class, and where scores of all but 0 and 1 that are wrong leave the
    likelihood flat to the last digit. Arguments as for :func:`calibration_slope`.
    """
    y, x = np.asarray(label, dtype=np.float64), _logit(score)
    w = np.ones(len(y)) if weight is None else weight
    if not 0 < np.count_nonzero(y[w > 0]) < np.count_nonzero(w):
        return Linearised(math.nan, np.zeros(len(y)))
    return _logistic(np.ones((len(x), 1)), x, y, w)


def _logit(score: NDArray[np.floating]) -> FloatArray:
    """The logit of probabilities kept off 0 and 1 by their type's resolution, as in the log loss."""
    resolution = np.finfo(score.dtype).eps
    logit: FloatArray = special.logit(np.clip(score, resolution, 1 - resolution).astype(np.float64))
    return logit


def _logistic(design: FloatArray, offset: FloatArray, label: FloatArray, weight: FloatArray) -> Linearised:
    """Last coefficient of a logistic regression, by Newton's method, and its influences (White, 1982).

    The likelihood is concave with one maximum. Where it is flat, as at certain scores that are wrong, a
    step would lead far beyond, so none moves a logit by more than five, and one that overshoots is halved.
    """
    beta = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        logit = offset + design @ beta
        # Tails rather than one minus them, which would be zero where a score is certain.
        one, zero = special.expit(logit), special.expit(-logit)
        scores = design * (label * zero - (1 - label) * one)[:, None]
        information = (design * (weight * one * zero)[:, None]).T @ design
        step = np.linalg.solve(information, weight @ scores)
        if np.abs(step).max() <= _CLOSE * (1 + np.abs(beta).max()):
            if information[-1, -1] < _FLAT * float(weight @ np.abs(scores[:, -1])):
                break
            influence = weight.sum() * np.linalg.solve(information, scores.T)[-1]
            return Linearised(float(beta[-1] + step[-1]), influence)
        step *= min(1.0, _FARTHEST / float(np.abs(design @ step).max()))
        beta = beta + step * _share_of_step(logit, design @ step, label, weight)
    return Linearised(math.nan, np.zeros(len(label)))


def _share_of_step(logit: FloatArray, moved: FloatArray, label: FloatArray, weight: FloatArray) -> float:
    """The largest of 1, 1/2, 1/4, ... of a step that does not lower the likelihood, up to rounding."""
    before = _log_likelihood(logit, label, weight)
    share = 1.0
    least = before - 1e-12 * abs(before)
    while share > _SMALLEST and _log_likelihood(logit + share * moved, label, weight) < least:
        share /= 2
    return share


def _log_likelihood(logit: FloatArray, label: FloatArray, weight: FloatArray) -> float:
    return float(weight @ special.log_expit((2 * label - 1) * logit))
