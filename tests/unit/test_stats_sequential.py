"""E-values, their detector, and p-values given one shared reference."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from tidegate.stats.sequential import (
    BETS,
    chi_squared_given_reference,
    e_values,
    expected_delay,
    ks_given_reference,
    shift_given_reference,
    shiryaev_roberts,
)


@pytest.mark.parametrize("bet", range(len(BETS)))
def test_each_bet_is_fair_when_p_values_are_uniform(bet):
    fair, _ = integrate.quad(lambda z: e_values([stats.norm.sf(z)])[0, bet] * stats.norm.pdf(z), -12, 14)
    assert fair == pytest.approx(1, abs=1e-6)


def test_smaller_p_values_never_give_less_evidence():
    e = e_values([1.0, 0.9, 0.5, 0.1, 1e-5, 1e-200, 0.0])
    assert (np.diff(e, axis=0) >= 0).all()
    assert np.isfinite(e).all()
    assert (e > 0).all()


def test_the_detector_opens_a_bet_at_each_step_and_carries_all_on():
    e = [np.full((1, 1), each) for each in (2.0, 0.5, 4.0)]
    evidence = np.zeros((1, 1))
    for each in e:
        evidence = shiryaev_roberts(evidence, each, np.ones(1))
    assert evidence.item() == pytest.approx(2 * 0.5 * 4 + 0.5 * 4 + 4)


def test_a_shift_without_an_error_of_the_reference_is_a_normal_test():
    assert shift_given_reference(1.8, 0.0, 1.0, risk=0.05) == pytest.approx(stats.norm.sf(1.8))
    both = shift_given_reference(-1.8, 0.0, 1.0, risk=0.05, two_sided=True)
    assert both == pytest.approx(2 * stats.norm.sf(1.8))


def test_the_reference_is_granted_its_error_and_the_allowance():
    granted = stats.norm.isf(0.05) * 0.3 + 0.5
    assert shift_given_reference(granted, 0.3, 1.0, risk=0.05, allowance=0.5) == pytest.approx(0.5)
    assert shift_given_reference(-9.0, 0.3, 1.0, risk=0.05) == pytest.approx(1)


def test_a_reference_beyond_number_leaves_the_one_sample_tests():
    assert ks_given_reference(0.05, 1e18, 900, risk=0.05) == pytest.approx(stats.kstwobign.sf(1.5), rel=1e-6)
    assert chi_squared_given_reference(9.0, 3, 1e18, 900, risk=0.05) == pytest.approx(
        stats.chi2.sf(9.0, 3), rel=1e-6
    )


def test_distances_within_the_references_error_say_nothing():
    assert ks_given_reference(0.04, 1_000, 1_000, risk=0.05) == 1
    assert chi_squared_given_reference(3.0, 3, 1_000, 1_000, risk=0.05) == 1


def test_the_delay_falls_with_the_shift_and_grows_with_the_streams():
    delays = [expected_delay(shift, 1_000) for shift in (0.3, 0.5, 1.0, 2.0, 8.0)]
    assert delays == sorted(delays, reverse=True)
    assert expected_delay(1.0, 1_000, 50) > expected_delay(1.0, 1_000)
    assert math.isinf(expected_delay(0.0, 1_000))
    assert expected_delay(20.0, 1_000) == 1
