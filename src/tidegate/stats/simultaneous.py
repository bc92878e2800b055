"""Several models on the same rows: intervals that hold for all differences at once, the best of them, their ranks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tidegate.stats.intervals import t_quantile
from tidegate.stats.results import BoolArray, FloatArray, IntArray, tail

SEED = 20130101
DRAWS = 100_000

_COMPARED = 20_000_000
_FEWEST_DRAWS = 10_000
_SURE = 2.576  # normal quantile: the critical value is at least the true one with 99.5% confidence
_STEP = 1e-3
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Joint:
    """Estimates of k models from the same rows, and how they vary together.

    Attributes:
        values: shape (k,).
        covariance: shape (k, k), of the values; what all have in common may be left out.
        errors: shape (k, k), standard error of each difference; 0 for models that never differ, infinite for what
            the rows cannot bound.
        degrees_of_freedom: of the errors; infinite for the normal law.
    """

    values: FloatArray
    covariance: FloatArray
    errors: FloatArray
    degrees_of_freedom: float = math.inf

    @property
    def differences(self) -> FloatArray:
        """Row model minus column model, shape (k, k)."""
        return self.values[:, None] - self.values[None, :]

    @property
    def pairs(self) -> int:
        """How many pairs of models differ at all."""
        return int(np.count_nonzero(self.errors)) // 2

    @cached_property
    def highest(self) -> FloatArray:
        """For each model and draw from this law the largest statistic of the model against another, (k, draws)."""
        k = len(self.values)
        rng = np.random.default_rng(SEED)
        draws = max(_FEWEST_DRAWS, min(DRAWS, _COMPARED // max(self.pairs, 1)))
        roots = _square_root(self.covariance)
        drawn = roots @ rng.standard_normal((k, draws))
        highest = np.full((k, draws), -np.inf)
        smallest = math.sqrt(_ROUNDING * float((roots**2).sum()))
        for i in range(k):
            for j in np.flatnonzero(self.errors[i, :i]):
                error = float(np.linalg.norm(roots[i] - roots[j]))
                # A difference that is lost in the rounding of the others is drawn by itself, which can only widen
                # the intervals (Šidák, 1967).
                apart = (drawn[i] - drawn[j]) / error if error > smallest else rng.standard_normal(draws)
                np.maximum(highest[i], apart, out=highest[i])
                np.maximum(highest[j], -apart, out=highest[j])
        if math.isfinite(self.degrees_of_freedom):
            # The spread is estimated once for all pairs, so that one chi-squared variable divides each draw.
            highest /= np.sqrt(rng.chisquare(self.degrees_of_freedom, draws) / self.degrees_of_freedom)
        return highest


@dataclass(frozen=True, slots=True)
class Pairwise:
    """Intervals of all differences, row minus column, that hold at once; three arrays of shape (k, k)."""

    difference: FloatArray
    low: FloatArray
    high: FloatArray
    critical_value: float


@dataclass(frozen=True, slots=True)
class AgainstBest:
    """How far each model is from the best of the others (Hsu, 1984); arrays of shape (k,).

    Attributes:
        low: of its value minus the largest of the others, never above 0.
        high: of the same, never below 0.
        may_be_best: whether no other has been shown to be better.
    """

    low: FloatArray
    high: FloatArray
    may_be_best: BoolArray


def joint_of_rows(
    values: Sequence[float] | FloatArray,
    influence: NDArray[np.floating],
    *,
    weights: NDArray[np.floating] | None = None,
    clusters: NDArray[np.integer] | None = None,
) -> Joint:
    """Joint law of estimates from the influence of each row on each of them (Hampel, 1974).

    The variance is the jackknife's, which leaves out a cluster (a row without clusters) at a time, with as many
    degrees of freedom as there are effective clusters (Kish, 1965; Carter et al., 2017), less one. As in the
    comparison of two models, each error is widened by one more of the most influential row, so that differences that
    stand on few rows are not taken for known.

    Args:
        values: shape (k,).
        influence: shape (n, k), mean zero by column when weighted.
        weights: shape (n,), not negative; None when all rows count alike.
        clusters: shape (n,), codes of what rows come from; None when each row is one.
    """
    estimates = np.asarray(values, dtype=np.float64)
    # What all models have in common moves no difference, and would only cost digits. One model after the other is
    # how memory is read fastest.
    moved: FloatArray = np.ascontiguousarray(influence.T, dtype=np.float64)
    moved = moved - moved[0]
    share: FloatArray = np.ones(moved.shape[1])
    if weights is not None:
        share = np.asarray(weights, dtype=np.float64)
        moved *= share
    if clusters is not None:
        units = int(clusters.max(initial=-1)) + 1
        moved = np.stack([np.bincount(clusters, model, units) for model in moved])
        share = np.bincount(clusters, share, units).astype(np.float64)
    counted = share > 0
    if not counted.all():
        moved, share = moved[:, counted], share[counted]
    if len(share) < 2:
        return Joint(estimates, np.zeros((len(estimates),) * 2), _unbounded(len(estimates)), 1.0)
    total = float(share.sum())
    share = share / total
    moved /= total * (1 - share)
    shrink = 1 - 1 / len(share)
    freedom = max(1 / float(share @ share) - 1, 1.0)
    return Joint(estimates, moved @ moved.T * shrink, _errors(moved, shrink), freedom)


def pairwise(joint: Joint, *, confidence: float) -> Pairwise:
    """Intervals of all differences that hold at once with at least this confidence.

    Student's intervals with the quantile of the largest of the absolute statistics (Hothorn et al., 2008); for
    independent models with equal errors these are Tukey's (1953).
    """
    critical = t_quantile(1 - 2 * tail(confidence) / max(joint.pairs, 1), joint.degrees_of_freedom)
    if joint.pairs > 1:
        critical = min(critical, _quantile(joint.highest.max(axis=0), confidence))
    difference = joint.differences
    half = _times(critical, joint.errors)
    return Pairwise(difference, difference - half, difference + half, critical)


def against_best(joint: Joint, *, confidence: float) -> AgainstBest:
    """Each model against the best of the others, in Hsu's (1984, 1996) constrained intervals.

    Only the comparisons with the best must hold at once, which are fewer than all pairs, so these see more. Each
    side errs with half of ``1 - confidence``. So the best is among `may_be_best` with more than this confidence,
    and where several are equally good a single one is named with a chance of at most ``1 - confidence``: of m
    equals m - 1 must have been missed, so that chance is at most m / (m - 1) times that of missing one.
    """
    k, difference = len(joint.values), joint.differences
    half = _times(_one_sided(joint, confidence)[:, None], joint.errors)
    np.fill_diagonal(difference, np.inf)
    reach = (difference + half).min(axis=1, initial=np.inf)
    may_be_best = reach >= 0
    shortfall = np.where(may_be_best[None, :], difference - half.T, np.inf).min(axis=1, initial=np.inf)
    alone = may_be_best & (may_be_best.sum() == 1)
    if k == 1:
        return AgainstBest(np.zeros(1), np.zeros(1), may_be_best)
    return AgainstBest(np.where(alone, 0.0, np.minimum(shortfall, 0.0)), np.maximum(reach, 0.0), may_be_best)


def rank_ranges(found: Pairwise) -> IntArray:
    """The ranks that each model could have, best and worst, shape (k, 2), with the confidence of the intervals.

    One behind those shown to be better, and before those shown to be worse (Mogstad et al., 2024). Equal models
    share the better rank.
    """
    best = 1 + (found.high < 0).sum(axis=1)
    worst = 1 + (found.low < 0).sum(axis=1)
    return np.column_stack([best, worst]).astype(np.int64)


def _errors(moved: FloatArray, shrink: float) -> FloatArray:
    """Standard errors of all differences, shape (k, k), from what leaving out each row moves, shape (k, n)."""
    # Of each difference itself: that of nearly equal models would drown in the rounding of their variances.
    k = len(moved)
    errors = np.zeros((k, k))
    for i in range(k):
        for j in range(i):
            apart = moved[i] - moved[j]
            most = max(float(apart.max()), -float(apart.min()))
            errors[i, j] = errors[j, i] = math.hypot(math.sqrt(float(apart @ apart) * shrink), most)
    return errors


def _unbounded(k: int) -> FloatArray:
    errors = np.full((k, k), np.inf)
    np.fill_diagonal(errors, 0.0)
    return errors


def _one_sided(joint: Joint, confidence: float) -> FloatArray:
    """For each model the quantile of the largest one-sided statistic of all others against it, shape (k,)."""
    others = np.count_nonzero(joint.errors, axis=1)
    alpha = 2 * tail(confidence)
    limits = np.array([t_quantile(1 - alpha / max(m, 1), joint.degrees_of_freedom) for m in others])
    if others.max(initial=0) <= 1:
        return limits
    simulated = [_quantile(drawn, 1 - alpha / 2) for drawn in joint.highest]
    return np.where(others > 1, np.minimum(limits, simulated), limits)


def _square_root(covariance: FloatArray) -> FloatArray:
    """The symmetric square root: unlike a triangular one it is unique, whatever the order of the rows."""
    values, vectors = np.linalg.eigh(covariance)
    kept = np.where(values > _ROUNDING * values.max(initial=0.0), values, 0.0)
    roots: FloatArray = (vectors * np.sqrt(kept)) @ vectors.T
    return roots


def _quantile(draws: FloatArray, share: float) -> float:
    """A value that the quantile of which these are draws very likely does not exceed.

    An order statistic far enough above the sample's own quantile; infinite where too few draws lie beyond. Rounded
    upwards, so that the last bits of the covariance do not matter.
    """
    n = len(draws)
    rank = math.ceil(n * share + _SURE * math.sqrt(n * share * (1 - share)))
    if rank > n:
        return math.inf
    return math.ceil(float(np.partition(draws, rank - 1)[rank - 1]) / _STEP) * _STEP


def _times(critical: FloatArray | float, errors: FloatArray) -> FloatArray:
    """Half widths; exactly zero where there is no error, whatever the critical value."""
    half: FloatArray = np.where(errors > 0, critical * np.where(errors > 0, errors, 1.0), 0.0)
    return half
