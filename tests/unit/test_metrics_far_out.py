import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import special

from tidegate.metrics import METRICS
from tidegate.metrics.base import Paired
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.far_out import FAR_OUT, compare
from tidegate.stats.distribution_free import exact_share, paired_shares, weighted_mean
from tidegate.tables import Column

ERROR = 0.05 * 2**-32
N = 3_000


def binary(seed: int, skill: float, rows: int = N) -> Predictions:
    truth, rng = np.random.default_rng(0), np.random.default_rng(seed)
    label = truth.random(rows) < 0.3
    score = special.expit(skill * (label - 0.5) * 3 + rng.normal(0, 1, rows))
    return Predictions(
        task="binary",
        rows=rows,
        classes=("0", "1"),
        label=label.astype(np.int8),
        prediction=(score >= 0.5).astype(np.int8),
        score=score,
    )


CANDIDATE, PRODUCTION = binary(1, 1.6), binary(2, 0.4)
EVERYTHING = Groups.everything(N)


def asked(
    name: str,
    candidate: Predictions = CANDIDATE,
    production: Predictions = PRODUCTION,
    groups: Groups = EVERYTHING,
    error: float = ERROR,
    **options: Any,
) -> list[Paired]:
    metric = METRICS[name]
    return compare(
        metric, candidate, production, groups, {**metric.settled, **options}, 1 - error, error=error
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("accuracy", {}),
        ("recall", {}),
        ("specificity", {}),
        ("false_positive_rate", {}),
        ("f1_micro", {}),
        ("selection_rate", {}),
        ("brier_score", {}),
        ("expected_cost", {"costs": {"fp": 1, "fn": 4}}),
        ("roc_auc", {}),
        ("f1", {}),
        ("precision", {}),
        ("recall", {"class": "0"}),
        ("f1", {"class": "0"}),
    ],
)
def test_the_estimates_are_those_of_the_usual_comparison(name, options):
    groups = Groups((np.arange(N) % 3 - 1).astype(np.int32), ({"g": "a"}, {"g": "b"}))
    metric = METRICS[name]
    usual = metric.compare(CANDIDATE, PRODUCTION, groups, {**metric.settled, **options}, 0.95)
    for ours, theirs in zip(asked(name, groups=groups, **options), usual, strict=True):
        assert ours.problem == ""
        assert (ours.candidate, ours.production, ours.delta) == pytest.approx(
            (theirs.candidate, theirs.production, theirs.delta), rel=1e-12
        )
        assert ours.rows == theirs.rows
        # Wider than at 95%, on both sides.
        assert ours.interval.low < theirs.interval.low
        assert ours.interval.high > theirs.interval.high
        assert ours.p_better == pytest.approx(1 - ours.p_value / 2 if ours.delta > 0 else ours.p_value / 2)


def test_a_share_is_bounded_by_its_discordant_rows():
    (found,) = asked("recall")
    positive = CANDIDATE.label == 1
    a, b = CANDIDATE.prediction[positive] == 1, PRODUCTION.prediction[positive] == 1
    expected = paired_shares(int((a & ~b).sum()), int((b & ~a).sum()), int(positive.sum()), error=ERROR)
    assert (found.interval.low, found.interval.high) == (expected.low, expected.high)
    assert found.p_value == expected.p_value


def test_a_better_candidate_is_found_far_out():
    for name in ("accuracy", "roc_auc", "brier_score", "f1"):
        (found,) = asked(name)
        assert found.p_value < ERROR
        assert found.interval.low > 0


def test_the_confidence_alone_will_do_while_a_float_holds_it():
    metric = METRICS["accuracy"]
    (by_confidence,) = compare(metric, CANDIDATE, PRODUCTION, EVERYTHING, {}, 1 - 1e-6)
    (by_error,) = asked("accuracy", error=1e-6)
    assert by_confidence.interval.low == pytest.approx(by_error.interval.low, rel=1e-9)
    with pytest.raises(ValueError, match="the error must lie between 0 and 1, not 0"):
        compare(metric, CANDIDATE, PRODUCTION, EVERYTHING, {}, 1.0)
    assert asked("accuracy", error=1e-290)[0].interval.low < by_error.interval.low
    assert ERROR < FAR_OUT < 0.05 / 32


@pytest.mark.parametrize("name", ["accuracy", "recall", "roc_auc", "f1", "precision", "brier_score"])
def test_models_that_answer_alike_are_the_same(name):
    (found,) = asked(name, production=replace(CANDIDATE))
    assert (found.delta, found.interval.low, found.interval.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_a_slice_without_a_difference_of_models_that_differ_is_bounded_all_the_same():
    agree = np.flatnonzero(CANDIDATE.prediction == PRODUCTION.prediction)
    codes = np.full(N, -1, dtype=np.int32)
    codes[agree] = 0
    (found,) = asked("accuracy", groups=Groups(codes, ({"g": "a"},)))
    assert found.delta == 0
    assert found.interval.high == exact_share(0, len(agree), error=ERROR / 10).high > 0


@pytest.mark.parametrize(
    ("name", "task", "use"),
    [
        ("log_loss", "binary", "accuracy, recall, f1, roc_auc or brier_score"),
        ("matthews_corrcoef", "binary", "accuracy, recall, f1, roc_auc or brier_score"),
        ("average_precision", "binary", "accuracy, recall, f1, roc_auc or brier_score"),
        ("balanced_accuracy", "binary", "accuracy, recall, f1, roc_auc or brier_score"),
        ("roc_auc", "multiclass", "accuracy, recall, f1 or brier_score"),
        ("root_mean_squared_error", "regression", "a share of rows such as share_above"),
        ("mean_absolute_error", "regression", "a share of rows such as share_above"),
    ],
)
def test_a_metric_without_a_bound_says_what_to_use(name, task, use):
    a, b = (
        replace(data, task=task, prediction=data.prediction.astype(np.int8))
        for data in (CANDIDATE, PRODUCTION)
    )
    (found,) = asked(name, a, b)
    assert found.problem == f"no bound holds at this level for {name}: use {use}, or a shorter horizon"
    assert (found.delta, found.interval, found.rows) == (None, None, N)


def test_slices_without_what_a_metric_stands_on():
    codes = np.where(CANDIDATE.label == 1, 0, 1).astype(np.int32)
    groups = Groups(codes, ({"g": "a"}, {"g": "b"}, {"g": "none"}))
    positives, negatives, none = asked("roc_auc", groups=groups)
    assert positives.problem == negatives.problem == "all rows are of one class"
    assert none.problem == "the slice has no rows"
    assert asked("recall", groups=groups)[1].problem == "there are no rows with a value"
    nobody = replace(PRODUCTION, prediction=np.zeros(N, dtype=np.int8))
    assert asked("precision", production=nobody)[0].problem == "no row is predicted positive"


def column(values: np.ndarray) -> dict[Any, Column]:
    return {("x", "number"): Column("x", "number", values)}


def of_column(a: np.ndarray, b: np.ndarray, name: str, **options: Any) -> Paired:
    first, second = (Predictions("regression", len(x), columns=column(x)) for x in (a, b))
    return asked(name, first, second, Groups.everything(len(a)), column="x", **options)[0]


def test_columns_that_are_shares_are_bounded_and_others_are_not():
    rng = np.random.default_rng(3)
    a, b = (rng.random((2, 500)) < 0.5).astype(float)
    a[7] = math.nan
    found = of_column(a, b, "mean")
    won, lost = int((a > b).sum()), int((a < b).sum())
    assert found.rows == 499
    assert found.interval.high == paired_shares(won, lost, 499, error=ERROR).high
    assert of_column(a + 0.5, b, "mean").problem.startswith("no bound holds at this level for mean")
    above = of_column(a * 3, b * 3, "share_above", at=2)
    assert above.interval.high == found.interval.high


def test_rows_that_depend_on_each_other_have_no_bound():
    codes = np.arange(50, dtype=np.int32)
    data = Predictions(
        "regression",
        50,
        columns={("x", "category"): Column("x", "category", codes, tuple(map(str, codes)))},
    )
    (found,) = asked("duplicate_share", data, data, Groups.everything(50), column="x")
    assert found.problem.startswith("no bound holds at this level for duplicate_share")


# --- clusters and weights


def test_clusters_count_as_one_each():
    cluster = (np.arange(N) // 10).astype(np.int32)
    a, b = replace(CANDIDATE, cluster=cluster), replace(PRODUCTION, cluster=cluster)
    (found,) = asked("accuracy", a, b)
    right = (data.label == data.prediction for data in (a, b))
    difference = np.subtract(*(each.astype(float) for each in right)).reshape(-1, 10).mean(axis=1)
    expected = weighted_mean(difference, np.ones(N // 10), 2.0, error=ERROR)
    assert (found.rows, found.clusters) == (N, N // 10)
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (expected.low, expected.high), rel=1e-12
    )
    assert found.delta == pytest.approx(asked("accuracy")[0].delta, rel=1e-12)
    alone = asked("accuracy", replace(a, cluster=np.arange(N, dtype=np.int32)), b)[0]
    assert alone.interval.high - alone.interval.low < found.interval.high - found.interval.low


def test_weights_count():
    weight = np.where(np.arange(N) % 2, 2.0, 0.0)
    a, b = replace(CANDIDATE, weight=weight), replace(PRODUCTION, weight=weight)
    (weighted,) = asked("brier_score", a, b)
    odd = Groups((np.arange(N) % 2 - 1).astype(np.int32), ({"g": "odd"},))
    plain = asked("brier_score", groups=odd)[0]
    assert weighted.delta == pytest.approx(plain.delta, rel=1e-12)
    assert weighted.clusters is None
    half = weighted.interval.high - weighted.delta
    assert half == pytest.approx(2 * math.sqrt(math.log(2 / ERROR) / N), rel=1e-12)
    nothing = replace(a, weight=np.zeros(N))
    assert asked("brier_score", nothing, b)[0].problem == "there are no rows with a value"


@pytest.mark.parametrize("name", ["roc_auc", "f1", "precision"])
@pytest.mark.parametrize("what", ["cluster", "weight"])
def test_where_no_bound_is_known_clusters_and_weights_say_so(name, what):
    values = {"cluster": np.zeros(N, dtype=np.int32), "weight": np.ones(N)}[what]
    a, b = (replace(data, **{what: values}) for data in (CANDIDATE, PRODUCTION))
    (found,) = asked(name, a, b)
    assert found.problem.startswith(
        f"no bound holds at this level for {name} of rows in clusters or with weights"
    )
