"""How many rows a question about one model, or two on the same rows, needs: before any row is labelled.

Errors are natural logarithms: divided among the 2^32 ways in which 32 adaptive decisions can go they are small, and
among 2^2000 no float holds them.
"""

import math
from collections.abc import Callable
from typing import Literal

from scipy import special

Adaptivity = Literal["none", "full"]

_SERIES_BELOW = 1e-4


def log_decisions(horizon: int, adaptivity: Adaptivity) -> float:
    """Logarithm of how many decisions share the error of a test set (Renggli et al., 2019).

    When what comes next does not depend on earlier decisions, there are as many as uses. When it may depend on all of
    them, each sequence of yes and no leads to candidates of its own, and there are 2^horizon.

    Raises:
        ValueError: the horizon is not positive.
    """
    if horizon < 1:
        raise ValueError(f"a horizon is at least 1, not {horizon}")
    return horizon * math.log(2) if adaptivity == "full" else math.log(horizon)


def log_error(reliability: float, horizon: int = 1, adaptivity: Adaptivity = "none") -> float:
    """Logarithm of the error that each decision may make so that all hold together with this reliability.

    Raises:
        ValueError: the reliability is not between 0 and 1, or the horizon not positive.
    """
    if not 0 < reliability < 1:
        raise ValueError(f"reliability must lie between 0 and 1, not {reliability}")
    return math.log(1 - reliability) - log_decisions(horizon, adaptivity)


def hoeffding_rows(epsilon: float, error: float, *, models: int = 1) -> int:
    """Rows at which a share is known to within epsilon from one side (Hoeffding, 1963).

    Args:
        epsilon: the largest deviation, in (0, 1).
        error: its probability, as a logarithm.
        models: shares whose sum or difference is asked for: each gets its part of epsilon and of the error.
    """
    return math.ceil(models**2 * (math.log(models) - error) / (2 * epsilon**2))


def hoeffding_epsilon(rows: int, error: float, *, models: int = 1) -> float:
    """The inverse of :func:`hoeffding_rows`; beyond 1 the rows say nothing."""
    return models * math.sqrt((math.log(models) - error) / (2 * rows))


def bennett_rows(epsilon: float, disagreement: float, error: float) -> int:
    """Rows at which a paired difference of shares is known to within epsilon from one side (Bennett, 1962).

    Rows on which both models are right, or both wrong, say nothing about the difference: its variance is at most the
    share of the others.

    Args:
        epsilon: the largest deviation, in (0, 1).
        disagreement: an upper bound on the share of rows that one model alone has right, in (0, 1].
        error: as a logarithm.
    """
    return math.ceil(-error / (disagreement * _bennett(epsilon / disagreement)))


def bennett_epsilon(rows: int, disagreement: float, error: float) -> float:
    """The inverse of :func:`bennett_rows`."""
    goal = -error / (rows * disagreement)
    # h(u) >= u^2 / (2 + 2 u / 3) (Bernstein), so that the root lies below this.
    above = goal / 3 + math.sqrt(goal**2 / 9 + 2 * goal)
    return disagreement * bisected(0.0, above, lambda u: _bennett(u) < goal)


def _bennett(u: float) -> float:
    """(1 + u) ln(1 + u) - u, which loses its digits by cancellation near zero."""
    if u < _SERIES_BELOW:
        return u * u / 2 * (1 - u / 3 + u * u / 6)
    return (1 + u) * math.log1p(u) - u


def power_rows(difference: float, disagreement: float, error: float, *, power: float = 0.8) -> int:
    """Rows at which a one-sided paired test shows a true difference of shares with this power (Connor, 1987).

    A normal approximation. To show that two equally good models do not differ by as much takes about as many.

    Args:
        difference: of the two shares, in (0, disagreement].
        disagreement: share of rows that one model alone has right, in (0, 1].
        error: of the test, as a logarithm.
        power: in (0, 1).
    """
    return max(math.ceil(_connor(difference, disagreement, error, power)), 1)


def power_difference(rows: int, disagreement: float, error: float, *, power: float = 0.8) -> float | None:
    """The smallest difference that so many rows show: the inverse of :func:`power_rows`; None without any."""
    if _connor(disagreement, disagreement, error, power) > rows:
        return None
    return bisected(0.0, disagreement, lambda each: _connor(each, disagreement, error, power) > rows)


def _connor(difference: float, disagreement: float, error: float, power: float) -> float:
    # The quantile from the logarithm: far out the probability itself is no float.
    of_error, of_power = -float(special.ndtri_exp(error)), float(special.ndtri(power))
    under_difference = max(disagreement - difference**2, 0.0)
    reach = of_error * math.sqrt(disagreement) + of_power * math.sqrt(under_difference)
    return max(reach, 0.0) ** 2 / difference**2


def bisected(low: float, high: float, is_below: Callable[[float], bool]) -> float:
    """The point between the two at which `is_below` turns false, from the side where it is."""
    for _ in range(200):
        middle = (low + high) / 2
        if not low < middle < high:
            break
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return high
