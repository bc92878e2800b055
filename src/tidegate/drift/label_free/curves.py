"""Calibration curves: the chance of a class as a smooth function of its score, with what is not known of it.

Beta calibration (Kull, Silva Filho & Flach, 2017) is a logistic regression on the logarithms of the score and of what
it lacks to one. Where rows left out are better foreseen with it, the curve may bend at quantiles of the scores, held
back by a ridge penalty. A step function (isotonic regression) would follow any shape too, but it has no derivative to
propagate its own uncertainty by, and stays at 0 or 1 beyond the last surprise that it has seen.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

FOLDS = 5
_KNOTS = 10
_BINS = 1_024
_LIGHT, _BEND = 0.01, 1.0
_ITERATIONS = 200
_LONGEST_STEP = 3.0
_ACCURATE = 1e-10


@dataclass(frozen=True, slots=True)
class Curve:
    """The chance of a class as a function of its score: the score itself, corrected on the logit scale.

    Attributes:
        clip: scores count as being at least so far from 0 and 1.
        centre, spread: of the logarithms of the score and of what it lacks to one.
        knots: logits at which it bends, ascending; empty for beta calibration.
        coefficients: of the constant, both logarithms and a hat function at each knot.
    """

    clip: float
    centre: tuple[float, float]
    spread: tuple[float, float]
    knots: tuple[float, ...]
    coefficients: tuple[float, ...]

    def design(self, score: np.ndarray) -> np.ndarray:
        """The terms, shape (n, p)."""
        within = np.clip(score, self.clip, 1 - self.clip)
        parts = [np.log(within), -np.log1p(-within)]
        columns = [np.ones(len(within))]
        columns += [
            (part - centre) / spread
            for part, centre, spread in zip(parts, self.centre, self.spread, strict=True)
        ]
        return np.column_stack((*columns, *_hats(parts[0] + parts[1], np.asarray(self.knots))))

    def at(self, design: np.ndarray, score: np.ndarray) -> np.ndarray:
        """The chances of rows whose terms are known, shape (n,)."""
        offset = special.logit(np.clip(score, self.clip, 1 - self.clip))
        return np.asarray(special.expit(offset + design @ np.asarray(self.coefficients)))

    def chance(self, score: np.ndarray) -> np.ndarray:
        """The chances of rows, shape (n,)."""
        return self.at(self.design(score), score)


def _hats(values: np.ndarray, knots: np.ndarray) -> list[np.ndarray]:
    """Functions that are 1 at their knot, 0 at the others, and straight between."""
    if not len(knots):
        return []
    place = np.interp(values, knots, np.arange(len(knots)))
    return [np.maximum(1 - np.abs(place - k), 0.0) for k in range(len(knots))]


@dataclass(frozen=True, slots=True)
class FittedCurve:
    """A curve and what its fit leaves open.

    Attributes:
        inverse: shape (p, p), of the curvature of the penalised likelihood.
        left_out: the chance of each row by a curve that was fitted without its fold, shape (m,).
    """

    curve: Curve
    inverse: np.ndarray
    left_out: np.ndarray


@dataclass(frozen=True, slots=True)
class _Counts:
    """Weights by fold and bin of the score, shape (folds, bins), of all rows and of those of the class."""

    score: np.ndarray
    all: np.ndarray
    hits: np.ndarray


def fit_curve(score: np.ndarray, hit: np.ndarray, weight: np.ndarray, fold: np.ndarray) -> FittedCurve:
    """Fit a calibration curve.

    Args:
        score: shape (m,), within [0, 1].
        hit: shape (m,), whether the row is of the class.
        weight: shape (m,), of mean 1.
        fold: shape (m,), 0 to ``FOLDS`` - 1.
    """
    index, counts = _counted(score, hit, weight, fold)
    least = math.inf
    plain = _empty_curve(counts)
    for shape in (plain, _bent(plain, counts)):
        forms = [_fitted(shape, counts, np.arange(FOLDS) != k) for k in range(FOLDS)]
        chances = np.array([form.chance(counts.score) for form, _ in forms])
        loss = -math.fsum(
            (
                special.xlogy(counts.hits, chances) + special.xlogy(counts.all - counts.hits, 1 - chances)
            ).ravel()
        )
        if loss < least:
            best, least, left_out = shape, loss, chances
    curve, inverse = _fitted(best, counts, np.ones(FOLDS, dtype=np.bool_))
    return FittedCurve(curve, inverse, left_out[fold, index])


def _counted(
    score: np.ndarray, hit: np.ndarray, weight: np.ndarray, fold: np.ndarray
) -> tuple[np.ndarray, _Counts]:
    """The bin of each row, and the counts; few distinct scores have a bin each."""
    ascending = np.sort(score)
    edges = np.unique(ascending[np.linspace(0, len(score) - 1, _BINS).astype(np.int64)])
    index = np.searchsorted(edges, score)
    bins = len(edges)

    def sums(values: np.ndarray) -> np.ndarray:
        return np.bincount(fold * bins + index, weights=values, minlength=FOLDS * bins).reshape(FOLDS, bins)

    total = sums(weight)
    # Ones of equal weight each where a bin has no weight: its score is of no account.
    mean = np.bincount(index, weights=score, minlength=bins) / np.maximum(
        np.bincount(index, minlength=bins), 1
    )
    return index, _Counts(np.clip(mean, 0.0, 1.0), total, sums(weight * hit))


def _empty_curve(counts: _Counts) -> Curve:
    weights = counts.all.sum(axis=0)
    clip = 0.5 / max(float(weights.sum()), 2.0)
    within = np.clip(counts.score, clip, 1 - clip)
    centre, spread = [], []
    for part in (np.log(within), -np.log1p(-within)):
        mean = float(np.average(part, weights=weights))
        deviation = math.sqrt(float(np.average((part - mean) ** 2, weights=weights)))
        centre.append(mean)
        # A column that hardly varies would be noise blown up.
        spread.append(deviation if deviation > 1e-9 else 1.0)
    return Curve(clip, (centre[0], centre[1]), (spread[0], spread[1]), (), (0.0,) * 3)


def _bent(curve: Curve, counts: _Counts) -> Curve:
    """With knots at quantiles of the scores by weight, and at both ends."""
    logits = special.logit(np.clip(counts.score, curve.clip, 1 - curve.clip))
    upto = np.cumsum(counts.all.sum(axis=0))
    places = np.searchsorted(upto, upto[-1] * np.linspace(0, 1, _KNOTS))
    knots = np.unique(logits[np.minimum(places, len(logits) - 1)])
    return replace(curve, knots=tuple(knots.tolist()), coefficients=(0.0,) * (3 + len(knots)))


def _fitted(curve: Curve, counts: _Counts, folds: np.ndarray) -> tuple[Curve, np.ndarray]:
    """Newton's method to full precision, and the inverse of the curvature at the end."""
    weights, hits = counts.all[folds].sum(axis=0), counts.hits[folds].sum(axis=0)
    x = curve.design(counts.score)
    # Light on beta calibration: enough for a score that parts the classes without error.
    penalty = np.where(np.arange(x.shape[1]) < 3, _LIGHT, _BEND)
    offset = special.logit(np.clip(counts.score, curve.clip, 1 - curve.clip))
    form = np.zeros(x.shape[1])
    for _ in range(_ITERATIONS):
        chance = special.expit(offset + x @ form)
        slope = x.T @ (weights * chance - hits) + penalty * form
        curvature = (x.T * (weights * chance * (1 - chance))) @ x + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        change = float(np.abs(x @ step).max())
        form = form - step * min(1.0, _LONGEST_STEP / max(change, _ACCURATE))
        if change < _ACCURATE:
            break
    return replace(curve, coefficients=tuple(form.tolist())), np.linalg.inv(curvature)
