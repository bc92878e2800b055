import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from scipy import special

from tidegate.drift.concept import concept_drift
from tidegate.drift.concept_rows import side_by_side
from tidegate.errors import ConfigError
from tidegate.metrics.data import Predictions
from tidegate.stats.adjusted import Contributions, Sample, Sums, adjusted_difference, cross_fitted, moved
from tidegate.tables import Column

ROWS = 3_000


def columns(x, group):
    return {
        "x": Column("x", "number", x),
        "group": Column("group", "category", group.astype(np.int32), ("a", "b", "c")),
    }


def window(seed, rows=ROWS, shift=0.0, flip=0.0, reverse=False):
    """A model that is wrong about the groups; features may move, and labels in all rows or in one group change."""
    rng = np.random.default_rng(seed)
    x, group = rng.normal(shift, 1, rows), rng.choice(3, rows, p=[0.5, 0.3, 0.2])
    logit = 1.5 * x * np.where(group == 2, 0.3, 1.0)
    if reverse:
        logit = np.where(group == 1, -logit, logit)
    label = rng.random(rows) < special.expit(logit)
    label = np.where(rng.random(rows) < flip, ~label, label).astype(np.int32)
    score = special.expit(1.5 * x)
    data = Predictions("binary", rows, ("0", "1"), label, (score >= 0.5).astype(np.int32), score)
    return data, columns(x, group)


def found(then, now, metric="accuracy", **kwargs):
    (reference, before), (current, after) = then, now
    return concept_drift(metric, reference, current, before, after, **{"confidence": 0.95, **kwargs})


@pytest.fixture(scope="module")
def shifted():
    return found(window(1), window(2, shift=0.8))


@pytest.fixture(scope="module")
def reversed_():
    return found(window(1), window(2, reverse=True))


def test_a_change_that_features_explain(shifted):
    assert shifted.present is False
    assert shifted.remaining.p_value > 0.05
    assert shifted.relation.p_value > 0.05
    assert shifted.total.drop == pytest.approx(shifted.explained.drop + shifted.remaining.drop)
    assert shifted.total.drop < -0.03
    assert shifted.explained.ci[0] <= shifted.explained.drop <= shifted.explained.ci[1] < 0
    assert "no sign" in shifted.detail
    assert 0.6 < shifted.auc < 0.9
    json.dumps(asdict(shifted), allow_nan=False)


def test_a_relation_that_turned_in_one_region(reversed_):
    assert reversed_.present is True
    assert reversed_.remaining.ci[0] > 0.05
    assert reversed_.explained.drop == pytest.approx(0, abs=0.02)
    confirmed = [each for each in reversed_.segments.found if each.confirmed]
    assert confirmed
    assert all(each.slice.get("group") == "b" for each in confirmed)
    assert confirmed[0].ci[0] < confirmed[0].change < confirmed[0].ci[1]
    assert "group b" in reversed_.detail


def test_flipped_labels():
    result = found(window(1), window(2, flip=0.15), "roc_auc")
    assert result.present is True
    assert result.remaining.drop > 0.05
    assert result.relation.tilt < 0


def test_labels_that_rise_everywhere():
    data, features = window(2)
    up = np.where(np.random.default_rng(3).random(ROWS) < 0.3, 1, data.label).astype(np.int32)
    result = found(window(1), (replace(data, label=up), features))
    assert result.relation.shift == pytest.approx(0.15, abs=0.03)
    assert result.relation.shift_ci[0] > 0.1
    assert result.relation.effect > 0.1
    assert result.present is True


def test_the_order_of_rows_does_not_matter(reversed_):
    then, now = window(1), window(2, reverse=True)
    order = np.random.default_rng(9).permutation(ROWS)
    shuffled = [
        (data.take(order), {name: each.take(order) for name, each in features.items()})
        for data, features in (then, now)
    ]
    other = found(*shuffled)
    assert other.segments.discovered == reversed_.segments.discovered
    assert [each.slice for each in other.segments.found] == [each.slice for each in reversed_.segments.found]
    for part in ("total", "explained", "remaining"):
        a, b = getattr(other, part), getattr(reversed_, part)
        assert a.drop == pytest.approx(b.drop, rel=1e-9, abs=1e-12)
        assert a.p_value == pytest.approx(b.p_value, rel=1e-8)
    assert other.relation.statistic == pytest.approx(reversed_.relation.statistic, rel=1e-9)


def numbers(seed, rows=2_000, shift=0.0, bias=0.0, slope=1.0):
    rng = np.random.default_rng(seed)
    x, group = rng.normal(shift, 1, rows), rng.integers(0, 3, rows)
    label = slope * x + 0.3 * (group == 1) + bias + rng.normal(0, 0.5, rows)
    return Predictions("regression", rows, label=label, prediction=x), columns(x, group)


def test_regression():
    same = found(numbers(1), numbers(2, shift=0.5), None)
    assert same.metric == "root_mean_squared_error"
    assert same.present is False
    moved_on = found(numbers(1), numbers(2, bias=0.4), None)
    assert moved_on.present is True
    assert moved_on.relation.shift == pytest.approx(
        0.4 / np.std(numbers(1)[0].label - numbers(1)[0].prediction), rel=0.1
    )
    steeper = found(numbers(1), numbers(2, slope=1.5), None)
    assert steeper.present is True
    assert steeper.relation.tilt > 0


def test_several_classes_are_judged_by_the_likeliest():
    rng = np.random.default_rng(4)
    score = rng.dirichlet([2, 2, 2], 4_000)
    label = np.array([rng.choice(3, p=p) for p in score], dtype=np.int32)
    data = Predictions("multiclass", 4_000, ("a", "b", "c"), label, np.argmax(score, axis=1), score)
    features = columns(rng.normal(size=4_000), rng.integers(0, 3, 4_000))
    first, second = np.arange(2_000), np.arange(2_000, 4_000)

    def part(data, rows):
        return data.take(rows), {name: each.take(rows) for name, each in features.items()}

    assert found(part(data, first), part(data, second)).present is False
    wrong = replace(data, label=np.where(rng.random(4_000) < 0.4, (label + 1) % 3, label).astype(np.int32))
    result = found(part(data, first), part(wrong, second))
    assert result.present is True
    assert result.remaining.drop > 0.02


def test_without_a_score_the_prediction_is_judged():
    then, now = window(1), window(2, flip=0.2)
    bare = [(replace(data, score=None), features) for data, features in (then, now)]
    result = found(*bare, "roc_auc")
    assert (result.metric, result.stands_for) == ("accuracy", "roc_auc")
    assert result.relation.tilt is None
    assert result.present is True
    assert "stands for roc_auc" in result.detail


def test_a_metric_that_is_no_smooth_function_of_rows_is_replaced():
    result = found(window(1, 400), window(2, 400), "expected_calibration_error")
    assert result.metric != "expected_calibration_error"
    assert result.stands_for == "expected_calibration_error"


def test_windows_without_common_ground_give_no_verdict():
    then, now = window(1), window(2, shift=6.0)
    result = found(then, now)
    assert result.present is None
    assert result.uncovered_share > 0.2
    assert "cannot be told" in result.detail


def test_clusters_widen():
    then, now = window(1, 600), window(2, 600, flip=0.1)
    rows = np.repeat(np.arange(600), 3)
    tripled = [
        (
            replace(data.take(rows), cluster=rows.astype(np.int32)),
            {name: each.take(rows) for name, each in features.items()},
        )
        for data, features in (then, now)
    ]
    alone = [(replace(data, cluster=None), features) for data, features in tripled]
    narrow, wide = found(*alone), found(*tripled)
    width = [each.total.ci[1] - each.total.ci[0] for each in (narrow, wide)]
    assert width[1] == pytest.approx(np.sqrt(3) * width[0], rel=0.05)
    assert wide.relation.statistic < 0.5 * narrow.relation.statistic


def test_weights_and_rows_of_weight_zero():
    (data, features), now = window(1, 800), window(2, 400)
    half = np.arange(400)
    kept = data.take(half), {name: each.take(half) for name, each in features.items()}
    weighted = replace(data, weight=np.where(np.arange(800) < 400, 1.0, 0.0)), features
    assert found(weighted, now).total.drop == pytest.approx(found(kept, now).total.drop)


def test_what_cannot_be_looked_at_is_said():
    then, now = window(1, 200), window(2, 200)
    assert "has 40 labelled rows" in found(then, (now[0].take(np.arange(40)), now[1]))
    assert "no labels" in found(then, (replace(now[0], label=None), now[1]))
    assert "ranking" in found(*((replace(data, task="ranking"), features) for data, features in (then, now)))
    bare = [(replace(data, score=None, prediction=None), {}) for data, _ in (then, now)]
    assert "share no feature" in found(*bare)
    with pytest.raises(ConfigError, match="unknown metric"):
        found(then, now, "accuracyy")


@pytest.mark.parametrize("spoil", ["one class", "one score", "constant", "missing", "huge", "infinite"])
def test_degenerate_windows(spoil):
    then, now = window(1, 200), window(2, 200)
    data, features = now
    x = features["x"].values.copy()
    if spoil == "one class":
        data = replace(data, label=np.zeros(200, dtype=np.int32))
    elif spoil == "one score":
        data = replace(data, score=np.full(200, 0.5))
    elif spoil == "constant":
        x[:] = 1.0
    elif spoil == "missing":
        x[:] = np.nan
    elif spoil == "huge":
        x = x * 1e307
    else:
        x[::2] = np.inf
    now = data, {**features, "x": Column("x", "number", x)}
    for metric in ("accuracy", "roc_auc", "log_loss"):
        result = found(then, now, metric)
        if isinstance(result, str):
            assert "does not exist" in result
            continue
        json.dumps(asdict(result), allow_nan=False)


def test_regressions_of_numbers_too_large_are_said():
    then, now = numbers(1, 200), numbers(2, 200)
    huge = replace(now[0], label=np.full(200, 1e308), prediction=np.full(200, -1e308))
    assert isinstance(found(then, (huge, now[1]), None), str)
    flat = replace(then[0], label=np.zeros(200), prediction=np.zeros(200))
    assert isinstance(found((flat, then[1]), now, None), str)


def test_equal_rows_are_told_apart():
    flags = np.tile([0.0, 1.0], 200)
    data = Predictions(
        "binary", 400, ("0", "1"), flags.astype(np.int32), flags.astype(np.int32), 0.2 + 0.6 * flags
    )
    features = {"flag": Column("flag", "number", flags)}
    windows = side_by_side(data, data, features, features, seed=1)
    assert len(np.unique(windows.reference.keys)) == 400


def test_ridge_regressions_are_those_of_the_normal_equations():
    rng = np.random.default_rng(3)
    x, noise = rng.normal(size=(500, 3)), rng.normal(size=(500, 2))
    y = np.column_stack((1 + 2 * x[:, 0], x @ np.array([1.0, -1.0, 0.5]))) + 0.1 * noise
    fold = np.arange(500) % 5
    fitted = cross_fitted([Sums.of(x[fold == k], y[fold == k]) for k in range(5)], np.zeros(3, dtype=bool))
    for k in range(5):
        design = np.column_stack((np.ones(400), x[fold != k]))
        plain = np.linalg.lstsq(design, y[fold != k], rcond=None)[0]
        assert fitted.coefficients[k] == pytest.approx(plain, abs=0.02)
    assert fitted.own(x, fold) == pytest.approx(y, abs=0.5)
    assert fitted.other(x) == pytest.approx(fitted.own(x, fold), abs=0.05)


def test_without_weights_and_regression_it_is_the_test_of_welch():
    from scipy import stats

    rng = np.random.default_rng(3)
    a, b = rng.normal(size=60), rng.normal(0.5, 2, size=40)
    nothing = [np.zeros((len(each), 1)) for each in (a, b)]
    difference = adjusted_difference(
        Sample(a[:, None], nothing[0], np.ones(60)), Sample(b[:, None], nothing[1], np.ones(40))
    )
    peer = stats.ttest_ind(b, a, equal_var=False)
    assert difference.value[0] / difference.error[0] == pytest.approx(peer.statistic)
    assert difference.degrees_of_freedom == pytest.approx(peer.df)
    statistic, df, p_value = difference.chi_squared()
    assert (statistic, df, p_value) == pytest.approx((peer.statistic**2, 1, peer.pvalue))


def test_of_one_unit_nothing_is_known():
    single = moved(np.ones(1), Contributions(np.ones((4, 1)), np.zeros(4, dtype=np.int32)))
    assert np.isinf(single.error[0])
    assert single.degrees_of_freedom == 0
    assert single.chi_squared() == (0.0, 0, 1.0)


def test_windows_of_one_cluster_support_no_verdict():
    then, now = window(1, 200), window(2, 200, flip=0.4)
    one = [(replace(data, cluster=np.zeros(200, dtype=np.int32)), features) for data, features in (then, now)]
    result = found(*one)
    assert (result.present, result.ci) == (None, None)
    assert "of a single cluster" in result.detail
