"""How often windows of one law are told apart, and how often real changes are found."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from scipy import stats
from simulation import assert_at_least, assert_at_most, repetitions

from tidegate.covariates import Pair
from tidegate.drift.embeddings import embedding_drift
from tidegate.drift.folds import arrange
from tidegate.drift.multivariate import classifier_drift
from tidegate.stats.auc import delong
from tidegate.stats.classifier_test import FOLDS, ClassifierTest, classifier_test
from tidegate.stats.results import UndefinedStatisticError
from tidegate.tables import Column

pytestmark = pytest.mark.statistical

Draw = Callable[[np.random.Generator, int], np.ndarray]
LAWS: dict[str, Draw] = {
    "one number": lambda rng, n: rng.normal(size=(n, 1)),
    "ten numbers": lambda rng, n: rng.normal(size=(n, 10)),
    "heavy tails": lambda rng, n: rng.standard_t(2, size=(n, 4)),
    "two flags": lambda rng, n: (rng.random((n, 2)) < 0.3).astype(np.float64),
    "rare flags": lambda rng, n: (rng.random((n, 3)) < 0.02).astype(np.float64),
}
LEVELS = (0.05, 0.01, 0.001)


def drawn_folds(rng: np.random.Generator, current: np.ndarray) -> np.ndarray:
    fold = np.empty(len(current), dtype=np.int64)
    for side in (current, ~current):
        fold[side] = rng.permutation(np.count_nonzero(side)) * FOLDS // np.count_nonzero(side)
    return fold


def discriminant(values: np.ndarray, current: np.ndarray) -> np.ndarray:
    apart = values[current].mean(axis=0) - values[~current].mean(axis=0)
    covariance = np.cov(values.T).reshape(len(apart), len(apart)) + 1e-3 * np.eye(len(apart))
    return np.asarray(np.linalg.solve(covariance, apart))


def progressive_scores(values: np.ndarray, current: np.ndarray, fold: np.ndarray) -> np.ndarray:
    scores = np.zeros(len(current))
    for k in range(1, FOLDS):
        seen, here = fold < k, fold == k
        if seen.any() and 0 < current[seen].sum() < seen.sum():
            scores[here] = np.round(values[here] @ discriminant(values[seen], current[seen]), 9)
    return scores


def null_p_values(law: Draw, n: int, m: int, runs: int) -> Iterator[float]:
    rng = np.random.default_rng(n + m)
    current = np.arange(n + m) >= n
    for _ in range(runs):
        values, fold = law(rng, n + m), drawn_folds(rng, current)
        scores = progressive_scores(values, current, fold)
        yield classifier_test(scores, current, fold, confidence=0.95).p_value


def assert_level(p_values: np.ndarray, what: str) -> None:
    for level in LEVELS:
        assert_at_most(int((p_values <= level).sum()), len(p_values), level, f"{what} at {level}")


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize(
    ("n", "m"), [(100, 100), (20, 180), (180, 20), (500, 500), (60, 2_000), (2_500, 2_500)]
)
def test_level_holds_at_any_size(law: str, n: int, m: int) -> None:
    runs = repetitions(20 if n + m > 1_000 else 50, 6_000 if n + m < 5_000 else 2_000)
    assert_level(np.array(list(null_p_values(LAWS[law], n, m, runs))), f"{law}, {n} and {m}")


def test_level_is_used_up_where_scores_differ() -> None:
    runs = repetitions(200, 10_000)
    p_values = np.array(list(null_p_values(LAWS["ten numbers"], 100, 100, runs)))
    assert_at_least(int((p_values <= 0.05).sum()), runs, 0.035, "level in use")


def test_ordinary_cross_fitting_taken_for_independent_folds_alarms_too_often() -> None:
    """What the order of the folds is for."""
    rng, hits = np.random.default_rng(5), 0
    runs, current = repetitions(200, 4_000), np.arange(200) >= 100
    for _ in range(runs):
        values, fold = LAWS["ten numbers"](rng, 200), drawn_folds(rng, current)
        areas = []
        for k in range(FOLDS):
            here = fold == k
            scores = values[here] @ discriminant(values[~here], current[~here])
            areas.append(delong(current[here], scores).auc)
        error = np.sqrt(41 / (12 * 20 * 20) / FOLDS)
        hits += stats.norm.sf((np.mean(areas) - 0.5) / error) <= 0.05
    assert_at_least(hits, runs, 0.07, "ordinary cross-fitting")


def clustered(rng: np.random.Generator, clusters: int, size: int, both: bool, likeness: float) -> float:
    """p-value of windows of one law whose rows come in clusters, each of one window or of both."""
    sizes = rng.poisson(size - 1, clusters) + 1
    of_row = np.repeat(np.arange(clusters), sizes)
    centre = np.sqrt(likeness) * rng.normal(size=(clusters, 3))
    values = centre[of_row] + np.sqrt(1 - likeness) * rng.normal(size=(len(of_row), 3))
    current = rng.random(len(of_row)) < 0.5 if both else of_row % 2 == 1
    order = np.argsort(current, kind="stable")
    split = int(np.count_nonzero(~current))
    digest = rng.integers(0, 2**63, len(order)).astype(np.uint64)
    arranged = arrange(
        digest,
        Pair("k", False, of_row[order], split),
        split=split,
        at_most=10**6,
        seed=int(rng.integers(2**31)),
    )
    scores = progressive_scores(values[order][arranged.rows], arranged.current, arranged.fold)
    try:
        return classifier_test(
            scores, arranged.current, arranged.fold, confidence=0.95, cluster=arranged.cluster
        ).p_value
    except UndefinedStatisticError:
        return 1.0


@pytest.mark.parametrize("both", [True, False])
@pytest.mark.parametrize(("clusters", "size"), [(40, 10), (100, 8), (400, 4)])
@pytest.mark.parametrize("likeness", [0.1, 0.7])
def test_level_holds_over_clusters(clusters: int, size: int, both: bool, likeness: float) -> None:
    rng, runs = np.random.default_rng(clusters), repetitions(25, 2_000)
    p_values = np.array([clustered(rng, clusters, size, both, likeness) for _ in range(runs)])
    # Of so few clusters in a fold the variance is itself uncertain: far out the level is kept within a factor of two.
    for level, allowed in ((0.05, 1.0), (0.01, 1.3), (0.001, 2.0)):
        hits = int((p_values <= level).sum())
        assert_at_most(
            hits, runs, level * (allowed if clusters < 400 else 1.0), f"{clusters} clusters at {level}"
        )


def fitted_with_truth(rng: np.random.Generator, n: int, m: int, shift: float) -> tuple[ClassifierTest, float]:
    """The test, and the mean AUC that its models have on rows without end."""
    current = np.arange(n + m) >= n
    values, fold = rng.normal(size=(n + m, 3)), drawn_folds(rng, current)
    values[current, 0] += shift
    scores, areas = progressive_scores(values, current, fold), []
    for k in range(1, FOLDS):
        direction = discriminant(values[fold < k], current[fold < k])
        areas.append(stats.norm.cdf(direction[0] * shift / np.sqrt(2) / np.linalg.norm(direction)))
    truth = np.average(areas, weights=np.sqrt(np.arange(1, FOLDS)))
    return classifier_test(scores, current, fold, confidence=0.95), float(truth)


@pytest.mark.parametrize(("n", "m"), [(100, 100), (20, 180), (500, 500)])
@pytest.mark.parametrize("shift", [0.0, 0.5, 2.0])
def test_interval_covers_the_area_of_the_fitted_models(n: int, m: int, shift: float) -> None:
    rng, runs, hits = np.random.default_rng(n), repetitions(40, 4_000), 0
    for _ in range(runs):
        found, truth = fitted_with_truth(rng, n, m, shift)
        hits += found.interval.low <= truth <= found.interval.high
    # The interval is asymptotic: of 20 rows, 4 in each fold, a point may be missing.
    assert_at_least(hits, runs, 0.935, f"coverage, {n} and {m}, shift {shift}")


def columns(values: np.ndarray) -> dict[str, Column]:
    return {f"x{i:02d}": Column(f"x{i:02d}", "number", values[:, i]) for i in range(values.shape[1])}


def flipped(rng: np.random.Generator, rows: int, correlation: float) -> np.ndarray:
    values = rng.normal(size=(rows, 5))
    values[:, 1] = correlation * values[:, 0] + np.sqrt(1 - correlation**2) * values[:, 1]
    return values


@pytest.mark.parametrize("rows", [150, 500])
def test_trees_keep_the_level(rows: int) -> None:
    rng, runs, p_values = np.random.default_rng(rows), repetitions(2, 200), []
    for seed in range(runs):
        then, now = rng.normal(size=(2, rows, 5)).round(1)
        p_values.append(
            classifier_drift(columns(then), columns(now), level=1e-9, min_effect=0.0, seed=seed).p_value
        )
    assert_level(np.array(p_values), f"trees on {rows} rows")


def test_a_flipped_correlation_is_found_and_both_columns_are_named() -> None:
    rng, runs, hits, named = np.random.default_rng(1), repetitions(2, 50), 0, 0
    for _ in range(runs):
        windows = (columns(flipped(rng, 500, correlation)) for correlation in (0.6, -0.6))
        found = classifier_drift(*windows, level=0.001, min_effect=0.05)
        hits += found.drifted
        named += {"x00", "x01"} <= {each.column for each in found.columns}
    assert_at_least(hits, runs, 0.99, "flips found")
    assert_at_least(named, runs, 0.95, "both columns named")


def test_a_small_shift_in_one_of_twenty_columns_is_found_and_named() -> None:
    rng, runs, hits, named = np.random.default_rng(2), repetitions(1, 30), 0, 0
    for _ in range(runs):
        then, now = rng.normal(size=(2, 5_000, 20))
        now[:, 7] += 0.2
        found = classifier_drift(columns(then), columns(now), level=0.01, min_effect=0.05)
        hits += found.drifted
        named += [each.column for each in found.columns][:1] == ["x07"]
    assert_at_least(hits, runs, 0.9, "shifts found")
    assert_at_least(named, runs, 0.9, "columns named")


def embedded(rng: np.random.Generator, rows: int) -> np.ndarray:
    mixing = np.random.default_rng(99).normal(size=(6, 32))
    return np.asarray(rng.normal(size=(rows, 6)) @ mixing + rng.normal(size=(rows, 32)))


@pytest.mark.parametrize(("n", "m"), [(100, 100), (30, 400)])
def test_embeddings_keep_the_level(n: int, m: int) -> None:
    rng, runs = np.random.default_rng(n), repetitions(25, 2_000)
    p_values = [
        embedding_drift("e", embedded(rng, n), embedded(rng, m), min_effect=0.05, seed=seed).p_value
        for seed in range(runs)
    ]
    assert_level(np.array(p_values), f"embeddings, {n} and {m}")


def test_embeddings_that_moved_are_found() -> None:
    rng, runs, hits = np.random.default_rng(4), repetitions(8, 200), 0
    for _ in range(runs):
        then, now = embedded(rng, 1_000), embedded(rng, 1_000)
        now[:, 3] += 0.5
        found = embedding_drift("e", then, now, min_effect=0.05)
        hits += found.p_value <= 0.01 and found.effect >= 0.05
    assert_at_least(hits, runs, 0.9, "embeddings that moved")


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_rows_that_repeat_keep_the_level(share: float) -> None:
    """Copies that were spread evenly over the folds would carry chance from what is learnt to what is tested."""
    rng, runs, p_values = np.random.default_rng(6), repetitions(30, 2_000), []
    pool = rng.normal(size=(6, 3))
    for seed in range(runs):
        values = np.where(
            rng.random((300, 1)) < share, rng.normal(size=(300, 3)), pool[rng.integers(0, 6, 300)]
        )
        p_values.append(embedding_drift("e", values[:150], values[150:], min_effect=0.05, seed=seed).p_value)
    assert_level(np.array(p_values), f"{1 - share:.0%} copies")
