import itertools
from typing import Any

import numpy as np
import pytest

from tidegate.commands.policies import policy_of
from tidegate.config import Drift, Retrain
from tidegate.drift.performance import realised_drop
from tidegate.drift.quality import Finding
from tidegate.drift.results import DriftResult
from tidegate.drift.univariate import ColumnTest, compare_columns
from tidegate.drift.windows import NEVER, Window, watch
from tidegate.metrics.data import Predictions
from tidegate.tables import Column

RNG = np.random.default_rng(1)
NORMAL = RNG.normal(size=2_000)
OTHER = RNG.normal(size=2_000)


def number(values: Any, name: str = "x") -> Column:
    return Column(name, "number", np.asarray(values, dtype=np.float64))


def category(codes: Any, *levels: Any) -> Column:
    return Column("x", "category", np.asarray(codes, dtype=np.int32), levels)


def outcome(reference: Column, current: Column, min_effect: float = 0.05) -> ColumnTest:
    return compare_columns(reference, current, min_effect=min_effect)


def test_a_shifted_number():
    found = outcome(number(NORMAL), number(OTHER + 0.5))
    assert (found.kind, found.test) == ("numeric", "Kolmogorov-Smirnov")
    assert found.p_value < 1e-12
    assert found.effect == pytest.approx(0.5, abs=0.05)
    assert "median" in found.detail
    assert found.findings == ()


def test_effects_are_in_units_of_the_reference_spread():
    wide = outcome(number(1000 * NORMAL), number(1000 * (OTHER + 0.5)))
    assert wide.effect == pytest.approx(outcome(number(NORMAL), number(OTHER + 0.5)).effect)


def test_effects_are_corrected_for_what_chance_gives():
    same = [outcome(number(a), number(b)).effect for a, b in itertools.pairwise(RNG.normal(size=(30, 100)))]
    # The plain distance of two samples of a hundred is about 0.15 standard deviations.
    assert np.median(same) < 0.1
    names = tuple(f"id {i:03d}" for i in range(400))
    identifiers = outcome(category(range(200), *names), category(range(200, 400), *names))
    assert identifiers.effect < 0.05
    assert identifiers.p_value > 0.5


@pytest.mark.parametrize("share", [0.02, 0.3])
def test_a_flag_is_tested_by_its_shares(share):
    flags = [(np.arange(20_000) < 20_000 * s).astype(float) for s in (share, share * 1.5)]
    found = outcome(number(flags[0]), number(flags[1]))
    assert found.test == "chi-squared on frequent values"
    assert found.p_value < 1e-9


def test_missing_values_are_a_change_of_their_own():
    gappy = np.where(np.arange(2_000) % 5 == 0, np.nan, OTHER)
    found = outcome(number(NORMAL), number(gappy))
    assert found.test == "chi-squared on missing values"
    assert found.effect == pytest.approx(0.2, abs=0.01)
    assert "missing 0.0% → 20.0%" in found.detail


def test_a_certain_trifle_does_not_hide_a_large_change():
    x = np.linspace(-2, 2, 200_000)
    gappy = np.where(np.arange(200_000) % 10 == 0, np.nan, x + 0.03)
    found = outcome(number(x), number(gappy), min_effect=0.05)
    assert found.test == "chi-squared on missing values"
    assert found.effect == pytest.approx(0.1, abs=0.01)


def test_a_new_and_a_vanished_category():
    found = outcome(category([0, 1] * 100, "a", "b", "c"), category([1, 2] * 100, "a", "b", "c"))
    assert found.kind == "categorical"
    assert found.p_value < 1e-12
    assert found.effect == pytest.approx(0.5, abs=0.03)
    assert "new: c" in found.detail
    assert "vanished: a" in found.detail


def test_categories_meet_by_value_whatever_their_codes_and_spelling():
    found = outcome(category([0, 1] * 100, 1, 2), category([1, 0] * 100, "2", "1"))
    assert (found.p_value, found.effect, found.findings) == (1.0, 0.0, ())


BIG = 1.7e308
ODD = {
    "one row": (number([1.0]), number([2.0])),
    "constant": (number([3.0] * 50), number([3.0] * 50)),
    "constant that moved": (number([3.0] * 50), number([4.0] * 50)),
    "all missing": (number([np.nan] * 9), number([np.nan] * 9)),
    "all missing now": (number(NORMAL), number([np.nan] * 50)),
    "no category now": (category([0, 1] * 50, "a", "b"), category([-1] * 50)),
    "infinite": (number(NORMAL), number([np.inf, -np.inf, *NORMAL])),
    "only infinite": (number([np.inf] * 5), number([-np.inf] * 5)),
    "huge": (number([BIG, -BIG] * 20), number([-BIG, BIG, 0.0] * 20)),
    "number to text": (number([1.0, 2.0] * 20), category([0, 1] * 20, "1", "two")),
    "text to number": (category([0, 1] * 20, "1", "two"), number([1.0, np.nan] * 20)),
    "times": (
        Column("x", "time", np.array(["2020-01-01", "NaT"], dtype="datetime64[us]")),
        Column("x", "time", np.array(["2021-01-01"], dtype="datetime64[us]")),
    ),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("columns", ODD.values(), ids=ODD)
def test_odd_columns_have_finite_answers(columns):
    for then, now in (columns, columns[::-1]):
        found = outcome(then, now)
        assert 0 <= found.p_value <= 1
        assert 0 <= found.effect < 1e9
        if found.distribution:
            for shares in (found.distribution.reference, found.distribution.current):
                assert len(shares) == len(found.distribution.labels)
                assert sum(shares) == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("all missing now", ("all values are missing in the current window",)),
        ("no category now", ("all values are missing in the current window",)),
        ("number to text", ("was number, is category",)),
        ("infinite", ("2 infinite values, of which the reference has none; taken as missing",)),
        # Nothing changed in these.
        ("only infinite", ()),
        ("all missing", ()),
        ("constant", ()),
    ],
)
def test_what_is_wrong_with_a_column_is_said(name, words):
    assert outcome(*ODD[name]).findings == words


def window(rows: int = 2_000, *, prediction: Any = None, label: Any = None, **features: Column) -> Window:
    return Window(rows, features, prediction=prediction, label=label)


def report(then: Window, now: Window, when: list[Any] | None = None, **keys: Any) -> DriftResult:
    policy = None if when is None else Retrain.model_validate({"when": when, **keys})
    return watch(then, now, policy_of(policy, Drift()))


SHIFTED = number(OTHER + 0.5)


def test_without_change_there_is_nothing_to_say():
    result = report(window(x=number(NORMAL)), window(x=number(OTHER)), ["drift"])
    assert (result.decision, result.triggers[0].value) == ("none", False)
    assert result.features[0].adjusted_p_value == result.features[0].p_value


def test_drift_is_watched_without_a_policy_and_retrains_with_one():
    windows = window(x=number(NORMAL)), window(x=SHIFTED)
    assert report(*windows).decision == "watch"
    assert report(*windows, []).decision == "watch"
    assert report(*windows, ["performance_drop"]).decision == "watch"
    result = report(*windows, ["drift"])
    assert result.decision == "retrain"
    assert result.triggers[0].fired
    assert "1 of 1 feature drifted: x" in result.reasons[1]


@pytest.mark.parametrize(
    ("keys", "said"), [({"min_labels": 5}, "min_labels"), ({"consecutive": 2}, "1 of 2")]
)
def test_a_trigger_may_be_held_back(keys, said):
    result = report(window(x=number(NORMAL)), window(x=SHIFTED), ["drift"], **keys)
    assert result.decision == "watch"
    assert result.triggers[0].fired
    assert any(said in reason for reason in result.reasons)


def test_a_change_must_be_both_certain_and_large():
    then, now = window(x=number(NORMAL)), window(x=SHIFTED)
    assert watch(then, now, min_effect=0.3).features[0].drifted
    assert not watch(then, now, min_effect=0.7).features[0].drifted
    few = window(10, x=number(NORMAL[:10])), window(10, x=number(OTHER[:10] + 1.0))
    assert watch(*few, min_effect=0).features[0].effect > 0.3
    assert not watch(*few, min_effect=0).features[0].drifted


def test_all_columns_share_the_rate():
    p_value = outcome(number(NORMAL[:200]), number(OTHER[:200] + 0.3)).p_value
    assert 0.0001 < p_value < 0.01
    moved = (number(NORMAL[:200]), number(OTHER[:200] + 0.3))
    still = {f"s{i}": number(NORMAL[:200]) for i in range(99)}
    alone = report(window(200, x=moved[0]), window(200, x=moved[1]))
    among = report(window(200, x=moved[0], **still), window(200, x=moved[1], **still))
    assert alone.features[0].drifted
    assert not among.features[0].drifted
    assert among.features[0].adjusted_p_value == pytest.approx(min(1, 100 * p_value))


def labelled(rows: int, right: float) -> Predictions:
    label = np.tile([0, 1], rows // 2).astype(np.int32)
    wrong = np.arange(rows) >= right * rows
    return Predictions("binary", rows, ("0", "1"), label=label, prediction=np.where(wrong, 1 - label, label))


def with_labels(right: float, features: Column, rows: int = 2_000) -> Window:
    return Window(rows, {"x": features}, labelled=labelled(rows, right))


def test_half_of_the_rate_is_spent_on_performance_where_it_is_known():
    # A p-value between half of the rate and the whole of it.
    for shift in np.linspace(0, 0.3, 600):
        p_value = outcome(number(NORMAL), number(OTHER + shift)).p_value
        if 0.0055 < p_value < 0.0095:
            break
    then, now = (with_labels(0.9, column) for column in (number(NORMAL), number(OTHER + shift)))
    assert watch(then, now, min_effect=0).features[0].drifted
    judged = watch(then, now, min_effect=0, metric="accuracy")
    assert not judged.features[0].drifted
    assert judged.performance is not None
    assert judged.performance.realised is not None
    assert judged.performance.realised.confidence == 0.99


@pytest.mark.parametrize(
    ("now", "min_drop", "rows", "fired"),
    [
        (0.80, None, 2_000, True),
        (0.885, None, 200_000, False),  # certain, but under 0.02
        (0.885, 0.01, 200_000, True),
        (0.80, None, 100, False),  # large, but not certain
        (0.99, None, 2_000, False),
    ],
)
def test_a_drop_fires_when_it_is_certain_and_large(now, min_drop, rows, fired):
    found = realised_drop(
        "accuracy", labelled(rows, 0.9), labelled(rows, now), confidence=0.99, min_drop=min_drop
    ).realised
    assert found is not None
    assert found.fired is fired
    assert found.drop == pytest.approx(0.9 - now)
    assert found.ci[0] < found.drop < found.ci[1]
    assert (found.ci[0] > 0) == (fired or rows == 200_000)


@pytest.mark.parametrize(("factor", "fired"), [(1.04, False), (1.1, True), (0.5, False)])
def test_errors_drop_when_they_rise_by_a_share_of_the_reference(factor, fired):
    label = np.zeros(40_000)
    errors = np.tile([1.0, -1.0, 2.0, -2.0], 10_000)
    then, now = (Predictions("regression", 40_000, label=label, prediction=errors * f) for f in (1.0, factor))
    found = realised_drop("root_mean_squared_error", then, now, confidence=0.99, min_drop=None).realised
    assert found is not None
    assert found.min_drop == pytest.approx(0.05 * np.sqrt(2.5))
    assert found.drop == pytest.approx((factor - 1) * np.sqrt(2.5))
    assert found.fired is fired


def test_performance_that_cannot_be_known_is_said_and_fires_nothing():
    windows = with_labels(0.9, number(NORMAL)), Window(2_000, {"x": number(OTHER)})
    policy = policy_of(Retrain(when=["performance_drop", "estimated_drop"]), Drift())
    result = watch(*windows, policy, metric="accuracy")
    assert result.decision == "none"
    assert [trigger.value for trigger in result.triggers] == [None, None]
    assert "performance_drop is not known" in result.triggers[0].detail
    assert "the current window has no labels" in result.triggers[0].detail
    one_class = Predictions("binary", 4, ("0", "1"), label=np.zeros(4, dtype=int), score=np.linspace(0, 1, 4))
    found = realised_drop("roc_auc", one_class, one_class, confidence=0.99, min_drop=None)
    assert found.realised is None
    assert "all rows are of one class" in found.detail


def test_predictions_and_labels_are_watched_beside_the_features():
    codes = np.arange(2_000) % 2
    late = np.where(np.arange(2_000) < 1_000, -1, codes)
    then = window(x=number(NORMAL), prediction=number(NORMAL), label=category(codes, 0, 1))
    now = window(x=number(OTHER), prediction=SHIFTED, label=category(late, 0, 1))
    result = report(then, now, ["prediction_drift", "label_drift", "drift", "new_labels == 1000"])
    assert result.prediction_drift is not None
    assert result.label_drift is not None
    # Labels that have not arrived yet are no drift.
    assert not result.label_drift.drifted
    assert result.label_drift.p_value == 1
    assert [trigger.value for trigger in result.triggers] == [True, False, False, True]
    assert [feature.feature for feature in result.features] == ["x"]


def test_findings_are_watched_and_can_trigger():
    finding = Finding("schema", "gone", None, "the column is missing in current.csv")
    windows = window(x=number(NORMAL)), window(x=number(OTHER))
    assert watch(*windows, NEVER, findings=[finding]).decision == "watch"
    policy = policy_of(Retrain(when=["data_quality"]), Drift())
    assert watch(*windows, policy, findings=[finding]).decision == "retrain"
