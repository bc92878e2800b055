"""From slice names in the config to groups of rows."""

from collections.abc import Iterable, Sequence

from tidegate.config import SliceSpec
from tidegate.metrics.data import Groups, Predictions
from tidegate.tables import Level


def slice_columns(specs: Iterable[SliceSpec]) -> list[str]:
    """The columns that the slices are made of, each once."""
    return list(dict.fromkeys(name for spec in specs for name in _names(spec)))


def _names(spec: SliceSpec) -> list[str]:
    return [spec] if isinstance(spec, str) else list(spec)


def groupings(data: Predictions, specs: Sequence[SliceSpec]) -> list[Groups]:
    """The groups that a check is judged on: all rows when there is no slice, else one grouping per slice."""
    if not specs:
        return [Groups.everything(data.rows)]
    return [_grouping(data, spec) for spec in specs]


def _grouping(data: Predictions, spec: SliceSpec) -> Groups:
    if isinstance(spec, str):
        return Groups.of_column(data.slices[spec])
    if isinstance(spec, list):
        return Groups.crossed([Groups.of_column(data.slices[name]) for name in spec])
    name, values = next(iter(spec.items()))
    listed: list[Level] = list(values) if isinstance(values, list) else [values]
    return Groups.of_column(data.slices[name], listed)
