import json
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from label_free_windows import binary, features_of, numbers, several, shuffled, unlabelled

from tidegate.drift.label_free import (
    Estimated,
    estimate_from_calibration,
    estimate_performance,
    fit_calibration,
    from_json,
    to_json,
)
from tidegate.errors import ConfigError, DataError
from tidegate.metrics import METRICS
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

METRICS_OF = (
    "accuracy",
    "recall",
    "precision",
    "f1",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier_score",
)


def windows(seed: int, make=binary, rows: tuple[int, int] = (3_000, 1_500), **options):
    rng = np.random.default_rng(seed)
    reference, current = make(rng, rows[0]), make(rng, rows[1], **options)
    return (
        reference[0],
        current[0],
        {"reference_features": reference[1], "current_features": current[1]},
    )


def estimated(*args, **options) -> Estimated:
    found = estimate_performance(*args, **options)
    assert isinstance(found, Estimated), found
    json.dumps(asdict(found), allow_nan=False)
    return found


def refused(*args, **options) -> str:
    found = estimate_performance(*args, **options)
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("metric", METRICS_OF)
def test_the_labels_to_come_show_what_was_expected(metric: str) -> None:
    reference, current, _ = windows(1, shift=0.7)
    found = estimated(metric, reference, unlabelled(current))
    realised = METRICS[metric].linearise(current, {}).value
    assert found.method == "cbpe"
    assert found.value_ci[0] <= realised <= found.value_ci[1]
    assert found.reference_value == pytest.approx(METRICS[metric].linearise(reference, {}).value)
    assert found.drop == pytest.approx(METRICS[metric].sign * (found.reference_value - found.value))
    assert found.ci[0] < found.drop < found.ci[1]
    assert found.calibration is not None
    assert found.calibration.raw_error > 0.04 > found.calibration.error
    assert found.calibration.verdict == "well calibrated"


def test_the_scores_of_several_classes() -> None:
    reference, current, features = windows(2, several, shift=0.5)
    for metric in ("accuracy", "f1_macro", "roc_auc", "log_loss"):
        found = estimated(metric, reference, unlabelled(current), **features)
        realised = METRICS[metric].linearise(current, {}).value
        assert found.value_ci[0] <= realised <= found.value_ci[1]
    assert np.sum(found.confusion) == pytest.approx(1_500)
    recall = estimated("recall", reference, unlabelled(current), options={"class": "b"})
    assert recall.value_ci[0] < recall.value < recall.value_ci[1]


def test_a_class_that_the_current_window_lacks_is_not_missed() -> None:
    reference, current, _ = windows(3, several)
    kept = np.flatnonzero(current.label != 2)
    fewer = current.take(kept)
    share = fewer.score[:, :2] / fewer.score[:, :2].sum(axis=1, keepdims=True)
    narrow = replace(
        fewer,
        classes=("a", "b"),
        score=share,
        prediction=np.argmax(share, axis=1).astype(np.int32),
        label=np.full(fewer.rows, -1),
    )
    assert estimated("accuracy", reference, narrow).rows_current == len(kept)
    assert "'z'" in refused("accuracy", reference, replace(narrow, classes=("a", "z")))


def test_a_feature_that_the_score_ignores_needs_the_weighted_calibration() -> None:
    rng = np.random.default_rng(4)
    reference, known = binary(rng, 6_000, hidden=1.5)
    current, moved = binary(rng, 6_000, hidden=1.5, hidden_shift=1.0)
    features = {"reference_features": known, "current_features": moved}
    realised = METRICS["log_loss"].linearise(current, {}).value
    weighted = estimated("log_loss", reference, unlabelled(current), **features)
    plain = estimated("log_loss", reference, unlabelled(current), method="cbpe", **features)
    assert (weighted.method, plain.method) == ("pape", "cbpe")
    assert weighted.value_ci[0] <= realised <= weighted.value_ci[1]
    assert not plain.value_ci[0] <= realised <= plain.value_ci[1]
    assert weighted.overlap is not None
    assert weighted.overlap.moved
    assert weighted.effective_rows < 5_000


def test_without_a_move_the_plain_calibration_serves() -> None:
    reference, current, features = windows(5)
    found = estimated("roc_auc", reference, unlabelled(current), **features)
    assert (found.method, found.fired, found.broken) == ("cbpe", False, [])
    assert found.overlap is not None
    assert not found.overlap.moved
    assert "cannot be seen without labels" in found.assumptions[0]


def test_a_drop_of_the_mix_fires_and_says_so() -> None:
    reference, current, _ = windows(6, rows=(5_000, 5_000), shift=-1.5)
    found = estimated("recall", reference, unlabelled(current))
    assert found.fired
    assert found.ci[0] > 0
    assert found.drop > found.min_drop == 0.02
    assert "worse by" in found.detail
    assert not estimated("recall", reference, unlabelled(current), min_drop=0.99).fired


def test_labels_that_have_arrived_betray_a_concept_that_drifted() -> None:
    reference, current, _ = windows(7, rows=(5_000, 5_000), concept=1.6)
    some = np.where(np.arange(5_000) < 800, current.label, -1)
    found = estimated("accuracy", reference, replace(current, label=some))
    assert found.agreement is not None
    assert found.agreement.rows == 800
    assert found.agreement.disagrees
    assert "concept drift is suspected" in found.broken[0]
    assert "not to be relied on" in found.detail
    same, current, _ = windows(7, rows=(5_000, 5_000), shift=0.5)
    some = np.where(np.arange(5_000) < 800, current.label, -1)
    found = estimated("accuracy", same, replace(current, label=some))
    assert found.agreement is not None
    assert not found.agreement.disagrees


def test_rows_beyond_the_reference_are_said_to_be_beyond_it() -> None:
    rng = np.random.default_rng(8)
    reference, known = binary(rng, 2_000)
    current, moved = binary(rng, 1_000, shift=6)
    found = estimated(
        "accuracy", reference, unlabelled(current), reference_features=known, current_features=moved
    )
    assert any("next to no rows" in each for each in found.broken)
    assert any("outside the range" in each for each in found.broken)
    assert found.method == "cbpe"


def test_a_plan_of_labels_would_settle_it() -> None:
    reference, current, _ = windows(9, rows=(20_000, 50_000))
    found = estimated("accuracy", reference, unlabelled(current), min_drop=0.02)
    plan = found.labels_needed
    assert plan.rows == sum(each.rows for each in plan.which)
    assert plan.rows < plan.random_rows
    # Two normal quantiles squared, times p (1 - p), over the drop squared; less what a finite window saves.
    alone = 7.849 * found.value * (1 - found.value) / 0.02**2
    assert plan.random_rows == pytest.approx(alone / (1 + alone / 50_000), rel=0.02)
    assert f"{plan.rows:,} labels" in plan.sentence
    # Where the score is near the threshold a label tells most.
    most = max(plan.which, key=lambda each: each.rows / each.available)
    assert most.low < 0.5 < most.high or min(abs(most.low - 0.5), abs(most.high - 0.5)) < 0.25


def test_a_window_too_small_to_show_the_drop_says_so() -> None:
    reference, current, _ = windows(10, rows=(2_000, 60))
    plan = estimated("accuracy", reference, unlabelled(current)).labels_needed
    assert not plan.enough
    assert plan.rows <= 60 + 5
    assert "by chance" in plan.sentence
    assert "any difference" in estimated("accuracy", reference, current, min_drop=0).labels_needed.sentence


@pytest.mark.parametrize("make", [binary, several, numbers])
def test_the_order_of_rows_does_not_matter(make) -> None:
    rng = np.random.default_rng(11)
    reference, known = make(rng, 600)
    current, moved = make(rng, 400, shift=0.8)
    metric = "mean_absolute_error" if make is numbers else "roc_auc"
    first = estimated(metric, reference, current, reference_features=known, current_features=moved)
    again = estimated(metric, reference, current, reference_features=known, current_features=moved)
    assert again == first
    reference, known = shuffled(reference, known, rng.permutation(600))
    current, moved = shuffled(current, moved, rng.permutation(400))
    second = estimated(metric, reference, current, reference_features=known, current_features=moved)
    assert (second.value, *second.ci, *second.value_ci) == pytest.approx(
        (first.value, *first.ci, *first.value_ci), rel=1e-10
    )
    assert second.method == first.method


def test_unlabelled_rows_of_the_reference_are_left_out() -> None:
    reference, current, features = windows(12, rows=(1_000, 500), shift=0.8)
    partly = replace(reference, label=np.where(np.arange(1_000) < 700, reference.label, -1))
    found = estimated("roc_auc", partly, unlabelled(current), **features)
    kept = np.arange(700)
    known = {name: column.take(kept) for name, column in features["reference_features"].items()}
    same = estimated(
        "roc_auc",
        reference.take(kept),
        unlabelled(current),
        reference_features=known,
        current_features=features["current_features"],
    )
    assert found.rows_reference == 700
    assert found == same


def test_predictions_follow_from_the_threshold() -> None:
    reference, current, _ = windows(13)
    bare = [replace(each, prediction=None) for each in (reference, unlabelled(current))]
    high = estimated("recall", *bare, threshold=0.9)
    low = estimated("recall", *bare, threshold=0.1)
    assert low.value > 0.9 > high.value


def test_equal_weights_are_none_and_clusters_widen() -> None:
    reference, current, _ = windows(14)
    plain = estimated("roc_auc", reference, unlabelled(current))
    weighted = estimated(
        "roc_auc",
        replace(reference, weight=np.full(3_000, 2.0)),
        replace(unlabelled(current), weight=np.full(1_500, 5.0)),
    )
    assert (weighted.value, *weighted.ci) == pytest.approx((plain.value, *plain.ci))
    # Each row three times over tells no more than once.
    thrice = [each.take(np.repeat(np.arange(each.rows), 3)) for each in (reference, unlabelled(current))]
    clustered = estimated(
        "roc_auc",
        *(replace(each, cluster=np.repeat(np.arange(each.rows // 3), 3).astype(np.int32)) for each in thrice),
    )
    assert clustered.value == pytest.approx(plain.value, abs=5e-3)
    assert np.ptp(clustered.value_ci) == pytest.approx(np.ptp(plain.value_ci), rel=0.1)


def test_a_model_without_error_is_not_thought_to_be_infallible() -> None:
    rng = np.random.default_rng(15)
    label = (rng.random(500) < 0.5).astype(np.int8)
    data = Predictions("binary", 500, ("0", "1"), label=label, score=0.05 + 0.9 * label, prediction=label)
    found = estimated("accuracy", data, data)
    assert found.value > 0.99
    assert 0.98 < found.value_ci[0] < 0.999
    order = estimated("roc_auc", data, data)
    assert 0.9 < order.value_ci[0] < order.value <= order.value_ci[1] <= 1


def test_a_stored_calibration_gives_the_same_estimate() -> None:
    reference, current, _ = windows(16, shift=0.5)
    stored = fit_calibration(reference, ["roc_auc", "f1", "max_error"])
    assert not isinstance(stored, str)
    assert set(stored.metrics) == {"roc_auc", "f1"}
    text = to_json(stored)
    assert len(text) < 10_000
    assert from_json(text) == stored
    found = estimate_from_calibration("f1", from_json(text), current)
    fresh = estimated("f1", reference, current)
    assert isinstance(found, Estimated)
    assert (found.value, *found.ci, *found.value_ci) == (fresh.value, *fresh.ci, *fresh.value_ci)
    assert "need the reference's rows" in found.notes[-1]
    assert "knows nothing" in str(estimate_from_calibration("recall", stored, current))


def test_a_stored_calibration_of_several_classes() -> None:
    reference, current, _ = windows(17, several)
    stored = fit_calibration(reference, ["accuracy"])
    assert not isinstance(stored, str)
    found = estimate_from_calibration("accuracy", from_json(to_json(stored)), unlabelled(current))
    assert isinstance(found, Estimated)
    assert found.value == pytest.approx(estimated("accuracy", reference, current).value)


def test_what_cannot_be_stored_is_said() -> None:
    rng = np.random.default_rng(18)
    assert "rows of the reference" in str(fit_calibration(numbers(rng, 100)[0], ["mean_absolute_error"]))
    assert "no direction" in str(fit_calibration(binary(rng, 100)[0], ["selection_rate"]))
    assert "no metric" in str(fit_calibration(binary(rng, 100)[0], []))


def changed(path: tuple, value: object) -> str:
    reference, _ = binary(np.random.default_rng(19), 200)
    stored = fit_calibration(reference, ["accuracy"])
    assert not isinstance(stored, str)
    document = json.loads(to_json(stored))
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(document)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "[" * 100_000,
        changed(("schema",), "tidegate/calibration/9"),
        changed(("task",), "regression"),
        changed(("classes",), ["0"]),
        changed(("classes",), ["1", "1"]),
        changed(("curves",), []),
        changed(("curves", 0, "coefficients"), [1.0]),
        changed(("curves", 0, "coefficients"), [float("nan")] * 3),
        changed(("curves", 0, "clip"), 0.7),
        changed(("curves", 0, "clip"), 0),
        changed(("curves", 0, "knots"), [2.0, 1.0]),
        changed(("curves", 0, "spread"), [0.0, 1.0]),
        changed(("covariance",), [[1.0]]),
        changed(("covariance",), [[-1.0, 0, 0], [0, -1.0, 0], [0, 0, -1.0]]),
        changed(("covariance",), [[1e308, 1e308, 0], [1e308, 1e308, 0], [0, 0, 1e308]]),
        changed(("covariance", 0, 0), "<script>"),
        changed(("metrics", "accuracy", "variance"), -1),
        changed(("metrics", "accuracy", "covariance"), [0.0]),
        changed(("ranges",), [[1.0, 0.0]]),
        changed(("rows",), 0),
        changed(("design_effect",), 0.1),
        changed(("quality",), None),
    ],
)
def test_a_stored_calibration_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="make it anew"):
        from_json(text, shown="profile.json")


def test_losses_are_foreseen() -> None:
    reference, current, features = windows(24, numbers, (3_000, 3_000), shift=0.7)
    for metric in (
        "mean_absolute_error",
        "mean_squared_error",
        "root_mean_squared_error",
        "mean_absolute_percentage_error",
    ):
        found = estimated(metric, reference, unlabelled(current), **features)
        realised = METRICS[metric].linearise(current, {}).value
        if metric != "mean_absolute_percentage_error":
            assert found.value_ci[0] <= realised <= found.value_ci[1]
            assert found.fired
        assert found.method == "dle"
    found = estimated("mean_absolute_error", reference, unlabelled(current), **features)
    assert found.error_model is not None
    assert found.error_model.explained > 0.05
    assert found.min_drop == pytest.approx(0.05 * found.reference_value)
    assert found.labels_needed.rows < found.labels_needed.random_rows
    assert "foreseen" in found.labels_needed.which[0].of


def test_without_a_pattern_the_error_is_the_references() -> None:
    rng = np.random.default_rng(21)
    x, z = rng.normal(size=(800, 2)), rng.normal(size=(500, 2))
    then, now = (
        Predictions(
            "regression", len(each), label=each[:, 0] + rng.normal(size=len(each)), prediction=each[:, 0]
        )
        for each in (x, z)
    )
    found = estimated(
        "mean_absolute_error", then, now, reference_features=features_of(x), current_features=features_of(z)
    )
    assert found.error_model is not None
    assert found.error_model.explained < 0.01
    assert "hardly more than the reference's own error" in found.error_model.detail
    assert found.drop == pytest.approx(0, abs=0.05)
    assert found.agreement is not None
    assert not found.agreement.disagrees


def test_errors_that_grew_are_betrayed_by_the_labels_that_arrived() -> None:
    rng = np.random.default_rng(22)
    reference, known = numbers(rng, 1_000)
    current, moved = numbers(rng, 1_000, noise=2.0)
    partly = replace(current, label=np.where(np.arange(1_000) < 300, current.label, np.nan))
    found = estimated(
        "root_mean_squared_error", reference, partly, reference_features=known, current_features=moved
    )
    assert found.agreement is not None
    assert (found.agreement.rows, found.agreement.disagrees) == (300, True)
    assert "concept drift is suspected" in found.broken[0]


def test_a_regression_without_features_goes_by_its_prediction() -> None:
    rng = np.random.default_rng(23)
    reference, current = numbers(rng, 500)[0], numbers(rng, 300)[0]
    assert estimated("mean_absolute_error", reference, unlabelled(current)).rows_current == 300


def test_odd_features_are_borne() -> None:
    rng = np.random.default_rng(24)
    (reference, _), (current, _) = numbers(rng, 400), numbers(rng, 300)
    odd = {}
    for name, rows in (("reference_features", 400), ("current_features", 300)):
        levels = tuple(f"{i:06d}" for i in range(100_000))
        odd[name] = {
            "<b>\u202e": Column(
                "<b>\u202e", "number", rng.choice([1e308, -1e308, np.inf, -np.inf, np.nan], rows)
            ),
            "id": Column("id", "category", rng.integers(-1, 100_000, rows).astype(np.int32), levels),
            "empty": Column("empty", "number", np.full(rows, np.nan)),
            "constant": Column("constant", "number", np.ones(rows)),
            "kinds": Column("kinds", "number", np.ones(rows))
            if rows == 300
            else Column("kinds", "category", np.zeros(rows, dtype=np.int32), ("a",)),
        }
    assert estimated("mean_absolute_error", reference, current, **odd).rows_current == 300
    (reference, _), (current, _) = binary(rng, 400), binary(rng, 300)
    assert estimated("roc_auc", reference, current, **odd).rows_current == 300


def test_one_row_has_an_estimate_with_an_interval() -> None:
    reference, current, features = windows(25, rows=(500, 1))
    found = estimated("accuracy", reference, unlabelled(current), **features)
    assert found.rows_current == 1
    assert found.value_ci[0] < 0.5 < 1.0 == found.value_ci[1]
    reference, current, features = windows(25, numbers, (500, 1))
    assert estimated("mean_absolute_error", reference, unlabelled(current), **features).rows_current == 1


def test_bad_windows_are_refused_in_words() -> None:
    reference, current, _ = windows(26, rows=(200, 100))
    nothing = current.take(np.arange(0))
    holes = np.where(np.arange(100) == 3, np.nan, current.score)
    assert "has no rows" in refused("roc_auc", reference, nothing)
    assert "0 labelled rows" in refused("roc_auc", unlabelled(reference), current)
    assert "0 labelled rows" in refused("roc_auc", nothing, current)
    assert "20 labelled rows" in refused("roc_auc", reference.take(np.arange(20)), current)
    assert "one class" in refused("roc_auc", replace(reference, label=np.zeros(200, dtype=int)), current)
    assert "no probabilities" in refused("roc_auc", reference, replace(current, score=holes))
    assert "no probabilities" in refused("roc_auc", reference, replace(current, score=current.score * 1e308))
    assert "no scores" in refused("roc_auc", replace(reference, score=None, prediction=None), current)
    assert "positive class" in refused("roc_auc", reference, replace(current, classes=("1", "0")))
    assert "regression" in refused("roc_auc", reference, current, method="dle")
    assert "needs features" in refused("roc_auc", reference, current, method="pape")
    assert "cannot be estimated" in refused("expected_calibration_error", reference, current)
    assert "no rows" in refused("roc_auc", reference, replace(current, weight=np.zeros(100)))
    constant = replace(current, score=np.full(100, 0.3), prediction=np.zeros(100, dtype=np.int8))
    assert "precision does not exist" in refused("precision", reference, constant)


def test_bad_regressions_are_refused_in_words() -> None:
    reference, current, _ = windows(27, numbers, (200, 100))
    huge = replace(reference, label=np.where(np.arange(200) == 0, 1e308, reference.label))
    assert "too large" in refused("root_mean_squared_error", huge, current)
    assert "not finite" in refused(
        "mean_absolute_error", reference, replace(current, prediction=np.full(100, np.inf))
    )
    assert "cannot be estimated" in refused("r2", reference, current)
    assert "by DLE" in refused("mean_absolute_error", reference, current, method="cbpe")
    missing = replace(reference, label=np.full(200, np.nan))
    assert "0 labelled rows" in refused("mean_absolute_error", missing, current)
    perfect = replace(reference, label=reference.prediction)
    assert estimated("root_mean_squared_error", perfect, unlabelled(current)).value == 0


def test_a_metric_that_is_none_is_a_mistake_of_the_config() -> None:
    reference, current, _ = windows(28, rows=(200, 100))
    with pytest.raises(ConfigError, match="no metric 'accurracy'"):
        estimate_performance("accurracy", reference, current)
    with pytest.raises(ConfigError, match="needs `costs:`"):
        estimate_performance("expected_cost", reference, current)


@pytest.mark.slow
def test_a_million_rows_take_seconds() -> None:
    reference, current, _ = windows(29, rows=(1_000_000, 1_000_000), shift=0.1)
    start = time.process_time()
    estimated("roc_auc", reference, unlabelled(current))
    assert time.process_time() - start < 10
