"""Ids of rows in memory, and which rows of two tables have the same one."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """The ids of the rows that have one.

    Attributes:
        rows: their numbers in the table, ascending; shape (k,).
        keys: the ids where they are integers, else a 64-bit hash of their text; shape (k,).
        check: another hash of the text; None where the keys are the ids themselves; shape (k,).
        missing: rows that have no id.
    """

    rows: np.ndarray
    keys: np.ndarray
    check: np.ndarray | None
    missing: int

    @property
    def repeated_missing(self) -> int:
        """Rows without an id, where there are several: they are alike."""
        return self.missing if self.missing > 1 else 0


@dataclass(frozen=True, slots=True, eq=False)
class Meeting:
    """Which rows of two tables have the same id, and it to themselves.

    Attributes:
        ours, theirs: their numbers here and there, in the order of this table; shape (m,), int64.
        repeated_ours, repeated_theirs: rows whose id another row of the same table has too.
    """

    ours: np.ndarray
    theirs: np.ndarray
    repeated_ours: int
    repeated_theirs: int


def partners(ours: Ids, theirs: Ids) -> tuple[np.ndarray, np.ndarray] | None:
    """Row numbers, here and there, of rows with the same id, in the order of ours.

    Returns:
        None when keys repeat, or are equal where ids are not: who is alone with its id has to be looked up elsewhere.
    """
    here, there = _ascending(ours.keys), _ascending(theirs.keys)
    if here is None or there is None:
        return None
    sorted_here, sorted_there = ours.keys[here], theirs.keys[there]
    if not np.array_equal(sorted_here, sorted_there):
        place = np.searchsorted(sorted_there, sorted_here)
        inside = np.flatnonzero(place < len(sorted_there))
        met = inside[sorted_there[place[inside]] == sorted_here[inside]]
        here, there = here[met], there[place[met]]
    partner = np.full(len(ours.keys), -1)
    partner[here] = there
    mine = np.flatnonzero(partner >= 0)
    met = partner[mine]
    # Equal ids have equal keys. That equal keys are equal ids is left to no chance: both hashes must say so.
    if ours.check is not None and theirs.check is not None and (ours.check[mine] != theirs.check[met]).any():
        return None
    return ours.rows[mine], theirs.rows[met]


def _ascending(keys: np.ndarray) -> np.ndarray | None:
    """The order that sorts keys; None when one repeats."""
    if (keys[1:] > keys[:-1]).all():
        return np.arange(len(keys))
    order = np.argsort(keys)
    ordered = keys[order]
    return None if (ordered[1:] == ordered[:-1]).any() else order
