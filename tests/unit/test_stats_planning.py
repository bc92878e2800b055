import math
from decimal import ROUND_CEILING, Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from tidegate.stats.planning import (
    bennett_epsilon,
    bennett_rows,
    hoeffding_epsilon,
    hoeffding_rows,
    log_decisions,
    log_error,
    power_difference,
    power_rows,
)

# Renggli et al. (2019), rows for 32 decisions: reliability, epsilon; accuracy > c without and with adaptivity, then
# n - o > c likewise.
TABLE = [
    ("0.99", "0.1", 404, 1340, 1753, 5496),
    ("0.99", "0.05", 1615, 5358, 7012, 21984),
    ("0.99", "0.025", 6457, 21429, 28045, 87933),
    ("0.99", "0.01", 40355, 133930, 175282, 549581),
    ("0.999", "0.1", 519, 1455, 2214, 5957),
    ("0.999", "0.05", 2075, 5818, 8854, 23826),
    ("0.999", "0.025", 8299, 23271, 35414, 95302),
    ("0.999", "0.01", 51868, 145443, 221333, 595633),
    ("0.9999", "0.1", 634, 1570, 2674, 6417),
    ("0.9999", "0.05", 2536, 6279, 10696, 25668),
    ("0.9999", "0.025", 10141, 25113, 42782, 102670),
    ("0.9999", "0.01", 63381, 156956, 267385, 641684),
    ("0.99999", "0.1", 749, 1685, 3135, 6878),
    ("0.99999", "0.05", 2996, 6739, 12538, 27510),
    ("0.99999", "0.025", 11983, 26955, 50150, 110038),
    ("0.99999", "0.01", 74894, 168469, 313437, 687736),
]


def by_hand(reliability: str, epsilon: str, decisions: int, models: int) -> int:
    """The rows in 50 digits, from the tail of each model's own accuracy."""
    with localcontext(prec=50):
        each = (1 - Decimal(reliability)) / models / decisions
        tolerance = Decimal(epsilon) / models
        return int((-each.ln() / (2 * tolerance**2)).to_integral_value(ROUND_CEILING))


@pytest.mark.parametrize(("reliability", "epsilon", "one_none", "one_full", "two_none", "two_full"), TABLE)
def test_the_table_of_renggli_2019(reliability, epsilon, one_none, one_full, two_none, two_full):
    expected = {(1, "none"): one_none, (1, "full"): one_full, (2, "none"): two_none, (2, "full"): two_full}
    for (models, adaptivity), rows in expected.items():
        error = log_error(float(reliability), 32, adaptivity)
        assert by_hand(reliability, epsilon, 32 if adaptivity == "none" else 2**32, models) == rows
        assert hoeffding_rows(float(epsilon), error, models=models) == rows


@pytest.mark.parametrize(("adaptivity", "thousands"), [("none", 29), ("full", 67)])
def test_bennett_needs_the_rows_of_renggli_2019(adaptivity, thousands):
    # Section 4: disagreement 0.1, reliability 0.9999, 32 steps, a tolerance of 0.01. Their error is divided by four:
    # among both sides, and with the test of the disagreement itself.
    error = log_error(0.9999, 32, adaptivity) - math.log(4)
    assert bennett_rows(0.01, 0.1, error) // 1_000 == thousands


def test_errors_that_no_float_holds_are_planned_for():
    error = log_error(0.99, 2_000, "full")
    assert math.exp(error) == 0
    assert hoeffding_rows(0.1, error) == math.ceil((2_000 * math.log(2) + math.log(100)) / 0.02)
    assert bennett_rows(0.1, 0.2, error) > bennett_rows(0.1, 0.2, log_error(0.99))
    assert power_rows(0.1, 0.2, error) > power_rows(0.1, 0.2, log_error(0.99))


@given(
    st.floats(0.01, 0.99),
    st.floats(0.001, 0.5),
    st.integers(1, 50),
    st.sampled_from(["none", "full"]),
    st.integers(1, 2),
)
def test_the_reachable_epsilon_inverts_the_rows(reliability, epsilon, horizon, adaptivity, models):
    error = log_error(reliability, horizon, adaptivity)
    rows = hoeffding_rows(epsilon, error, models=models)
    assert hoeffding_epsilon(rows, error, models=models) <= epsilon * (1 + 1e-12)
    if rows > 1:
        assert hoeffding_epsilon(rows - 1, error, models=models) > epsilon * (1 - 1e-12)


@given(st.floats(1e-6, 0.5), st.floats(0.01, 1), st.floats(-400, -0.01))
def test_the_paired_epsilon_inverts_the_paired_rows(epsilon, disagreement, error):
    rows = bennett_rows(epsilon, disagreement, error)
    assert bennett_epsilon(rows, disagreement, error) <= epsilon * (1 + 1e-9)
    if rows > 1:
        assert bennett_epsilon(rows - 1, disagreement, error) > epsilon * (1 - 1e-9)


@given(st.floats(0.001, 1), st.integers(1, 10**7), st.floats(-100, -0.8))
def test_the_smallest_difference_inverts_the_power(disagreement, rows, error):
    found = power_difference(rows, disagreement, error)
    if found is None:
        assert power_rows(disagreement, disagreement, error) > rows
    else:
        assert power_rows(found, disagreement, error) <= rows
        assert power_rows(found * 0.999, disagreement, error) >= rows


def test_bennett_keeps_its_digits_where_the_series_takes_over():
    # h(u) = u^2 / 2 - u^3 / 6 + u^4 / 12 - ...
    for u in (0.9999e-4, 1.0001e-4):
        with localcontext(prec=50):
            exact = (1 + Decimal(u)) * (1 + Decimal(u)).ln() - Decimal(u)
        assert bennett_rows(u, 1.0, -1e6) == pytest.approx(float(Decimal(10) ** 6 / exact), rel=1e-7)


@pytest.mark.parametrize("share", [0.5, 0.6, 0.75])
@pytest.mark.parametrize(("epsilon", "disagreement", "error"), [(0.05, 0.1, 1e-2), (0.04, 0.2, 1e-4)])
def test_the_paired_plan_keeps_its_error(share, epsilon, disagreement, error):
    # Exact: discordant rows are binomial, and those won among them, too.
    rows = bennett_rows(epsilon, disagreement, math.log(error))
    delta = disagreement * (2 * share - 1)
    discordant = np.arange(rows + 1)
    most = np.floor((discordant + rows * (delta + epsilon)) / 2 + 1e-9)
    beyond = stats.binom.pmf(discordant, rows, disagreement) @ stats.binom.sf(most, discordant, share)
    assert beyond <= error
    # And is no better than it has to be: by half of the rows it would be missed.
    half = rows // 2
    discordant = np.arange(half + 1)
    most = np.floor((discordant + half * (delta + epsilon)) / 2 + 1e-9)
    beyond = stats.binom.pmf(discordant, half, disagreement) @ stats.binom.sf(most, discordant, share)
    if share < 0.7:
        assert beyond > error


@pytest.mark.parametrize(
    ("difference", "disagreement", "alpha", "power"),
    [(0.05, 0.1, 0.025, 0.8), (0.05, 0.3, 0.025, 0.9), (0.02, 0.1, 0.001, 0.8), (0.1, 0.4, 1e-6, 0.8)],
)
def test_the_planned_rows_have_their_power(difference, disagreement, alpha, power):
    rows = power_rows(difference, disagreement, math.log(alpha), power=power)
    share = (1 + difference / disagreement) / 2
    total = 0.0
    for discordant in range(rows + 1):
        weight = stats.binom.pmf(discordant, rows, disagreement)
        if weight < 1e-9 or discordant == 0:
            continue
        # McNemar's test of (b - c) / sqrt(b + c), one-sided.
        least = math.ceil((discordant + special.ndtri(1 - alpha) * math.sqrt(discordant)) / 2)
        total += weight * stats.binom.sf(least - 1, discordant, share)
    assert total == pytest.approx(power, abs=0.03)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="horizon"):
        log_decisions(0, "none")
    for reliability in (0, 1, -1, 99):
        with pytest.raises(ValueError, match="between 0 and 1"):
            log_error(reliability)
