"""What a drift document follows from report to report: segments, gaps between groups, service and the monitor."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite, log1p
from typing import Any

from tidegate.reports import figures
from tidegate.reports.verdicts import Tone, count

Row = Mapping[str, Any]

MOST_POINTS = 30
"""Of a sparkline: the newest."""
_KINDS = {"overall": "all rows", "segment": "segment", "fairness": "gap", "service": "service"}
_ROOM = 1.15  # times the larger of value and threshold that the gauge of a monitor reaches to


@dataclass(frozen=True, slots=True)
class Followed:
    """A figure of both windows with its trend.

    Attributes:
        about: as the document has it.
        kind: in a word.
        word, tone: how it changed against the reference.
        values: of the newest reports, this one last; empty without a history.
        trend, trend_tone: how it moves from report to report; empty without a history.
    """

    about: Row
    kind: str
    word: str
    tone: Tone
    values: list[float]
    trend: str
    trend_tone: Tone

    @property
    def telling(self) -> bool:
        """Whether it changed, or moves for the worse."""
        return bool(self.about.get("changed")) or self.trend_tone == "act"


@dataclass(frozen=True, slots=True)
class Gauge:
    """Evidence against the threshold, as shares of a logarithmic scale from nothing."""

    value: float
    threshold: float


def followed(document: Row) -> list[Followed]:
    """Return what is followed, what got worse first."""
    trends = {_key(row): row for row in document.get("trends") or []}
    rows = [_followed(row, trends.pop(_key(row), None)) for row in document.get("segments") or []]
    return sorted(rows, key=_place)


def _key(row: Row) -> str:
    return repr([row.get("name"), sorted((row.get("slice") or {}).items(), key=repr)])


def _followed(row: Row, trend: Row | None) -> Followed:
    values = [float(value) for value in (trend or {}).get("values") or []][-MOST_POINTS:]
    kind = str(row.get("kind"))
    return Followed(row, _KINDS.get(kind, kind), *_change(row), values, *_trend(trend))


def _change(row: Row) -> tuple[str, Tone]:
    if row.get("change") is None:
        return "not compared", "note"
    if not row.get("changed"):
        return "no change shown", "note"
    worse = row.get("worse")
    return ("changed", "act") if worse is None else ("worse", "act") if worse else ("better", "go")


def _trend(trend: Row | None) -> tuple[str, Tone]:
    if not trend:
        return "", "note"
    word = str(trend.get("word"))
    if word == "too few":
        return f"{count(trend.get('points') or 0, 'report')} so far", "note"
    if word not in ("rising", "falling"):
        return word, "note"
    worse, slope = trend.get("worse"), trend.get("slope")
    moves = f"{word} by {figures.number(abs(slope))} in 30 days" if slope is not None else word
    if worse is None:
        return moves, "note"
    return (f"{moves}, for the worse", "act") if worse else (f"{moves}, for the better", "go")


def _place(row: Followed) -> tuple[int, float, float]:
    about = row.about
    worse = bool(about.get("changed") and about.get("worse"))
    group = 0 if worse else 1 if row.trend_tone == "act" else 2 if about.get("changed") else 3
    p_value = about.get("adjusted_p_value")
    return group, 1.0 if p_value is None else p_value, -abs(about.get("change") or 0.0)


def gauge(monitor: Row | None) -> Gauge | None:
    """Place a monitor's evidence and threshold; None where there is no monitor.

    Evidence multiplies from window to window, so the scale is logarithmic.
    """
    value, threshold = (monitor or {}).get("value"), (monitor or {}).get("threshold")
    if value is None or threshold is None or not (isfinite(value) and isfinite(threshold) and threshold > 0):
        return None
    ends = log1p(max(value, 0.0)), log1p(threshold)
    reach = _ROOM * max(ends)
    return Gauge(ends[0] / reach, ends[1] / reach)
