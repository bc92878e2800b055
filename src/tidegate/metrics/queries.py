"""Metrics of rankings, by query: the mean over the queries, which are what is independent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from tidegate.errors import DataError
from tidegate.metrics.base import EMPTY_SLICE, QUERIES, Estimate, Metric, Options, Paired, Part, needed
from tidegate.metrics.cells import row_weights
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.rows import KnownMean, RowMean
from tidegate.stats import ranked
from tidegate.stats.results import Linearised

_PARTS: frozenset[Part] = frozenset({"query", "label", "score"})
Result = TypeVar("Result", Estimate, Paired)
_NONE_RELEVANT = "no query has a relevant item"
Measure = Callable[[ranked.Ranked, int | None], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class QueryMean(Metric):
    """The mean over queries of a figure of their ranking; a slice ranks the items of a query that are in it.

    Attributes:
        measure: the figure of each query; NaN leaves the query out.
    """

    measure: Measure

    @property
    def perfect(self) -> float | None:
        """See :attr:`Metric.perfect`."""
        return 1.0

    def estimate(
        self, data: Predictions, groups: Groups, options: Options, confidence: float | None
    ) -> list[Estimate]:
        """See :meth:`Metric.estimate`; Student's t over the queries."""
        rows, codes, of_queries = _by_slice(data, groups)
        values = self._values(data, rows, codes, options)
        found = self._mean(lambda _: values).estimate(data, of_queries, options, confidence)
        return [explained(one, len(items)) for one, items in zip(found, groups.members, strict=True)]

    def compare(
        self,
        candidate: Predictions,
        production: Predictions,
        groups: Groups,
        options: Options,
        confidence: float,
    ) -> list[Paired]:
        """See :meth:`Metric.compare`; a paired t over the queries."""
        rows, codes, of_queries = _by_slice(production, groups)
        a, b = (self._values(data, rows, codes, options) for data in (candidate, production))
        mean = self._mean(lambda data: a if data is candidate else b)
        found = mean.compare(candidate, production, of_queries, options, confidence)
        return [explained(one, len(items)) for one, items in zip(found, groups.members, strict=True)]

    def linearise(self, data: Predictions, options: Options) -> Linearised:
        """See :meth:`Metric.linearise`; that of a query is spread over its items.

        Raises:
            DataError: as in :meth:`by_query`.
        """
        queries = self.by_query(data, Groups.everything(data.rows), options)
        found = queries.mean.mean(queries.data, {})
        items = np.bincount(queries.codes)
        weight = row_weights(data).sum() / row_weights(queries.data).sum()
        return Linearised(found.value, (found.influence * weight / items)[queries.codes])

    def by_query(self, data: Predictions, groups: Groups, options: Options) -> "Queries":
        """The queries of each slice as rows of which it is the mean; one weighs as much as its items on average.

        Raises:
            DataError: the items of a query are of several clusters.
        """
        rows, codes, of_queries = _by_slice(data, groups)
        count = len(of_queries.codes)
        weight = None
        if data.weight is not None:
            weight = np.bincount(codes, weights=data.weight[rows], minlength=count) / np.bincount(codes)
        each = Predictions(
            task=data.task,
            rows=count,
            cluster=_cluster_of_each(data.cluster[rows], codes, count) if data.cluster is not None else None,
            weight=weight,
        )
        values = self._values(data, rows, codes, options)
        mean, each = self._mean(lambda _: values).known(each, of_queries, {})
        return Queries(each, of_queries, codes, mean)

    def _values(self, data: Predictions, rows: np.ndarray, codes: np.ndarray, options: Options) -> np.ndarray:
        in_order = ranked.rank_items(codes, needed(data.label)[rows], needed(data.score)[rows])
        return self.measure(in_order, options.get("k"))

    def _mean(self, values: Callable[[Predictions], np.ndarray]) -> RowMean:
        return RowMean(
            name=self.name,
            tasks=self.tasks,
            better=self.better,
            bounded=True,
            values=lambda data, options: values(data),
        )


@dataclass(frozen=True, slots=True)
class Queries:
    """The queries of the slices of a table.

    Attributes:
        data: one row for each query of each slice.
        groups: its slices.
        codes: shape (n,), the row in `data` of each item that is in a slice.
        mean: what is the mean over them.
    """

    data: Predictions
    groups: Groups
    codes: np.ndarray
    mean: KnownMean


def _cluster_of_each(cluster: np.ndarray, codes: np.ndarray, count: int) -> np.ndarray:
    """The cluster of each query, shape (count,)."""
    found = np.zeros(count, dtype=cluster.dtype)
    found[codes] = cluster
    split = len(np.unique(codes[found[codes] != cluster]))
    if split:
        raise DataError(
            f"of the queries {split:,} hold items of more than one cluster: a query is judged as a whole, so let"
            " `columns.cluster:` name a column that is the same for all items of a query, or leave it out"
        )
    return found


def explained(result: Result, items: int) -> Result:
    """A missing value is one of queries, not of rows."""
    return replace(result, problem=_NONE_RELEVANT if items else EMPTY_SLICE) if result.problem else result


def _by_slice(data: Predictions, groups: Groups) -> tuple[np.ndarray, np.ndarray, Groups]:
    """The rows that are in a slice, their queries numbered anew within each, and the slices of those queries."""
    query = needed(data.query).astype(np.int64)
    rows = np.flatnonzero(groups.codes >= 0)
    combined = groups.codes[rows].astype(np.int64) * (int(query.max(initial=0)) + 1) + query[rows]
    found, codes = np.unique(combined, return_inverse=True)
    of_queries = (found // (int(query.max(initial=0)) + 1)).astype(np.int32)
    return rows, codes, Groups(of_queries, groups.slices)


def _metric(name: str, measure: Measure, *, needs_k: bool) -> QueryMean:
    optional: Mapping[str, Any] = {} if needs_k else {"k": None}
    return QueryMean(
        name=name,
        tasks=QUERIES,
        better="higher",
        parts=_PARTS,
        options=frozenset({"k"}) if needs_k else frozenset(),
        defaults=optional,
        measure=measure,
    )


METRICS: list[Metric] = [
    _metric("ndcg", ranked.ndcg, needs_k=False),
    _metric("map", ranked.average_precision, needs_k=False),
    _metric("mrr", ranked.reciprocal_rank, needs_k=False),
    _metric("recall@k", lambda items, k: ranked.recall(items, k or 0), needs_k=True),
    _metric("precision@k", lambda items, k: ranked.precision(items, k or 0), needs_k=True),
    _metric("hit_rate@k", lambda items, k: ranked.hit(items, k or 0), needs_k=True),
]
