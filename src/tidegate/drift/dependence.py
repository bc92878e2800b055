"""By how much rows that come in clusters enlarge the noise of a column's distribution."""

import math

import numpy as np
from scipy import special

from tidegate.tables import Column

_CUTS = 9
_LEVELS = 20
_TAIL = 0.001
"""Where the law of the test has to be right: at levels that a correction for many columns asks for."""


def column_design_effect(column: Column, cluster: np.ndarray) -> float:
    """Variance of a column's shares over what independent rows would give (Kish, 1965; Rao & Scott, 1981).

    A row count over this is the count of independent rows that say as much. Numbers and times: the largest over the
    shares below the deciles, and of missing values, since it is the largest distance that is tested. Categories: the
    chi-squared law for unequal components (their second-order correction) at a tail of 0.001. Few clusters make the
    estimate uncertain, which Student's law in place of the normal allows for.

    Args:
        column: shape (n,).
        cluster: shape (n,), codes of what rows come from; rows of one are not independent.

    Returns:
        At least 1; infinite with fewer than two clusters.

    Raises:
        ValueError: when the lengths differ.
    """
    if len(cluster) != len(column.values):
        raise ValueError("each row needs the code of its cluster")
    if not len(cluster):
        return 1.0
    # Codes without gaps, so that hostile ones cost no memory.
    codes = np.unique(cluster, return_inverse=True)[1].astype(np.int64, copy=False)
    sizes = np.bincount(codes).astype(np.float64)
    if len(sizes) < 2:
        return math.inf
    marks = _levels(column) if column.kind == "category" else _below_deciles(column)
    count = int(marks.max(initial=-1)) + 1
    if count < 2:
        return 1.0
    table = np.bincount(codes * count + marks, minlength=len(sizes) * count).reshape(len(sizes), count)
    found = _categorical(table, sizes) if column.kind == "category" else _ordered(table, sizes)
    return max(found * _few_clusters(sizes), 1.0)


def joint_design_effect(rows_a: float, rows_b: float, effect_a: float, effect_b: float) -> float:
    """That of the difference of two windows: each in proportion to its window's share of the variance."""
    if effect_a == effect_b:
        return effect_a
    return (effect_a / rows_a + effect_b / rows_b) / (1 / rows_a + 1 / rows_b)


def _below_deciles(column: Column) -> np.ndarray:
    """The cell between deciles of each row, missing values in a cell of their own, above."""
    values, missing = column.values, column.missing
    if column.kind == "number":
        missing = ~np.isfinite(values)
    known = np.sort(values[~missing])
    if not len(known):
        return np.zeros(len(values), dtype=np.int64)
    cuts = np.unique(known[[len(known) * k // (_CUTS + 1) for k in range(1, _CUTS + 1)]])
    marks = np.where(missing, len(cuts) + 1, np.searchsorted(cuts, values, side="left"))
    return np.asarray(marks)


def _levels(column: Column) -> np.ndarray:
    """The commonest levels, all others as one."""
    counts = np.bincount(column.values + 1, minlength=len(column.levels) + 1)
    kept = np.argsort(-counts, kind="stable")[:_LEVELS]
    position = np.full(len(counts), len(kept), dtype=np.int64)
    position[kept] = np.arange(len(kept))
    marks = position[column.values + 1]
    return np.asarray(np.unique(marks, return_inverse=True)[1])


def _ordered(table: np.ndarray, sizes: np.ndarray) -> float:
    """The largest of the shares at or below each cell but the last."""
    upto = table.cumsum(axis=1)[:, :-1].astype(np.float64)
    shares = upto.sum(axis=0) / sizes.sum()
    deviations = _pull(upto - sizes[:, None] * shares, sizes)
    alone = sizes.sum() * shares * (1 - shares)
    usable = alone > 0
    if not usable.any():
        return 1.0
    return float(((deviations[:, usable] ** 2).sum(axis=0) / alone[usable]).max())


def _categorical(table: np.ndarray, sizes: np.ndarray) -> float:
    table = table[:, table.sum(axis=0) > 0]
    total, df = sizes.sum(), table.shape[1] - 1
    if df < 1:
        return 1.0
    shares = table.sum(axis=0) / total
    scaled = _pull(table - sizes[:, None] * shares, sizes) / np.sqrt(total * shares)
    # Nonzero eigenvalues of this are the design effects of the components of chi-squared.
    covariance = scaled.T @ scaled
    mean = float(np.trace(covariance)) / df
    if mean <= 0:
        return 1.0
    unequal = max(float((covariance**2).sum()) / df / mean**2, 1.0)
    freedom = df / unequal
    tail = float(special.chdtri(freedom, _TAIL)) / float(special.chdtri(df, _TAIL))
    return float(mean * unequal * tail)


def _pull(deviations: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Each cluster's deviation from the shares of the others, which it has not drawn to itself."""
    return np.asarray(deviations / (1 - sizes / sizes.sum())[:, None])


def _few_clusters(sizes: np.ndarray) -> float:
    worth = float(sizes.sum() ** 2 / (sizes**2).sum())
    return float(special.stdtrit(max(worth - 1, 1.0), 1 - _TAIL) / special.ndtri(1 - _TAIL)) ** 2
