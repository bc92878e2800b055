"""Measures of ranked lists, one value per query, of all queries at once.

Relevant means a relevance above zero. :func:`ndcg` averages over the orders of tied items, as its
authors do. Elsewhere tied items share the last rank of their tie, as in scikit-learn's
``label_ranking_average_precision_score``: a constant score gains nothing, and of a tie that reaches
below rank k nothing is found at k.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tidegate.stats.results import FloatArray, IntArray


@dataclass(frozen=True)
class Ranked:
    """Items of q queries by falling score, from :func:`rank_items`.

    Attributes:
        relevance: (n,) of the items, query by query, the highest score first.
        starts: (q + 1,) position of the first item of each query, and n.
        ties: (t,) position of the first item of each tie, a tie being of one query and one score.
    """

    relevance: FloatArray
    starts: IntArray
    ties: IntArray

    @property
    def queries(self) -> int:
        """Number of queries q."""
        return len(self.starts) - 1

    @cached_property
    def rank(self) -> IntArray:
        """(n,) rank of each item in its query, from 1, in this order."""
        sizes = np.diff(self.starts)
        return np.arange(1, len(self.relevance) + 1) - np.repeat(self.starts[:-1], sizes)

    @cached_property
    def tie_sizes(self) -> IntArray:
        """(t,) items in each tie."""
        return np.diff(self.ties, append=len(self.relevance))

    @cached_property
    def tie_query(self) -> IntArray:
        """(t,) query of each tie."""
        query: IntArray = np.searchsorted(self.starts, self.ties, side="right") - 1
        return query

    @cached_property
    def tie_rank(self) -> IntArray:
        """(t,) rank that the items of each tie share: its last."""
        last: IntArray = self.rank[self.ties + self.tie_sizes - 1]
        return last

    @cached_property
    def tie_hits(self) -> IntArray:
        """(t,) relevant items in each tie."""
        return np.add.reduceat(self.relevance > 0, self.ties, dtype=np.int64)

    @cached_property
    def found(self) -> IntArray:
        """(t,) relevant items of the query from its top to the end of each tie."""
        upto = np.cumsum(self.tie_hits)
        return upto - np.concatenate(([0], np.cumsum(self.relevant)))[self.tie_query]

    @cached_property
    def relevant(self) -> IntArray:
        """(q,) relevant items of each query."""
        return self.sums(self.tie_hits).astype(np.int64)

    def sums(self, of_ties: ArrayLike) -> FloatArray:
        """(q,) sums over each query of a number per tie."""
        weights = np.asarray(of_ties, dtype=np.float64)
        summed = np.bincount(self.tie_query, weights=weights, minlength=self.queries)
        return summed.astype(np.float64, copy=False)

    def where_relevant(self, of_queries: ArrayLike) -> FloatArray:
        """The values, shape (q,), with NaN where a query has no relevant item."""
        return np.where(self.relevant > 0, np.asarray(of_queries, dtype=np.float64), np.nan)


def rank_items(
    query: IntArray,
    relevance: NDArray[np.floating],
    score: NDArray[np.floating],
    *,
    queries: int | None = None,
) -> Ranked:
    """Sort the items of all queries once; the order of the rows does not matter.

    Args:
        query: (n,) codes from 0.
        relevance: (n,) at least 0; no NaN.
        score: (n,) higher ranks first; no NaN.
        queries: number of queries q; the largest code and one when not given.

    Raises:
        ValueError: when a relevance is negative or not a number.
    """
    if not (relevance >= 0).all():
        raise ValueError("a relevance must be a number from 0 up")
    order = np.lexsort((-score, query))
    of_query, by_score = query[order], score[order]
    count = queries if queries is not None else int(query.max(initial=-1)) + 1
    first = np.ones(len(order), dtype=bool)
    first[1:] = (of_query[1:] != of_query[:-1]) | (by_score[1:] != by_score[:-1])
    return Ranked(
        relevance=relevance[order].astype(np.float64, copy=False),
        starts=np.searchsorted(of_query, np.arange(count + 1)),
        ties=np.flatnonzero(first),
    )


def ndcg(ranked: Ranked, k: int | None = None) -> FloatArray:
    """Normalised discounted cumulative gain at k (Järvelin & Kekäläinen, 2002), shape (q,).

    The gain is the relevance and the discount the binary logarithm of one plus the rank, as in scikit-learn's
    ``ndcg_score``; ties are averaged over their orders (McSherry & Najork, 2008). 0 for a query without
    relevant items, NaN for one without items.
    """
    discount = 1 / np.log2(ranked.rank + 1)
    if k is not None:
        discount[ranked.rank > k] = 0
    sizes = ranked.tie_sizes
    gained = np.add.reduceat(ranked.relevance, ranked.ties) / sizes * np.add.reduceat(discount, ranked.ties)
    items = np.diff(ranked.starts)
    query = np.repeat(np.arange(ranked.queries), items)
    best = ranked.relevance[np.lexsort((-ranked.relevance, query))]
    ideal = np.bincount(query, weights=best * discount, minlength=ranked.queries)
    with np.errstate(invalid="ignore"):
        share = np.where(ideal > 0, ranked.sums(gained) / ideal, 0.0)
    return np.where(items > 0, share, np.nan)


def average_precision(ranked: Ranked, k: int | None = None) -> FloatArray:
    """Average precision at k, shape (q,); NaN for a query without relevant items.

    The precision at the rank of each relevant item down to k, summed and divided by the smaller of k and
    the relevant items: the sum that a perfect list reaches. Without k scikit-learn's
    ``average_precision_score`` of each query.
    """
    hits = _hits(ranked, k)
    possible = ranked.relevant if k is None else np.minimum(ranked.relevant, k)
    gained = ranked.sums(hits * (ranked.found / ranked.tie_rank))
    return ranked.where_relevant(gained / np.maximum(possible, 1))


def reciprocal_rank(ranked: Ranked, k: int | None = None) -> FloatArray:
    """One over the rank of the first relevant item, 0 when it is below k (Voorhees, 1999), shape (q,).

    NaN for a query without relevant items.
    """
    first = (_hits(ranked, k) > 0) & (ranked.found == ranked.tie_hits)
    return ranked.where_relevant(ranked.sums(first / ranked.tie_rank))


def recall(ranked: Ranked, k: int) -> FloatArray:
    """Share of the relevant items that are at rank k or above, shape (q,); NaN without relevant items."""
    return ranked.where_relevant(ranked.sums(_hits(ranked, k)) / np.maximum(ranked.relevant, 1))


def precision(ranked: Ranked, k: int) -> FloatArray:
    """Relevant items at rank k or above over k, also where the list is shorter, shape (q,).

    NaN for a query without relevant items.
    """
    return ranked.where_relevant(ranked.sums(_hits(ranked, k)) / k)


def hit(ranked: Ranked, k: int) -> FloatArray:
    """1 where a relevant item is at rank k or above, else 0, shape (q,); NaN without relevant items."""
    return ranked.where_relevant(ranked.sums(_hits(ranked, k)) > 0)


def concordance(ranked: Ranked) -> FloatArray:
    """Share of pairs of a relevant and an irrelevant item in the right order, ties half, shape (q,).

    The area under the ROC curve of each query (Hanley & McNeil, 1982): a half for a score that knows
    nothing. NaN for a query without items of both kinds.
    """
    irrelevant = np.diff(ranked.starts) - ranked.relevant
    passed_by = irrelevant[ranked.tie_query] - (ranked.tie_rank - ranked.found)
    tied = ranked.tie_sizes - ranked.tie_hits
    right = ranked.sums(ranked.tie_hits * (passed_by + tied / 2))
    pairs = ranked.relevant * irrelevant
    return np.where(pairs > 0, right / np.maximum(pairs, 1), np.nan)


def _hits(ranked: Ranked, k: int | None) -> IntArray:
    """(t,) relevant items of the ties that end at rank k or above."""
    return ranked.tie_hits if k is None else np.where(ranked.tie_rank <= k, ranked.tie_hits, 0)
