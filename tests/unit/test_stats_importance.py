import math

import numpy as np
import pytest

from tidegate.stats.importance import (
    FOLDS,
    Sample,
    domain_auc,
    effective_size,
    fit_log_ratio,
    normalised,
    noticeable,
    scarce,
)


def gaussian_sample(rows: int, shift: float) -> Sample:
    rng = np.random.default_rng(1)
    x = np.concatenate((rng.normal(size=rows), rng.normal(shift, 1, size=rows)))
    return Sample(
        np.column_stack((x, x**2)), np.arange(2 * rows) >= rows, np.arange(2 * rows, dtype=np.int64) % FOLDS
    )


def test_the_log_ratio_of_two_normal_laws_is_a_line() -> None:
    sample = gaussian_sample(20_000, 0.8)
    fitted = fit_log_ratio(sample, np.array([False, True]), np.ones(40_000, dtype=bool))

    # N(0.8, 1) against N(0, 1): 0.8 x - 0.32.
    for constant, slope, curve in fitted.coefficients:
        assert (constant, slope, curve) == (
            pytest.approx(-0.32, abs=0.03),
            pytest.approx(0.8, abs=0.04),
            pytest.approx(0.0, abs=0.02),
        )


def test_each_fold_is_fitted_without_its_rows_to_the_maximum_of_the_penalised_likelihood() -> None:
    linear_model = pytest.importorskip("sklearn.linear_model")
    sample = gaussian_sample(300, 0.5)
    fitted = fit_log_ratio(sample, np.array([False, False]), np.ones(600, dtype=bool))

    for fold, form in enumerate(fitted.coefficients):
        seen = sample.fold != fold
        # A penalty of one on a term in other units is any penalty on the term.
        unit = np.sqrt(fitted.penalties[fold])
        peer = linear_model.LogisticRegression(C=1.0, tol=1e-10, max_iter=1_000)
        peer.fit(sample.design[seen] / unit, sample.target[seen])
        offset = math.log(sample.target[seen].sum() / (~sample.target[seen]).sum())
        assert form[1:] == pytest.approx(peer.coef_[0] / unit, abs=1e-5)
        assert form[0] == pytest.approx(peer.intercept_[0] - offset, abs=1e-5)


def test_rows_that_are_told_apart_entirely_have_finite_log_ratios() -> None:
    x = np.linspace(-1, 1, 200)[:, None]
    sample = Sample(x, x[:, 0] > 0, np.arange(200) % FOLDS)
    fitted = fit_log_ratio(sample, np.array([False]), np.ones(200, dtype=bool))

    assert np.isfinite(fitted.at(x, sample.fold)).all()
    assert domain_auc(fitted.at(x, sample.fold), sample.target, sample.fold) == 1.0


def test_the_auc_is_a_mean_over_the_folds_that_have_both_kinds() -> None:
    fold = np.array([0, 0, 1, 1, 2])
    target = np.array([False, True, False, True, True])
    # Fold 0 is told apart, fold 1 wrongly; scores of different folds are never compared.
    assert domain_auc(np.array([5.0, 6.0, 2.0, 1.0, 0.0]), target, fold) == 0.5
    assert domain_auc(np.array([5.0]), np.array([True]), np.array([0])) == 0.5


def test_weights_have_mean_one_and_none_exceeds_the_root_of_their_number() -> None:
    weights, cut = normalised(np.array([800.0] + [790.0] * 99))
    # Before the cut: 1 against exp(-10); the limit is 10 times the mean.
    small = math.exp(-10)
    limit = 10 * (1 + 99 * small) / 100
    assert weights[0] / weights[1] == pytest.approx(limit / small)
    assert weights.mean() == pytest.approx(1)
    assert cut == 0.01
    assert normalised(np.zeros(4)) == (pytest.approx(np.ones(4)), 0.0)


def test_the_effective_size_is_that_of_kish() -> None:
    assert effective_size(np.ones(7)) == 7
    assert effective_size(np.array([2.0, 2.0, 0.0, 0.0])) == 2
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(1.6)


def test_scarce_is_where_a_tenth_of_the_rows_due_are_found() -> None:
    source = np.arange(1_000) / 1_000
    assert not scarce(source, source).any()
    # A fifth of the target lies beyond all of the source: 200 rows are due and none is there. Adding the next
    # rows of the source to the region until a tenth of those due are found gives 20 or so more.
    target = np.concatenate((np.arange(800) / 800, np.full(200, 5.0)))
    found = scarce(source, target)
    assert found[800:].all()
    assert 0.2 <= found.mean() <= 0.225


def test_few_rows_that_are_missing_may_be_chance() -> None:
    # Beyond the source lies a twentieth of the target; of 100 rows of the source 5 are due, of 1,000 fifty.
    target = np.concatenate((np.linspace(0, 1, 950), np.full(50, 2.0)))
    assert not scarce(np.linspace(0, 1, 100), target).any()
    assert scarce(np.linspace(0, 1, 1_000), target).any()
    assert noticeable(np.array([0.0099, 0.01]), 1_000).tolist() == [False, True]
