"""What the statistics hand back."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


class UndefinedStatisticError(ValueError):
    """A statistic that does not exist on these rows, such as a recall without positives."""


class SingleClassError(UndefinedStatisticError):
    """A ranking measure was asked of rows that are all positive or all negative."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; an infinite bound says that the data cannot give one."""

    low: float
    high: float

    def __neg__(self) -> "Interval":
        """The interval of the negated quantity."""
        return Interval(-self.high, -self.low)


@dataclass(frozen=True, slots=True)
class Intervals:
    """One confidence interval per group: two arrays of the groups' shape."""

    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class Linearised:
    """A smooth statistic with the influence of each row on it (Hampel, 1974): its variance is theirs over n.

    Attributes:
        value: NaN where it does not exist.
        influence: shape (n,), mean zero.
    """

    value: float
    influence: FloatArray


@dataclass(frozen=True, slots=True)
class PairedResult:
    """The difference a - b of two models on the same rows, in the metric's own units.

    ``p_value`` is two-sided for "the difference is zero"; ``rows`` is what the estimate stands on.
    """

    estimate: float
    low: float
    high: float
    p_value: float
    standard_error: float
    method: str
    rows: int

    @property
    def p_better(self) -> float:
        """Confidence that the true difference is positive: the complement of the one-sided p-value.

        Read off the confidence distribution (Xie & Singh, 2013); 0.5 when the estimate is zero.
        """
        if self.estimate == 0:
            return 0.5
        half = self.p_value / 2
        return 1 - half if self.estimate > 0 else half

    def __neg__(self) -> "PairedResult":
        """The same evidence for b - a: how a metric that is better when lower is oriented."""
        return replace(self, estimate=0.0 - self.estimate, low=0.0 - self.high, high=0.0 - self.low)


def identical(rows: int, method: str) -> PairedResult:
    """Two models that gave the same answer on every row: nothing was sampled that could vary."""
    return PairedResult(0.0, 0.0, 0.0, 1.0, 0.0, method, rows)


def unknown(estimate: float, rows: int, method: str) -> PairedResult:
    """An estimate on too few rows to bound: an infinite interval, which supports no verdict."""
    return PairedResult(estimate, -math.inf, math.inf, 1.0, math.inf, method, rows)


def tail(confidence: float) -> float:
    """Probability left in each tail by a two-sided interval; ValueError outside (0, 1)."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    return (1 - confidence) / 2
