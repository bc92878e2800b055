"""Metrics of any column: its mean and quantiles, and how many of its values are missing, repeated or not expected."""

from dataclasses import dataclass

import numpy as np

from tidegate.metrics.base import ALL_TASKS, Estimate, Metric, Options, Paired
from tidegate.metrics.data import Groups, Predictions, canonical
from tidegate.metrics.quantiles import RowQuantile
from tidegate.metrics.rows import RowMean
from tidegate.tables import Want


@dataclass(frozen=True, kw_only=True)
class ColumnMean(RowMean):
    """A mean over a column that the config names."""

    kind: Want
    bounded: bool | None = True
    options: frozenset[str] = frozenset({"column"})

    def columns(self, options: Options) -> dict[str, Want]:
        """The column, as a number where its values count."""
        return {str(options["column"]): self.kind}


@dataclass(frozen=True, kw_only=True)
class OutOfRangeShare(ColumnMean):
    """The share of values below or above what is allowed."""

    options: frozenset[str] = frozenset({"column", "range"})

    def check(self, options: Options) -> None:
        """See :meth:`Metric.check`: the range has a limit, and the lower one first."""
        low, high = options["range"]
        if (low is None and high is None) or (low is not None and high is not None and low > high):
            raise ValueError("`range:` is [lowest, highest], with null for no limit on one side")


@dataclass(frozen=True, kw_only=True)
class ColumnQuantile(RowQuantile):
    """A quantile of a column that the config names."""

    options: frozenset[str] = frozenset({"column", "quantile"})

    def columns(self, options: Options) -> dict[str, Want]:
        """The column, as a number."""
        return {str(options["column"]): "number"}


def _column(data: Predictions, options: Options) -> np.ndarray:
    return data.columns[str(options["column"]), "number"].values


def _missing(data: Predictions, options: Options) -> np.ndarray:
    return data.columns[str(options["column"]), "any"].missing.astype(np.float64)


def _above(data: Predictions, options: Options) -> np.ndarray:
    values = _column(data, options)
    return np.where(np.isnan(values), np.nan, values > float(options["at"]))


def _below(data: Predictions, options: Options) -> np.ndarray:
    values = _column(data, options)
    return np.where(np.isnan(values), np.nan, values < float(options["at"]))


def _out_of_range(data: Predictions, options: Options) -> np.ndarray:
    values = _column(data, options)
    low, high = (
        limit if given is None else float(given)
        for given, limit in zip(options["range"], (-np.inf, np.inf), strict=True)
    )
    return np.where(np.isnan(values), np.nan, (values < low) | (values > high))


def _unseen(data: Predictions, options: Options) -> np.ndarray:
    column = data.columns[str(options["column"]), "category"]
    known = {canonical(value) for value in options["values"]}
    # The code -1 of a missing value, which is neither seen nor unseen, counts as the last.
    of_level = np.array([*(canonical(level) not in known for level in column.levels), np.nan])
    return of_level[column.values]


def _repeated(data: Predictions, options: Options, codes: np.ndarray | None = None) -> np.ndarray:
    """1 where the value of a row occurs again, in the same group where codes of groups are given."""
    column = data.columns[str(options["column"]), "category"]
    # Missing values, whose code is -1, take the first place in each group.
    group = np.zeros(data.rows, dtype=np.int64) if codes is None else codes.astype(np.int64)
    keys = group * (len(column.levels) + 1) + column.values + 1
    _, found, counts = np.unique(keys, return_inverse=True, return_counts=True)
    return np.where(column.values >= 0, counts[found] > 1, np.nan)


@dataclass(frozen=True, kw_only=True)
class DuplicateShare(ColumnMean):
    """The share of rows whose value another row of the same slice has, too."""

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`."""
        return self.within(groups).estimate(data, groups, options, confidence)

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`."""
        return self.within(groups).compare(candidate, production, groups, options, confidence)

    def within(self, groups: Groups) -> RowMean:
        """See :meth:`RowMean.within`."""
        return RowMean(
            name=self.name,
            tasks=self.tasks,
            better=self.better,
            bounded=True,
            values=lambda data, options: _repeated(data, options, groups.codes),
        )


METRICS: list[Metric] = [
    ColumnMean(name="mean", tasks=ALL_TASKS, better="neither", kind="number", values=_column, bounded=None),
    ColumnQuantile(name="quantile", tasks=ALL_TASKS, better="neither", values=_column),
    ColumnMean(name="missing_share", tasks=ALL_TASKS, better="lower", kind="any", values=_missing),
    DuplicateShare(
        name="duplicate_share", tasks=ALL_TASKS, better="lower", kind="category", values=_repeated
    ),
    *(
        ColumnMean(
            name=name,
            tasks=ALL_TASKS,
            better="neither",
            kind="number",
            options=frozenset({"column", "at"}),
            values=values,
        )
        for name, values in (("share_above", _above), ("share_below", _below))
    ),
    OutOfRangeShare(
        name="out_of_range_share",
        tasks=ALL_TASKS,
        better="lower",
        kind="number",
        values=_out_of_range,
    ),
    ColumnMean(
        name="unseen_share",
        tasks=ALL_TASKS,
        better="lower",
        kind="category",
        options=frozenset({"column", "values"}),
        values=_unseen,
    ),
]
