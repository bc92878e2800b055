"""What a model answers, and whether a table answers the rows that were asked."""

from tidegate.config import Columns
from tidegate.errors import DataError
from tidegate.tables import Table


def score_columns(columns: Columns) -> list[str]:
    """The columns of scores: one, one for each class, or none."""
    scores = columns.score.values() if isinstance(columns.score, dict) else [columns.score]
    return [name for name in scores if name is not None]


def answer_columns(columns: Columns) -> list[str]:
    """The columns that a model answers with, however and wherever it is served."""
    named = [*score_columns(columns), columns.prediction, columns.error, columns.cost]
    return [name for name in named if name is not None]


def timing_columns(columns: Columns) -> list[str]:
    """The columns that tell how long answers took: true of one machine and one moment."""
    return [name for name in (columns.latency, columns.production_latency) if name is not None]


def require_answers(answered: Table, data: Table, identifier: str) -> None:
    """Check that a table answers each row of `data` once, and no other.

    Raises:
        DataError: it does not.
    """
    repeated = answered.duplicated(identifier, limit=1)
    if repeated:
        raise DataError(f"the {identifier} {repeated[0][0]} stands in it {repeated[0][1]} times")
    matched = len(data.meet(answered, identifier).ours)
    if matched != data.rows or answered.rows != data.rows:
        raise DataError(
            f"it must answer each of the {data.rows:,} rows once, but has {answered.rows:,} rows,"
            f" of which {matched:,} match"
        )
