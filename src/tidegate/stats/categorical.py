"""Did a categorical column change between two windows? Chi-squared and total variation from counts."""

import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from tidegate.stats.results import FloatArray, IntArray

MIN_EXPECTED = 5
"""Cochran's rule (1954): the chi-squared law holds when each expected count is at least this."""


@dataclass(frozen=True, slots=True)
class Chi2Result:
    """A test of equal shares; ``pooled_levels`` counts the rare levels taken together as one.

    ``df`` is 0 when the exact test answered, or when there is one level only.
    """

    statistic: float
    df: int
    p_value: float
    pooled_levels: int


@dataclass(frozen=True, slots=True)
class UnseenResult:
    """Rows of one window whose level the other never had.

    Attributes:
        rows: how many.
        expected: how many when nothing changed.
        p_value: of as many rows or more, bounded from above.
    """

    rows: int
    expected: float
    p_value: float


def homogeneity(counts_a: IntArray, counts_b: IntArray, *, design_effect: float = 1.0) -> Chi2Result:
    """Two-sample chi-squared test that both windows draw from the same shares (Pearson, 1911).

    Unlike a goodness-of-fit test it counts the noise of both windows. Levels expected less than five
    times in the smaller window are pooled, by their counts in both together, so that the pooling
    cannot depend on what differs. The p-value is the larger of Pearson's and the likelihood ratio's.
    Should fewer than two levels remain, the commonest against the rest is tested exactly (Fisher, 1935).

    Args:
        counts_a: shape (K,), rows of each level in one window.
        counts_b: shape (K,), in the other, same order of levels.
        design_effect: by how much dependence enlarges the variance of shares, at least 1 (Rao & Scott, 1981).

    Raises:
        ValueError: when a window has no rows.
    """
    a, b = np.asarray(counts_a, dtype=np.int64), np.asarray(counts_b, dtype=np.int64)
    n, m = int(a.sum()), int(b.sum())
    if not (n and m):
        raise ValueError("both windows need at least one row")
    both = a + b
    rare = _rare(both, min(n, m) / (n + m) / design_effect)
    pooled_levels = int(np.count_nonzero(rare & (both > 0)))
    table = np.array([np.append(a[~rare], a[rare].sum()), np.append(b[~rare], b[rare].sum())])
    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] >= 2:
        return _chi_squared(table, pooled_levels, design_effect)
    common = int(both.argmax())
    # As many independent rows as those at hand are worth.
    other, others, size, sizes = (
        round(count / design_effect) for count in (n - a[common], m - b[common], n, m)
    )
    p_value = _fisher(other, size, others, sizes)
    return Chi2Result(0.0, 0, p_value, pooled_levels)


def total_variation(counts_a: IntArray, counts_b: IntArray) -> float:
    """Half the sum of absolute differences of shares: the share of rows that would have to change."""
    distance = np.abs(counts_a / np.sum(counts_a) - counts_b / np.sum(counts_b)).sum() / 2
    return min(float(distance), 1.0)


def total_variation_null(counts_a: IntArray, counts_b: IntArray) -> float:
    """Total variation to expect when nothing changed, given the counts of both windows together.

    Exact: the mean absolute deviation of each level's hypergeometric count (Ramasubban, 1958). A
    normal approximation would call the disjoint values of an identifier a change.
    """
    a, b = np.asarray(counts_a, dtype=np.float64), np.asarray(counts_b, dtype=np.float64)
    n, m = float(a.sum()), float(b.sum())
    deviation = _hypergeometric_deviation(a + b, n, m)
    return float(deviation.sum()) * (1 / n + 1 / m) / 2


def unseen(counts_a: IntArray, counts_b: IntArray) -> UnseenResult:
    """Does b have more rows of levels that a never had than chance gives?

    The windows' own missing mass (Good, 1953; Good & Toulmin, 1956), given how often each level occurs in both
    together: a level of k rows has all of them in b with the chance of a hypergeometric draw. Those events are
    negatively associated (Joag-Dev & Proschan, 1983), so that the bound of Chernoff (1952) for independent ones holds.

    Args:
        counts_a: shape (K,), rows of each level in the window that knows levels.
        counts_b: shape (K,), in the window that may have others.
    """
    a, b = np.asarray(counts_a, dtype=np.int64), np.asarray(counts_b, dtype=np.int64)
    rows = int(b[a == 0].sum())
    sizes, levels = np.unique(a + b, return_counts=True)
    n, m = float(a.sum()), float(b.sum())
    inside = (sizes > 0) & (sizes <= m)
    k, count = sizes[inside].astype(np.float64), levels[inside].astype(np.float64)
    chance = np.exp(np.minimum(_log_choose(m, k) - _log_choose(n + m, k), 0.0))
    expected = float((count * k) @ chance)
    return UnseenResult(
        rows, expected, _chernoff(rows, k, count, chance) if rows > expected * (1 + 1e-9) else 1.0
    )


def _chernoff(total: int, size: FloatArray, count: FloatArray, chance: FloatArray) -> float:
    """Bound on the chance that a sum of ``count`` variables, each ``size`` with ``chance`` or 0, reaches a total."""
    if total >= float(size @ count) and (chance >= 1).all():
        return 1.0

    def exponent(log_tilt: float) -> float:
        tilt = math.exp(log_tilt)
        # Written so that neither a large power overflows nor a small chance is lost.
        moment = np.logaddexp(np.log1p(-np.minimum(chance, 1 - 1e-16)), np.log(chance + 1e-300) + tilt * size)
        return float(count @ moment) - tilt * total

    # A convex function of the tilt; its logarithm is searched by thirds.
    low, high = math.log(1e-9), math.log(60.0)
    for _ in range(80):
        third = (high - low) / 3
        if exponent(low + third) <= exponent(high - third):
            high -= third
        else:
            low += third
    return math.exp(min(exponent((low + high) / 2), 0.0))


def _rare(both: IntArray, smaller_share: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Levels to pool; the pool itself takes the next rarest level until it is large enough."""
    expected = both * smaller_share
    rare = expected < MIN_EXPECTED
    while 0 < expected[rare].sum() < MIN_EXPECTED and not rare.all():
        rare[np.where(rare, np.inf, expected).argmin()] = True
    return rare


def _chi_squared(table: IntArray, pooled_levels: int, design_effect: float) -> Chi2Result:
    rows, levels = table.sum(axis=1, keepdims=True), table.sum(axis=0, keepdims=True)
    expected = rows * levels / rows.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    likelihood_ratio = float(2 * special.xlogy(table, table / expected).sum())
    df = table.shape[1] - 1
    # Where windows differ in size a rare level's surprises are skewed, and Pearson's far tail is twice
    # too light at the levels that a correction for many columns asks for. The likelihood ratio
    # (Wilks, 1938) weighs them less, and both agree where counts are large.
    p_value = float(special.chdtrc(df, min(statistic, likelihood_ratio) / design_effect))
    return Chi2Result(statistic, df, p_value, pooled_levels)


def _fisher(a: int, n: int, b: int, m: int) -> float:
    """Fisher's exact two-sided p-value for a of n against b of m: table no likelier than this one."""
    drawn = a + b
    support = np.arange(max(0, drawn - m), min(n, drawn) + 1, dtype=np.float64)
    log_likelihood = _log_hypergeometric(support, np.float64(drawn), n, m)
    observed = log_likelihood[a - max(0, drawn - m)]
    # Tables as likely as the observed one must not be lost to rounding.
    return min(1.0, float(np.exp(log_likelihood[log_likelihood <= observed + 1e-7]).sum()))


def _hypergeometric_deviation(drawn: FloatArray, n: float, m: float) -> FloatArray:
    """E|X - E X| for X of ``drawn`` rows that fall into the window of n out of n + m."""
    above = np.floor(drawn * n / (n + m)) + 1
    inside = (above <= n) & (above <= drawn) & (m - drawn + above >= 0)
    above = np.where(inside, above, 0.0)
    chance = np.exp(_log_hypergeometric(above, np.where(inside, drawn, 0.0), n, m))
    deviation: FloatArray = np.where(inside, 2 * above * (m - drawn + above) / (n + m) * chance, 0.0)
    return deviation


def _log_hypergeometric(
    successes: FloatArray, drawn: FloatArray | np.float64, n: float, m: float
) -> FloatArray:
    chosen = _log_choose(n, successes) + _log_choose(m, drawn - successes)
    return np.asarray(chosen - _log_choose(n + m, drawn))


def _log_choose(n: float, k: FloatArray | np.float64) -> FloatArray:
    return np.asarray(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1))
