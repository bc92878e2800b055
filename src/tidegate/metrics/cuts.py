"""Which rows a slice or a protected group holds: the values of a column, its bins, or combinations of several."""

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.metrics.binning import Period, bin_numbers, bin_times, quantile_edges
from tidegate.metrics.data import Groups, Predictions
from tidegate.tables import Column, Level, Want


@dataclass(frozen=True, slots=True)
class Cut:
    """One column and how its values make groups; with nothing else given, each value is one.

    Attributes:
        values: only these, in this order.
        edges: bins of numbers between these.
        quantiles: this many bins of numbers, of equal size.
        period: calendar periods of times.
    """

    column: str
    values: tuple[Level, ...] | None = None
    edges: tuple[float, ...] | None = None
    quantiles: int | None = None
    period: Period | None = None

    @property
    def want(self) -> Want:
        """The kind that the column is read as."""
        if self.period is not None:
            return "time"
        return "category" if self.edges is None and self.quantiles is None else "number"

    def groups(self, data: Predictions) -> Groups:
        """The groups of the rows."""
        column = data.columns[self.column, self.want]
        return Groups.of_column(self._binned(column), self.values)

    def _binned(self, column: Column) -> Column:
        if self.period is not None:
            return bin_times(column, self.period)
        if self.edges is not None:
            return bin_numbers(column, self.edges)
        if self.quantiles is not None:
            return bin_numbers(column, quantile_edges(column.values, self.quantiles))
        return column


def groups_of(data: Predictions, cuts: Sequence[Cut]) -> Groups:
    """The groups of one cut, or the combinations that occur of several."""
    parts = [cut.groups(data) for cut in cuts]
    return parts[0] if len(parts) == 1 else Groups.crossed(parts)


def wants(cuts: Sequence[Cut]) -> dict[str, Want]:
    """The columns that cuts read, and as which kind."""
    return {cut.column: cut.want for cut in cuts}
