"""The best threshold under a condition, as statistics of row weights: see :data:`~tidegate.stats.bootstrap.Statistic`.

The scores are sorted once. Every distinct score is a threshold, and what reaches it is called positive.
A threshold whose ties hold no positive row is never better than the next one above that does: it
finds no more and raises more false alarms. So only the others are looked at.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tidegate.stats.bootstrap import Statistic
from tidegate.stats.results import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class _Called:
    """Weights of the rows at or above each threshold t, of both classes and of each in all.

    Attributes:
        found: (k, t) positives.
        alarms: (k, t) negatives.
        positives: (k, 1).
        negatives: (k, 1).
    """

    found: FloatArray
    alarms: FloatArray
    positives: FloatArray
    negatives: FloatArray

    @property
    def precision(self) -> FloatArray:
        """NaN at a threshold that nothing with a weight reaches."""
        return self.found / (self.found + self.alarms)

    @property
    def recall(self) -> FloatArray:
        """NaN without positives."""
        return self.found / self.positives

    @property
    def false_positive_rate(self) -> FloatArray:
        """NaN without negatives."""
        return self.alarms / self.negatives


def precision_at_recall(label: BoolArray, score: NDArray[np.floating], recall: float) -> Statistic:
    """Highest precision of the thresholds with this recall or more; NaN without positives.

    Args:
        label: shape (n,), true for positives.
        score: shape (n,), higher means more positive; no NaN.
        recall: above 0, at most 1.
    """

    def highest(called: _Called) -> FloatArray:
        kept = np.where(called.recall >= recall, called.precision, -np.inf).max(axis=1, initial=-np.inf)
        return np.where(np.isfinite(kept), kept, np.nan)

    return _statistic(label, score, highest)


def recall_at_precision(label: BoolArray, score: NDArray[np.floating], precision: float) -> Statistic:
    """Highest recall of the thresholds with this precision or more, 0 when there is none; NaN without positives.

    Arguments as for :func:`precision_at_recall`.
    """

    def highest(called: _Called) -> FloatArray:
        kept = np.where(called.precision >= precision, called.recall, 0.0).max(axis=1, initial=0.0)
        return np.where(called.positives[:, 0] > 0, kept, np.nan)

    return _statistic(label, score, highest)


def recall_at_false_positive_rate(label: BoolArray, score: NDArray[np.floating], rate: float) -> Statistic:
    """Highest recall of the thresholds with this false positive rate or less, 0 when there is none.

    NaN without positives or without negatives. Arguments as for :func:`precision_at_recall`.
    """

    def highest(called: _Called) -> FloatArray:
        kept = np.where(called.false_positive_rate <= rate, called.recall, 0.0).max(axis=1, initial=0.0)
        both = (called.positives[:, 0] > 0) & (called.negatives[:, 0] > 0)
        return np.where(both, kept, np.nan)

    return _statistic(label, score, highest)


def _statistic(
    label: BoolArray, score: NDArray[np.floating], highest: Callable[[_Called], FloatArray]
) -> Statistic:
    order = np.argsort(-score, kind="stable")
    ranked, positive = score[order], label[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1) if len(ranked) else order
    hits, others = order[positive], order[~positive]
    hits_upto, others_upto = np.cumsum(positive)[last], np.cumsum(~positive)[last]
    # A leading zero takes the place of the rows above the first threshold.
    useful = np.diff(hits_upto, prepend=0) > 0
    hits_upto, others_upto = hits_upto[useful], others_upto[useful]

    def value(weights: FloatArray) -> FloatArray:
        found, alarms = _upto(weights[:, hits]), _upto(weights[:, others])
        called = _Called(found[:, hits_upto], alarms[:, others_upto], found[:, -1:], alarms[:, -1:])
        with np.errstate(invalid="ignore", divide="ignore"):
            return highest(called)

    return value


def _upto(weights: FloatArray) -> FloatArray:
    """Cumulative sums along the rows, from zero, shape (k, n) to (k, n + 1)."""
    sums = np.zeros((weights.shape[0], weights.shape[1] + 1))
    np.cumsum(weights, axis=1, out=sums[:, 1:])
    return sums
