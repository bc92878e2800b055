from dataclasses import replace

import numpy as np
import pytest
from label_free_windows import binary, several
from sklearn import metrics as peers

from tidegate.drift.label_free.curves import FOLDS, fit_curve
from tidegate.drift.label_free.expected import expected_cells, expected_metric, require_expectable
from tidegate.drift.label_free.quality import calibration_quality
from tidegate.drift.label_free.results import CannotEstimateError
from tidegate.metrics import find
from tidegate.metrics.data import Predictions
from tidegate.stats.calibration import calibration_error_interval, reliability_table

COSTS = {"costs": {"fp": 1.0, "fn": 4.0}}
BINARY = (
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "specificity",
    "f1",
    "roc_auc",
    "average_precision",
    "log_loss",
    "brier_score",
    "false_positive_rate",
    "false_negative_rate",
    "matthews_corrcoef",
    "cohen_kappa",
    "expected_cost",
)
MULTICLASS = (
    "accuracy",
    "f1_macro",
    "recall_weighted",
    "roc_auc",
    "log_loss",
    "brier_score",
    "top_k_accuracy@2",
)


def measured(name: str):
    found = find(name)
    assert found is not None
    options = {**found.metric.settled, **found.implied, **(COSTS if name == "expected_cost" else {})}
    return found.metric, options


def certain(data: Predictions) -> np.ndarray:
    return np.eye(len(data.classes))[data.label]


def blurred(rng: np.random.Generator, data: Predictions) -> np.ndarray:
    return rng.dirichlet(np.ones(len(data.classes)), data.rows)


@pytest.mark.parametrize(
    ("name", "make"), [*((n, binary) for n in BINARY), *((n, several) for n in MULTICLASS)]
)
def test_chances_that_are_certain_give_the_metric_itself(name: str, make) -> None:
    data, _ = make(np.random.default_rng(1), 300)
    metric, options = measured(name)
    found = expected_metric(metric, replace(data, label=None), certain(data), options)
    assert found.value == pytest.approx(metric.linearise(data, options).value, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "make"), [*((n, binary) for n in BINARY), *((n, several) for n in MULTICLASS)]
)
def test_the_influence_is_the_derivative_by_a_chance(name: str, make) -> None:
    rng = np.random.default_rng(2)
    data, _ = make(rng, 40)
    data = replace(data, weight=rng.uniform(0.5, 2, 40))
    metric, options = measured(name)
    chances, step = blurred(rng, data), 1e-6
    found = expected_metric(metric, data, chances, options)
    scale = data.weight / data.weight.sum()
    for row in (0, 7, 39):
        moved = chances.copy()
        moved[row, 0] -= step
        moved[row, 1] += step
        change = expected_metric(metric, data, moved, options).value - found.value
        pull = scale[row] * (found.influence[row, 1] - found.influence[row, 0])
        assert change / step == pytest.approx(pull, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "peer", "of"),
    [
        ("roc_auc", peers.roc_auc_score, "score"),
        ("average_precision", peers.average_precision_score, "score"),
        ("log_loss", peers.log_loss, "score"),
        ("brier_score", peers.brier_score_loss, "score"),
        ("f1", peers.f1_score, "prediction"),
        ("precision", peers.precision_score, "prediction"),
        ("balanced_accuracy", peers.balanced_accuracy_score, "prediction"),
    ],
)
def test_it_is_scikit_learns_metric_of_each_row_once_per_class_with_its_chance_as_weight(
    name, peer, of
) -> None:
    rng = np.random.default_rng(3)
    data, _ = binary(rng, 200)
    data = replace(data, score=np.round(data.score, 2))
    chances = blurred(rng, data)
    metric, options = measured(name)
    answer = np.concatenate([getattr(data, of)] * 2)
    theirs = peer(np.repeat([0, 1], 200), answer, sample_weight=chances.T.ravel())
    assert expected_metric(metric, data, chances, options).value == pytest.approx(theirs, rel=1e-9)


def test_expected_cells_add_up_to_the_rows() -> None:
    data, _ = several(np.random.default_rng(4), 100)
    cells = expected_cells(data, blurred(np.random.default_rng(5), data))
    assert cells.sum() == pytest.approx(100)
    assert cells.sum(axis=0) == pytest.approx(np.bincount(data.prediction, minlength=3))


@pytest.mark.parametrize(
    ("name", "task", "words"),
    [
        ("selection_rate", "binary", "no direction"),
        ("expected_calibration_error", "binary", "cannot be estimated"),
        ("average_precision", "multiclass", "no metric of a multiclass task"),
    ],
)
def test_a_metric_without_expectation_is_refused_in_words(name: str, task: str, words: str) -> None:
    with pytest.raises(CannotEstimateError, match=words):
        require_expectable(measured(name)[0], task)


def fitted(score: np.ndarray, hit: np.ndarray, weight: np.ndarray | None = None):
    rows = len(score)
    return fit_curve(
        score, hit.astype(float), np.ones(rows) if weight is None else weight, np.arange(rows) % FOLDS
    )


def test_the_curve_is_beta_calibration() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(6)
    score = rng.beta(1, 2, 1_000)
    chance = score**1.5 / (score**1.5 + 0.7 * (1 - score) ** 0.6)
    hit = rng.random(1_000) < chance
    found = fitted(score, hit)
    logs = np.column_stack((np.log(score), -np.log1p(-score)))
    theirs = LogisticRegression(C=1e6).fit(logs, hit).predict_proba(logs)[:, 1]
    assert found.curve.knots == ()
    assert found.curve.chance(score) == pytest.approx(theirs, abs=2e-3)
    assert np.abs(found.curve.chance(score) - chance).max() < 0.1


def test_the_curve_bends_where_beta_calibration_cannot_follow() -> None:
    rng = np.random.default_rng(7)
    score = rng.random(20_000)
    chance = np.where(score < 0.5, 0.1, 0.5) + 0.2 * (score > 0.9)
    found = fitted(score, rng.random(20_000) < chance)
    grid = np.array([0.1, 0.3, 0.7, 0.85, 0.97])
    assert len(found.curve.knots) > 0
    assert found.curve.chance(grid) == pytest.approx([0.1, 0.1, 0.5, 0.5, 0.7], abs=0.07)


@pytest.mark.parametrize(
    "score",
    [np.full(60, 0.4), np.repeat([0.0, 1.0], 30), np.repeat([0.2, 0.8], 30), np.linspace(1e-300, 1, 60)],
)
def test_odd_scores_have_a_curve_of_chances(score: np.ndarray) -> None:
    found = fitted(score, np.arange(60) >= 30)
    for chances in (found.curve.chance(score), found.left_out, found.curve.chance(np.array([0, 0.5, 1.0]))):
        assert ((chances >= 0) & (chances <= 1)).all()
    assert np.isfinite(found.inverse).all()


def test_a_row_of_weight_two_counts_as_two_rows() -> None:
    rng = np.random.default_rng(8)
    score, hit = rng.random(400), rng.random(400) < 0.4
    twice = np.concatenate((score, score[:100])), np.concatenate((hit, hit[:100]))
    weight = np.where(np.arange(400) < 100, 2.0, 1.0)
    first = fit_curve(score, hit.astype(float), weight, np.arange(400) % FOLDS).curve
    second = fit_curve(twice[0], twice[1].astype(float), np.ones(500), np.arange(500) % FOLDS).curve
    # The unit of weight is a row, whatever the rows are.
    assert first.chance(score) == pytest.approx(second.chance(score), abs=1e-4)


def test_the_calibration_error_is_the_usual_one_of_ten_equal_bins() -> None:
    rng = np.random.default_rng(9)
    chance = rng.random(2_000)
    label = (rng.random(2_000) < chance**1.3).astype(int)
    both = np.column_stack((1 - chance, chance))
    found = calibration_quality(label, both, both, np.ones(2_000), 0.95)
    table = reliability_table(label, chance, bins=10, binning="quantile")
    usual = calibration_error_interval(table, confidence=0.95)
    assert found.error == pytest.approx(table.expected_calibration_error, abs=1e-3)
    assert found.ci == pytest.approx((usual.low, usual.high), abs=2e-3)
    assert found.raw_error == found.error
    assert found.verdict == "poor"


def test_few_rows_do_not_tell_whether_chances_hold() -> None:
    rng = np.random.default_rng(10)
    chance = rng.random(40)
    both = np.column_stack((1 - chance, chance))
    found = calibration_quality((rng.random(40) < chance).astype(int), both, both, np.ones(40), 0.95)
    assert found.verdict == "not known"
    assert "too few rows" in found.detail
