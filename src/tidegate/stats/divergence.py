"""How unlike two histograms are, in the measures that people know: PSI and the Jensen-Shannon distance.

Both are shown and neither decides: the size that chance gives them grows with the bins and shrinks with the rows, so
that no fixed threshold keeps an error rate. What chance gives is told beside them.
"""

import math

import numpy as np
from scipy import special

from tidegate.stats.results import FloatArray, IntArray


def psi(counts_a: IntArray, counts_b: IntArray) -> float:
    """Population stability index (Siddiqi, 2006): Jeffreys' (1946) divergence of the shares of bins, in nats.

    Each bin counts half a row more in both windows, so that an empty one does not make it infinite.

    Args:
        counts_a: shape (K,), rows of each bin in one window.
        counts_b: shape (K,), in the other.

    Raises:
        ValueError: when a window has no rows.
    """
    a, b = (_filled(counts) for counts in (counts_a, counts_b))
    p, q = ((each + 0.5) / (each.sum() + 0.5 * len(each)) for each in (a, b))
    return max(float((q - p) @ np.log(q / p)), 0.0)


def psi_null(bins: int, rows_a: float, rows_b: float) -> float:
    """PSI to expect when nothing changed: (K - 1)(1/n + 1/m), the mean of a scaled chi-squared (Yurdakul, 2018)."""
    return max(bins - 1, 0) * (1 / rows_a + 1 / rows_b)


def jensen_shannon(counts_a: IntArray, counts_b: IntArray) -> float:
    """Jensen-Shannon distance (Endres & Schindelin, 2003) to base 2: 0 for equal shares, 1 for none in common.

    Raises:
        ValueError: when a window has no rows.
    """
    a, b = (_filled(counts) for counts in (counts_a, counts_b))
    p, q = a / a.sum(), b / b.sum()
    middle = (p + q) / 2
    # rel_entr is 0 where a share is 0, and the middle is above 0 wherever one of the two is.
    divergence = float((special.rel_entr(p, middle) + special.rel_entr(q, middle)).sum()) / 2
    return math.sqrt(min(max(divergence / math.log(2), 0.0), 1.0))


def jensen_shannon_null(bins: int, rows_a: float, rows_b: float) -> float:
    """Distance to expect when nothing changed: the root of (K - 1)(1/n + 1/m) / (8 ln 2), an eighth of PSI in bits."""
    return math.sqrt(psi_null(bins, rows_a, rows_b) / (8 * math.log(2)))


def _filled(counts: IntArray) -> FloatArray:
    filled = np.asarray(counts, dtype=np.float64)
    if filled.sum() <= 0:
        raise ValueError("both windows need at least one row")
    return filled
