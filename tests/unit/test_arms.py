import numpy as np
import pytest

from tidegate.arms import METHOD, rank
from tidegate.stats.results import Linearised
from tidegate.stats.simultaneous import joint_of_rows, pairwise


def right(seed, n=2_000, **shares):
    """Whether each model is right on each row."""
    rng = np.random.default_rng(seed)
    hardness = rng.random(n)
    return {name: (hardness < share).astype(float) for name, share in shares.items()}


def ranked(outcomes, *, sign=1, level=0.95, clusters=None, weights=None, production="production", shown=None):
    values = {name: float(np.average(each, weights=weights)) for name, each in outcomes.items()}
    linearised = {name: Linearised(values[name], each - values[name]) for name, each in outcomes.items()}
    return rank(
        values,
        linearised,
        sign=sign,
        level=level,
        clusters=clusters,
        weights=weights,
        production=production,
        shown=shown or {},
    )


def test_the_best_of_several_is_named():
    found = ranked(right(1, production=0.7, a=0.75, b=0.85, c=0.6))
    assert [each.candidate for each in found.entries] == ["b", "a", "c"]
    assert [each.ranks for each in found.entries] == [(1, 1), (2, 2), (4, 4)]
    assert [each.may_be_best for each in found.entries] == [True, False, False]
    assert found.best is not None
    assert found.best.candidate == "b"
    assert found.best.sentence == "b is the best of 3 candidates and production with 95% confidence"
    assert (found.best.may_be_best, found.best.method, found.best.confidence) == (["b"], METHOD, 0.95)


def test_differences_are_against_the_next_and_against_production():
    outcomes = right(2, production=0.7, a=0.75, b=0.85)
    b, a = ranked(outcomes).entries
    assert b.delta_to_next == pytest.approx(b.value - a.value)
    assert b.delta == pytest.approx(b.value - outcomes["production"].mean())
    assert b.ci[0] < b.delta < b.ci[1]
    assert (a.delta_to_next, a.ci_to_next) == (None, None)
    assert a.ci[0] < a.delta < a.ci[1]


def test_the_intervals_hold_for_all_pairs_at_once():
    outcomes = right(3, production=0.7, a=0.74, b=0.75)
    found = ranked(outcomes)
    names = [*(each.candidate for each in found.entries), "production"]
    influence = np.column_stack([outcomes[name] - outcomes[name].mean() for name in names])
    joint = joint_of_rows([outcomes[name].mean() for name in names], influence)
    theirs = pairwise(joint, confidence=0.95)
    assert found.entries[0].ci_to_next == pytest.approx((theirs.low[0, 1], theirs.high[0, 1]))


def test_of_a_metric_that_is_better_when_lower_the_lowest_is_best():
    losses = {name: 1 - each for name, each in right(4, production=0.7, a=0.8).items()}
    up, down = ranked(right(4, production=0.7, a=0.8)), ranked(losses, sign=-1)
    assert [each.candidate for each in down.entries] == ["a"]
    assert down.entries[0].value == pytest.approx(losses["a"].mean())
    assert down.entries[0].delta == pytest.approx(up.entries[0].delta)
    assert down.entries[0].ci == pytest.approx(up.entries[0].ci)


def test_those_that_cannot_be_told_apart_are_all_named():
    rng = np.random.default_rng(5)
    outcomes = {name: rng.normal(size=300) for name in ("production", "a", "b")}
    outcomes["b"] -= 1
    found = ranked(outcomes)
    assert set(found.best.may_be_best) == {"production", "a"}
    assert [each.candidate for each in found.entries if each.may_be_best] == ["a"]
    assert found.best.sentence.endswith("cannot be told apart: either may be best")
    assert found.entries[1].ranks == (3, 3)
    outcomes["b"] += 1
    assert ranked(outcomes).best.sentence.endswith("cannot be told apart: any of them may be best")


@pytest.mark.parametrize(
    ("shares", "sentence"),
    [
        ({"a": 0.6}, "production is better than a with 95% confidence"),
        ({"a": 0.6, "b": 0.5}, "production is better than all 2 candidates with 95% confidence"),
        ({"a": 0.95}, "a is better than production with 95% confidence"),
        ({"a": 0.8}, "production, a are the same by this metric"),
    ],
)
def test_the_champion_is_one_of_the_arms(shares, sentence):
    assert ranked(right(6, production=0.8, **shares)).best.sentence == sentence


def test_equal_models_share_the_best_place_and_production_comes_first():
    found = ranked(right(7, a=0.8, b=0.6, production=0.8))
    assert [each.candidate for each in found.entries] == ["a", "b"]
    assert found.entries[0].ci == (0, 0)
    assert [each.ranks for each in found.entries] == [(1, 1), (3, 3)]
    assert found.best.candidate == "production"
    assert found.best.sentence == (
        "production, a are the same by this metric, and the best of 2 candidates and production with 95%"
        " confidence"
    )


def test_without_influences_the_values_alone_rank():
    values = {"production": 0.5, "a": 0.7, "b": 0.6}
    found = rank(
        values, {}, sign=1, level=0.95, clusters=None, weights=None, production="production", shown={}
    )
    assert [each.candidate for each in found.entries] == ["a", "b"]
    assert found.entries[0].delta == pytest.approx(0.2)
    assert all(each.ci is None and each.ci_to_next is None for each in found.entries)
    assert all(each.ranks == (1, 3) and each.may_be_best for each in found.entries)
    assert "how sure that is cannot be said" in found.best.sentence
    assert found.best.confidence is None


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_a_model_without_a_value_comes_last_and_is_told(missing):
    outcomes = right(8, production=0.7, a=0.9, b=0.8)
    values = {name: float(each.mean()) for name, each in outcomes.items()} | {"b": missing}
    linearised = {name: Linearised(each.mean(), each - each.mean()) for name, each in outcomes.items()}
    found = rank(
        values, linearised, sign=1, level=0.95, clusters=None, weights=None, production="production", shown={}
    )
    last = found.entries[-1]
    assert (last.candidate, last.value, last.delta, last.ranks, last.may_be_best) == (
        "b",
        None,
        None,
        None,
        False,
    )
    assert found.best.sentence == (
        "a is better than production with 95% confidence; b cannot be ranked: the metric has no value there"
    )


def test_production_without_a_value_leaves_nothing_to_compare_with():
    outcomes = right(9, a=0.9, b=0.8)
    values = {name: float(each.mean()) for name, each in outcomes.items()}
    linearised = {name: Linearised(each.mean(), each - each.mean()) for name, each in outcomes.items()}
    found = rank(
        values | {"production": None},
        linearised,
        sign=1,
        level=0.95,
        clusters=None,
        weights=None,
        production="production",
        shown={},
    )
    assert [each.delta for each in found.entries] == [None, None]
    assert found.best.sentence == (
        "a is better than b with 95% confidence; production cannot be ranked: the metric has no value there"
    )


def test_one_with_a_value_or_none():
    settings = {
        "sign": 1,
        "level": 0.9,
        "clusters": None,
        "weights": None,
        "production": "production",
        "shown": {},
    }
    one = rank({"production": None, "a": 0.5}, {"a": Linearised(0.5, np.zeros(4))}, **settings)
    assert one.best.sentence == (
        "a is the only one with a value; production cannot be ranked: the metric has no value there"
    )
    nothing = rank({"production": None, "a": None}, {}, **settings)
    assert nothing.best is None
    assert [each.candidate for each in nothing.entries] == ["a"]


def test_few_clusters_know_less_than_their_rows():
    outcomes = right(10, n=400, production=0.7, a=0.8)
    clusters = np.sort(np.random.default_rng(0).integers(0, 8, 400))
    alone, together = ranked(outcomes), ranked(outcomes, clusters=clusters)
    width = [each.entries[0].ci[1] - each.entries[0].ci[0] for each in (alone, together)]
    assert width[1] > 1.1 * width[0]


def test_weights_change_the_order():
    outcomes = {"production": np.repeat([1.0, 0.0], 50), "a": np.repeat([0.0, 1.0], 50)}
    weights = np.repeat([1.0, 3.0], 50)
    assert ranked(outcomes, weights=weights).best.candidate == "a"
    assert ranked(outcomes, weights=weights[::-1]).best.candidate == "production"


@pytest.mark.parametrize(
    ("level", "shown"), [(0.99, "99%"), (1 - 0.05 / 32, "99.8437%"), (1 - 2.0**-32, "more than 99.9999%")]
)
def test_confidence_is_never_rounded_up(level, shown):
    found = ranked(right(11, n=20_000, production=0.5, a=0.9), level=level)
    assert found.best.sentence == f"a is better than production with {shown} confidence"


def test_no_interval_is_surer_than_the_one_that_a_candidate_is_judged_by():
    outcomes = right(2, production=0.7, a=0.75)
    sure = ranked(outcomes)
    assert sure.best.may_be_best == ["a"]
    unsure = ranked(outcomes, shown={"a": (-0.01, 0.2)})
    (only,) = unsure.entries
    assert only.ci == pytest.approx((-0.01, 0.2))
    assert set(unsure.best.may_be_best) == {"production", "a"}
    assert unsure.best.sentence.endswith("cannot be told apart: either may be best")
    assert ranked(outcomes, shown={"a": None}).entries[0].ci is None
