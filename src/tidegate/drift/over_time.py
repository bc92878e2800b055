"""Segments and service over time: metrics per slice, gaps between groups, latency, errors, cost and outcomes."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from tidegate.drift.figures import Figure, Measure, change, figures
from tidegate.drift.performance import DEFAULT_DROP, DEFAULT_RISE, size_that_counts
from tidegate.drift.service import rows_per_day, service_measures
from tidegate.drift.tracked import Better, Kind, Tracked, TrackedValue, Where, slice_key
from tidegate.drift.tracked_slices import Cells, Observed, Plan, common_slices
from tidegate.metrics import METRICS
from tidegate.metrics.data import Groups, Predictions
from tidegate.metrics.gaps import GroupGap
from tidegate.stats.multiplicity import holm
from tidegate.wording import first_few, name_slice, number, plural

_GAPS = {
    "binary": ("demographic_parity_difference", "equal_opportunity_difference", "accuracy_difference"),
    "multiclass": ("accuracy_difference",),
    "regression": ("mean_absolute_error_difference", "mean_error_difference"),
}


@dataclass(frozen=True, slots=True)
class OverTime:
    """Everything tracked, what got worse for certain first, and what was left out in words."""

    tracked: list[Tracked]
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Item:
    """A figure of one window by what it is told apart by."""

    kind: Kind
    name: str
    where: Where
    better: Better
    figure: Figure
    measure: Measure | None = None

    def size(self, reference: float) -> float:
        """By default what counts as a change; gaps of shares lie between 0 and 1."""
        if self.measure is None:
            return DEFAULT_RISE * abs(reference)
        shares = isinstance(self.measure.how, GroupGap) and "error" not in self.name
        return DEFAULT_DROP if shares else size_that_counts(self.measure, reference)

    @property
    def key(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        return self.name, slice_key(self.where)


def track(
    reference: Observed | Sequence[TrackedValue],
    current: Observed,
    plan: Plan,
    *,
    confidence: float,
    min_change: float | None = None,
) -> OverTime:
    """Compare everything tracked between two independent windows.

    Each interval is that of a difference of two independent figures (Zou & Donner, 2008), clusters and weights
    respected. A figure is called changed, and with it better or worse, only after Holm's correction over all of them at
    one minus the confidence, and when the change is of a size that counts.

    Args:
        reference: the window that things are compared with, or what was kept of it.
        current: the window under watch.
        plan: what is tracked.
        confidence: of the intervals.
        min_change: size that counts; by default 0.02 for what is better when higher and for gaps of shares, 5% of the
            reference for everything else.
    """
    left_out: list[str] = []
    cells = common_slices(reference, current, plan, left_out)
    now = list(_items(current, plan, cells, confidence))
    if isinstance(reference, Observed):
        then = {each.key: each.figure for each in _items(reference, plan, cells, confidence)}
    else:
        then = {(each.name, slice_key(each.slice)): each.figure for each in reference}
    found = []
    for item in now:
        before = then.get(item.key)
        if before is None:
            before = Figure(None, 0, (), "it was not measured on the reference")
        thin = min(before.rows, item.figure.rows) < plan.min_rows
        if item.kind == "segment" and thin:
            left_out.append(
                f"{item.name}{name_slice(item.where)}: under {plural(plan.min_rows, 'row')} in a window"
            )
            continue
        size = item.size(before.value or 0.0) if min_change is None else min_change
        found.append((_tracked(item, before, confidence), size))
    return OverTime(_corrected(found, 1 - confidence), _shortened(left_out))


def _items(window: Observed, plan: Plan, cells: Sequence["Cells"], confidence: float) -> Iterator[_Item]:
    for measure in plan.metrics:
        data = _rows_for(measure, window)
        if data is None:
            continue
        groups = [Groups.everything(data.rows), *(cell.groups(data) for cell in cells)]
        for i, each in enumerate(groups):
            for where, figure in zip(
                each.slices, figures(measure, data, each, confidence=confidence), strict=True
            ):
                yield _item("segment" if i else "overall", measure, where, figure)
    for measure in _gap_measures(window, plan):
        data = _rows_for(measure, window)
        if data is not None:
            figure = figures(measure, data, Groups.everything(data.rows), confidence=confidence)[0]
            yield _item("fairness", measure, None, figure)
    for measure in service_measures(window.rows, plan.kpi):
        figure = figures(measure, window.rows, Groups.everything(window.rows.rows), confidence=confidence)[0]
        yield _item("service", measure, None, figure)
    if window.times is not None:
        yield _Item(
            "service", "rows_per_day", None, "neither", rows_per_day(window.times, confidence=confidence)
        )


def _item(kind: Kind, measure: Measure, where: Where, figure: Figure) -> _Item:
    return _Item(kind, measure.name, where, measure.how.better, figure, measure)


def _rows_for(measure: Measure, window: Observed) -> Predictions | None:
    """Rows that have what the metric reads: labels only where it needs them."""
    return window.labelled if "label" in measure.how.parts else window.rows


def _gap_measures(window: Observed, plan: Plan) -> list[Measure]:
    """Gaps between the groups of each slice that has one column: those of the task, and of the metrics tracked."""
    names = list(_GAPS.get(window.rows.task, ()))
    names += [f"{each.metric}_difference" for each in plan.metrics if f"{each.metric}_difference" in METRICS]
    measures = []
    for name in dict.fromkeys(names):
        metric = METRICS[name]
        data = window.labelled if "label" in metric.parts else window.rows
        if not isinstance(metric, GroupGap) or data is None:
            continue
        if any(getattr(data, part) is None for part in metric.parts):
            continue
        measures += [
            Measure(name, {"by": cuts, "min_rows": plan.min_rows})
            for cuts in plan.slices
            if all((cut.column, cut.want) in data.columns for cut in cuts)
        ]
    return measures


def _tracked(item: _Item, before: Figure, confidence: float) -> Tracked:
    now = item.figure
    moved = change(before, now, confidence=confidence)
    ci = None
    if moved is not None and math.isfinite(moved.interval.low) and math.isfinite(moved.interval.high):
        ci = (moved.interval.low, moved.interval.high)
    worse = None
    if moved is not None and moved.change != 0 and item.better != "neither":
        worse = (moved.change > 0) == (item.better == "lower")
    return Tracked(
        kind=item.kind,
        name=item.name,
        slice=None if item.where is None else dict(item.where),
        reference=before.value,
        reference_ci=None if before.value is None else before.bounds(confidence),
        current=now.value,
        current_ci=None if now.value is None else now.bounds(confidence),
        change=None if moved is None else moved.change,
        better=item.better,
        worse=worse,
        ci=ci,
        p_value=None if moved is None else moved.p_value,
        adjusted_p_value=None,
        changed=False,
        rows_reference=before.rows,
        rows_current=now.rows,
        detail=before.problem or now.problem,
    )


def _corrected(found: Sequence[tuple[Tracked, float]], level: float) -> list[Tracked]:
    """Each figure with the size that counts, after the correction over all of them."""
    p_values = [each.p_value for each, _ in found if each.p_value is not None]
    adjusted = iter(holm(p_values).tolist()) if p_values else iter(())
    result = []
    for each, size in found:
        if each.p_value is None or each.change is None:
            result.append(replace(each, detail=f"{_what(each)}: {each.detail}"))
            continue
        p = next(adjusted)
        each = replace(each, adjusted_p_value=p, changed=bool(p <= level and abs(each.change) >= size))
        result.append(replace(each, detail=_in_words(each)))
    kinds = ("overall", "segment", "fairness", "service")
    return sorted(
        result,
        key=lambda each: (
            not (each.changed and each.worse),
            not each.changed,
            kinds.index(each.kind),
            2.0 if each.adjusted_p_value is None else each.adjusted_p_value,
            each.name,
            slice_key(each.slice),
        ),
    )


def _what(each: Tracked) -> str:
    return f"{each.name}{name_slice(each.slice)}"


def _in_words(each: Tracked) -> str:
    moved = f"{_what(each)} {number(each.reference)} → {number(each.current)}"
    if each.ci is not None:
        moved += f", change {number(each.change)} [{number(each.ci[0])}, {number(each.ci[1])}]"
    if not each.changed:
        return f"{moved}: no change beyond chance, or too small to count"
    verdict = "changed" if each.worse is None else "got worse" if each.worse else "got better"
    gap = ""
    if each.kind == "fairness":
        gap = ", the gap between groups grew" if each.worse else ", the gap between groups shrank"
    return f"{moved}: {verdict}{gap} (p = {number(each.adjusted_p_value)} over everything tracked)"


def _shortened(left_out: Sequence[str]) -> list[str]:
    """One sentence for the slices that are left out one by one."""
    thin = [each for each in left_out if ": under " in each]
    others = [each for each in left_out if ": under " not in each]
    return [*others, f"left out for few rows: {first_few(thin, separator='; ')}"] if thin else others
