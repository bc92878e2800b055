"""Rows that do not count alike: values against scikit-learn and repeated rows, and what holds of every metric."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import statsmodels.api as sm
from metric_peers import MAKERS, PEERS, Peer, fits
from sklearn import metrics as sk
from test_clusters import CASES, compared, estimated, other_model, whole

from tidegate.metrics import dependent
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.quantiles import weighted_quantile
from tidegate.stats.auc import average_precision

RNG = np.random.default_rng
SMOOTH = [
    pytest.param(task, peer, id=f"{task}-{peer}")
    for task in ("binary", "multiclass", "regression")
    for peer in PEERS
    if fits(peer, MAKERS[task](0))
    and not peer.name.startswith("duplicate")
    and peer.metric.linearise(MAKERS[task](0), peer.settled) is not None
]
SATURATED = {"recall_at_precision-at=0.05", "top_k_accuracy-k=10"} | {
    f"{name}@100" for name in ("recall", "precision", "hit_rate")
}
"""So lenient that both models reach the same."""
WHOLE = ("max_error", "model_size_mb")


def weighted(data: Predictions, seed: int = 2) -> Predictions:
    return replace(data, weight=RNG(seed).uniform(0.2, 3, data.rows))


@pytest.mark.parametrize(("task", "peer"), SMOOTH)
def test_influence_is_the_derivative_by_the_weight_of_a_row(task: str, peer: Peer) -> None:
    data = weighted(MAKERS[task](1))
    weight = data.weight
    assert weight is not None
    found = peer.metric.linearise(data, peer.settled)
    assert found is not None
    scale = np.abs(found.influence).max()
    # Weights of a row enter nothing but sums, ranks included.
    assert abs(weight @ found.influence) < 1e-9 * max(scale, 1) * data.rows

    for row in range(0, data.rows, 37):
        step = 1e-4 * np.eye(data.rows)[row]
        up, down = (
            peer.metric.linearise(replace(data, weight=weight + sign * step), peer.settled)
            for sign in (1, -1)
        )
        assert up is not None
        assert down is not None
        derivative = (up.value - down.value) / 2e-4 * weight.sum()
        assert found.influence[row] == pytest.approx(derivative, rel=1e-4, abs=1e-4 * max(scale, 1e-3))


SKLEARN: list[tuple[str, str, Callable[[Predictions], float]]] = [
    ("binary", "accuracy", lambda d: sk.accuracy_score(d.label, d.prediction, sample_weight=d.weight)),
    ("binary", "f1", lambda d: sk.f1_score(d.label, d.prediction, sample_weight=d.weight)),
    ("binary", "precision", lambda d: sk.precision_score(d.label, d.prediction, sample_weight=d.weight)),
    ("binary", "recall", lambda d: sk.recall_score(d.label, d.prediction, sample_weight=d.weight)),
    (
        "multiclass",
        "matthews_corrcoef",
        lambda d: sk.matthews_corrcoef(d.label, d.prediction, sample_weight=d.weight),
    ),
    (
        "multiclass",
        "cohen_kappa",
        lambda d: sk.cohen_kappa_score(d.label, d.prediction, sample_weight=d.weight),
    ),
    (
        "multiclass",
        "f1_macro",
        lambda d: sk.f1_score(d.label, d.prediction, average="macro", sample_weight=d.weight),
    ),
    ("binary", "log_loss", lambda d: sk.log_loss(d.label, d.score, sample_weight=d.weight)),
    ("binary", "roc_auc", lambda d: sk.roc_auc_score(d.label, d.score, sample_weight=d.weight)),
    (
        "binary",
        "average_precision",
        lambda d: sk.average_precision_score(d.label, d.score, sample_weight=d.weight),
    ),
    ("regression", "r2", lambda d: sk.r2_score(d.label, d.prediction, sample_weight=d.weight)),
    (
        "regression",
        "root_mean_squared_error",
        lambda d: sk.root_mean_squared_error(d.label, d.prediction, sample_weight=d.weight),
    ),
    (
        "regression",
        "mean_absolute_error",
        lambda d: sk.mean_absolute_error(d.label, d.prediction, sample_weight=d.weight),
    ),
]


@pytest.mark.parametrize(("task", "name", "peer"), SKLEARN)
def test_value_is_scikit_learns(task: str, name: str, peer: Callable[[Predictions], float]) -> None:
    for seed in range(3):
        data = MAKERS[task](seed, decimals=2) if task != "regression" else MAKERS[task](seed)
        data = weighted(data, seed)
        found = estimated(name, data)
        assert found.value == pytest.approx(float(peer(data)), rel=1e-12)
        (paired,) = compared(name, other_model(data), data)
        assert paired.production == pytest.approx(found.value, rel=1e-12)


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_equal_weights_are_none(task: str, peer: Peer) -> None:
    data = MAKERS[task](3)
    alike = replace(data, weight=np.full(data.rows, 0.1))
    assert dependent.estimate(peer.metric, alike, whole(data), peer.settled, 0.9) == peer.metric.estimate(
        data, whole(data), peer.settled, 0.9
    )


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_nearly_equal_weights_give_nearly_the_same(task: str, peer: Peer) -> None:
    data = MAKERS[task](3)
    plain = peer.metric.estimate(data, whole(data), peer.settled, 0.9)[0]
    nearly = replace(data, weight=1 + 1e-9 * RNG(0).random(data.rows))
    found = dependent.estimate(peer.metric, nearly, whole(data), peer.settled, 0.9)[0]
    assert found.value == pytest.approx(plain.value, rel=1e-6, abs=1e-6)
    assert (found.rows, found.clusters) == (plain.rows, None)
    if plain.interval is None or peer.name in WHOLE:
        return
    assert found.interval is not None
    assert plain.value is not None
    width = plain.interval.high - plain.interval.low
    if math.isfinite(width) and width > 0:
        assert found.interval.low == pytest.approx(plain.interval.low, abs=0.35 * width)
        assert found.interval.high == pytest.approx(plain.interval.high, abs=0.35 * width)


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_rows_of_weight_zero_are_as_if_absent(task: str, peer: Peer) -> None:
    data = weighted(MAKERS[task](3))
    kept = RNG(1).random(data.rows) < 0.7
    assert data.weight is not None
    some = replace(data, weight=np.where(kept, data.weight, 0.0))
    groups = Groups(RNG(4).integers(-1, 2, data.rows).astype(np.int32), ({"g": 0}, {"g": 1}))
    fewer = data.take(np.flatnonzero(kept))
    left = Groups(groups.codes[kept], groups.slices)
    assert dependent.estimate(peer.metric, some, groups, peer.settled, 0.9) == dependent.estimate(
        peer.metric, fewer, left, peer.settled, 0.9
    )
    other = other_model(data)
    assert dependent.compare(peer.metric, other, some, groups, peer.settled, 0.9) == dependent.compare(
        peer.metric, other.take(np.flatnonzero(kept)), fewer, left, peer.settled, 0.9
    )


@pytest.mark.parametrize(("task", "peer"), CASES)
def test_comparisons_with_weights(task: str, peer: Peer) -> None:
    data = weighted(MAKERS[task](3))
    other = other_model(data)
    (found,) = dependent.compare(peer.metric, other, data, whole(data), peer.settled, 0.9)
    alone = dependent.estimate(peer.metric, data, whole(data), peer.settled, None)[0]
    if found.problem:
        assert peer.name in WHOLE or peer.name.endswith(("_ratio", "throughput"))
        return
    assert found.interval is not None
    assert found.delta is not None
    assert found.interval.low <= found.delta <= found.interval.high
    if str(peer) not in SATURATED:
        assert found.interval.low < found.interval.high
    assert "weighted" in found.method
    assert found.clusters is None
    # Rows without a value for either model are left out of a comparison.
    if found.rows == alone.rows:
        assert found.production == pytest.approx(alone.value, rel=1e-9)


@pytest.mark.parametrize("name", ["calibration_slope", "calibration_intercept"])
def test_a_weighted_recalibration_is_statsmodels(name: str) -> None:
    data = weighted(MAKERS["binary"](0))
    assert data.score is not None
    logit = np.log(data.score / (1 - data.score))
    design = (
        np.column_stack([np.ones_like(logit), logit]) if name == "calibration_slope" else np.ones_like(logit)
    )
    offset = None if name == "calibration_slope" else logit
    family = sm.families.Binomial()
    fitted = sm.GLM(data.label, design, family=family, offset=offset, freq_weights=data.weight).fit(tol=1e-12)
    assert estimated(name, data).value == pytest.approx(fitted.params[-1], rel=1e-7)


def test_a_few_heavy_rows_are_told() -> None:
    data = MAKERS["binary"](0)
    heavy = replace(data, weight=np.where(np.arange(data.rows) < 20, 100.0, 1.0))
    found, plain = estimated("accuracy", heavy), estimated("accuracy", data)
    worth = (2000 + data.rows - 20) ** 2 / (20 * 100**2 + data.rows - 20)

    assert f"as much as {worth:,.0f} rows of equal weight" in found.note
    assert found.interval is not None
    assert plain.interval is not None
    assert found.interval.high - found.interval.low > 2 * (plain.interval.high - plain.interval.low)


def test_whole_weights_are_repeated_rows() -> None:
    values, times = RNG(0).normal(size=60), RNG(1).integers(1, 5, 60)
    many = np.repeat(values, times)
    for share in (0.01, 0.25, 0.5, 0.9):
        found = weighted_quantile(values, share)(times[None].astype(float))[0]
        assert found == pytest.approx(float(np.quantile(many, share)), rel=1e-12)
    label, score = RNG(2).random(60) < 0.4, RNG(3).random(60).round(1)
    found_ap = average_precision(label, score, times.astype(float)).value
    assert found_ap == pytest.approx(
        average_precision(np.repeat(label, times), np.repeat(score, times)).value, rel=1e-12
    )


def test_large_tables_need_no_resamples_for_average_precision() -> None:
    rng = RNG(0)
    n = 20_000
    label = (rng.random(n) < 0.03).astype(np.int32)
    shared = rng.normal(size=n) + 2 * label

    def model(noise: float) -> Predictions:
        score = 1 / (1 + np.exp(-(shared + noise * rng.normal(size=n))))
        return Predictions("binary", n, ("0", "1"), label, score=score)

    a, b = model(0.5), model(0.8)
    (large,) = compared("average_precision", a, b)
    few = np.arange(n - 1)
    (small,) = compared("average_precision", a.take(few), b.take(few))
    assert (large.method, small.method) == ("infinitesimal jackknife", "paired bootstrap of rows")
    assert large.standard_error == pytest.approx(small.standard_error, rel=0.15)
    one, other = (estimated("average_precision", each).interval for each in (a, a.take(few)))
    assert one is not None
    assert other is not None
    assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=0.2 * (one.high - one.low))


def one_sided(
    rows: int, lost: int, weight: np.ndarray | None, cluster: np.ndarray | None = None
) -> list[Predictions]:
    """A candidate that loses the first few rows, all of one label, and production that has them right."""
    label = np.ones(rows, dtype=np.int32)
    right = np.arange(rows) % 5 > 0
    production = np.where(right, 1, 0).astype(np.int32)
    candidate = production.copy()
    candidate[np.flatnonzero(right)[:lost]] = 0
    return [
        Predictions("binary", rows, ("0", "1"), label=label, prediction=each, weight=weight, cluster=cluster)
        for each in (candidate, production)
    ]


@pytest.mark.parametrize("metric", ["accuracy", "recall"])
def test_few_rows_that_differ_are_judged_by_a_score_interval(metric: str) -> None:
    candidate, production = one_sided(400, 5, None)
    (plain,) = compared(metric, candidate, production)
    (alone,) = compared(metric, *one_sided(400, 5, None, np.arange(400, dtype=np.int32)))
    assert plain.interval is not None
    assert alone.interval is not None
    # Clusters of one row are rows: no narrower than Tango's interval of them.
    assert alone.interval.low == pytest.approx(plain.interval.low, abs=2e-4)
    assert alone.interval.low <= plain.interval.low + 1e-12
    # Where the rows that differ count little, what they say is not taken for all there is.
    light = np.where(np.arange(400) < 10, 0.2, 1.0)
    (weighted_result,) = compared(metric, *one_sided(400, 5, light))
    assert weighted_result.interval is not None
    assert weighted_result.delta is not None
    assert weighted_result.interval.low < weighted_result.delta - 0.008
