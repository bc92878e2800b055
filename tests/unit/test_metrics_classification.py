"""Classification and operating points: what does not exist, extremes, classes and costs."""

import math
from typing import Any

import numpy as np
import pytest
from metric_peers import binary, labelled, multiclass
from scipy import special, stats
from sklearn import metrics as sk

from tidegate.errors import ConfigError
from tidegate.metrics import METRICS, Estimate, find
from tidegate.metrics.cells import CellMetric
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.intervals import clopper_pearson


def estimate(name: str, data: Predictions, confidence: float | None = None, **options: Any) -> Estimate:
    metric = METRICS[name]
    groups = Groups.everything(data.rows)
    (found,) = metric.estimate(data, groups, {**metric.settled, **options}, confidence)
    return found


@pytest.mark.parametrize(
    ("name", "label", "score", "rows", "problem"),
    [
        ("roc_auc", [1, 1], [0.2, 0.9], 2, "one class"),
        ("average_precision", [0, 0], [0.2, 0.9], 2, "no row is labelled positive"),
        ("precision", [1, 0], [0.1, 0.2], 0, "no row is predicted positive"),
        ("recall", [0, 0], [0.1, 0.9], 0, "no row is labelled positive"),
        ("f1", [0, 0], [0.1, 0.2], 0, "no row is labelled or predicted positive"),
        ("false_positive_rate", [1, 1], [0.1, 0.9], 0, "no row is labelled negative"),
        ("false_negative_rate", [0, 0], [0.1, 0.9], 0, "no row is labelled positive"),
        ("specificity", [1], [0.9], 0, "no row is labelled negative"),
        ("cohen_kappa", [1, 1], [0.8, 0.9], 2, "same constant"),
        ("calibration_slope", [0, 1], [0.2, 0.9], 2, "parts the classes"),
        ("calibration_slope", [0, 1, 1, 0], [0.5] * 4, 4, "parts the classes"),
        ("calibration_intercept", [1, 1], [0.2, 0.9], 2, "one class"),
        ("matthews_corrcoef", [], [], 0, "the slice has no rows"),
        ("accuracy", [], [], 0, "the slice has no rows"),
        ("log_loss", [], [], 0, "there are no rows"),
    ],
)
@pytest.mark.parametrize("confidence", [None, 0.9])
def test_what_does_not_exist_says_why(
    name: str, label: list[int], score: list[float], rows: int, problem: str, confidence: float | None
) -> None:
    found = estimate(name, labelled(label, score), confidence)

    assert (found.value, found.interval, found.rows) == (None, None, rows)
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
        ("expected_calibration_error", [1], [0.3], 0.7),
        ("false_positive_rate", [0], [0.1], 0.0),
        ("selection_rate", [0], [0.1], 0.0),
    ],
)
def test_extreme_tables(name: str, label: list[int], score: list[float], value: float) -> None:
    found = estimate(name, labelled(label, score), 0.95)

    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.interval is not None
    assert found.interval.low <= value <= found.interval.high
    # So few rows prove little: no interval may shrink to a point.
    assert found.interval.high > found.interval.low


@pytest.mark.parametrize(
    ("label", "score"), [([1, 1], [0.9, 0.9]), ([1, 0], [0.9, 0.9]), ([0, 0], [0.9, 0.1])]
)
def test_a_constant_has_no_correlation(label: list[int], score: list[float]) -> None:
    assert estimate("matthews_corrcoef", labelled(label, score)).value == 0


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_a_class_is_judged_against_the_rest(name: str) -> None:
    data = multiclass(4)
    others = getattr(sk, f"{name}_score")(data.label, data.prediction, average=None)

    assert [estimate(name, data, **{"class": c}).value for c in "abcd"] == pytest.approx(others, rel=1e-12)
    with pytest.raises(ConfigError, match="needs `class:`"):
        estimate(name, data)
    with pytest.raises(ConfigError, match="none of the classes in the table: a, b, c, d"):
        estimate(name, data, **{"class": "e"})


@pytest.mark.parametrize("spelling", [0, "0", 0.0, False, "false"])
def test_the_negative_class_in_any_spelling(spelling: object) -> None:
    data = binary(4)
    expected = sk.recall_score(data.label, data.prediction, pos_label=0)

    assert estimate("recall", data, **{"class": spelling}).value == pytest.approx(expected, rel=1e-12)


def test_a_class_is_compared_on_its_own_rows() -> None:
    good, bad = multiclass(4), multiclass(4)
    assert bad.prediction is not None
    bad.prediction[:] = np.where(bad.prediction == 1, 2, bad.prediction)
    metric, everything = METRICS["recall"], Groups.everything(good.rows)
    (of_b,) = metric.compare(good, bad, everything, {"class": "b"}, 0.95)
    (of_a,) = metric.compare(good, bad, everything, {"class": "a"}, 0.95)

    assert of_b.rows == np.count_nonzero(good.label == 1)
    assert of_b.production == 0
    assert of_b.interval is not None
    assert of_b.interval.low > 0
    assert of_a.delta == 0


COSTS: list[Any] = [
    {"fp": 1, "fn": 10, "tp": -2},
    {"false_positive": 1, "false_negative": 10, "true_positive": -2},
    [[0, 1], [10, -2]],
    {"0": {"1": 1}, "1": {"0": 10, "1": -2}},
    {False: {True: 1}, True: {False: 10, True: -2}},
    {0: {1: 1}, 1: {0: 10, 1: -2}},
]


@pytest.mark.parametrize("costs", COSTS)
def test_costs_in_any_form(costs: Any) -> None:
    data = labelled([0, 0, 0, 1, 1], [0.1, 0.9, 0.9, 0.1, 0.9])

    assert estimate("expected_cost", data, costs=costs).value == pytest.approx((2 * 1 + 10 - 2) / 5)


@pytest.mark.parametrize(
    ("costs", "told"),
    [
        ({"fp": 1}, "add `fn:`"),
        ({"fn": 1, "tp": 0}, "add `fp:`"),
        ({"fp": 1, "fn": 1, "cost": 2}, "takes {fp: 1, fn: 10}"),
        ([[0, 1]], "must be 2 by 2"),
        ([[0, 1], [1]], "must be 2 by 2"),
        ({"0": {"1": 1}}, "to answer '0' for '1'"),
        ({"0": {"1": 1}, "1": 5}, "for each label"),
    ],
)
def test_costs_that_leave_something_open_are_refused(costs: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        estimate("expected_cost", binary(0, 20), costs=costs)


def test_four_costs_are_of_two_classes() -> None:
    with pytest.raises(ConfigError, match="any number"):
        estimate("expected_cost", multiclass(0, 20), costs={"fp": 1, "fn": 2})


def test_probabilities_count_as_they_are_said() -> None:
    # Those of a row may miss 1 by a thousandth; scikit-learn does not stretch them either.
    score = np.array([[0.5, 0.2998, 0.2], [0.1, 0.2, 0.6991]])
    data = Predictions("multiclass", 2, ("a", "b", "c"), np.array([0, 2]), np.array([0, 2]), score)

    assert estimate("log_loss", data).value == pytest.approx(
        -(math.log(0.5) + math.log(0.6991)) / 2, rel=1e-15
    )


@pytest.mark.parametrize(("ones", "zeros"), [(240, 360), (5, 500), (1, 1)])
def test_the_intercept_of_a_sure_model_is_half_the_log_odds(ones: int, zeros: int) -> None:
    # All logits are far out, at the same distance to both sides, where the likelihood is nearly flat.
    label = np.repeat([1, 0], [ones, zeros])
    found = estimate("calibration_intercept", labelled(label, label.astype(float)))

    # 1 - eps is itself rounded, so that the two distances differ in the twelfth digit.
    assert found.value == pytest.approx(special.logit(ones / (ones + zeros)) / 2, abs=1e-9)


@pytest.mark.parametrize("name", ["precision_at_recall", "recall_at_precision", "recall_at_fpr"])
@pytest.mark.parametrize("at", [0.0, 1.0, -0.2, 80, math.nan])
def test_a_condition_that_is_no_share_is_refused(name: str, at: float) -> None:
    with pytest.raises(ValueError, match=f"`at:` of '{name}'"):
        METRICS[name].check({"at": at})


def test_operating_points_by_hand() -> None:
    data = labelled([1, 0, 1, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4])

    assert estimate("precision_at_recall", data, at=0.5).value == pytest.approx(3 / 4)
    assert estimate("recall_at_precision", data, at=0.8).value == pytest.approx(1 / 3)
    assert estimate("recall_at_fpr", data, at=0.3).value == pytest.approx(1 / 3)
    assert estimate("recall_at_fpr", data, at=0.34).value == pytest.approx(1)


@pytest.mark.parametrize("name", ["precision_at_recall", "recall_at_precision", "recall_at_fpr"])
def test_a_perfect_order_of_few_rows_proves_little(name: str) -> None:
    found = estimate(name, labelled([0] * 10 + [1] * 10, np.arange(20) / 20), 0.95, at=0.45)
    trials = 5 if name == "precision_at_recall" else 10

    assert found.value == 1
    assert found.interval == clopper_pearson(trials, trials, confidence=0.95)


@pytest.mark.parametrize("name", ["precision_at_recall", "recall_at_precision", "recall_at_fpr"])
def test_operating_points_without_positives_say_so(name: str) -> None:
    found = estimate(name, labelled([0, 0], [0.2, 0.9]), 0.9, at=0.5)

    assert (found.value, found.interval) == (None, None)
    assert "positive" in found.problem or "one class" in found.problem


def test_rates_have_exact_intervals() -> None:
    data = labelled([0] * 10 + [1] * 5, [0.1] * 7 + [0.9] * 3 + [0.9] * 5)
    found = estimate("false_positive_rate", data, 0.9)

    assert (found.value, found.rows) == (0.3, 10)
    assert found.interval == clopper_pearson(3, 10, confidence=0.9)


@pytest.mark.parametrize(
    ("name", "k", "found"),
    [
        ("ndcg@10", None, ("ndcg", {"k": 10})),
        ("recall@5", None, ("recall@k", {"k": 5})),
        ("recall", 5, ("recall@k", {})),
        ("recall", None, ("recall", {})),
        ("top_k_accuracy@3", None, ("top_k_accuracy", {"k": 3})),
        ("latency_p99.9", None, ("latency_p99.9", {})),
        ("latency_p90_ratio", None, ("latency_p90_ratio", {})),
    ],
)
def test_names_with_a_number(name: str, k: int | None, found: tuple[str, dict[str, int]]) -> None:
    one = find(name, k)

    assert one is not None
    assert (one.metric.name, dict(one.implied)) == found


@pytest.mark.parametrize(
    "name",
    [
        "ndcg@0",
        "ndcg@",
        "ndcg@ten",
        "ndcg@-1",
        "accuracy@5",
        "latency_p0",
        "latency_p100",
        "latency_p",
        "ndcg@1@2",
        "",
    ],
)
def test_names_that_are_none(name: str) -> None:
    assert find(name) is None


@pytest.mark.parametrize(
    ("name", "lowest"),
    [("f1", 0.0), ("balanced_accuracy", 0.0), ("matthews_corrcoef", -1.0), ("average_precision", 0.0)],
)
def test_few_rows_without_a_mistake_prove_little(name: str, lowest: float) -> None:
    for each in (20, 300):
        label = np.repeat([0, 1], each).astype(np.int32)
        data = Predictions("binary", 2 * each, ("0", "1"), label, label, label * 0.5 + 0.25)
        (found,) = METRICS[name].estimate(data, Groups.everything(data.rows), METRICS[name].settled, 0.95)
        assert found.interval is not None
        exact = stats.binomtest(each, each).proportion_ci(0.95).low
        assert (found.value, found.interval.high) == (1.0, 1.0)
        assert found.interval.low == pytest.approx(lowest + (1 - lowest) * exact, rel=1e-9)


def test_errors_of_exactly_one_are_no_shares() -> None:
    label, prediction = np.arange(6.0), np.arange(6.0) + np.array([1, 1, 1, 0, 1, 1])
    data = Predictions("regression", 6, label=label, prediction=prediction)
    (found,) = METRICS["mean_absolute_error"].estimate(data, Groups.everything(6), {}, 0.95)
    assert found.interval is not None
    assert found.interval.high > 1


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("accuracy", {}, [1, 0, 0, 1, 0]),
        ("recall", {"class": "b"}, [math.nan, 0, math.nan, 1, math.nan]),
        ("precision", {"class": "b"}, [math.nan, math.nan, 0, 1, math.nan]),
    ],
)
def test_the_rows_that_a_share_stands_on(name: str, options: dict[str, str], expected: list[float]) -> None:
    label, said = (np.array(each, dtype=np.int32) for each in ([0, 1, 0, 1, 2], [0, 0, 1, 1, 0]))
    data = Predictions("multiclass", 5, ("a", "b", "c"), label, said, weight=np.array([1.0, 2, 0, 1, 1]))
    metric = METRICS[name]
    assert isinstance(metric, CellMetric)
    assert metric.hits(data, options) == pytest.approx(expected, nan_ok=True)


def test_what_is_no_share_has_no_hits() -> None:
    metric = METRICS["f1"]
    assert isinstance(metric, CellMetric)
    with pytest.raises(LookupError, match="f1 is no share"):
        metric.hits(Predictions("binary", 0, ("0", "1")), {})
