"""The metrics against scikit-learn, which they take their names and definitions from."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from tidegate.metrics import METRICS, Estimate
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.intervals import clopper_pearson
from tidegate.tables import Column

RNG = np.random.default_rng
Peer = Callable[[Predictions], float]


def binary(seed: int, rows: int = 300, ties: int | None = None) -> Predictions:
    rng = RNG(seed)
    label = rng.integers(0, 2, rows)
    score = np.clip(0.3 * label + rng.uniform(0, 0.7, rows), 0, 1)
    score = score if ties is None else np.round(score * ties) / ties
    prediction = (score >= 0.5).astype(np.int32)
    return Predictions("binary", rows, ("0", "1"), label, prediction, score)


def multiclass(seed: int, rows: int = 300, classes: int = 4) -> Predictions:
    rng = RNG(seed)
    label = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    score = rng.dirichlet(np.ones(classes), rows) + 0.3 * np.eye(classes)[label]
    score /= score.sum(axis=1, keepdims=True)
    names = tuple("abcdefgh"[:classes])
    return Predictions("multiclass", rows, names, label, score.argmax(axis=1), score)


def regression(seed: int, rows: int = 300) -> Predictions:
    rng = RNG(seed)
    label = rng.normal(10, 3, rows)
    return Predictions("regression", rows, (), label, label + rng.normal(0.2, 1, rows))


def estimate(
    name: str,
    data: Predictions,
    *,
    confidence: float | None = None,
    groups: Groups | None = None,
    **options: str,
) -> list[Estimate]:
    return METRICS[name].estimate(data, groups or Groups.everything(data.rows), options, confidence)


def of_classes(function: Callable[..., float], **options: object) -> Peer:
    return lambda data: function(data.label, data.prediction, **options)


def of_scores(function: Callable[..., float], **options: object) -> Peer:
    return lambda data: function(data.label, data.score, **options)


PEERS: dict[str, Peer] = {
    "accuracy": of_classes(sk.accuracy_score),
    "balanced_accuracy": of_classes(sk.balanced_accuracy_score),
    "precision": of_classes(sk.precision_score),
    "recall": of_classes(sk.recall_score),
    "f1": of_classes(sk.f1_score),
    **{
        f"{name}_{average}": of_classes(function, average=average, zero_division=0)
        for name, function in (
            ("precision", sk.precision_score),
            ("recall", sk.recall_score),
            ("f1", sk.f1_score),
        )
        for average in ("macro", "weighted")
    },
    "matthews_corrcoef": of_classes(sk.matthews_corrcoef),
    "cohen_kappa": of_classes(sk.cohen_kappa_score),
    "roc_auc": of_scores(sk.roc_auc_score, multi_class="ovr", average="macro"),
    "average_precision": of_scores(sk.average_precision_score),
    "log_loss": of_scores(sk.log_loss),
    "brier_score": lambda data: (
        float(np.square(data.score - np.eye(len(data.classes))[data.label]).sum(1).mean())
        if data.task == "multiclass"
        else sk.brier_score_loss(data.label, data.score)
    ),
    "mean_absolute_error": of_classes(sk.mean_absolute_error),
    "mean_absolute_percentage_error": of_classes(sk.mean_absolute_percentage_error),
    "root_mean_squared_error": of_classes(sk.root_mean_squared_error),
    "r2": of_classes(sk.r2_score),
}
MAKERS = {"binary": binary, "multiclass": multiclass, "regression": regression}
CASES = [(task, name) for task in MAKERS for name in PEERS if task in METRICS[name].tasks]


def test_every_metric_has_a_peer_or_a_test_of_its_own() -> None:
    own = {
        "mean",
        "missing_share",
        "share_above",
        "share_below",
        "pinball_loss",
        "top_k_accuracy",
        "demographic_parity_difference",
        "latency_p50",
        "latency_p95",
        "latency_p99",
    }

    assert set(METRICS) == set(PEERS) | own


@pytest.mark.parametrize(("task", "name"), CASES)
@pytest.mark.parametrize("seed", range(3))
def test_value_is_that_of_scikit_learn(task: str, name: str, seed: int) -> None:
    data = MAKERS[task](seed)
    (found,) = estimate(name, data)

    assert found.value == pytest.approx(PEERS[name](data), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("name", ["roc_auc", "average_precision", "log_loss", "brier_score"])
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), rows=st.integers(2, 60), ties=st.sampled_from([1, 2, 5, 20]))
def test_ties_are_treated_as_in_scikit_learn(name: str, seed: int, rows: int, ties: int) -> None:
    data = binary(seed, rows, ties)
    assert data.label is not None
    data.label[:2] = 0, 1
    (found,) = estimate(name, data)
    peer = sk.log_loss(data.label, data.score, labels=[0, 1]) if name == "log_loss" else PEERS[name](data)

    assert found.value == pytest.approx(peer, rel=1e-12, abs=1e-12)


def city(rows: int, seed: int = 0) -> Groups:
    codes = RNG(seed).integers(-1, 3, rows).astype(np.int32)
    return Groups.of_column(Column("city", "category", codes, ("x", "y", "z")))


@pytest.mark.parametrize(("task", "name"), CASES)
def test_slices_are_what_each_slice_alone_gives(task: str, name: str) -> None:
    data, groups = MAKERS[task](7), city(300)
    found = estimate(name, data, groups=groups)

    assert [where and where["city"] for where in groups.slices] == ["x", "y", "z", None]
    for rows, one in zip(groups.members, found, strict=True):
        assert one.value == pytest.approx(PEERS[name](data.take(rows)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("task", "name"), CASES)
def test_an_interval_holds_its_value_and_widens_with_confidence(task: str, name: str) -> None:
    data = MAKERS[task](3)
    (narrow,), (wide,) = estimate(name, data, confidence=0.8), estimate(name, data, confidence=0.99)

    assert narrow.value is not None
    assert narrow.interval is not None
    assert wide.interval is not None
    assert wide.interval.low < narrow.interval.low < narrow.value < narrow.interval.high < wide.interval.high
    (few,) = estimate(name, data.take(np.arange(60)), confidence=0.8)
    assert few.interval is not None
    assert few.interval.high - few.interval.low > narrow.interval.high - narrow.interval.low


@pytest.mark.parametrize(("task", "name"), CASES)
def test_the_order_of_rows_does_not_matter(task: str, name: str) -> None:
    data = MAKERS[task](11)
    turned = data.take(RNG(0).permutation(data.rows))
    (one,), (other,) = estimate(name, data, confidence=0.9), estimate(name, turned, confidence=0.9)

    assert one.interval is not None
    assert other.interval is not None
    assert (one.value, one.interval.low, one.interval.high) == pytest.approx(
        (other.value, other.interval.low, other.interval.high), rel=1e-12
    )


def tiny(label: list[int], score: list[float]) -> Predictions:
    truth, chance = np.array(label, dtype=np.int32), np.array(score, dtype=np.float64)
    return Predictions("binary", len(label), ("0", "1"), truth, (chance >= 0.5).astype(np.int32), chance)


@pytest.mark.parametrize(
    ("name", "label", "score", "rows", "problem"),
    [
        ("roc_auc", [1, 1], [0.2, 0.9], 2, "one class"),
        ("average_precision", [0, 0], [0.2, 0.9], 2, "no row is labelled positive"),
        ("precision", [1, 0], [0.1, 0.2], 0, "no row is predicted positive"),
        ("recall", [0, 0], [0.1, 0.9], 0, "no row is labelled positive"),
        ("f1", [0, 0], [0.1, 0.2], 0, "no row is labelled or predicted positive"),
        ("cohen_kappa", [1, 1], [0.8, 0.9], 2, "same constant"),
        ("matthews_corrcoef", [], [], 0, "the slice has no rows"),
        ("accuracy", [], [], 0, "the slice has no rows"),
        ("log_loss", [], [], 0, "there are no rows"),
    ],
)
@pytest.mark.parametrize("confidence", [None, 0.9])
def test_what_does_not_exist_says_why(
    name: str, label: list[int], score: list[float], rows: int, problem: str, confidence: float | None
) -> None:
    (found,) = estimate(name, tiny(label, score), confidence=confidence)

    assert found.value is None
    assert found.interval is None
    assert found.rows == rows
    assert problem in found.problem


@pytest.mark.parametrize(
    ("name", "label", "score", "value"),
    [
        ("roc_auc", [0, 1, 0, 1], [0.5, 0.5, 0.5, 0.5], 0.5),
        ("roc_auc", [0, 1], [0.1, 0.9], 1.0),
        ("accuracy", [1], [0.9], 1.0),
        ("recall", [1], [0.9], 1.0),
        ("balanced_accuracy", [1, 1], [0.9, 0.1], 0.5),
        ("log_loss", [1], [0.0], -math.log(np.finfo(float).eps)),
        ("brier_score", [1], [1.0], 0.0),
    ],
)
def test_extreme_tables(name: str, label: list[int], score: list[float], value: float) -> None:
    (found,) = estimate(name, tiny(label, score), confidence=0.95)

    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.interval is not None
    assert found.interval.low <= value <= found.interval.high
    # So few rows prove little: no interval may shrink to a point.
    assert found.interval.high > found.interval.low


@pytest.mark.parametrize("name", ["root_mean_squared_error", "r2"])
def test_regression_without_spread(name: str) -> None:
    same = np.full(5, 3.0)
    (found,) = estimate(name, Predictions("regression", 5, (), same, same))

    assert found.value == (0.0 if name != "r2" else None)


@pytest.mark.parametrize("percent", [50, 95, 99])
def test_latency_percentiles_are_those_of_numpy(percent: int) -> None:
    latency = RNG(1).lognormal(3, 1, 501)
    latency[::10] = np.nan
    data = Predictions("binary", 501, latency=latency)
    (found,) = estimate(f"latency_p{percent}", data, confidence=0.9)

    assert found.value == pytest.approx(np.nanpercentile(latency, percent), rel=1e-12)
    assert found.rows == np.count_nonzero(~np.isnan(latency))
    assert found.interval is not None
    assert found.interval.low < found.value < found.interval.high


def test_mean_and_missing_share_of_a_column() -> None:
    column = Column("x", "number", np.array([1.0, 2.0, np.nan, 6.0]))
    data = Predictions("binary", 4, columns={("x", "number"): column, ("x", "any"): column})

    assert estimate("mean", data, column="x") == [Estimate(3.0, 3)]
    assert estimate("missing_share", data, column="x") == [Estimate(0.25, 4)]


def test_demographic_parity_by_hand() -> None:
    prediction = np.array([1, 1, 0, 0, 1, 0, 0, 0, 1])
    by = Column("g", "category", np.array([0, 0, 0, 1, 1, 1, 1, 1, -1], dtype=np.int32), ("m", "n"))
    data = Predictions("binary", 9, ("0", "1"), prediction=prediction, columns={("g", "category"): by})
    (found,) = estimate("demographic_parity_difference", data, by="g")
    without_missing = data.take(np.arange(8))
    (fewer,) = estimate("demographic_parity_difference", without_missing, by="g")
    (one_group,) = estimate("demographic_parity_difference", data.take(np.arange(3)), by="g")

    assert found.value == pytest.approx(1 - 1 / 5)
    assert fewer.value == pytest.approx(2 / 3 - 1 / 5)
    assert one_group.value is None


def test_a_slice_that_never_occurs_is_an_empty_group() -> None:
    data = binary(0)
    column = Column("city", "category", np.zeros(300, dtype=np.int32), ("x",))
    groups = Groups.of_column(column, ["x", "nowhere"])

    assert [found.rows for found in estimate("accuracy", data, groups=groups)] == [300, 0]


COMPARABLE = [(task, name) for task, name in CASES]


@pytest.mark.parametrize(("task", "name"), COMPARABLE)
def test_a_comparison_points_towards_the_better_model(task: str, name: str) -> None:
    good = MAKERS[task](5)
    rng = RNG(6)
    assert good.prediction is not None
    if task == "regression":
        bad = replace(good, prediction=good.prediction + rng.normal(0, 3, good.rows))
    else:
        mixed = rng.permutation(good.rows)
        assert good.score is not None
        bad = replace(good, prediction=good.prediction[mixed], score=good.score[mixed])
    everything = Groups.everything(good.rows)
    (forth,) = METRICS[name].compare(good, bad, everything, {}, 0.95)
    (back,) = METRICS[name].compare(bad, good, everything, {}, 0.95)
    (same,) = METRICS[name].compare(good, good, everything, {}, 0.95)

    assert forth.candidate == pytest.approx(PEERS[name](good), rel=1e-12)
    assert forth.production == pytest.approx(PEERS[name](bad), rel=1e-12)
    assert forth.interval is not None
    assert forth.interval.low > 0
    assert back.interval is not None
    assert back.interval.high < 0
    assert forth.delta == pytest.approx(-(back.delta or 0))
    assert same.delta == 0
    assert same.interval is not None
    assert (same.interval.low, same.interval.high) == (0, 0)


@pytest.mark.parametrize(
    ("label", "score"), [([1, 1], [0.9, 0.9]), ([1, 0], [0.9, 0.9]), ([0, 0], [0.9, 0.1])]
)
def test_a_constant_has_no_correlation(label: list[int], score: list[float]) -> None:
    data = tiny(label, score)
    (found,) = estimate("matthews_corrcoef", data)

    assert found.value == sk.matthews_corrcoef(data.label, data.prediction) == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("k", [1, 2, 3])
def test_top_k_accuracy_is_that_of_scikit_learn(seed: int, k: int) -> None:
    data = multiclass(seed)
    assert data.score is not None
    # Ties, which are broken towards the later class.
    data.score[:] = np.round(data.score, 1)
    (found,) = METRICS["top_k_accuracy"].estimate(data, Groups.everything(data.rows), {"k": k}, 0.9)
    labels = np.arange(len(data.classes))

    assert found.value == pytest.approx(sk.top_k_accuracy_score(data.label, data.score, k=k, labels=labels))
    assert found.interval is not None


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_pinball_loss_is_that_of_scikit_learn(quantile: float) -> None:
    data = regression(2)
    everything = Groups.everything(data.rows)
    (found,) = METRICS["pinball_loss"].estimate(data, everything, {"quantile": quantile}, None)

    assert found.value == pytest.approx(
        sk.mean_pinball_loss(data.label, data.prediction, alpha=quantile), rel=1e-12
    )


def test_shares_count_strictly_and_leave_out_what_is_missing() -> None:
    column = Column("ms", "number", np.array([1.0, 2.0, 2.0, 3.0, np.nan]))
    data = Predictions("binary", 5, columns={("ms", "number"): column})
    options = {"column": "ms", "at": 2}
    values = [
        METRICS[name].estimate(data, Groups.everything(5), options, 0.9)[0]
        for name in ("share_above", "share_below")
    ]

    assert [(v.value, v.rows) for v in values] == [(0.25, 4), (0.25, 4)]
    assert values[0].interval == clopper_pearson(1, 4, confidence=0.9)
