"""What is kept of a column: summaries of each kind, whole or reduced to what a profile holds."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

SummaryKind = Literal["numeric", "date", "boolean", "categorical", "text"]
POINTS = 256
FEWEST_POINTS = 128
LEVELS = 1_000
BUCKETS = 32
FREQUENT = 0.02
"""Share of rows of a value that is kept with its exact count: under what a test asks for, so that it can choose."""
_LONGEST_LEVEL = 200


def bucket(name: str) -> int:
    """Where the hash puts a level that is not kept."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass")) % BUCKETS


@dataclass(frozen=True, slots=True)
class NumericSummary:
    """A column of numbers.

    Attributes:
        rows: of the column, missing and infinite values included.
        points: shape (k,), ascending distinct values; the smallest and the largest are among them.
        upto: shape (k,), finite values at or below each point; the last is all of them.
        mean, spread: of the finite values; the spread is the standard deviation. 0 without values.
        exact: every distinct value is a point.
        design_effect: of the shares of its values (Rao & Scott, 1981); 1 where rows are independent.
        clusters: how many the rows come from; None where they were taken as independent.
    """

    name: str
    rows: int
    missing: int
    infinite: int
    points: np.ndarray
    upto: np.ndarray
    mean: float
    spread: float
    exact: bool = True
    design_effect: float = 1.0
    clusters: int | None = None

    @property
    def kind(self) -> SummaryKind:
        """Always ``numeric``."""
        return "numeric"

    @property
    def finite(self) -> int:
        """Number of finite values."""
        return int(self.upto[-1]) if len(self.upto) else 0

    @property
    def minimum(self) -> float | None:
        """The smallest finite value."""
        return float(self.points[0]) if len(self.points) else None

    @property
    def maximum(self) -> float | None:
        """The largest finite value."""
        return float(self.points[-1]) if len(self.points) else None

    def at_rank(self, ranks: np.ndarray) -> np.ndarray:
        """The points that reach these ranks, counted from 1."""
        return np.asarray(self.points[np.searchsorted(self.upto, ranks)])

    def frequent(self) -> tuple[np.ndarray, np.ndarray]:
        """Values that one row in fifty has, and how many have each."""
        if self.exact and len(self.points) > (1 - FREQUENT) * self.finite + 1:
            return self.points[:0], self.upto[:0]
        counts = np.diff(self.upto, prepend=0)
        often = np.flatnonzero(counts >= max(FREQUENT * self.finite, 2))
        return self.points[often], counts[often]

    def reduced(self, points: int = POINTS) -> "NumericSummary":
        """At most some 400 of the points: evenly by rank, denser in both tails, and around every frequent value."""
        wanted = max(points, FEWEST_POINTS)
        if len(self.points) <= wanted:
            return self
        halvings = 2.0 ** -np.arange(1, int(np.log2(self.finite)) + 1) * 2 / wanted
        tail = halvings[halvings * self.finite >= 1]
        even = np.arange(0, wanted - 2 * len(tail) + 1) / (wanted - 2 * len(tail))
        shares = np.concatenate((even, tail, 1 - tail))
        ranks = np.clip(np.ceil(shares * self.finite), 1, self.finite)
        often = np.searchsorted(self.points, self.frequent()[0])
        kept = np.unique(np.concatenate((np.searchsorted(self.upto, ranks), often, np.maximum(often - 1, 0))))
        return replace(self, points=self.points[kept], upto=self.upto[kept], exact=False)


@dataclass(frozen=True, slots=True)
class CategorySummary:
    """A column of categories.

    Attributes:
        counts: rows per level, by its canonical text; missing values are counted apart.
        boolean: whether the levels are true and false.
        other_levels: levels that were not kept.
        buckets: shape (32,), rows of these by the hash of their level; None where all levels were kept. A test of
            levels that were kept because they are frequent here would take their luck for a change; the hash knows
            nothing of that.
        cut: a level of more rows than this was kept, but for names too long to keep.
    """

    name: str
    rows: int
    missing: int
    counts: Mapping[str, int]
    boolean: bool = False
    other_levels: int = 0
    buckets: np.ndarray | None = None
    cut: int = 0
    design_effect: float = 1.0
    clusters: int | None = None

    @property
    def kind(self) -> SummaryKind:
        """``boolean`` or ``categorical``."""
        return "boolean" if self.boolean else "categorical"

    @property
    def other_rows(self) -> int:
        """Rows of levels that were not kept."""
        return 0 if self.buckets is None else int(self.buckets.sum())

    @property
    def exact(self) -> bool:
        """Every level was kept."""
        return self.buckets is None

    def reduced(self, levels: int = LEVELS) -> "CategorySummary":
        """The most frequent levels, and the others by hash."""
        short = [(-count, name) for name, count in self.counts.items() if len(name) <= _LONGEST_LEVEL]
        if len(self.counts) <= levels and len(short) == len(self.counts):
            return self
        short.sort()
        kept = {name: -count for count, name in short[:levels]}
        buckets = np.zeros(BUCKETS, dtype=np.int64) if self.buckets is None else self.buckets.copy()
        for name, count in self.counts.items():
            if name not in kept:
                buckets[bucket(name)] += count
        cut = -short[levels][0] if len(short) > levels else 0
        dropped = len(self.counts) - len(kept)
        return replace(
            self,
            counts=kept,
            other_levels=self.other_levels + dropped,
            buckets=buckets,
            cut=max(cut, self.cut),
        )


@dataclass(frozen=True, slots=True)
class DateSummary:
    """A column of times, which are looked at by what may come again: weekday, hour, and distance from the row's time.

    Attributes:
        first, last: ISO 8601 to the second; None without values.
        weekday: of the last whole weeks, where these are four at least and it varies.
        hour: of the last whole weeks, where these are two at least and it varies.
        age: days by which the value lies before the row's own time; None where that is not known.
    """

    name: str
    rows: int
    missing: int
    first: str | None = None
    last: str | None = None
    weekday: CategorySummary | None = None
    hour: CategorySummary | None = None
    age: NumericSummary | None = None
    design_effect: float = 1.0
    clusters: int | None = None

    @property
    def kind(self) -> SummaryKind:
        """Always ``date``."""
        return "date"

    def reduced(self, points: int = POINTS) -> "DateSummary":
        """With a reduced age."""
        return replace(self, age=self.age.reduced(points) if self.age else None)


@dataclass(frozen=True, slots=True)
class TextSummary:
    """A column of free text.

    Attributes:
        descriptors: by name; the share of unknown words stands on the rows that did not make the vocabulary.
        vocabulary: ascending words that the share of unknown words was measured by.
    """

    name: str
    rows: int
    missing: int
    descriptors: Mapping[str, NumericSummary] = field(default_factory=dict)
    vocabulary: tuple[str, ...] = ()
    design_effect: float = 1.0
    clusters: int | None = None

    @property
    def kind(self) -> SummaryKind:
        """Always ``text``."""
        return "text"

    def reduced(self, points: int = POINTS) -> "TextSummary":
        """With reduced descriptors."""
        return replace(
            self, descriptors={name: each.reduced(points) for name, each in self.descriptors.items()}
        )


Summary = NumericSummary | CategorySummary | DateSummary | TextSummary
