"""How likely it is that nothing changed, where a defect could also be the luck of the draw.

All are permutation laws: given the rows of both windows together, which of them are the current ones is drawn by lot.
They are exact or bounds, at any size, and ask nothing of the distribution of a column. Row counts may be fractions, as
effective ones are.
"""

import math

import numpy as np
from scipy import special

from tidegate.stats.results import FloatArray

_RATES = np.logspace(-7, 2, 200)
"""In units of one over a weight; where to look for the rate at which Chernoff's bound is sharpest."""


def all_drawn(rows: float, current: float, reference: float) -> float:
    """Chance that the `rows` most extreme rows of both windows all fall into the current one."""
    return math.exp(float(_log_all_drawn(np.array([float(rows)]), current, reference)[0]))


def constant(alike: float, current: float, reference: float) -> float:
    """Chance that all rows of the current window hold the same value.

    Given what the first of them holds, the others have to be drawn among the rows that hold it as well.

    Args:
        alike: rows of both windows that hold the value.
        current: rows of the current window.
        reference: rows of the reference.
    """
    if current <= 1:
        return 1.0
    drawn = _log_choose(np.array(alike - 1), current - 1) - _log_choose(
        np.array(current + reference - 1), current - 1
    )
    return min(1.0, math.exp(float(drawn)))


def new_rows(
    rows: FloatArray, weights: FloatArray, observed: float, current: float, reference: float
) -> float:
    """Bound on the chance that levels which only the current window has make up so much of it.

    The levels that fall wholly into one window do so independently or in each other's way (negative association;
    Joag-Dev & Proschan, 1983), which Chernoff's bound (1952) allows.

    Args:
        rows: (K,), of each level in both windows together.
        weights: (K,), what each level counts when it is new.
        observed: the weights of the new levels together.
        current: rows of the current window.
        reference: rows of the reference.
    """
    kinds, counts = np.unique(np.stack([rows, weights]), axis=1, return_counts=True)
    log_chance = _log_all_drawn(kinds[0], current, reference)
    if observed <= float((counts * np.exp(log_chance) * kinds[1]).sum()):
        return 1.0
    # The bound holds at any rate: the sharpest lies near one over the largest weight, or over what was observed.
    rates = np.concatenate([_RATES / max(each, 1.0) for each in (float(kinds[1].max()), observed)])
    with np.errstate(divide="ignore"):
        otherwise = np.log1p(-np.exp(np.minimum(log_chance, 0.0)))
    moments = np.logaddexp(otherwise[:, None], log_chance[:, None] + kinds[1][:, None] * rates)
    return min(1.0, math.exp(float((counts @ moments - rates * observed).min())))


def expected_new(rows: FloatArray, weights: FloatArray, current: float, reference: float) -> float:
    """What :func:`new_rows` observes on average when nothing changed."""
    return float((np.exp(_log_all_drawn(rows, current, reference)) * weights).sum())


def pairs_across(split: int, pairs: int, current: int, reference: int) -> float:
    """Chance that so many pairs of equal rows have one row in each window.

    Rows that stand twice of themselves do so within a window as well; copies from one into the other never do.

    Args:
        split: pairs with a row in each window.
        pairs: of all rows that stand exactly twice in both windows together.
        current: rows of the current window.
        reference: rows of the reference.
    """
    both = current + reference
    across = 2 * current * reference / (both * (both - 1)) if both > 1 else 1.0
    return float(special.bdtrc(split - 1, pairs, min(across, 1.0))) if split else 1.0


def _log_all_drawn(rows: FloatArray, current: float, reference: float) -> FloatArray:
    """Logarithm of C(current, rows) / C(both, rows); minus infinity where there are too many rows."""
    possible = rows <= current
    kept = np.where(possible, rows, 0.0)
    chance = _log_choose(np.full_like(kept, current), kept) - _log_choose(
        np.full_like(kept, current + reference), kept
    )
    return np.where(possible, np.minimum(chance, 0.0), -np.inf)


def _log_choose(n: FloatArray, k: FloatArray | float) -> FloatArray:
    return np.asarray(
        special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - np.asarray(k) + 1)
    )
