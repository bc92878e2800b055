"""Which slices are tracked over time: those that both windows have, with rows enough, the largest first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tidegate.drift.figures import Measure
from tidegate.drift.tracked import TrackedValue, Where, slice_key
from tidegate.metrics.cuts import Cut, groups_of
from tidegate.metrics.data import Groups, Predictions
from tidegate.tables import Column
from tidegate.wording import plural

MOST_SLICES = 200
MIN_ROWS = 30


@dataclass(frozen=True, slots=True)
class Observed:
    """One window as it is tracked.

    Attributes:
        rows: all rows, with what service and outcomes are read off; labels are not needed.
        labelled: the rows that have a label, with the columns of the slices; None when none has.
        times: of all rows, of kind ``time``; None without timestamps.
    """

    rows: Predictions
    labelled: Predictions | None = None
    times: Column | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tracked.

    Attributes:
        metrics: of the model, each on all rows and on every slice.
        slices: each one column or several, cut into values or bins; quantiles would be others in each window.
        kpi: columns whose means are tracked.
        min_rows: slices on which a metric stands on fewer rows, in either window, are left out.
    """

    metrics: Sequence[Measure] = ()
    slices: Sequence[tuple[Cut, ...]] = ()
    kpi: Sequence[str] = ()
    min_rows: int = MIN_ROWS
    most_slices: int = MOST_SLICES


@dataclass(frozen=True, slots=True)
class Cells:
    """The slices of one specification that are looked at, the same in both windows."""

    cuts: tuple[Cut, ...]
    keys: dict[tuple[tuple[str, str], ...], int]
    slices: tuple[Where, ...]

    def groups(self, data: Predictions) -> Groups:
        """The rows of each of the slices in a window."""
        found = groups_of(data, self.cuts)
        place = np.array([*(self.keys.get(slice_key(each), -1) for each in found.slices), -1], dtype=np.int32)
        return Groups(place[found.codes], tuple(None if each is None else dict(each) for each in self.slices))


def common_slices(
    reference: Observed | Sequence[TrackedValue], current: Observed, plan: Plan, left_out: list[str]
) -> list[Cells]:
    """Slices with enough rows, of all specifications those with most rows."""
    sized: list[tuple[int, int, tuple[tuple[str, str], ...], Where]] = []
    known = (
        None
        if isinstance(reference, Observed)
        else {slice_key(each.slice) for each in reference if each.slice}
    )
    for i, cuts in enumerate(plan.slices):
        if not all((cut.column, cut.want) in current.rows.columns for cut in cuts):
            names = " and ".join(cut.column for cut in cuts)
            left_out.append(f"slices by {names}: the current window has no such column")
            continue
        there = known if known is not None else _keys_of(reference, cuts)
        groups = groups_of(current.rows, cuts)
        counts = np.bincount(groups.codes + 1, minlength=groups.count + 1)[1:]
        new = thin = 0
        for where, rows in zip(groups.slices, counts.tolist(), strict=True):
            key = slice_key(where)
            if rows < plan.min_rows:
                thin += 1
            elif key not in there:
                new += 1
            else:
                sized.append((-rows, i, key, where))
        names = " and ".join(cut.column for cut in cuts)
        if thin:
            left_out.append(f"{plural(thin, 'slice')} by {names} with under {plural(plan.min_rows, 'row')}")
        if new:
            left_out.append(f"{plural(new, 'slice')} by {names} that the reference does not have")
    sized.sort(key=lambda each: each[:3])
    if len(sized) > plan.most_slices:
        left_out.append(
            f"{plural(len(sized) - plan.most_slices, 'slice')} beyond the {plan.most_slices:,} largest"
        )
    result = []
    for i, cuts in enumerate(plan.slices):
        kept = [each for each in sized[: plan.most_slices] if each[1] == i]
        if kept:
            keys = {each[2]: place for place, each in enumerate(kept)}
            result.append(Cells(cuts, keys, tuple(each[3] for each in kept)))
    return result


def _keys_of(
    window: Observed | Sequence[TrackedValue], cuts: tuple[Cut, ...]
) -> set[tuple[tuple[str, str], ...]]:
    if not isinstance(window, Observed):
        return set()
    if not all((cut.column, cut.want) in window.rows.columns for cut in cuts):
        return set()
    groups = groups_of(window.rows, cuts)
    counts = np.bincount(groups.codes + 1, minlength=groups.count + 1)[1:]
    return {slice_key(where) for where, rows in zip(groups.slices, counts, strict=True) if rows}
