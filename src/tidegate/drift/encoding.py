"""Columns of two windows as numbers for trees: ranks, frequent levels, and products of columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tidegate.covariates import Pair

_MOST_LEVELS = 200
_LEAST_ROWS = 10
_MOST_CROSSED = 300


@dataclass(frozen=True)
class Encoded:
    """Rows of both windows as numbers, of which none depends on which window a row is of.

    Attributes:
        names: of the columns, ascending.
        values: shape (n, p), ranks from 0 to 1 or codes of levels; NaN is missing.
        categorical: mask of the columns that are codes, shape (p,).
        lines: shape (n, p) of mean 0 and spread 1: ranks, or whether a category has its most frequent level; 0 where
            missing, and everywhere in a column that never varies.
    """

    names: list[str]
    values: np.ndarray
    categorical: np.ndarray
    lines: np.ndarray

    @cached_property
    def crossed(self) -> np.ndarray:
        """Positions of the columns whose products are looked at: the work grows with their square."""
        return np.flatnonzero(self.lines.any(axis=0))[:_MOST_CROSSED]


def encode(pairs: Sequence[Pair]) -> Encoded:
    """Encode columns, by what both windows hold together alone; in the order of their names.

    Ranks, because trees see no more of a number, and none is too large to be multiplied.
    """
    columns = [_ranks(each) if each.numeric else _levels(each) for each in pairs]
    lines = [
        _line(values if each.numeric else _most_frequent(values))
        for each, values in zip(pairs, columns, strict=True)
    ]
    return Encoded(
        names=[each.name for each in pairs],
        values=np.column_stack(columns),
        categorical=np.array([not each.numeric for each in pairs]),
        lines=np.column_stack(lines),
    )


def _ranks(each: Pair) -> np.ndarray:
    known = ~each.missing
    ranks = np.full(len(each.values), np.nan)
    if known.any():
        _, position, counts = np.unique(each.values[known], return_inverse=True, return_counts=True)
        ranks[known] = ((np.cumsum(counts) - counts / 2) / counts.sum())[position]
    return ranks


def _levels(each: Pair) -> np.ndarray:
    """Codes of the frequent levels, and one for all others."""
    known = ~each.missing
    counts = np.bincount(each.values[known], minlength=1)
    order = np.argsort(-counts, kind="stable")[:_MOST_LEVELS]
    kept = order[counts[order] >= _LEAST_ROWS]
    lookup = np.full(len(counts), len(kept), dtype=np.float64)
    lookup[kept] = np.arange(len(kept))
    codes = np.full(len(each.values), np.nan)
    codes[known] = lookup[each.values[known]]
    return codes


def _most_frequent(codes: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(codes), np.nan, codes == 0)


def _line(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    if not known.any():
        return np.zeros(len(values))
    centred = np.where(known, values - values[known].mean(), 0.0)
    spread = float(np.sqrt(np.mean(centred**2)))
    return centred / spread if spread > 0 else np.zeros(len(values))
