"""What metrics are computed on: predictions in memory, and the slices of their rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tidegate.tables import Column, Level, Want

_BY_ROW = (
    "label",
    "prediction",
    "score",
    "query",
    "latency",
    "production_latency",
    "error",
    "cost",
    "cluster",
    "weight",
)


@dataclass(frozen=True, slots=True)
class Performance:
    """What was measured of a model as a whole, rather than row by row.

    Attributes:
        latency: milliseconds of single answers; None when not measured.
        production_latency: of production, measured interleaved with `latency`, one for one; None when not measured.
        percentiles: of latency in milliseconds, by share, where only those are known.
        throughput: answers per second.
        error_rate, requests: share of requests that failed, and of how many.
        cost_per_row: in any currency.
        model_bytes: size of the model's files.
    """

    latency: np.ndarray | None = None
    production_latency: np.ndarray | None = None
    percentiles: Mapping[float, float] = field(default_factory=dict)
    throughput: float | None = None
    error_rate: float | None = None
    requests: int | None = None
    cost_per_row: float | None = None
    model_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model said about `rows` examples, and what was true.

    Attributes:
        task: ``binary``, ``multiclass``, ``regression`` or ``ranking``.
        rows: number of examples n.
        classes: binary: (negative, positive); multiclass: the sorted class names, as text.
        label: (n,) int8/int32 class codes, float64 for regression, relevance for ranking; None when not read.
        prediction: (n,) same coding as `label`; None when not read.
        score: binary (n,) and multiclass (n, K) probabilities, ranking (n,) any number; None when not read.
        query: (n,) int32 codes of the queries of a ranking; None when not read.
        latency, production_latency: (n,) milliseconds, NaN where unknown; None when not read.
        error: (n,) 1 where the model failed to answer, else 0; None when not read.
        cost: (n,) what each answer cost, NaN where unknown; None when not read.
        cluster: (n,) int32 codes of what rows come from; rows of one are not independent. None: all rows are.
        weight: (n,) how much each row counts, not negative; None: all count alike.
        performance: what was measured of the model as a whole; None when nothing was.
        columns: further columns by name and the kind that a metric reads them as.
    """

    task: str
    rows: int
    classes: tuple[str, ...] = ()
    label: np.ndarray | None = None
    prediction: np.ndarray | None = None
    score: np.ndarray | None = None
    query: np.ndarray | None = None
    latency: np.ndarray | None = None
    production_latency: np.ndarray | None = None
    error: np.ndarray | None = None
    cost: np.ndarray | None = None
    cluster: np.ndarray | None = None
    weight: np.ndarray | None = None
    performance: Performance | None = None
    columns: Mapping[tuple[str, Want], Column] = field(default_factory=dict)

    def take(self, rows: np.ndarray) -> "Predictions":
        """The examples at `rows`, in their order."""
        arrays = {name: getattr(self, name) for name in _BY_ROW}
        picked: dict[str, Any] = {
            name: None if values is None else values[rows] for name, values in arrays.items()
        }
        return replace(
            self,
            rows=len(rows),
            **picked,
            columns={key: column.take(rows) for key, column in self.columns.items()},
        )

    def without_columns(self) -> "Predictions":
        """Without further columns: what is cheap to cut into slices."""
        return replace(self, columns={})

    def recoded(self, classes: tuple[str, ...]) -> "Predictions":
        """The same with codes into `classes`, which must contain all of its own."""
        if classes == self.classes:
            return self
        lookup = np.array([classes.index(name) for name in self.classes], dtype=np.int32)

        def code(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else lookup[values]

        score = self.score
        if score is not None:
            score = np.zeros((self.rows, len(classes)))
            score[:, lookup] = self.score
        return replace(
            self, classes=classes, label=code(self.label), prediction=code(self.prediction), score=score
        )


@dataclass(frozen=True)
class Groups:
    """A partition of rows into slices.

    Attributes:
        codes: (n,) group of each row, -1 for rows in no group.
        slices: per group its ``{column: value}``, or None for the group of all rows.
    """

    codes: np.ndarray
    slices: tuple[dict[str, Level | None] | None, ...]

    @classmethod
    def everything(cls, rows: int) -> "Groups":
        """One group of all rows."""
        return cls(np.zeros(rows, dtype=np.int32), (None,))

    @classmethod
    def of_column(cls, column: Column, values: Iterable[Level] | None = None) -> "Groups":
        """One group per value of a category; missing values are a group when they occur.

        Args:
            column: a category.
            values: only these, in this order; one that never occurs is an empty group.
        """
        if values is None:
            # A level may have lost its rows, say in a join; the code -1 of missing values counts as the last.
            levels = (*column.levels, None)
            found = np.flatnonzero(np.bincount(column.values % len(levels), minlength=len(levels)))
            lookup = np.zeros(len(levels), dtype=np.int32)
            lookup[found] = np.arange(len(found))
            return cls(lookup[column.values], tuple({column.name: levels[i]} for i in found))
        wanted = list(values)
        position = {canonical(value): i for i, value in enumerate(wanted)}
        lookup = np.array(
            [position.get(canonical(level), -1) for level in column.levels] + [-1], dtype=np.int32
        )
        return cls(lookup[column.values], tuple({column.name: value} for value in wanted))

    @classmethod
    def crossed(cls, parts: Sequence["Groups"]) -> "Groups":
        """The combinations that occur of several partitions of the same rows, in the order of the first.

        A group without rows has no combinations, and follows by itself, so that it is not lost.
        """
        inside = np.logical_and.reduce([part.codes >= 0 for part in parts])
        combined = np.zeros(int(inside.sum()), dtype=np.int64)
        for part in parts:
            combined = combined * part.count + part.codes[inside]
        found, crossed = np.unique(combined, return_inverse=True)
        codes = np.full(len(inside), -1, dtype=np.int32)
        codes[inside] = crossed
        sizes = [part.count for part in parts]
        slices = [
            {
                name: value
                for part, i in zip(parts, each, strict=True)
                for name, value in (part.slices[i] or {}).items()
            }
            for each in zip(*(index.tolist() for index in np.unravel_index(found, sizes)), strict=True)
        ]
        empty = [
            part.slices[i]
            for part in parts
            for i in np.flatnonzero(np.bincount(part.codes + 1, minlength=part.count + 1)[1:] == 0)
        ]
        return cls(codes, (*slices, *empty))

    @property
    def count(self) -> int:
        """Number of groups."""
        return len(self.slices)

    @cached_property
    def members(self) -> tuple[np.ndarray, ...]:
        """Row numbers of each group, in row order."""
        if self.count == 1 and not (self.codes < 0).any():
            return (np.arange(len(self.codes)),)
        # Short codes are sorted by counting.
        codes = self.codes.astype(np.int16) if self.count < np.iinfo(np.int16).max else self.codes
        order = np.argsort(codes, kind="stable")
        bounds = np.searchsorted(codes[order], np.arange(self.count + 1))
        return tuple(order[bounds[g] : bounds[g + 1]] for g in range(self.count))


def canonical(value: Level | None) -> str:
    """One spelling for values that mean the same: ``1``, ``1.0``, ``True`` and ``"1"``; text is left alone."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value)
    return {"true": "1", "false": "0"}.get(text.lower(), text)
