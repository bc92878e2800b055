"""A column in memory, and the kinds of values that columns hold."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kind = Literal["number", "category", "time"]
Want = Literal["number", "category", "time", "any"]
Level = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Column:
    """One column in memory.

    Attributes:
        kind: ``number`` (float64, NaN is missing), ``category`` (int32 codes into `levels`, -1 is missing) or
            ``time`` (datetime64[us], NaT is missing).
        values: shape (rows,).
        levels: the sorted distinct values of a category, in their own type; empty for other kinds.
    """

    name: str
    kind: Kind
    values: np.ndarray
    levels: tuple[Level, ...] = ()

    @property
    def missing(self) -> np.ndarray:
        """Mask of missing values, shape (rows,)."""
        if self.kind == "category":
            return self.values < 0
        return np.isnat(self.values) if self.kind == "time" else np.isnan(self.values)

    def take(self, rows: np.ndarray) -> "Column":
        """The column at `rows`, in their order."""
        return Column(self.name, self.kind, self.values[rows], self.levels)
