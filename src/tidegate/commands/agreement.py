"""What the tables of two models must agree about, and what is taken from production's alone."""

from dataclasses import replace

import numpy as np

from tidegate.config import Columns, Compare
from tidegate.errors import DataError
from tidegate.metrics.data import Predictions
from tidegate.slices import slice_columns
from tidegate.wording import plural


def refuse_disagreement(candidate: Predictions, production: Predictions, columns: Columns, path: str) -> None:
    """Check that two tables of the same rows hold the same truth, and the same of how rows count and belong together.

    Args:
        candidate: what the candidate's table holds.
        production: what production's does, row by row of the same ids, with classes coded alike.
        columns: the parts that columns play.
        path: the candidate's table, for messages.

    Raises:
        DataError: they do not.
    """
    _refuse_other_truth(candidate, production, path)
    _refuse_other_design(candidate, production, columns, path)


def _refuse_other_truth(candidate: Predictions, production: Predictions, path: str) -> None:
    if candidate.label is None or production.label is None:
        return
    # Codes stand for the same classes: recoded above, and of two classes the second is always the positive one.
    differ = candidate.label != production.label
    if differ.any():
        raise DataError(
            f"{path}: the label differs from production's in {plural(int(differ.sum()), 'row')} that have the same id:"
            " both tables must hold the same truth"
        )


def _refuse_other_design(
    candidate: Predictions, production: Predictions, columns: Columns, path: str
) -> None:
    """Check that rows count as much in both tables, and belong together in the same way."""
    same = {
        "weight": _alike(candidate.weight, production.weight),
        "cluster": _parted_alike(candidate.cluster, production.cluster),
        "query": _parted_alike(candidate.query, production.query),
    }
    different = next((part for part, holds in same.items() if not holds), None)
    if different is not None:
        raise DataError(
            f"{path}: column {getattr(columns, different)!r} (`columns.{different}:`) differs from production's in rows"
            " that have the same id: both tables must hold the same of it"
        )


def _alike(ours: np.ndarray | None, theirs: np.ndarray | None) -> bool:
    """Whether weights are equal, as far as 32 bits hold them."""
    return ours is None or theirs is None or bool(np.allclose(ours, theirs, rtol=1e-6, atol=0.0))


def _parted_alike(ours: np.ndarray | None, theirs: np.ndarray | None) -> bool:
    """Whether two columns of codes part the rows in the same way: their codes stand for each other, one to one.

    Which values they are codes of is not asked: 7 in one file may be 7.0 in another.
    """
    if ours is None or theirs is None:
        return True
    return _determines(ours, theirs) and _determines(theirs, ours)


def _determines(codes: np.ndarray, others: np.ndarray) -> bool:
    """Whether rows of the same code have the same one of the others."""
    partner = np.zeros(int(codes.max(initial=0)) + 1, dtype=others.dtype)
    partner[codes] = others
    return bool((partner[codes] == others).all())


def as_production_has_it(candidate: Predictions, production: Predictions, config: Compare) -> Predictions:
    """The candidate's answers on rows that count, belong together and are cut into slices as production's table says.

    The candidate's own says nothing of that: it could weight away its errors, or move them out of a slice. A column
    whose values are compared themselves stays the candidate's; slices of it are cut from production's all the same.
    """
    uses = [config.primary, *config.guardrails]
    cut = slice_columns(spec for use in uses for spec in (*use.slices, *([] if use.by is None else [use.by])))
    compared = {use.column for use in uses}
    shared = {pair: production.columns[pair] for pair in cut if pair[0] not in compared}
    return replace(
        candidate,
        weight=production.weight,
        cluster=production.cluster,
        query=production.query,
        columns={**candidate.columns, **shared},
    )
