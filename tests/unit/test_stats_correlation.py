import math

import numpy as np
import pytest
from scipy import stats

from tidegate.metrics import METRICS
from tidegate.metrics.data import Groups, Predictions
from tidegate.stats.correlation import correlation_difference, correlation_interval, pearson, spearman
from tidegate.stats.results import Linearised

BOTH = pytest.mark.parametrize(
    ("ours", "theirs"), [(pearson, stats.pearsonr), (spearman, stats.spearmanr)], ids=["pearson", "spearman"]
)


def pair(n, decimals=None, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    y = x + rng.standard_t(4, size=n)
    return (x, y) if decimals is None else (x.round(decimals), y.round(decimals))


@BOTH
@pytest.mark.parametrize("n", [2, 3, 10, 5_000])
@pytest.mark.parametrize("decimals", [None, 0])
def test_values_are_scipys(ours, theirs, n, decimals):
    x, y = pair(n, decimals, seed=n)
    assert ours(x, y).value == pytest.approx(theirs(x, y).statistic, abs=1e-12)


@BOTH
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e150, 1e300])
def test_scale_and_place_do_not_matter(ours, theirs, scale):
    x, y = pair(50)
    assert ours(x * scale, y + 1e6).value == pytest.approx(theirs(x, y).statistic, abs=1e-9)


@BOTH
@pytest.mark.parametrize("decimals", [None, 0])
def test_influence_is_the_derivative_by_the_weight_of_a_row(ours, theirs, decimals):
    x, y = pair(60, decimals)
    weight = np.random.default_rng(1).integers(1, 4, 60).astype(float)
    found, step = ours(x, y, weight), 1e-6
    for row in range(0, 60, 7):
        moved = weight.copy()
        moved[row] += step * weight.sum()
        slope = (ours(x, y, moved).value - found.value) / step
        assert slope == pytest.approx(found.influence[row], abs=1e-4)
    assert (weight * found.influence).sum() == pytest.approx(0, abs=1e-9)


@BOTH
def test_a_weight_is_a_number_of_rows(ours, theirs):
    x, y = pair(80, 0)
    weight = np.random.default_rng(2).integers(0, 4, 80)
    repeated = np.repeat(np.arange(80), weight)
    found = ours(x, y, weight.astype(float))
    assert found.value == pytest.approx(theirs(x[repeated], y[repeated]).statistic, abs=1e-12)
    alone = ours(x[repeated], y[repeated])
    assert found.influence[repeated] == pytest.approx(alone.influence, abs=1e-12)


@BOTH
def test_a_row_without_weight_is_as_if_absent(ours, theirs):
    x, y = pair(40)
    found = ours(np.append(x, 1e200), np.append(y, -1e200), np.append(np.ones(40), 0.0))
    assert found.value == pytest.approx(ours(x, y).value, abs=1e-12)
    assert np.isfinite(found.influence).all()


@BOTH
def test_equal_weights_are_none(ours, theirs):
    x, y = pair(40, 1)
    found, plain = ours(x, y, np.full(40, 2.5)), ours(x, y)
    assert found.value == pytest.approx(plain.value, rel=1e-12)
    assert found.influence == pytest.approx(plain.influence, abs=1e-12)


@BOTH
def test_the_order_of_rows_does_not_matter(ours, theirs):
    x, y = pair(10_000, 1)
    order = np.random.default_rng(3).permutation(10_000)
    found, shuffled = ours(x, y), ours(x[order], y[order])
    assert shuffled.value == pytest.approx(found.value, rel=1e-12)
    assert shuffled.influence == pytest.approx(found.influence[order], abs=1e-11)


@BOTH
@pytest.mark.parametrize("weight", [None, np.array([1.0, 1, 0, 1])])
def test_a_column_without_variation_has_no_correlation(ours, theirs, weight):
    assert math.isnan(ours(np.array([0.1, 0.1, 0.1, 0.1]), np.arange(4.0), weight).value)
    assert math.isnan(ours(np.arange(4.0), np.array([3.0, 3, 3, 3]), weight).value)
    if weight is not None:
        assert math.isnan(ours(np.array([1.0, 1, 9, 1]), np.arange(4.0), weight).value)
        assert math.isnan(ours(np.arange(4.0), np.arange(4.0), np.zeros(4)).value)


def test_the_interval_of_normal_rows_is_fishers():
    x, y = np.random.default_rng(4).multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 20_000).T
    theirs = stats.pearsonr(x, y).confidence_interval(0.95)
    found = correlation_interval(pearson(x, y), 20_000, confidence=0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=3e-4)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_rows_bound_nothing(n):
    found = Linearised(0.4, np.zeros(n))
    interval = correlation_interval(found, n, confidence=0.95)
    assert (interval.low, interval.high) == (-1, 1)
    assert correlation_difference(found, found, n, confidence=0.95).high == math.inf


@pytest.mark.parametrize("sign", [-1, 1])
def test_rows_on_one_line_do_not_make_the_correlation_certain(sign):
    x = np.arange(50.0)
    interval = correlation_interval(pearson(x, sign * 3 * x), 50, confidence=0.95)
    inner, outer = sorted((interval.low, interval.high), key=abs)
    assert outer == pytest.approx(sign)
    # Clopper and Pearson's lower limit of 50 in 50, stretched from shares to correlations.
    assert inner == pytest.approx(sign * (2 * 0.025 ** (1 / 50) - 1))


def three(n, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.normal(size=n)
    shared = rng.normal(size=n)
    return label, label + shared, label + 0.5 * shared + 0.6 * rng.normal(size=n)


@BOTH
def test_the_difference_is_negated_with_its_models(ours, theirs):
    label, first, second = three(100)
    a, b = ours(label, first), ours(label, second)
    forth = correlation_difference(a, b, 100, confidence=0.95)
    back = -correlation_difference(b, a, 100, confidence=0.95)
    assert (forth.low, forth.high) == pytest.approx((back.low, back.high), rel=1e-12)
    assert forth.p_value == pytest.approx(back.p_value, rel=1e-9)
    assert forth.low < forth.estimate == a.value - b.value < forth.high


@BOTH
@pytest.mark.parametrize("n", [12, 40, 300])
def test_the_interval_of_one_minus_the_p_value_touches_zero(ours, theirs, n):
    label, first, second = three(n, seed=n)
    a, b = ours(label, first), ours(label, second)
    p_value = correlation_difference(a, b, n, confidence=0.95).p_value
    found = correlation_difference(a, b, n, confidence=1 - p_value)
    assert min(abs(found.low), abs(found.high)) == pytest.approx(0, abs=1e-6)


def test_the_standard_error_is_that_of_resampled_rows():
    label, first, second = three(400)
    rng = np.random.default_rng(5)
    for ours in (pearson, spearman):
        found = correlation_difference(ours(label, first), ours(label, second), 400, confidence=0.95)
        drawn = (rng.integers(0, 400, 400) for _ in range(400))
        draws = [
            ours(label[rows], first[rows]).value - ours(label[rows], second[rows]).value for rows in drawn
        ]
        assert found.standard_error == pytest.approx(np.std(draws), rel=0.12)


def test_the_p_value_agrees_with_steiger_on_normal_rows():
    """Two dependent correlations of normal rows with a common column (Steiger, 1980)."""
    n = 20_000
    shape = [[1, 0.5, 0.52], [0.5, 1, 0.3], [0.52, 0.3, 1]]
    label, first, second = np.random.default_rng(6).multivariate_normal([0, 0, 0], shape, n).T
    a, b = pearson(label, first), pearson(label, second)
    r, between = (a.value + b.value) / 2, pearson(first, second).value
    psi = between * (1 - 2 * r**2) - r**2 * (1 - 2 * r**2 - between**2) / 2
    covariance = psi / (1 - r**2) ** 2
    z = (math.atanh(a.value) - math.atanh(b.value)) * math.sqrt((n - 3) / (2 - 2 * covariance))
    found = correlation_difference(a, b, n, confidence=0.95)
    assert stats.norm.isf(found.p_value / 2) == pytest.approx(abs(z), rel=0.03)


def predictions(label, prediction):
    return Predictions("regression", len(label), label=label, prediction=prediction)


@pytest.mark.parametrize("name", ["pearson_correlation", "spearman_correlation"])
def test_identical_models_differ_by_nothing(name):
    label, first, _ = three(50)
    data = predictions(label, first)
    (found,) = METRICS[name].compare(data, data, Groups.everything(50), {}, 0.95)
    assert (found.delta, found.interval.low, found.interval.high, found.p_value) == (0, 0, 0, 1)


@pytest.mark.parametrize("name", ["pearson_correlation", "spearman_correlation"])
def test_a_model_that_always_says_the_same_has_none(name):
    label, first, _ = three(50)
    constant = predictions(label, np.full(50, 0.1))
    (alone,) = METRICS[name].estimate(constant, Groups.everything(50), {}, 0.95)
    (found,) = METRICS[name].compare(constant, predictions(label, first), Groups.everything(50), {}, 0.95)
    for each in (alone, found):
        assert each.problem == "the label or the prediction is the same in every row"
    assert alone.value is None
    assert found.delta is None


def test_a_small_slice_supports_no_verdict():
    rows = (
        predictions(np.arange(3.0), np.array([0.0, 1, 3])),
        predictions(np.arange(3.0), np.arange(3.0, 0, -1)),
    )
    (found,) = METRICS["pearson_correlation"].compare(*rows, Groups.everything(3), {}, 0.95)
    assert (found.interval.low, found.interval.high, found.p_value) == (-math.inf, math.inf, 1)
