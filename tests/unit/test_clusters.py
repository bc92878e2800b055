"""Rows that come in clusters: closed forms against statsmodels and brute force, and what holds of every metric."""

import math
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from metric_peers import MAKERS, PEERS, Peer, fits

from tidegate.drift.performance import realised_drop
from tidegate.errors import DataError
from tidegate.metrics import dependent, find
from tidegate.metrics.base import ALL_TASKS, Estimate, Paired
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats import cluster_sums
from tidegate.stats.auc import linearised_auc
from tidegate.stats.bootstrap import cluster_bootstrap_paired, cluster_interval, row_bootstrap_paired
from tidegate.stats.calibration import reliability_table
from tidegate.stats.cluster_sums import ClusterSums, joint_covariance
from tidegate.stats.clustered import design_effect, spread, spreads
from tidegate.stats.clustered_intervals import quantile_interval, share_interval
from tidegate.stats.intervals import clopper_pearson

RNG = np.random.default_rng
CASES = [
    pytest.param(task, peer, id=f"{task}-{peer}")
    for task, maker in MAKERS.items()
    for peer in PEERS
    if fits(peer, maker(0)) and (task == "regression" or peer.metric.tasks != ALL_TASKS)
]


def whole(data: Predictions) -> Groups:
    return Groups.everything(data.rows)


def estimated(name: str, data: Predictions, confidence: float | None = 0.95, **options: object) -> Estimate:
    found = find(name)
    assert found is not None
    settled = {**found.metric.settled, **found.implied, **options}
    return dependent.estimate(found.metric, data, whole(data), settled, confidence)[0]


def compared(name: str, a: Predictions, b: Predictions, groups: Groups | None = None) -> list[Paired]:
    found = find(name)
    assert found is not None
    return dependent.compare(found.metric, a, b, groups or whole(b), found.metric.settled, 0.95)


def clustered(data: Predictions, clusters: int, seed: int = 1) -> Predictions:
    """Rows, or the queries of a ranking, in clusters of unequal sizes."""
    of_unit = (clusters * RNG(seed).random(data.rows) ** 2).astype(np.int32)
    if data.query is not None:
        of_unit = of_unit[data.query]
    return replace(data, cluster=of_unit)


def repeated(data: Predictions, times: int) -> Predictions:
    copies = np.repeat(np.arange(data.rows), times)
    return replace(data.take(copies), cluster=copies.astype(np.int32))


def other_model(data: Predictions, seed: int = 5) -> Predictions:
    """Answers that differ in about a third of the rows."""
    rng = RNG(seed)
    swap = np.where(rng.random(data.rows) < 0.3, rng.permutation(data.rows), np.arange(data.rows))
    parts = ("prediction", "score", "latency", "production_latency", "error", "cost")
    values = {part: getattr(data, part) for part in parts}
    moved = {part: None if each is None else each[swap] for part, each in values.items()}
    return replace(data, **moved, columns={key: column.take(swap) for key, column in data.columns.items()})


# --- closed forms


@pytest.mark.parametrize("size", [1, 5, 12])
def test_equal_clusters_have_statsmodels_variance(size: int) -> None:
    x = RNG(0).normal(size=60)
    cluster = np.repeat(np.arange(60 // size), size)
    peer = sm.OLS(x, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    found = spread(x - x.mean(), np.ones(60), cluster)

    assert found.variance == pytest.approx(float(peer.bse[0]) ** 2, rel=1e-12)
    assert found.degrees_of_freedom == pytest.approx(60 // size - 1)
    assert found.effective_clusters == pytest.approx(60 // size)


def test_unequal_clusters_have_the_jackknife_variance_of_weighted_least_squares() -> None:
    rng = RNG(1)
    x, weight, cluster = rng.normal(size=80), rng.uniform(0.1, 3, 80), rng.integers(0, 9, 80)
    fit = sm.WLS(x, np.ones(80), weights=weight).fit()
    without = [
        sm.WLS(x[cluster != g], np.ones((cluster != g).sum()), weights=weight[cluster != g]).fit().params[0]
        for g in range(9)
    ]
    found = spread(x - fit.params[0], weight, cluster)

    assert found.variance == pytest.approx(8 / 9 * np.sum((without - fit.params[0]) ** 2), rel=1e-12)


def test_rows_by_themselves_have_hc3() -> None:
    rng = RNG(2)
    x, weight = rng.normal(size=80), rng.uniform(0.1, 3, 80)
    fit = sm.WLS(x, np.ones(80), weights=weight).fit(cov_type="HC3")
    found = spread(x - fit.params[0], weight, np.arange(80))

    assert found.variance * 80 / 79 == pytest.approx(float(fit.bse[0]) ** 2, rel=1e-12)


@pytest.mark.parametrize("sizes", [(1, 2, 3, 4, 50), (5, 5, 5), (2, 9, 17, 30, 1, 1, 40)])
def test_degrees_of_freedom_are_those_of_the_quadratic_form(sizes: tuple[int, ...]) -> None:
    size, n = np.array(sizes, dtype=float), sum(sizes)
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    # Alternating signs within clusters: products within are negative on the whole, so that no likeness is found.
    x = np.where(np.arange(n) % 2, 1.0, -1.0)
    share = size / n
    residual = np.eye(len(size)) - np.outer(share, np.ones(len(size)))
    form = residual @ np.diag(size) @ residual.T @ np.diag(1 / (1 - share) ** 2)
    expected = np.trace(form) ** 2 / np.trace(form @ form)

    assert spread(x, np.ones(n), cluster).degrees_of_freedom == pytest.approx(max(expected, 1), rel=1e-12)


def test_groups_are_as_each_by_itself() -> None:
    rng = RNG(3)
    group, cluster = rng.integers(-1, 4, 300), rng.integers(0, 12, 300)
    influence, weight, stratum = rng.normal(size=300), rng.uniform(1, 2, 300), rng.integers(-1, 2, 300)
    found = spreads(influence, weight, cluster, group, 4, stratum)
    for g in range(4):
        rows = group == g
        alone = spread(influence[rows], weight[rows], cluster[rows], stratum[rows])
        assert alone.variance == pytest.approx(found.variance[g], rel=1e-12)
        assert alone.degrees_of_freedom == pytest.approx(found.degrees_of_freedom[g], rel=1e-12)
        assert alone.effective_clusters == pytest.approx(found.effective_clusters[g], rel=1e-12)
        assert (alone.clusters, alone.differing) == (found.clusters[g], found.differing[g])


def test_a_cluster_that_is_all_of_a_class_leaves_an_area_unknown() -> None:
    label = np.arange(40) < 10
    influence = linearised_auc(label, RNG(0).normal(size=40)).influence
    cluster = np.where(label, 0, 1 + np.arange(40) % 5)

    assert spread(influence, np.ones(40), cluster, label.astype(int)).variance == math.inf


def test_a_share_has_the_interval_of_its_effective_rows() -> None:
    right = np.repeat([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], 7)
    of = spread(right - right.mean(), np.ones(56), np.repeat(np.arange(8), 7))
    found = share_interval(0.75, of, 56, confidence=0.95)
    # Eight clusters that are alike within are eight rows; Student's t with 7 instead of 55 takes its share.
    trials = 8 * (2.004044783289 / 2.364624251593) ** 2
    exact = clopper_pearson(0.75 * trials, trials, confidence=0.95)

    assert (found.low, found.high) == pytest.approx((exact.low, exact.high), rel=1e-9)


def test_a_share_that_never_varies_is_no_point() -> None:
    of = spread(np.zeros(500), np.ones(500), np.repeat(np.arange(10), 50))
    found = share_interval(1.0, of, 500, confidence=0.95)

    assert found.low == pytest.approx(0.025 ** (1 / 10))
    assert found.high == 1.0


def test_quantile_limits_enclose_and_are_infinite_where_no_row_can_bound() -> None:
    values = np.arange(400.0)
    alone, weight = np.arange(400), np.ones(400)
    found = quantile_interval(values, 199.5, 0.5, weight, alone, confidence=0.95)
    assert (found.low, found.high) == pytest.approx((180, 219), abs=1)
    pairs = quantile_interval(values, 199.5, 0.5, weight, alone // 40, confidence=0.95)
    assert pairs.low < found.low < found.high < pairs.high
    assert (
        quantile_interval(values[:50], 48.0, 0.99, weight[:50], alone[:50], confidence=0.95).high == math.inf
    )


def test_design_effect_is_the_size_of_clusters_that_are_alike() -> None:
    values = np.repeat(RNG(0).normal(size=200), 6)
    deviations, cluster = values - values.mean(), np.repeat(np.arange(200), 6)
    none = np.zeros(1200, dtype=int)

    assert design_effect(deviations, np.ones(1200), cluster, none) == pytest.approx(6, rel=0.01)
    assert design_effect(deviations, np.ones(1200), np.arange(1200), none) == pytest.approx(1, rel=0.01)
    assert design_effect(deviations, np.ones(1200), none, none) == math.inf


# --- the bootstrap


def test_bootstrap_of_rows_by_themselves_is_that_of_rows() -> None:
    x = RNG(0).normal(size=300)

    def mean(weights: np.ndarray) -> np.ndarray:
        return (weights * x).sum(axis=1) / weights.sum(axis=1)

    rows = row_bootstrap_paired(mean, 300, confidence=0.95)
    clusters = cluster_bootstrap_paired(mean, np.arange(300), np.ones(300), confidence=0.95)
    assert clusters.estimate == rows.estimate
    assert clusters.standard_error == pytest.approx(rows.standard_error, rel=0.01)
    # Each row six times, in a cluster of its own, tells no more.
    several = np.repeat(np.arange(300), 6)
    same = cluster_bootstrap_paired(lambda w: mean(w[:, ::6]), several, np.ones(1800), confidence=0.95)
    assert same.standard_error == pytest.approx(rows.standard_error, rel=0.1)


def test_groups_that_share_clusters_have_the_jackknifes_covariance() -> None:
    rng = RNG(11)
    n, clusters = 360, 15
    cluster, group = rng.integers(0, clusters, n), rng.integers(0, 3, n)
    x = rng.normal(size=(2, n)) + rng.normal(size=(2, clusters))[:, cluster] * np.array([1, -1, 0.5])[group]
    weight = rng.uniform(0.5, 2, n)

    def means(kept: np.ndarray) -> np.ndarray:
        return np.array(
            [
                [np.average(each[kept & (group == g)], weights=weight[kept & (group == g)]) for g in range(3)]
                for each in x
            ]
        )

    whole = means(np.ones(n, dtype=bool))
    left_out = np.array([means(cluster != c) for c in range(clusters)]) - whole
    expected = (clusters - 1) / clusters * np.einsum("cfg,chk->fghk", left_out, left_out)
    figures = [
        ClusterSums.of(each - mean[group], weight, cluster, group, 3, None).moves
        for each, mean in zip(x, whole, strict=True)
    ]
    found = joint_covariance(figures, 0, 3)

    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(joint_covariance(figures, 1, 2), expected[:, 1:, :, 1:], rtol=1e-9, atol=1e-15)
    assert expected[0, 0, 0, 1] < 0 < expected[0, 0, 0, 2]


def test_covariances_are_added_up_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = RNG(12)
    group, cluster, x = rng.integers(0, 3, 500), rng.integers(0, 90, 500), rng.normal(size=500)
    moves = ClusterSums.of(x, np.ones(500), cluster, group, 3, None).moves
    whole = joint_covariance([moves], 0, 3)
    monkeypatch.setattr(cluster_sums, "_VALUES_AT_ONCE", 30)
    np.testing.assert_allclose(joint_covariance([moves], 0, 3), whole, rtol=1e-12)


def test_bootstrap_of_one_cluster_knows_nothing() -> None:
    one = np.zeros(20, dtype=int)

    def total(weights: np.ndarray) -> np.ndarray:
        return weights @ np.arange(20.0)

    assert cluster_interval(total, one, np.ones(20), confidence=0.9).high == math.inf
    assert cluster_bootstrap_paired(total, one, np.ones(20), confidence=0.9).high == math.inf


# --- every metric


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_without_clusters_it_is_the_metrics_own(task: str, peer: Peer) -> None:
    data = MAKERS[task](3)
    groups = whole(data)

    assert dependent.estimate(peer.metric, data, groups, peer.settled, 0.9) == peer.metric.estimate(
        data, groups, peer.settled, 0.9
    )


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_clusters_widen_the_interval_and_keep_the_value(task: str, peer: Peer) -> None:
    data = MAKERS[task](3)
    plain = peer.metric.estimate(data, whole(data), peer.settled, 0.9)[0]
    found = dependent.estimate(peer.metric, clustered(data, 25), whole(data), peer.settled, 0.9)[0]

    assert plain.value is not None
    assert found.value == pytest.approx(plain.value, rel=1e-12, abs=1e-12)
    assert found.rows == plain.rows
    if peer.name in ("max_error", "model_size_mb"):
        assert found == plain
        return
    assert found.clusters is not None
    assert 2 <= found.clusters <= 25
    assert found.interval is not None
    assert found.interval.low <= found.value <= found.interval.high
    assert found.interval.low < found.interval.high


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_copies_of_rows_in_one_cluster_tell_no_more(task: str, peer: Peer) -> None:
    if task == "ranking" or peer.name.startswith(("duplicate_share", "latency", "quantile", "median")):
        pytest.skip("copies change what it measures, or where a quantile falls between two rows")
    if peer.name.startswith(
        ("precision_at", "recall_at", "brier", "expected_calibration", "max_error", "model")
    ):
        pytest.skip("drawn at random, or counts rows where it has no influences")
    data = MAKERS[task](3)
    options = {**peer.settled, "min_rows": None} if "by" in peer.settled else peer.settled
    one = dependent.estimate(peer.metric, repeated(data, 1), whole(data), options, 0.95)[0]
    twice = repeated(data, 3)
    three = dependent.estimate(peer.metric, twice, whole(twice), options, 0.95)[0]
    assert one.value is not None
    assert one.interval is not None
    assert three.interval is not None

    assert three.value == pytest.approx(one.value, rel=1e-9)
    width = one.interval.high - one.interval.low
    # Student's t for a share of a group of ten rows depends on how many they seem to be.
    within = 0.2 if "by" in options else 0.02
    assert three.interval.high - three.interval.low == pytest.approx(width, rel=within)
    assert three.clusters == one.clusters


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_comparisons_with_clusters(task: str, peer: Peer) -> None:
    data = clustered(MAKERS[task](3), 25)
    other = other_model(data)
    options = peer.settled
    groups = Groups(RNG(0).integers(-1, 2, data.rows).astype(np.int32), ({"g": 0}, {"g": 1}))
    if task == "ranking":
        groups = whole(data)
    plain = peer.metric.compare(
        replace(other, cluster=None), replace(data, cluster=None), groups, options, 0.9
    )
    for before, found in zip(
        plain, dependent.compare(peer.metric, other, data, groups, options, 0.9), strict=True
    ):
        assert found.rows == before.rows
        assert bool(found.problem) == bool(before.problem)
        if found.problem:
            continue
        assert found.delta == pytest.approx(before.delta, rel=1e-9, abs=1e-12)
        assert found.interval is not None
        assert found.interval.low <= found.delta <= found.interval.high
        assert found.clusters is not None
        assert "cluster" in found.method


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_models_that_agree_everywhere_have_no_width(task: str, peer: Peer) -> None:
    data = clustered(MAKERS[task](3), 25)
    (found,) = dependent.compare(peer.metric, data, data, whole(data), peer.settled, 0.9)
    if not found.problem:
        assert found.interval is not None
        assert (found.delta, found.interval.low, found.interval.high) == (0, 0, 0)


@pytest.mark.parametrize("name", ["accuracy", "f1", "matthews_corrcoef", "recall", "selection_rate"])
def test_models_that_differ_elsewhere_are_not_sure_to_agree(name: str) -> None:
    data = clustered(MAKERS["binary"](3), 25)
    assert data.prediction is not None
    half = np.arange(data.rows) < data.rows // 2
    other = replace(data, prediction=np.where(half, data.prediction, 1 - data.prediction).astype(np.int32))
    groups = Groups(np.where(half, 0, 1).astype(np.int32), ({"half": 0}, {"half": 1}))
    agreed, _ = compared(name, other, data, groups)
    alone, _ = compared(name, *(replace(each, cluster=None) for each in (other, data)), groups)

    assert agreed.delta == 0
    assert agreed.interval is not None
    assert agreed.interval.low < 0 < agreed.interval.high
    if name != "selection_rate":
        assert alone.interval is not None
        # Clusters are fewer than rows, and so is what their agreement proves.
        assert agreed.interval.high > alone.interval.high


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_one_cluster_bounds_nothing(task: str, peer: Peer) -> None:
    data = replace(MAKERS[task](3), cluster=np.zeros(450, dtype=np.int32))
    if peer.name in ("max_error", "model_size_mb"):
        return
    data = data.take(np.arange(min(data.rows, 450)))
    (found,) = dependent.estimate(peer.metric, data, whole(data), peer.settled, 0.9)
    assert found.interval is not None
    known = [math.isfinite(each) for each in (found.interval.low, found.interval.high)]
    if "by" in peer.settled:
        assert (found.interval.low, found.interval.high) != (found.value, found.value)
    else:
        assert known == [False, False]


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_row_order_does_not_matter(task: str, peer: Peer) -> None:
    data = clustered(MAKERS[task](4), 15)
    other = other_model(data)
    order = RNG(9).permutation(data.rows)
    (one,), (two,) = (
        dependent.estimate(peer.metric, each, whole(each), peer.settled, 0.9)
        for each in (data, data.take(order))
    )
    (first,), (second,) = (
        dependent.compare(peer.metric, a, b, whole(b), peer.settled, 0.9)
        for a, b in ((other, data), (other.take(order), data.take(order)))
    )
    for a, b in ((one.interval, two.interval), (first.interval, second.interval)):
        assert (a is None) == (b is None)
        if a is not None and b is not None:
            assert (a.low, a.high) == pytest.approx((b.low, b.high), rel=1e-9, abs=1e-11)


def test_a_query_is_of_one_cluster() -> None:
    data = MAKERS["ranking"](0)
    crossed = replace(data, cluster=np.arange(data.rows, dtype=np.int32))
    with pytest.raises(DataError, match=r"hold items of more than one cluster.*`columns\.cluster:`"):
        estimated("ndcg", crossed)
    with pytest.raises(DataError, match="more than one cluster"):
        compared("ndcg", crossed, crossed)


def test_each_query_its_own_cluster_is_as_without() -> None:
    data = MAKERS["ranking"](0)
    assert data.query is not None
    plain, found = estimated("ndcg", data), estimated("ndcg", replace(data, cluster=data.query))

    assert found.value == pytest.approx(plain.value)
    assert found.interval is not None
    assert plain.interval is not None
    assert found.clusters == plain.rows
    assert found.interval.high - found.interval.low == pytest.approx(
        plain.interval.high - plain.interval.low, rel=0.2
    )


def test_what_is_measured_of_the_model_as_a_whole_has_no_clusters() -> None:
    data = clustered(MAKERS["regression"](0), 20)
    plain = replace(data, cluster=None)
    for name in ("model_size_mb", "max_error"):
        assert estimated(name, data) == estimated(name, plain)
    measured = replace(data, latency=None, error=None)
    for name in ("latency_p95", "throughput", "error_rate", "latency_p95_ratio"):
        assert estimated(name, measured) == estimated(name, replace(measured, cluster=None))


def test_a_drop_between_windows_respects_clusters() -> None:
    rng = RNG(7)

    def window(seed: int) -> Predictions:
        lift = np.repeat(RNG(seed).normal(size=30), 20)
        label = (rng.random(600) < 0.5).astype(np.int32)
        wrong = rng.random(600) < np.where(lift > 0, 0.4, 0.05)
        said = np.where(wrong, 1 - label, label).astype(np.int32)
        data = Predictions("binary", 600, ("0", "1"), label, said)
        return replace(data, cluster=np.repeat(np.arange(30, dtype=np.int32), 20))

    reference, current = window(1), window(2)
    plain, found = (
        realised_drop("accuracy", *windows, confidence=0.95, min_drop=None).realised
        for windows in (
            [replace(data, cluster=None) for data in (reference, current)],
            (reference, current),
        )
    )
    assert plain is not None
    assert found is not None
    assert plain.ci is not None
    assert found.ci is not None
    assert found.drop == plain.drop
    assert found.ci[1] - found.ci[0] > 1.3 * (plain.ci[1] - plain.ci[0])


def test_calibration_on_rows_by_themselves_is_nearly_the_metrics_own() -> None:
    data = MAKERS["binary"](3)
    for name in ("expected_calibration_error", "brier_reliability", "brier_resolution"):
        plain, found = estimated(name, data), estimated(name, repeated(data, 1))
        assert plain.interval is not None
        assert found.interval is not None
        assert (found.interval.low, found.interval.high) == pytest.approx(
            (plain.interval.low, plain.interval.high), rel=0.15, abs=0.01
        )


def test_the_weighted_reliability_table_is_the_plain_one() -> None:
    from tidegate.metrics.calibration import _weighted_table

    rng = RNG(0)
    right, score = (rng.random(200) < 0.4).astype(float), rng.random(200)
    index = np.minimum((score * 5).astype(int), 4)
    plain = reliability_table(right, score, bins=5)
    found = _weighted_table(right, score, index, np.ones(200), 5)
    for part in ("rows", "mean_label", "mean_score", "squared_error", "expected_error", "covariation"):
        np.testing.assert_allclose(getattr(found, part), getattr(plain, part), rtol=1e-9, atol=1e-12)
