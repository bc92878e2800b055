"""Adjusted p-values for a family of tests."""

import numpy as np
from numpy.typing import ArrayLike

from tidegate.stats.results import FloatArray


def holm(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values that control the family-wise error under any dependence (Holm, 1979).

    Args:
        p_values: shape (k,), any order, no NaN.

    Returns:
        Shape (k,), in the order given.

    Raises:
        ValueError: when a value is not a probability.
    """
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    return _restored(steps, order)


def benjamini_hochberg(p_values: ArrayLike, *, tests: int | None = None) -> FloatArray:
    """Adjusted p-values that control the false discovery rate (Benjamini & Hochberg, 1995).

    Valid for independent and positively dependent tests.

    Args:
        p_values: as for :func:`holm`.
        tests: how many there are in all, those without a p-value here counting as having 1.
    """
    p = _probabilities(p_values)
    order = np.argsort(p, kind="stable")
    steps = p[order] * (len(p) if tests is None else tests) / np.arange(1, len(p) + 1)
    return _restored(np.minimum.accumulate(steps[::-1])[::-1], order)


def _probabilities(p_values: ArrayLike) -> FloatArray:
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p-values must lie between 0 and 1")
    return p


def _restored(steps: FloatArray, order: np.ndarray[tuple[int], np.dtype[np.intp]]) -> FloatArray:
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(steps, 1.0)
    return adjusted
