"""Promises of the ranking, by simulation: intervals hold at once, the best is among those named, none of equals is."""

import numpy as np
import pytest
from scipy import special
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.arms import rank
from tidegate.stats.results import Linearised
from tidegate.stats.simultaneous import against_best, joint_of_rows, pairwise, rank_ranges

pytestmark = pytest.mark.statistical
RUNS = {2: (120, 10_000), 3: (40, 4_000), 5: (24, 4_000), 20: (6, 2_000)}


def right(rng, n, truth):
    """Whether each of k models is right: they find the same rows hard; shape (n, k)."""
    hard = np.sqrt(0.8) * rng.normal(size=(n, 1)) + np.sqrt(0.2) * rng.normal(size=(n, len(truth)))
    return (hard < special.ndtri(truth)).astype(float)


def losses(rng, n, truth):
    """Skewed losses, as of confident models, that share what is hard; shape (n, k)."""
    hard = 0.7 * rng.exponential(size=(n, 1)) + 0.3 * rng.exponential(size=(n, len(truth)))
    return hard * truth


def clustered(rng, n, truth):
    """Ten rows of each cluster say nearly the same; shape (n, k)."""
    shared = rng.normal(size=(n // 10, len(truth))) + rng.normal(size=(n // 10, 1))
    return np.repeat(shared, 10, axis=0) + 0.3 * rng.normal(size=(n, len(truth))) + truth


CASES = {"right": (right, 400), "losses": (losses, 1_000), "clustered": (clustered, 600)}


def observed(case, rng, truth):
    make, n = CASES[case]
    outcome = make(rng, n, np.asarray(truth))
    clusters = np.arange(n) // 10 if case == "clustered" else None
    values = outcome.mean(axis=0)
    return values, outcome - values, clusters


def spread_out(case, k):
    low, high = {"right": (0.80, 0.86), "losses": (0.9, 1.0), "clustered": (0.0, 0.4)}[case]
    # Some are equal, as retrained models are.
    return np.round(np.linspace(low, high, k), 2)


@pytest.mark.parametrize("k", [2, 5, 20])
@pytest.mark.parametrize("case", CASES)
def test_intervals_of_all_differences_and_all_ranks_hold_at_once(case, k):
    rng, runs = np.random.default_rng(1), repetitions(*RUNS[k])
    truth = spread_out(case, k)
    apart = truth[:, None] - truth[None, :]
    true_ranks = 1 + (truth[None, :] > truth[:, None] + 1e-9).sum(axis=1)
    covered = ranked = 0
    for _ in range(runs):
        values, influence, clusters = observed(case, rng, truth)
        found = pairwise(joint_of_rows(values, influence, clusters=clusters), confidence=0.95)
        covered += ((found.low <= apart) & (apart <= found.high)).all()
        ranges = rank_ranges(found)
        ranked += ((ranges[:, 0] <= true_ranks) & (true_ranks <= ranges[:, 1])).all()
    assert_at_least(int(covered), runs, 0.95, "all differences")
    assert_at_least(int(ranked), runs, 0.95, "all ranks")


@pytest.mark.parametrize("k", [2, 5, 20])
@pytest.mark.parametrize("case", CASES)
def test_the_best_is_among_those_that_may_be(case, k):
    rng, runs = np.random.default_rng(2), repetitions(*RUNS[k])
    truth = spread_out(case, k)
    gaps = np.array([each - np.delete(truth, i).max() for i, each in enumerate(truth)])
    missed = covered = 0
    for _ in range(runs):
        values, influence, clusters = observed(case, rng, truth)
        found = against_best(joint_of_rows(values, influence, clusters=clusters), confidence=0.95)
        missed += not found.may_be_best[int(truth.argmax())]
        covered += ((found.low <= gaps + 1e-9) & (gaps <= found.high + 1e-9)).all()
    assert_at_most(missed, runs, 0.05, "the best missed")
    assert_at_least(int(covered), runs, 0.95, "all distances to the best")


@pytest.mark.parametrize(
    ("case", "truth"),
    [
        *((case, [0.85] * k) for case in ("right", "losses") for k in (2, 3, 5)),
        ("clustered", [0.0] * 3),
        ("right", [0.85] * 20),
        ("right", [0.85, 0.85, 0.6, 0.6, 0.6]),
    ],
    ids=str,
)
def test_no_single_best_is_named_among_equals(case, truth):
    rng, runs, named = np.random.default_rng(3), repetitions(*RUNS[len(truth)]), 0
    names = [f"m{i}" for i in range(len(truth))]
    for _ in range(runs):
        values, influence, clusters = observed(case, rng, truth)
        found = rank(
            dict(zip(names, values.tolist(), strict=True)),
            {
                name: Linearised(value, column)
                for name, value, column in zip(names, values, influence.T, strict=True)
            },
            sign=1,
            level=0.95,
            clusters=clusters,
            weights=None,
            production="m0",
            shown={},
        )
        assert found.best is not None
        named += len(found.best.may_be_best) == 1
    assert_at_most(named, runs, 0.05, "one named")


def test_a_model_that_is_clearly_best_is_named():
    rng, runs, named = np.random.default_rng(4), repetitions(40, 1_000), 0
    for _ in range(runs):
        values, influence, _ = observed("right", rng, [0.75, 0.75, 0.75, 0.85])
        found = against_best(joint_of_rows(values, influence), confidence=0.95)
        named += found.may_be_best.tolist() == [False, False, False, True]
    assert_at_least(named, runs, 0.95, "the best named")
