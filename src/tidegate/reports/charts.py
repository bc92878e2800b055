"""Coordinates for the small charts of the HTML report; the templates draw them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.reports import ranking

Row = Mapping[str, Any]

WIDTH = 150  # of an interval chart, in SVG user units
BARS_WIDTH, BARS_HEIGHT = 280, 72  # of a distribution chart


@dataclass(frozen=True, slots=True)
class IntervalChart:
    """An interval around a difference; zero stands in the middle and better is right.

    Attributes:
        low, high: where the interval ends, or None without one.
        dot: where the estimate stands.
        margin: where the largest acceptable loss stands, or None.
    """

    low: float | None
    high: float | None
    dot: float
    margin: float | None


@dataclass(frozen=True, slots=True)
class DistributionChart:
    """Two overlaid bar charts as SVG path data: the reference filled, the current window outlined."""

    reference: str
    current: str


def interval_chart(
    estimate: float, bounds: Sequence[float] | None, reach: float, margin: float | None = None
) -> IntervalChart:
    """Place an interval on an axis from `-reach` to `reach`."""

    def place(value: float) -> float:
        inside = max(-1.0, min(1.0, value / (reach or 1.0)))
        return round((inside + 1) / 2 * (WIDTH - 8) + 4, 1)

    low, high = (place(bounds[0]), place(bounds[1])) if bounds is not None else (None, None)
    return IntervalChart(low, high, place(estimate), place(-margin) if margin else None)


def check_charts(checks: Sequence[Row]) -> list[IntervalChart | None]:
    """Draw checks as distances to their thresholds; checks of one metric and threshold share an axis.

    Counts of violations are not drawn: none at all would look like a narrow escape.
    """
    distances = [None if ranking.is_expectation(check) else ranking.clearance(check) for check in checks]
    intervals = [ranking.cleared_interval(check) for check in checks]
    axes = [(check.get("metric"), check.get("column"), ranking.threshold(check)) for check in checks]
    spans = ([distance or 0.0, *(ends or ())] for distance, ends in zip(distances, intervals, strict=True))
    reach = _reach(axes, spans)
    return [
        None if distance is None else interval_chart(distance, ends, reach[axis])
        for distance, ends, axis in zip(distances, intervals, axes, strict=True)
    ]


def comparison_charts(comparisons: Sequence[Row]) -> list[IntervalChart | None]:
    """Draw comparisons as differences with their margins; comparisons of one metric share an axis.

    Skipped ones are not drawn: an interval from a handful of rows would squeeze all others into a point.
    """
    axes = [row.get("metric") for row in comparisons]
    drawn = [row.get("delta") is not None and row.get("verdict") != "skipped" for row in comparisons]
    spans = (
        [row.get("delta") or 0.0, row.get("margin") or 0.0, *(row.get("ci") or ())] if shown else [0.0]
        for row, shown in zip(comparisons, drawn, strict=True)
    )
    reach = _reach(axes, spans)
    return [
        interval_chart(row["delta"], row.get("ci"), reach[row.get("metric")], row.get("margin"))
        if shown
        else None
        for row, shown in zip(comparisons, drawn, strict=True)
    ]


def drop_chart(realised: Row) -> IntervalChart:
    """Draw a drop in performance as a loss, left of zero, with the loss that is tolerated."""
    drop, margin = realised["drop"], realised.get("min_drop")
    low, high = realised.get("ci") or (drop, drop)
    reach = max(abs(low), abs(high), abs(margin or 0.0))
    return interval_chart(-drop, (-high, -low), reach, margin)


def distribution_chart(distribution: Row) -> DistributionChart:
    """Draw a feature's shares in both windows over one axis."""
    windows = distribution["reference"], distribution["current"]
    top = max(*windows[0], *windows[1]) or 1.0
    step = BARS_WIDTH / len(distribution["labels"])
    return DistributionChart(_bars(windows[0], top, step, 0.06), _bars(windows[1], top, step, 0.22))


def _bars(shares: Sequence[float], top: float, step: float, gap: float) -> str:
    parts = []
    for index, share in enumerate(shares):
        height = round(share / top * (BARS_HEIGHT - 2), 1)
        left, width = round((index + gap) * step, 1), round((1 - 2 * gap) * step, 1)
        parts.append(f"M{left:g} {BARS_HEIGHT}v{-height:g}h{width:g}v{height:g}")
    return "".join(parts)


def _reach(axes: Sequence[Any], spans: Iterable[Sequence[float]]) -> dict[Any, float]:
    reach: dict[Any, float] = {}
    for axis, span in zip(axes, spans, strict=True):
        reach[axis] = max(reach.get(axis, 0.0), *(abs(value) for value in span))
    return reach
