import math
import time
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from tidegate.stats import ranked as measures
from tidegate.stats.ranked import rank_items

EXACT = {"rel": 0, "abs": 1e-12}


def lists(rng, kind):
    """Query, relevance and score of thirty queries of 1 to 12 items, rows shuffled."""
    query = np.repeat(np.arange(30), rng.integers(1, 13, 30))
    n = len(query)
    relevance = rng.integers(0, 4, n) * (rng.random(n) < 0.4)
    score = {
        "distinct": rng.normal(size=n),
        "ties": rng.integers(0, 3, n).astype(float),
        "constant": np.zeros(n),
        "infinite": rng.choice([-np.inf, 0.0, np.inf], n),
    }[kind]
    order = rng.permutation(n)
    return query[order], relevance[order].astype(float), score[order]


def one_by_one(query, relevance, score, of_query):
    return [of_query(relevance[query == q], score[query == q]) for q in range(query.max() + 1)]


def dcg_of_short_lists(relevance, score, k):
    """Scikit-learn refuses lists of one item."""
    if len(relevance) > 1:
        finite = np.unique(score, return_inverse=True)[1]
        return ndcg_score([relevance], [finite], k=k, ignore_ties=False)
    return float(relevance[0] > 0)


def last_ranks(score):
    return np.array([(score >= value).sum() for value in score])


def found_at(relevance, score, k):
    return (relevance > 0) & (last_ranks(score) <= (k or len(score)))


def average_precision_at(relevance, score, k):
    hits = found_at(relevance, score, k)
    precisions = [((relevance > 0) & (score >= s)).sum() / (score >= s).sum() for s in score[hits]]
    return sum(precisions) / min((relevance > 0).sum(), k or len(score))


def reciprocal_rank_at(relevance, score, k):
    hits = found_at(relevance, score, k)
    return 1 / last_ranks(score)[hits].min() if hits.any() else 0.0


DEFINITIONS = {
    "average_precision": average_precision_at,
    "reciprocal_rank": reciprocal_rank_at,
    "recall": lambda y, s, k: found_at(y, s, k).sum() / (y > 0).sum(),
    "precision": lambda y, s, k: found_at(y, s, k).sum() / k,
    "hit": lambda y, s, k: float(found_at(y, s, k).any()),
}
KINDS = ["distinct", "ties", "constant", "infinite"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [None, 1, 3, 10, 50])
@pytest.mark.parametrize("seed", range(5))
def test_ndcg_is_scikit_learns(kind, k, seed):
    query, relevance, score = lists(np.random.default_rng(seed), kind)
    found = measures.ndcg(rank_items(query, relevance, score), k)
    assert found == pytest.approx(
        one_by_one(query, relevance, score, lambda y, s: dcg_of_short_lists(y, s, k)), **EXACT
    )


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("seed", range(5))
def test_average_precision_and_concordance_are_scikit_learns(kind, seed):
    query, relevance, score = lists(np.random.default_rng(seed), kind)
    items = rank_items(query, relevance, score)

    def precision_of(y, s):
        return average_precision_score(y > 0, s) if (y > 0).any() else math.nan

    def area_of(y, s):
        return roc_auc_score(y > 0, s) if 0 < (y > 0).sum() < len(y) else math.nan

    expected = one_by_one(query, relevance, score, precision_of)
    assert measures.average_precision(items) == pytest.approx(expected, nan_ok=True, **EXACT)
    expected = one_by_one(query, relevance, score, area_of)
    assert measures.concordance(items) == pytest.approx(expected, nan_ok=True, **EXACT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("name", "k"),
    [("average_precision", None), ("reciprocal_rank", None), *product(DEFINITIONS, [1, 2, 5, 50])],
)
def test_measures_at_k_are_their_definitions(name, kind, k):
    query, relevance, score = lists(np.random.default_rng(7), kind)

    def defined(y, s):
        return DEFINITIONS[name](y, s, k) if (y > 0).any() else math.nan

    found = getattr(measures, name)(rank_items(query, relevance, score), k)
    assert found == pytest.approx(one_by_one(query, relevance, score, defined), nan_ok=True, **EXACT)


def test_a_constant_score_finds_nothing_above_the_end_of_its_tie():
    items = rank_items(np.zeros(5, int), np.array([1.0, 1, 0, 0, 0]), np.zeros(5))
    assert measures.recall(items, 4) == [0]
    assert measures.recall(items, 5) == [1]
    assert measures.average_precision(items) == pytest.approx([0.4])
    assert measures.reciprocal_rank(items) == pytest.approx([0.2])
    assert measures.concordance(items) == [0.5]


def test_queries_without_relevant_items_or_without_items():
    # Query 1 has no relevant item, query 2 no item at all.
    items = rank_items(np.array([0, 0, 1, 1]), np.array([0.0, 2, 0, 0]), np.array([1.0, 2, 1, 2]), queries=3)
    assert measures.ndcg(items) == pytest.approx([1, 0, math.nan], nan_ok=True)
    for name in DEFINITIONS:
        found = getattr(measures, name)(items, 1)
        assert found == pytest.approx([1, math.nan, math.nan], nan_ok=True)
    assert measures.concordance(items) == pytest.approx([1, math.nan, math.nan], nan_ok=True)


@pytest.mark.parametrize("name", [*DEFINITIONS, "ndcg"])
def test_no_rows_no_queries(name):
    empty = rank_items(np.array([], dtype=int), np.array([]), np.array([]))
    assert len(getattr(measures, name)(empty, 3)) == 0
    assert len(measures.concordance(empty)) == 0


@pytest.mark.parametrize("wrong", [-1.0, math.nan])
def test_a_relevance_is_a_number_from_zero_up(wrong):
    with pytest.raises(ValueError, match="from 0 up"):
        rank_items(np.array([0]), np.array([wrong]), np.array([1.0]))


def test_gains_by_hand():
    relevance = np.array([3.0, 2, 3, 0, 1, 2])
    items = rank_items(np.zeros(6, int), relevance, -np.arange(6.0))
    gained = 3 + 2 / math.log2(3) + 3 / 2 + 1 / math.log2(6) + 2 / math.log2(7)
    ideal = 3 + 3 / math.log2(3) + 2 / 2 + 2 / math.log2(5) + 1 / math.log2(6)
    assert measures.ndcg(items) == pytest.approx([gained / ideal], **EXACT)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=40),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_matter_and_all_values_are_shares(rows, random):
    shuffled = random.sample(rows, len(rows))
    first, second = (
        rank_items(q, y.astype(float), s.astype(float), queries=5)
        for q, y, s in (np.array(each).T for each in (rows, shuffled))
    )
    for name in [*DEFINITIONS, "ndcg"]:
        a, b = getattr(measures, name)(first, 3), getattr(measures, name)(second, 3)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
        known = a[~np.isnan(a)]
        assert ((known >= 0) & (known <= 1 + 1e-12)).all()


@pytest.mark.slow
def test_a_million_rows_take_about_a_second():
    rng = np.random.default_rng(0)
    query, score = rng.integers(0, 20_000, 1_000_000), rng.normal(size=1_000_000)
    relevance = (rng.random(1_000_000) < 0.1).astype(float)
    before = time.process_time()
    items = rank_items(query, relevance, score)
    for name in [*DEFINITIONS, "ndcg"]:
        getattr(measures, name)(items, 10)
    # Four times what it takes on a machine of two shared cores.
    assert time.process_time() - before < 4
