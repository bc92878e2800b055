"""What is measured of a column in each chunk of time, on scales where the error hangs on the rows alone."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from tidegate.metrics.data import canonical
from tidegate.stats.results import BoolArray, FloatArray, IntArray
from tidegate.tables import Column

_LARGEST = 1e300
_FEW_VALUES = 10
_LEVELS = 10
_LEAST_SHARE = 0.01
_FLAT = 1e-3
"""Variance of a value where the reference has none, in squares of the width."""


@dataclass(frozen=True, slots=True)
class Ruler:
    """How a column is measured, fixed by the reference.

    Attributes:
        kind: ``number`` or ``category``.
        levels: category: the commonest, as text; the rest is one more bin.
        cuts: number: ascending; a bin ends below each, and one more begins at the last.
        middle, width: number: what values are shifted and divided by.
        bound: number: divided values beyond ± this count as this.
        unit: number: standard deviation of the divided values; 1 when they are all alike.
    """

    kind: str
    levels: tuple[str, ...] = ()
    cuts: tuple[float, ...] = ()
    middle: float = 0.0
    width: float = 1.0
    bound: float = 1.0
    unit: float = 1.0

    def measure(self, column: Column, chunk: IntArray, chunks: int) -> "Measured":
        """Count and sum the values of each chunk.

        Args:
            column: of the ruler's kind, or without any value.
            chunk: shape (n,), 0 to `chunks` - 1; rows of -1 are left out.
            chunks: k.
        """
        inside = chunk >= 0
        rows = np.bincount(chunk[inside], minlength=chunks)
        valued = inside & ~column.missing
        at = chunk[valued]
        filled = np.bincount(at, minlength=chunks)
        if column.kind != self.kind:
            bins = np.zeros((chunks, self.bins), dtype=np.int64)
            return Measured(rows, filled, bins, None)
        bin_of = self._bin(column, valued)
        bins = np.bincount(at * self.bins + bin_of, minlength=chunks * self.bins).reshape(chunks, self.bins)
        if self.kind == "category":
            return Measured(rows, filled, bins, None)
        z = self.divided(column.values[valued])
        sums = np.bincount(at, weights=z, minlength=chunks)
        return Measured(rows, filled, bins, sums / np.maximum(filled, 1))

    @property
    def bins(self) -> int:
        """Number of bins."""
        return len(self.levels if self.kind == "category" else self.cuts) + 1

    def divided(self, values: FloatArray) -> FloatArray:
        """Values as multiples of the width, within the bound."""
        z = np.clip(values, -_LARGEST, _LARGEST)
        z -= self.middle
        np.clip(z, -self.bound * self.width, self.bound * self.width, out=z)
        z /= self.width
        return z

    def _bin(self, column: Column, valued: BoolArray) -> IntArray:
        if self.kind == "number":
            return np.asarray(np.searchsorted(np.array(self.cuts), column.values[valued], side="right"))
        position = {level: i for i, level in enumerate(self.levels)}
        rest = len(self.levels)
        lookup = np.array([position.get(canonical(level), rest) for level in column.levels] or [rest])
        return np.asarray(lookup[column.values[valued]])

    def distance(self, shares: FloatArray, mean: float, shares_then: FloatArray, mean_then: float) -> float:
        """How far two distributions lie apart: total variation, or Wasserstein in spreads of the reference.

        Of the Wasserstein distance the part between the outer cuts, and no less than the distance of the means.
        """
        if self.kind == "category":
            return float(np.abs(shares - shares_then).sum() / 2)
        below = np.abs(np.cumsum(shares - shares_then)[:-1])
        widths = np.diff(self.divided(np.array(self.cuts)))
        return max(float(below[1:] @ widths), abs(mean - mean_then)) / self.unit


@dataclass(frozen=True, slots=True)
class Measured:
    """Sums of each chunk.

    Attributes:
        rows, filled: shape (k,), rows, and those with a value.
        counts: shape (k, bins).
        mean: shape (k,), of divided values; None for categories.
    """

    rows: IntArray
    filled: IntArray
    counts: IntArray
    mean: FloatArray | None

    def shares(self) -> FloatArray:
        """Of the values, shape (k, bins)."""
        return np.asarray(self.counts / np.maximum(self.filled, 1)[:, None])

    def means(self) -> FloatArray:
        """Of divided values, shape (k,); 0 for categories."""
        return np.zeros(len(self.rows)) if self.mean is None else self.mean

    def summaries(self, ruler: Ruler) -> FloatArray:
        """One row a chunk: shares of the bins and, of numbers, the mean in spreads of the reference. Shape (k, j)."""
        shares = angle(self.counts, self.filled[:, None])
        return shares if self.mean is None else np.column_stack((shares, self.mean / ruler.unit))

    def missing(self) -> FloatArray:
        """Share of rows without a value, as an angle, shape (k, 1)."""
        return angle(self.rows - self.filled, self.rows)[:, None]


def angle(counts: IntArray, rows: IntArray) -> FloatArray:
    """Shares on the scale where the variance of a share of n rows is 1 / n (Anscombe, 1948)."""
    return np.asarray(2 * np.arcsin(np.sqrt((counts + 3 / 8) / (rows + 3 / 4))))


@dataclass(frozen=True, slots=True)
class Nature:
    """How the summaries of independent rows behave.

    Attributes:
        per_row: shape (j,), sampling variance of one row.
        regular: shape (j,), one over the squared skewness of one row: how many rows count as one event of a rare thing.
    """

    per_row: FloatArray
    regular: FloatArray


def make_ruler(column: Column, valued: BoolArray) -> tuple[Ruler, Nature]:
    """The ruler that fits a column, and how its summaries behave.

    Args:
        column: of numbers or categories.
        valued: shape (n,), the rows to go by, at least one, all with a value.
    """
    if column.kind == "category":
        ruler = _for_levels(column, valued)
        counts = np.bincount(ruler._bin(column, valued), minlength=ruler.bins)
        return ruler, of_shares(counts / counts.sum())
    ascending = np.sort(np.clip(column.values[valued], -_LARGEST, _LARGEST))
    low, middle, high = (_quantile(ascending, q) for q in (0.01, 0.5, 0.99))
    width = (high - low) or float(ascending[-1] - ascending[0]) or abs(middle) or 1.0
    distinct = np.append(True, ascending[1:] != ascending[:-1])
    if np.count_nonzero(distinct) <= _FEW_VALUES:
        cuts = ascending[distinct].tolist()
    else:
        cuts = sorted({_quantile(ascending, q / 10) for q in range(1, 10)})
    bound = 1.0 + max(high - middle, middle - low) / width
    ruler = Ruler("number", (), tuple(cuts), middle, width, bound)
    z = ruler.divided(ascending)
    unit = float(z.std())
    ruler = replace(ruler, unit=unit if unit > 0 else 1.0)
    skewness = float(np.mean(((z - z.mean()) / ruler.unit) ** 3))
    counts = np.diff(np.searchsorted(ascending, cuts), prepend=0, append=len(ascending))
    shares = of_shares(counts / len(ascending))
    return ruler, Nature(
        per_row=np.append(shares.per_row, 1.0 if unit > 0 else _FLAT),
        regular=np.append(shares.regular, 1 / max(skewness**2, _FLAT)),
    )


def of_shares(shares: FloatArray) -> Nature:
    """How angles of shares behave."""
    return Nature(np.ones(len(shares)), np.minimum(shares, 1 - shares))


def _for_levels(column: Column, valued: BoolArray) -> Ruler:
    counts = np.bincount(column.values[valued], minlength=len(column.levels))
    order = np.argsort(-counts, kind="stable")[:_LEVELS]
    kept = [canonical(column.levels[i]) for i in order if counts[i] >= _LEAST_SHARE * counts.sum()]
    return Ruler("category", tuple(dict.fromkeys(kept)))


def _quantile(ascending: FloatArray, q: float) -> float:
    return float(ascending[round(q * (len(ascending) - 1))])


def bin_names(ruler: Ruler) -> Sequence[str]:
    """What each summary is called, in their order."""
    if ruler.kind == "category":
        return [*(f"share of {level}" for level in ruler.levels), "share of all other values"]
    cuts = [f"{cut:.4g}" for cut in ruler.cuts]
    between = [f"share from {a} to below {b}" for a, b in pairwise(cuts)]
    return [f"share below {cuts[0]}", *between, f"share from {cuts[-1]}", "mean"]
