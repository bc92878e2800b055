import numpy as np
import pytest
from scipy import stats

from tidegate.stats.bootstrap import (
    bootstrap_interval,
    cell_bootstrap,
    cell_interval,
    cell_paired,
    row_bootstrap_paired,
    row_interval,
)
from tidegate.stats.results import UndefinedStatisticError

COUNTS = np.array([400, 30, 25, 40, 20, 60, 30, 395])  # by label, prediction of a, prediction of b


def f1(table):
    with np.errstate(invalid="ignore"):
        return 2 * table[..., 1, 1] / (2 * table[..., 1, 1] + table[..., 0, 1] + table[..., 1, 0])


def f1_a(cells):
    return f1(cells.reshape(*cells.shape[:-1], 2, 2, 2).sum(axis=-1))


def f1_b(cells):
    return f1(cells.reshape(*cells.shape[:-1], 2, 2, 2).sum(axis=-2))


def accuracy(cells):
    return (cells[..., 0] + cells[..., 1] + cells[..., 6] + cells[..., 7]) / cells.sum(axis=-1)


def rows_of(counts):
    return np.repeat(np.arange(len(counts)), counts)


def test_cells_and_rows_follow_one_law():
    codes = rows_of(COUNTS)
    draws = cell_bootstrap(COUNTS, lambda c: f1_a(c) - f1_b(c))

    def of_rows(index, axis):
        cells = np.stack([(index == k).sum(axis=axis) for k in range(8)], axis=-1)
        return f1_a(cells) - f1_b(cells)

    theirs = stats.bootstrap((codes,), of_rows, n_resamples=999, rng=np.random.default_rng(0))
    assert stats.ks_2samp(draws, theirs.bootstrap_distribution).pvalue > 1e-4


def test_bca_agrees_with_scipy():
    correct = np.repeat([1.0, 0.0], [48, 12])
    theirs = stats.bootstrap(
        (correct,), np.mean, n_resamples=20_000, rng=np.random.default_rng(1), method="BCa"
    )
    ours = cell_interval(
        np.array([48, 12]), lambda c: c[..., 0] / c.sum(axis=-1), confidence=0.95, n_resamples=20_000
    )
    expected = theirs.confidence_interval
    # The share moves in steps of 1/60, and both bounds may fall on neighbouring ones.
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), abs=0.0167)


def test_bca_agrees_with_scipy_on_rows():
    values = np.random.default_rng(2).lognormal(size=120)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=5_000, rng=np.random.default_rng(3), method="BCa"
    )
    ours = row_interval(lambda w: (w @ values) / w.sum(axis=1), 120, confidence=0.95, n_resamples=5_000)
    expected = theirs.confidence_interval
    assert (ours.low, ours.high) == pytest.approx((expected.low, expected.high), rel=0.03)
    # Skewed values: further above the mean than below it, which the normal interval is not.
    assert ours.high - values.mean() > 1.15 * (values.mean() - ours.low)


def test_percentile_interval_is_made_of_quantiles():
    draws = np.random.default_rng(4).normal(size=9_999)
    found = bootstrap_interval(draws, 0.0, confidence=0.9, method="percentile")
    ranked = np.sort(draws)
    assert (found.low, found.high) == (ranked[499], ranked[9_499])


def test_undefined_resamples_support_no_bound():
    draws = np.random.default_rng(5).normal(size=999)
    draws[:10] = np.nan
    few = bootstrap_interval(draws, 0.0, confidence=0.95)
    assert np.isfinite([few.low, few.high]).all()
    draws[:30] = np.nan
    many = bootstrap_interval(draws, 0.0, confidence=0.95)
    assert np.isinf([many.low, many.high]).all()


def test_difference_of_accuracies_has_the_standard_error_of_its_formula():
    def second(cells):
        return (cells[..., 0] + cells[..., 2] + cells[..., 5] + cells[..., 7]) / cells.sum(axis=-1)

    n = 1_000
    won, lost = COUNTS[1] + COUNTS[6], COUNTS[2] + COUNTS[5]
    found = cell_paired(COUNTS, accuracy, second, confidence=0.95)
    assert found.estimate == pytest.approx((won - lost) / n)
    one_row_more = won + lost + 1 - (won - lost) ** 2 / n
    assert found.standard_error == pytest.approx(np.sqrt(one_row_more) / n, rel=0.03)


def test_p_value_and_interval_never_disagree():
    rng = np.random.default_rng(6)
    for _ in range(50):
        counts = rng.multinomial(300, COUNTS / COUNTS.sum())
        found = cell_paired(counts, f1_a, f1_b, confidence=0.95, n_resamples=200)
        assert (found.low <= 0 <= found.high) == (found.p_value >= 0.05)


def test_identical_models_have_a_zero_width_interval():
    agreed = np.array([50, 0, 0, 10, 8, 0, 0, 32])
    of_cells = cell_paired(agreed, f1_a, f1_b, confidence=0.95)
    of_rows = row_bootstrap_paired(lambda w: np.zeros(len(w)), 100, confidence=0.95)
    for found in (of_cells, of_rows):
        assert (found.estimate, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_runs_repeat():
    assert cell_paired(COUNTS, f1_a, f1_b, confidence=0.95) == cell_paired(
        COUNTS, f1_a, f1_b, confidence=0.95
    )


def test_a_statistic_that_does_not_exist_is_named():
    no_positives = np.array([10, 0, 0, 0, 0, 0, 0, 0])
    with pytest.raises(UndefinedStatisticError):
        cell_paired(no_positives, f1_a, f1_b, confidence=0.95)
    with pytest.raises(UndefinedStatisticError):
        row_interval(lambda w: np.full(len(w), np.nan), 10, confidence=0.95)


def test_often_undefined_differences_are_unknown():
    found = cell_paired(np.array([95, 0, 0, 2, 0, 1, 0, 0]), f1_a, f1_b, confidence=0.95)
    assert np.isinf([found.low, found.high]).all()
    assert found.p_value == 1


def test_rows_are_resampled_in_bounded_chunks():
    shapes = []

    def difference(weights):
        shapes.append(weights.shape)
        assert (weights.sum(axis=1) <= 300_000).all()
        return weights[:, 0] - weights[:, 1]

    row_bootstrap_paired(difference, 300_000, confidence=0.95, n_resamples=3)
    assert max(k * n for k, n in shapes) <= 500_000


@pytest.mark.parametrize("n", [500, 4_000])
def test_bootstrap_of_rows_agrees_with_the_formula_for_a_mean(n):
    values = np.random.default_rng(7).normal(0.1, 1, n)
    found = row_bootstrap_paired(lambda w: (w @ values) / n, n, confidence=0.95)
    assert found.standard_error == pytest.approx(values.std() / np.sqrt(n), rel=0.1)
