"""Evidence that adds up over a stream of windows: e-values, their detector, and p-values given one shared reference.

Windows that are compared with one reference share its error, so that their two-sample p-values are not independent: a
reference that lies high by chance makes every window look low. Here the reference's error is granted once, as a bound
that holds with all but a chosen risk, and a window has to be beyond it by its own error alone.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from tidegate.stats.results import FloatArray

BETS = (0.5, 1.0, 2.0)
"""Shifts, in standard errors of a window, that the detector is made for; those between are found nearly as soon."""
_KEPT = 0.01
"""Share of the evidence that is never staked: one quiet window cannot wipe out what a hundred have shown."""
_LEAST = 1e-300
"""Smaller p-values count as this one."""


def e_values(p_values: ArrayLike) -> FloatArray:
    """Bets against "this p-value is uniform, or larger": nonnegative, with an expectation of at most 1 when it is.

    The likelihood ratio of a normal shift, as a function of the p-value, integrates to 1 and so is a calibrator (Vovk
    & Wang, 2021) for p-values of any origin.

    Args:
        p_values: shape (k,), one-sided or two-sided, no NaN.

    Returns:
        Shape (k, ``len(BETS)``).
    """
    z = -special.ndtri(np.clip(np.asarray(p_values, dtype=np.float64), _LEAST, 1.0))[:, None]
    bets = np.array(BETS)
    return np.asarray(_KEPT + (1 - _KEPT) * np.exp(bets * z - bets**2 / 2))


def shiryaev_roberts(evidence: FloatArray, e: FloatArray, weights: FloatArray) -> FloatArray:
    """One step of an e-detector (Shin, Ramdas & Rinaldo, 2024): a new bet is opened each time, and all are carried on.

    While nothing changes, the sum of all evidence grows by at most the weights' sum a step in expectation, whatever
    the dependence between streams. With weights of sum 1 the expected time until it first exceeds c is so at least c,
    and the chance that it does within t steps at most t / c (Doob). Streams may come and go: what is not carried on
    counts as lost.

    Args:
        evidence: shape (k, b), before the step; 0 at the start.
        e: shape (k, b), e-values given all earlier steps.
        weights: shape (k,), not negative, with a sum of at most 1, chosen before the step; shared evenly by the bets.
    """
    return np.asarray(e * (evidence + weights[:, None] / e.shape[1]))


def expected_delay(shift: float, threshold: float, streams: float = 1.0) -> float:
    """Steps until the detector exceeds a threshold after a lasting change (Lorden, 1971), within a quarter.

    Infinite for shifts that none of the bets gains from.

    Args:
        shift: of the p-values' normal scores, in standard deviations: that of a window's estimate beyond the allowance
            and the reference's error.
        threshold: of the detector.
        streams: how many share the weight evenly.
    """
    growth = max(bet * shift - bet**2 / 2 for bet in BETS) + math.log1p(-_KEPT)
    needed = math.log(max(threshold, 1.0) * max(streams, 1.0) * len(BETS))
    if growth <= 0:
        return math.inf
    # Bets are opened at every step, and those of the first few work together; the last step overshoots by half of one.
    return max(1.0, (needed - math.log1p(2 / growth)) / growth + 0.5)


def shift_given_reference(
    difference: float,
    reference_error: float,
    current_error: float,
    *,
    risk: float,
    allowance: float = 0.0,
    two_sided: bool = False,
) -> float:
    """P-value of "the shift is at most the allowance", given the reference, from a normal estimate of each window.

    Uniform or larger in every window, independently of the others, for all but a share `risk` of references.

    Args:
        difference: current minus reference, oriented so that positive is what is looked for.
        reference_error: standard error of the reference's estimate, not negative.
        current_error: standard error of the current window's estimate, positive.
        risk: chance that the bound on the reference's error fails.
        allowance: shift that does not count, not negative.
        two_sided: look for shifts either way.
    """
    sides = 2 if two_sided else 1
    band = -float(special.ndtri(risk / sides)) * reference_error
    beyond = (abs(difference) if two_sided else difference) - allowance - band
    return min(1.0, sides * float(special.ndtr(-beyond / current_error)))


def ks_given_reference(
    distance: float, rows_reference: float, rows_current: float, *, risk: float, allowance: float = 0.0
) -> float:
    """P-value of "the distribution functions differ by at most the allowance", given the reference.

    Its error is bounded by Kolmogorov's (1933) law and taken off by the triangle inequality.

    Args:
        distance: largest distance of the two empirical distribution functions.
        rows_reference: rows of the reference; effective ones where rows depend on each other.
        rows_current: of the current window, likewise.
        risk: chance that the bound on the reference's error fails.
        allowance: distance that does not count.
    """
    band = float(special.kolmogi(risk)) / math.sqrt(rows_reference)
    beyond = max(distance - allowance - band, 0.0)
    return float(special.kolmogorov(math.sqrt(rows_current) * beyond))


def chi_squared_given_reference(
    statistic: float,
    df: int,
    rows_reference: float,
    rows_current: float,
    *,
    risk: float,
    allowance: float = 0.0,
) -> float:
    """P-value of "the shares of levels differ by at most the allowance", given the reference.

    Two-sample chi-squared is a squared distance of shares times nm / (n + m); in that distance the reference's error
    is bounded by its own chi-squared law and taken off.

    Args:
        statistic: of the two-sample test.
        df: its degrees of freedom, at least 1.
        rows_reference: see :func:`ks_given_reference`.
        rows_current: likewise.
        risk: chance that the bound on the reference's error fails.
        allowance: Cohen's (1988) w, at least twice the total variation distance.
    """
    distance = math.sqrt(max(statistic, 0.0) * (1 / rows_reference + 1 / rows_current))
    band = math.sqrt(float(special.chdtri(df, risk)) / rows_reference)
    beyond = max(distance - allowance - band, 0.0)
    return float(special.chdtrc(df, rows_current * beyond**2))
