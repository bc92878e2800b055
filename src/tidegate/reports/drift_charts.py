"""Coordinates for the small charts of the drift report's HTML page; the templates draw them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tidegate.reports.charts import IntervalChart, interval_chart

Row = Mapping[str, Any]

LINE_WIDTH, LINE_HEIGHT = 120, 28  # of a sparkline, in SVG user units
SQUARE = 200  # of a reliability chart
_EDGE = 4


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line through the newest values, and where its last point stands."""

    path: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a reliability chart."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """Mean label over mean score in bins of the score, of both windows, on one square from 0 to 1."""

    reference: list[Point]
    current: list[Point]

    @property
    def line(self) -> str:
        """Through the points of the current window."""
        return _path([(point.x, point.y) for point in self.current])


def drop_charts(rows: Sequence[Row]) -> list[IntervalChart | None]:
    """Draw drops as losses, left of zero, over one axis, with the loss that is tolerated."""
    spans = [_losses(row) for row in rows]
    reach = max((abs(value) for span in spans for value in span), default=0.0)
    return [
        interval_chart(-row["drop"], _bounds(row), reach, row.get("min_drop")) if span else None
        for row, span in zip(rows, spans, strict=True)
    ]


def _bounds(row: Row) -> tuple[float, float] | None:
    bounds = row.get("ci")
    return (-bounds[1], -bounds[0]) if bounds else None


def _losses(row: Row) -> list[float]:
    if row.get("drop") is None:
        return []
    return [row["drop"], row.get("min_drop") or 0.0, *(row.get("ci") or ())]


def change_charts(rows: Sequence[Row]) -> list[IntervalChart | None]:
    """Draw changes of figures, the ones of one name over one axis; right of zero is up, whatever is better."""
    reach: dict[str, float] = {}
    for row in rows:
        if row.get("change") is not None:
            ends = [abs(row["change"]), *map(abs, row.get("ci") or ())]
            reach[str(row.get("name"))] = max(reach.get(str(row.get("name")), 0.0), *ends)
    return [
        interval_chart(row["change"], row.get("ci"), reach[str(row.get("name"))])
        if row.get("change") is not None
        else None
        for row in rows
    ]


def sparkline(values: Sequence[float]) -> Sparkline | None:
    """Draw values from left to right, from the lowest at the bottom to the highest at the top."""
    if len(values) < 2:
        return None
    low, span = min(values), max(values) - min(values)
    step = (LINE_WIDTH - 2 * _EDGE) / (len(values) - 1)
    points = [
        (round(_EDGE + index * step, 1), round(_upward((value - low) / span if span else 0.5), 1))
        for index, value in enumerate(values)
    ]
    return Sparkline(_path(points), *points[-1])


def _upward(share: float) -> float:
    return _EDGE + (1 - share) * (LINE_HEIGHT - 2 * _EDGE)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) if points else ""


def reliability(bins: Sequence[Row]) -> Reliability | None:
    """Place the bins of both windows; None where neither has any."""
    reference, current = (_points(bins, window) for window in ("reference", "current"))
    return Reliability(reference, current) if reference or current else None


def _points(bins: Sequence[Row], window: str) -> list[Point]:
    known = [(each.get(f"{window}_score"), each.get(f"{window}_label")) for each in bins]
    return [
        Point(round(SQUARE * float(score), 1), round(SQUARE * (1 - float(label)), 1))
        for score, label in known
        if score is not None and label is not None
    ]


def bars(shares: Sequence[float]) -> str:
    """Draw shares of one as bars beside each other, in the box of a sparkline."""
    step = LINE_WIDTH / len(shares) if shares else 0.0
    height = [round(LINE_HEIGHT * min(max(share, 0.0), 1.0), 1) for share in shares]
    return "".join(
        f"M{round(index * step + 1, 1):g} {LINE_HEIGHT}v{-tall:g}h{round(step - 2, 1):g}v{tall:g}"
        for index, tall in enumerate(height)
    )
