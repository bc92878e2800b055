"""Correlations of two columns with the influence of each row, weighted where rows are."""

import math
from dataclasses import dataclass, replace

import numpy as np

from tidegate.stats.intervals import without_variation
from tidegate.stats.paired import paired_mean
from tidegate.stats.results import FloatArray, Interval, Linearised, PairedResult, unknown
from tidegate.stats.studentised import asymmetry, skewed_t_interval

FEWEST_ROWS = 4
"""Through two points goes a line, and three show next to nothing: Fisher's variance is 1 / (n - 3)."""

DIFFERENCE = "infinitesimal jackknife, Fisher's z"

_ROUNDING = 1e-12
_SMALLEST = 1e-15
"""Of p-values: at levels closer to one floats have no tails left."""


def pearson(x: FloatArray, y: FloatArray, weight: FloatArray | None = None) -> Linearised:
    """Product-moment correlation (Pearson, 1896), with its influence function (Devlin et al., 1975).

    Args:
        x: shape (n,), finite.
        y: shape (n,), finite.
        weight: shape (n,), not negative; None counts all rows alike.

    Returns:
        NaN and no influence where either column is the same in every row.
    """
    share = _shares(len(x), weight)
    first, second = _standardised(x, share), _standardised(y, share)
    if first is None or second is None:
        return Linearised(math.nan, np.zeros(len(x)))
    return _linearised(first, second, share)


def spearman(x: FloatArray, y: FloatArray, weight: FloatArray | None = None) -> Linearised:
    """Rank correlation (Spearman, 1904), tied values sharing the middle of their ranks.

    A row counts twice in its influence: by its own ranks, and as one that lifts the ranks of all rows above it (Croux &
    Dehon, 2010, who leave out ties). With weights a rank is the weight below a value and half of that at it.

    Args:
        x: shape (n,).
        y: shape (n,).
        weight: shape (n,), not negative; None counts all rows alike.

    Returns:
        NaN and no influence where either column is the same in every row.
    """
    share = _shares(len(x), weight)
    counts = np.ones(len(x)) if weight is None else weight
    of_x, of_y = _Ranks(x, counts), _Ranks(y, counts)
    first, second = _standardised(of_x.rank, share), _standardised(of_y.rank, share)
    if first is None or second is None:
        return Linearised(math.nan, np.zeros(len(x)))
    own = _linearised(first, second, share)
    lifted = of_x.lifted(second - own.value * first) + of_y.lifted(first - own.value * second)
    return Linearised(own.value, own.influence + lifted - float((share * lifted).sum()))


class _Ranks:
    """Ranks of values in the order of their size, each row taking up as much room as it weighs."""

    def __init__(self, values: FloatArray, weight: FloatArray) -> None:
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        first = np.ones(len(values), dtype=bool)
        first[1:] = ordered[1:] != ordered[:-1]
        self._tie = np.empty(len(values), dtype=np.int64)
        self._tie[order] = np.cumsum(first) - 1
        self._weight = weight
        self.rank = self._below(weight)

    def _below(self, amount: FloatArray) -> FloatArray:
        """The sum over the rows below each row, and half of that over the rows level with it."""
        of_tie = np.bincount(self._tie, weights=amount)
        below: FloatArray = (np.cumsum(of_tie) - of_tie / 2)[self._tie]
        return below

    def lifted(self, gain: FloatArray) -> FloatArray:
        """What each row adds by lifting the ranks above it, up to a constant.

        Args:
            gain: what a correlation gains per standard deviation of rank, shape (n,).
        """
        total = float(self._weight.sum())
        mean = float((self._weight * self.rank).sum()) / total
        spread = math.sqrt(float((self._weight * (self.rank - mean) ** 2).sum()) / total)
        # Whatever is not below a row is above it; the sum over all rows is a constant.
        return -self._below(self._weight * gain) / spread


def correlation_interval(found: Linearised, n: int, *, confidence: float) -> Interval:
    """Interval of one correlation, by the t of Fisher's z (1921), from the influence of its rows.

    Fisher's own variance of z, 1 / (n - 3), is that of the normal law, and far too small for heavy tails; the mean
    square of the influences, which is one under that law, takes the place of its 1, and their skewness widens the
    interval as it does that of a mean.

    Args:
        found: a correlation with the influence of n rows, each counting alike.
        n: rows; fewer than four bound nothing.
        confidence: of the two-sided interval.
    """
    return _Fisher.of(found, n).interval(confidence)


def correlation_difference(a: Linearised, b: Linearised, n: int, *, confidence: float) -> PairedResult:
    """Difference of two correlations of the same n rows, such as of two models with one label.

    On each side the wider of two intervals: that of the mean of the differences in influence, and that which recovers
    variances from both correlations' own limits and the correlation of their influences (Zou, 2007). The first is
    lopsided where the correlations differ, the second short where tails are heavy.

    Args:
        a: the candidate's, with the influence of each row.
        b: production's.
        n: rows; fewer than four bound nothing.
        confidence: of the two-sided interval.
    """
    estimate = a.value - b.value
    moved = a.influence - b.influence
    if n < FEWEST_ROWS:
        return unknown(estimate, n, DIFFERENCE)
    # The mean influence is zero; adding the difference makes its t interval that of the difference.
    mean = replace(paired_mean(moved - moved.mean() + estimate, confidence=confidence), method=DIFFERENCE)
    if not moved.any():
        return mean
    pair = _Pair(_Fisher.of(a, n), _Fisher.of(b, n), _dependence(a.influence, b.influence))
    bounds = pair.interval(confidence)
    return replace(
        mean,
        estimate=estimate,
        low=min(mean.low, bounds.low),
        high=max(mean.high, bounds.high),
        p_value=max(mean.p_value, pair.p_value()),
    )


@dataclass(frozen=True, slots=True)
class _Fisher:
    """A correlation with the standard error of its z, None where it has no z, and how far its law is bent."""

    value: float
    rows: int
    error: float | None = None
    bend: float = 0.0

    @classmethod
    def of(cls, found: Linearised, n: int) -> "_Fisher":
        if n < FEWEST_ROWS or abs(found.value) > 1 - _ROUNDING:
            return cls(found.value, n)
        influence = found.influence - found.influence.mean()
        squares = influence * influence
        deviation = math.sqrt(float(squares.mean())) / (1 - found.value**2)
        third = float((squares * influence).mean())
        bend = asymmetry(third, float(squares.sum()) / (n - 1), n)
        return cls(found.value, n, deviation / math.sqrt(n - 3), bend)

    def interval(self, confidence: float) -> Interval:
        if self.rows < FEWEST_ROWS:
            return Interval(-1.0, 1.0)
        if self.error is None:
            # All n rows lie on one line: bounded by how many of them could have been off it without one being so.
            perfect = math.copysign(1.0, self.value)
            return without_variation(perfect, self.rows, confidence=confidence, lowest=-1.0)
        z = math.atanh(self.value)
        bounds = skewed_t_interval(z, self.error, self.bend, self.rows, confidence=confidence)
        return Interval(math.tanh(bounds.low), math.tanh(bounds.high))


@dataclass(frozen=True, slots=True)
class _Pair:
    """Two correlations that depend on each other."""

    a: _Fisher
    b: _Fisher
    dependence: float

    def interval(self, confidence: float) -> Interval:
        a, b = self.a.interval(confidence), self.b.interval(confidence)
        below, above = self.a.value - a.low, a.high - self.a.value
        other_below, other_above = self.b.value - b.low, b.high - self.b.value
        estimate = self.a.value - self.b.value
        return Interval(
            estimate - self._length(below, other_above), estimate + self._length(above, other_below)
        )

    def _length(self, of_a: float, of_b: float) -> float:
        return math.sqrt(max(of_a**2 + of_b**2 - 2 * self.dependence * of_a * of_b, 0.0))

    def p_value(self) -> float:
        """One minus the level at which the interval touches zero, by bisection of its logarithm."""
        low, high = math.log(_SMALLEST), 0.0
        for _ in range(50):
            middle = (low + high) / 2
            bounds = self.interval(-math.expm1(middle))
            touches = bounds.low <= 0 <= bounds.high
            low, high = (middle, high) if touches else (low, middle)
        return math.exp(high)


def _dependence(first: FloatArray, second: FloatArray) -> float:
    scale = float(first.std() * second.std())
    return float((first * second).mean()) / scale if scale > 0 else 0.0


def _shares(n: int, weight: FloatArray | None) -> FloatArray:
    if weight is None:
        return np.full(n, 1 / n)
    total = float(weight.sum())
    return weight / total if total > 0 else np.zeros(n)


def _standardised(values: FloatArray, share: FloatArray) -> FloatArray | None:
    """With weighted mean 0 and variance 1; None when the rows that count are all alike."""
    counted = values[share > 0]
    # Rounding gives most constants a tiny variance.
    if not len(counted) or counted.min() == counted.max():
        return None
    # A row without weight is nowhere, however far out it lies.
    centred = np.where(share > 0, values - float((share * values).sum()), 0.0)
    # So that squares neither overflow nor vanish.
    centred /= np.abs(centred).max()
    scaled: FloatArray = centred / math.sqrt(float((share * centred**2).sum()))
    return scaled


def _linearised(first: FloatArray, second: FloatArray, share: FloatArray) -> Linearised:
    product = first * second
    value = min(max(float((share * product).sum()), -1.0), 1.0)
    return Linearised(value, product - value * (first**2 + second**2) / 2)
