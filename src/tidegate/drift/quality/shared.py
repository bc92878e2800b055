"""Rows of the current window that the reference has as well."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from tidegate.drift.quality import chance
from tidegate.drift.quality.findings import Finding
from tidegate.tables import Table
from tidegate.tables.windows import WindowScan
from tidegate.wording import plural

_COINCIDENCE = 0.01


def overlap(
    reference: Table | None,
    current: Table,
    *,
    id: str | None = None,
    columns: Iterable[str] | None = None,
    level: float = 0.01,
) -> list[Finding]:
    """Look for rows that stand in both windows, by id and by what they hold.

    One id in common shows it. Rows that hold the same may be different ones: they count when more of the rows that
    stand twice are split between the windows than a draw by lot would split, and are 1% of the current window or more.
    (Periods that overlap in time are found by :func:`tidegate.drift.quality.check`.)

    Args:
        reference: None where only facts about it are at hand.
        current: the window under watch.
        id: unique per row.
        columns: that make a row, the timestamp among them; None takes all that both windows have. The id is left out.
        level: how often rows that are alike by chance may be taken for copies.
    """
    if reference is None:
        detail = "the reference is a profile: whether rows of the current window are in it too is not known"
        return [Finding("overlap", None, None, detail, "info")]
    if not reference.rows or not current.rows:
        return []
    common = [name for name in (current.schema if columns is None else columns) if name != id]
    names = [name for name in dict.fromkeys(common) if name in reference.schema and name in current.schema]
    found = list(_by_content(reference, current, names, level))
    if id is not None and id in reference.schema and id in current.schema:
        found = [*_by_id(reference, current, id, differ=bool(names) and not found), *found]
    return found


def _by_id(reference: Table, current: Table, column: str, *, differ: bool) -> Iterator[Finding]:
    with WindowScan(reference, [column]) as then, WindowScan(current, [column]) as now:
        there, here = then.id_hashes(column), now.id_hashes(column)
    # Rows without an id have the hash 0.
    shared = int(np.count_nonzero(np.isin(here[here > 0], there)))
    if shared:
        detail = f"{shared:,} of {plural(len(here), 'current row')} are also in the reference, by their id"
        if differ:
            detail += "; what the rows hold differs: are ids given anew in each window?"
        yield Finding("overlap", column, shared / len(here), detail)


def _by_content(reference: Table, current: Table, names: Sequence[str], level: float) -> Iterator[Finding]:
    if not names:
        return
    with WindowScan(reference, names) as then, WindowScan(current, names) as now:
        alike = [name for name in names if then.kind(name) == now.kind(name)]
        if not alike:
            return
        there, here = then.row_hashes(alike), now.row_hashes(alike)
    (keys_there, before), (keys_here, after) = (
        np.unique(hashes, return_counts=True) for hashes in (there, here)
    )
    _, at_there, at_here = np.intersect1d(keys_there, keys_here, assume_unique=True, return_indices=True)
    split = int(np.count_nonzero((before[at_there] == 1) & (after[at_here] == 1)))
    within = sum(
        int(np.count_nonzero(np.delete(counts, at) == 2))
        for counts, at in ((before, at_there), (after, at_here))
    )
    p_value = chance.pairs_across(split, split + within, len(here), len(there))
    if split / len(here) >= _COINCIDENCE and p_value <= level:
        shared = int(after[at_here].sum())
        detail = (
            f"{shared:,} of {plural(len(here), 'current row')} are also in the reference, alike in all"
            f" {plural(len(alike), 'column')} compared"
        )
        yield Finding("overlap", None, shared / len(here), detail)
