import math

import pytest
from statsmodels.stats.power import NormalIndPower

from tidegate.stats.power import detectable_difference, rows_needed


def test_detectable_difference_agrees_with_statsmodels():
    theirs = NormalIndPower(ddof=0).solve_power(effect_size=None, nobs1=400, ratio=0, alpha=0.05, power=0.8)
    assert detectable_difference(1 / math.sqrt(400), confidence=0.95) == pytest.approx(theirs, rel=1e-5)


def test_rows_needed_invert_the_detectable_difference():
    error = 0.1
    reach = detectable_difference(error, confidence=0.95)
    assert rows_needed(reach, error, 500, confidence=0.95) == pytest.approx(500, abs=1)
    assert rows_needed(reach / 2, error, 500, confidence=0.95) == pytest.approx(2_000, abs=1)
    assert rows_needed(0.0, error, 500, confidence=0.95, margin=reach) == pytest.approx(500, abs=1)


def test_an_inferior_candidate_settles_as_soon_as_a_superior_one():
    assert rows_needed(-0.05, 0.1, 500, confidence=0.95) == rows_needed(0.05, 0.1, 500, confidence=0.95)


@pytest.mark.parametrize(
    ("estimate", "error", "rows"),
    [(-0.01, 0.1, 50), (0.1, math.inf, 1), (0.1, 0.1, 0), (-0.01 + 1e-12, 0.1, 50)],
)
def test_some_questions_no_number_of_rows_would_settle(estimate, error, rows):
    assert rows_needed(estimate, error, rows, confidence=0.95, margin=0.01) is None
