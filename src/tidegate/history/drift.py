"""What is kept of a drift report beside its verdicts: enough to count windows, alarms and retrains, and to see trends.

The document of a report carries it under ``kept``, its audit document under ``drift``; :func:`kept_part` makes it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated, Any

from pydantic import BaseModel, Field, JsonValue, ValidationError

from tidegate.history.lines import STRICT, TEXT_LIMIT, At, Count, Digest, Scalar, Text, encoded, moment

DRIFT_REPORT = "drift-report"
FAILED = "failed"
"""The decision in the record of a run that came to none."""
MAX_CONDITIONS = 20
MONITOR_BYTES = 8_192
TRACKED_BYTES = 6_144
"""Room for tracked values in a line, the first ones first."""
REMEMBERED = timedelta(days=400)
"""How long a retrain decision is remembered after its line gave way to a summary."""
REMEMBERED_BYTES = 524_288
"""Room that a summary has for old reports: beyond, the oldest are forgotten."""

_SENTENCE = 300
_TIME = "%Y-%m-%dT%H:%M:%SZ"

Sentence = Annotated[str, Field(max_length=_SENTENCE)]


class KeptWindow(BaseModel):
    """One window: the hash of its rows, how many they are, their first and last time."""

    model_config = STRICT

    sha256: Digest
    rows: Count
    start: Text | None = None
    end: Text | None = None


class KeptWindows(BaseModel):
    """Both windows of a report."""

    model_config = STRICT

    reference: KeptWindow | None = None
    current: KeptWindow | None = None


class TrackedFigure(BaseModel):
    """A figure of the current window that is watched over time, with the interval that it was known to lie in."""

    model_config = STRICT

    name: Text
    slice: dict[Text, Scalar] | None = None
    value: float
    ci: Annotated[list[float], Field(min_length=2, max_length=2)] | None = None
    rows: Count | None = None
    confidence: Annotated[float, Field(gt=0, lt=1)] | None = None
    better: Text | None = None


class KeptDrift(BaseModel):
    """What is kept of one drift report.

    Attributes:
        level: the chance of a false alarm that the report spent.
        conditions: all conditions of the trigger policy, as :func:`condition_key` shortens them.
        fired: those of them that fired.
        acted: whether the decision was to retrain.
        monitor: state of the sequential monitor, as it wrote it.
        tracked: figures over time, the most important first.
        failed: why the run came to no decision.
        left_out: what found no room.
    """

    model_config = STRICT

    windows: KeptWindows = KeptWindows()
    level: Annotated[float, Field(ge=0, le=1)] | None = None
    conditions: list[Text] = Field(default_factory=list, max_length=MAX_CONDITIONS)
    fired: list[Text] = Field(default_factory=list, max_length=MAX_CONDITIONS)
    acted: bool = False
    by_hand: bool = False
    monitor: dict[Text, JsonValue] | None = None
    tracked: list[TrackedFigure] = Field(default_factory=list)
    failed: Sentence | None = None
    left_out: list[Text] = Field(default_factory=list)


class Remembered(BaseModel):
    """What a summary keeps of a report."""

    model_config = STRICT

    at: At
    decision: Text
    drift: KeptDrift


@dataclass(frozen=True, slots=True)
class PastReport:
    """A drift report of the past.

    Attributes:
        at: when it was made, in UTC.
        kept: of a line that older versions wrote, its conditions and decision alone.
        summarised: its line gave way to a summary, which keeps retrains and one report a week.
    """

    at: datetime
    decision: str
    kept: KeptDrift = field(default_factory=KeptDrift)
    summarised: bool = False


def condition_key(text: str) -> str:
    """A condition as the history knows it: itself, or the beginning of a long one with a hash of all of it."""
    text = " ".join(text.split())
    if len(text) <= TEXT_LIMIT:
        return text
    digest = sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return f"{text[: TEXT_LIMIT - 14]} #{digest}"


def kept_part(
    *,
    reference: Mapping[str, Any] | None = None,
    current: Mapping[str, Any] | None = None,
    level: float | None = None,
    conditions: Iterable[str] = (),
    fired: Iterable[str] = (),
    acted: bool = False,
    by_hand: bool = False,
    monitor: Mapping[str, Any] | None = None,
    tracked: Sequence[Mapping[str, Any]] = (),
    failed: str | None = None,
) -> dict[str, Any]:
    """What a drift report has to carry as ``kept`` for the history, plain JSON and small enough for a line.

    What finds no room is left out by name, since a report that is not recorded at all would be the greater loss.

    Args:
        reference: of that window ``sha256``, ``rows``, ``start`` and ``end``, of which the last two may be None.
        current: the same of the current window.
        level: the chance of a false alarm that the report spent.
        conditions: all conditions of the trigger policy.
        fired: those that fired.
        acted: whether the decision was to retrain.
        by_hand: whether a person asked for it, past the policy.
        monitor: state of the sequential monitor, plain JSON.
        tracked: figures over time with ``name``, ``slice``, ``value``, ``ci``, ``rows``, ``confidence`` and
            ``better``, the most important first; those without a value are no figures.
        failed: why the run came to no decision.

    Raises:
        ValueError: a value is not of its kind, or not finite.
    """
    left_out: list[str] = []
    known, happened = ([condition_key(text) for text in texts] for texts in (conditions, fired))
    if len(known) > MAX_CONDITIONS or len(happened) > MAX_CONDITIONS:
        # Those that fired are what later windows are counted by.
        known = sorted(known, key=lambda text: text not in happened)[:MAX_CONDITIONS]
        happened = happened[:MAX_CONDITIONS]
        left_out.append("conditions")
    if monitor is not None and len(encoded(monitor)) > MONITOR_BYTES:
        monitor = None
        left_out.append("monitor")
    known_values = [each for each in map(_figure, tracked) if each is not None]
    values = _with_room(known_values, TRACKED_BYTES)
    if len(values) < len(known_values):
        left_out.append("tracked")
    part = {
        "windows": {"reference": _window(reference), "current": _window(current)},
        "level": level,
        "conditions": known,
        "fired": happened,
        "acted": acted,
        "by_hand": by_hand,
        "monitor": None if monitor is None else dict(monitor),
        "tracked": values,
        "failed": None if failed is None else failed[:_SENTENCE],
        "left_out": left_out,
    }
    try:
        return short(KeptDrift.model_validate_json(encoded(part)))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(each) for each in first["loc"])
        raise ValueError(f"the history cannot keep {where}: {first['msg']}") from None


def short(part: BaseModel) -> dict[str, Any]:
    """Plain JSON without what is as by default."""
    return part.model_dump(mode="json", exclude_defaults=True)


def remembered(reports: Iterable[PastReport]) -> list[dict[str, Any]]:
    """What a summary keeps of reports, oldest first: retrains of the last 400 days, and one report a week.

    Args:
        reports: oldest first, those of an earlier summary among them.
    """
    good = [report for report in reports if report.kept.failed is None]
    weekly = {report.at.isocalendar()[:2]: report for report in good if report.kept.tracked}
    thinned = {id(report) for report in weekly.values()}
    newest = max((report.at for report in good), default=None)
    kept: list[dict[str, Any]] = []
    room = REMEMBERED_BYTES
    for report in reversed(good):
        late = newest is not None and newest - report.at <= REMEMBERED
        if not (report.kept.acted and late) and id(report) not in thinned:
            continue
        line = _line(report, tracked=id(report) in thinned)
        room -= len(encoded(line)) + 2
        if room < 0:
            break
        kept.append(line)
    return kept[::-1]


def tracked_records(past: Iterable[PastReport]) -> list[dict[str, Any]]:
    """The tracked figures of the past as trends are made of: the time that each window ended, and its ``values``."""
    return [
        {"at": _ended(report), "values": [short(each) for each in report.kept.tracked]}
        for report in past
        if report.kept.tracked
    ]


def _ended(report: PastReport) -> str:
    """When the window ended; of one without times, when it was reported."""
    window = report.kept.windows.current
    return (window.end if window is not None else None) or report.at.strftime(_TIME)


def past_report(at: str, decision: str, kept: KeptDrift, *, summarised: bool = False) -> PastReport:
    """A report from the line that kept it."""
    return PastReport(moment(at), decision, kept, summarised)


def _line(report: PastReport, *, tracked: bool) -> dict[str, Any]:
    part = KeptDrift(
        windows=KeptWindows(current=report.kept.windows.current),
        acted=report.kept.acted,
        by_hand=report.kept.by_hand,
        tracked=report.kept.tracked if tracked else [],
    )
    return {
        "at": report.at.strftime(_TIME),
        "decision": report.decision,
        "drift": short(part),
    }


def _figure(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """What is kept of a tracked figure; without a value it is none, and bounds that are not finite bound nothing."""
    cut = {name: _cut(value.get(name)) for name in TrackedFigure.model_fields}
    if cut["ci"] is not None and None in cut["ci"]:
        cut["ci"] = None
    return None if cut["value"] is None else {name: each for name, each in cut.items() if each is not None}


def _with_room(values: Sequence[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    for value in values:
        room -= len(encoded(value)) + 2
        if room < 0:
            break
        kept.append(value)
    return kept


def _window(window: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if window is None else {name: window.get(name) for name in KeptWindow.model_fields}


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        # A lone surrogate could not be read back.
        return value.encode("utf-8", "backslashreplace").decode()[:TEXT_LIMIT]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_cut(str(key)): _cut(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(item) for item in value]
    return value
