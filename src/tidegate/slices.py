"""From slice names in the config to groups of rows."""

from collections.abc import Iterable, Sequence

from tidegate.config import SliceSpec
from tidegate.config.measures import cuts
from tidegate.metrics.cuts import groups_of, wants
from tidegate.metrics.data import Groups, Predictions
from tidegate.tables import Want


def slice_columns(specs: Iterable[SliceSpec]) -> list[tuple[str, Want]]:
    """The columns that the slices are made of and the kinds that they are read as, each once."""
    return list(dict.fromkeys(pair for spec in specs for pair in wants(cuts(spec)).items()))


def groupings(data: Predictions, specs: Sequence[SliceSpec]) -> list[Groups]:
    """The groups that a check is judged on: all rows when there is no slice, else one grouping per slice."""
    if not specs:
        return [Groups.everything(data.rows)]
    return [groups_of(data, cuts(spec)) for spec in specs]
