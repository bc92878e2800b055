import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.drift import tracked as tracked_figures
from tidegate.errors import RepositoryError
from tidegate.history import History, chain, drift, parse, records
from tidegate.history.drift import (
    KeptDrift,
    KeptWindow,
    PastReport,
    condition_key,
    kept_part,
    remembered,
    tracked_records,
)

MODEL, COMMAND = "m", "drift-report"
PATH = "m/drift-report.jsonl"
START = datetime(2026, 1, 1, 5, 23, tzinfo=UTC)
DAY = timedelta(days=1)


def digest(name: object) -> str:
    return sha256(str(name).encode()).hexdigest()


def stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def window(name: object, rows: int = 500) -> dict[str, Any]:
    return {
        "sha256": digest(name),
        "rows": rows,
        "start": "2026-01-01T00:00:00",
        "end": "2026-01-07T23:59:59",
    }


def audit(at: datetime, decision: str = "watch", part: dict[str, Any] | None = None) -> dict[str, Any]:
    triggers = [
        {"kind": "trigger", "condition": "drift", "value": True, "verdict": "fired"},
        {"kind": "trigger", "condition": "performance_drop", "value": None, "verdict": "not_fired"},
    ]
    return {
        "command": COMMAND,
        "model": MODEL,
        "decision": decision,
        "at": stamp(at),
        "document_sha256": digest(at),
        "run": None,
        "code": {"git_sha": None},
        "verdicts": triggers,
        **({} if part is None else {"drift": part}),
    }


def grow(found: History, document: dict[str, Any]) -> History:
    lines = chain.extended(found, document, digest(document["at"]))
    return parse(b"".join(line + b"\n" for line in lines), PATH, MODEL, COMMAND)


def tracked(i: float, name: str = "roc_auc", where: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "slice": where, "value": 0.8 - i / 1000, "ci": [0.7, 0.9], "rows": 500}


FULL = {
    "reference": window("then", 5000),
    "current": window("now"),
    "level": 0.0025,
    "conditions": ["drift", "performance_drop"],
    "fired": ["drift"],
    "acted": True,
    "by_hand": True,
    "monitor": {"schema": "tidegate/monitor/1", "streams": {"a": {"evidence": [1.5, 2, None]}}},
    "tracked": [tracked(0), tracked(1, "recall", {"carrier": "AA", "late": None, "n": 3, "b": True})],
}


# --- a line


def test_a_report_is_read_back_as_it_was() -> None:
    (found,) = grow(History(), audit(START, "retrain", kept_part(**FULL))).drift()
    kept = found.kept

    assert (found.at, found.decision, found.summarised) == (START, "retrain", False)
    assert kept.windows.reference == KeptWindow.model_validate(FULL["reference"])
    assert kept.windows.current == KeptWindow.model_validate(FULL["current"])
    assert (kept.level, kept.acted, kept.by_hand, kept.failed) == (0.0025, True, True, None)
    assert (kept.conditions, kept.fired) == (["drift", "performance_drop"], ["drift"])
    assert kept.monitor == FULL["monitor"]
    assert [each.model_dump(exclude={"confidence", "better"}) for each in kept.tracked] == FULL["tracked"]
    assert kept.left_out == []


def test_a_failed_run_is_read_back_with_its_reason() -> None:
    part = kept_part(failed="current.parquet has no rows: " + "x" * 1000)
    (found,) = grow(History(), audit(START, "failed", part)).drift()

    assert found.decision == "failed"
    assert str(found.kept.failed).startswith("current.parquet has no rows")
    assert len(str(found.kept.failed)) == 300


def test_lines_of_older_versions_tell_their_conditions_and_decision() -> None:
    found = grow(grow(History(), audit(START, "retrain")), audit(START + DAY, "watch"))
    first, second = found.drift()

    assert b'"drift": {' not in found.lines[0]
    assert (first.kept.fired, first.kept.conditions) == (["drift"], ["drift", "performance_drop"])
    assert (first.kept.acted, second.kept.acted) == (True, False)
    assert first.kept.windows.current is None


def test_other_commands_have_no_drift() -> None:
    document = {**audit(START, "pass"), "command": "evaluate-gate"}
    lines = chain.extended(History(), document, digest(1))
    found = parse(lines[0] + b"\n", "m/evaluate-gate.jsonl", MODEL, "evaluate-gate")

    assert len(found.records) == 1
    assert found.drift() == []


def test_an_unknown_key_of_a_newer_version_is_read_over() -> None:
    part = {**kept_part(**FULL), "new": [1, 2]}
    assert grow(History(), audit(START, part=part)).drift()[0].kept.level == 0.0025


@pytest.mark.parametrize(
    "broken",
    [
        {"windows": {"current": {"sha256": "x", "rows": 1}}},
        {"windows": {"current": {"sha256": digest(1), "rows": -1}}},
        {"level": 2},
        {"level": "much"},
        {"fired": ["x" * 200]},
        {"fired": ["x"] * 100},
        {"acted": "yes"},
        {"tracked": [{"name": "a"}]},
        {"tracked": [{"name": "a", "value": "high"}]},
        {"failed": "x" * 500},
        {"monitor": [1]},
        "x",
        [1],
    ],
)
def test_a_forged_part_is_named(broken: Any) -> None:
    line = {**json.loads(grow(History(), audit(START)).lines[0]), "drift": broken}

    with pytest.raises(RepositoryError, match=r"line 1 of .* is malformed \(drift"):
        parse(json.dumps(line).encode() + b"\n", PATH, MODEL, COMMAND)


def test_a_time_that_is_on_no_calendar_is_malformed() -> None:
    line = {**json.loads(grow(History(), audit(START)).lines[0]), "at": "2026-02-30T00:00:00Z"}

    with pytest.raises(RepositoryError, match=r"line 1 of .* is malformed \(at"):
        parse(json.dumps(line).encode() + b"\n", PATH, MODEL, COMMAND)


# --- what has room


def test_the_fullest_line_is_read_back() -> None:
    hostile = "\u202e\U0001f600" * 300
    verdicts = [
        {"kind": "feature", "column": hostile + str(i), "value": 0.5, "verdict": "drifted"}
        for i in range(500)
    ]
    part = kept_part(
        reference={**window(1), "start": "x" * 120, "end": "x" * 120},
        current={**window(2), "start": "x" * 120, "end": "x" * 120},
        level=0.01,
        conditions=[f"new_rows > {i}" + " and drift" * 30 for i in range(50)],
        fired=[f"new_rows > {i}" + " and drift" * 30 for i in range(30, 50)],
        monitor={"streams": {"s" * 100 + str(i): [1.25] * 5 for i in range(50)}},
        tracked=[tracked(i, hostile, {hostile + str(j): hostile for j in range(3)}) for i in range(900)],
    )
    found = grow(History(), {**audit(START, part=part), "verdicts": verdicts})
    kept = found.drift()[0].kept

    assert len(found.lines[0]) < records.MAX_LINE_BYTES
    assert found.lines[0].isascii()
    assert kept.left_out == ["conditions", "tracked"]
    assert kept.monitor is not None
    assert 0 < len(kept.tracked) < 900
    # Of too many conditions those stay that fired.
    assert len(kept.conditions) == drift.MAX_CONDITIONS
    assert kept.fired == [condition_key(f"new_rows > {i}" + " and drift" * 30) for i in range(30, 50)]


def test_a_monitor_without_room_is_left_out_by_name() -> None:
    part = kept_part(monitor={"a": "x" * drift.MONITOR_BYTES})

    assert "monitor" not in part
    assert part["left_out"] == ["monitor"]


def test_what_is_not_finite_is_no_figure_and_no_bound() -> None:
    infinite = [
        {"name": "a", "value": float("nan")},
        {"name": "b", "value": None},
        {"name": "c", "value": 1.0, "ci": (float("-inf"), 2.0), "slice": {"x": float("nan")}},
    ]
    part = kept_part(tracked=infinite)

    assert part["tracked"] == [{"name": "c", "value": 1.0, "slice": {"x": None}}]
    assert "left_out" not in part


def test_tracked_figures_become_trends() -> None:
    values = [
        tracked_figures.TrackedValue(
            "recall", {"carrier": "AA"}, 0.8 - i / 100, (0.7, 0.9), 500, 0.99, "higher"
        )
        for i in range(12)
    ]
    found = History()
    for i, value in enumerate(values[:-1]):
        found = grow(found, audit(START + i * DAY, part=kept_part(tracked=[asdict(value)])))
    (trend,) = tracked_figures.trend(tracked_records(found.drift()), values[-1:], stamp(START + 11 * DAY))

    assert (trend.points, trend.word, trend.worse) == (12, "falling", True)
    assert tracked_figures.TrackedValue.from_json(tracked_records(found.drift())[0]["values"][0]) == values[0]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"level": 2.0}, "cannot keep level"),
        ({"current": {"sha256": "x", "rows": 3}}, r"cannot keep windows\.current\.sha256"),
        ({"current": {"sha256": digest(1), "rows": 1.5}}, r"cannot keep windows\.current\.rows"),
        ({"tracked": [{"name": 3, "value": 1.0}]}, r"cannot keep tracked\.0\.name"),
        ({"monitor": {"a": float("nan")}}, "JSON compliant"),
    ],
)
def test_what_is_of_no_use_is_refused_before_it_is_written(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kept_part(**given)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"name": st.text(max_size=150), "value": st.none() | st.floats()},
            optional={
                "slice": st.none()
                | st.dictionaries(st.text(), st.none() | st.text() | st.booleans(), max_size=3),
                "ci": st.none() | st.tuples(st.floats(), st.floats()),
                "rows": st.integers(0, 2**53 - 1),
            },
        ),
        max_size=5,
    )
)
@settings(max_examples=100, deadline=None)
def test_any_tracked_values_are_read_back(values: list[dict[str, Any]]) -> None:
    found = grow(History(), audit(START, part=kept_part(tracked=values)))

    finite = [each for each in values if each["value"] is not None and math.isfinite(each["value"])]
    assert [each.value for each in found.drift()[0].kept.tracked] == [each["value"] for each in finite]


def test_a_condition_is_known_by_its_words() -> None:
    long = "drift and " * 20

    assert condition_key(" drift\n and  monitor") == "drift and monitor"
    assert condition_key("x" * 120) == "x" * 120
    assert len(condition_key(long + "monitor")) <= records.TEXT_LIMIT
    assert condition_key(long + "monitor") != condition_key(long + "label_drift")


# --- compaction


def daily(days: int, retrains: Sequence[int] = (), part: dict[str, Any] | None = None) -> History:
    found = History()
    for i in range(days):
        kept = kept_part(
            current=window(i),
            level=0.01,
            acted=i in retrains,
            monitor={"n": i},
            tracked=[tracked(i)],
            **(part or {}),
        )
        found = grow(found, audit(START + i * DAY, "retrain" if i in retrains else "none", kept))
    return found


def test_a_summary_keeps_retrains_and_one_report_a_week(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_LINES", 10)
    retrains = [2, 3, 17, 44]
    found = daily(60, retrains)
    old = [each for each in found.drift() if each.summarised]
    new = [each for each in found.drift() if not each.summarised]

    assert found.summary is not None
    assert len(old) + len(new) < 30
    assert [each.at for each in new] == [START + i * DAY for i in range(60 - len(new), 60)]
    assert [each.at for each in found.drift()] == sorted(each.at for each in found.drift())
    acted = [each for each in found.drift() if each.kept.acted]
    assert [each.at for each in acted] == [START + i * DAY for i in retrains]
    assert [each.kept.windows.current.sha256 for each in acted if each.kept.windows.current] == [
        digest(i) for i in retrains
    ]
    weekly = [each for each in old if each.kept.tracked]
    # The last of each week, complete weeks and the one that is not.
    covered = {(START + i * DAY).isocalendar()[:2] for i in range(60 - len(new))}
    assert [each.at.isocalendar()[:2] for each in weekly] == sorted(covered)
    assert all(each.at.isoweekday() == 7 for each in weekly[:-1])
    assert [each.kept.tracked[0].value for each in weekly] == [
        0.8 - (each.at - START) / DAY / 1000 for each in weekly
    ]
    assert all(each.kept.monitor is None for each in old)


def test_retrains_are_forgotten_after_400_days() -> None:
    def acted(days: float) -> PastReport:
        return PastReport(START + days * DAY, "retrain", KeptDrift(acted=True))

    kept = remembered([acted(0), acted(0.5), acted(100), acted(400.5)])

    assert [each["at"] for each in kept] == [stamp(START + days * DAY) for days in (0.5, 100, 400.5)]


def test_failed_runs_are_forgotten() -> None:
    part = KeptDrift.model_validate({**kept_part(tracked=[tracked(0)]), "failed": "no rows"})
    assert remembered([PastReport(START, "failed", part)]) == []


def test_a_summary_stays_in_its_room_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "REMEMBERED_BYTES", 2_000)
    reports = [
        PastReport(
            START + 7 * i * DAY,
            "none",
            KeptDrift.model_validate(kept_part(current=window(i), tracked=[tracked(i)])),
        )
        for i in range(50)
    ]
    kept = remembered(reports)

    assert 0 < len(kept) < 10
    assert len(json.dumps(kept)) <= 2_000
    assert kept[-1]["at"] == stamp(reports[-1].at)
    assert [each["at"] for each in kept] == [stamp(each.at) for each in reports[-len(kept) :]]


def test_the_fullest_summary_of_drift_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_LINES", 4)
    values = [tracked(i, f"metric {i}", {"carrier": "\U0001f600" * 20}) for i in range(60)]
    part = kept_part(current=window(0), tracked=values)
    monkeypatch.setattr(
        chain,
        "remembered",
        lambda reports: remembered(
            PastReport(START + 7 * i * DAY, "none", KeptDrift.model_validate(part)) for i in range(400)
        ),
    )
    found = History()
    for i in range(5):
        found = grow(found, audit(START + i * DAY, part=part))

    assert drift.REMEMBERED_BYTES * 0.9 < len(found.lines[0]) < records.MAX_SUMMARY_BYTES
    assert len(found.drift()) > 70


def test_a_mixed_history_of_older_and_newer_lines_is_compacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain, "MAX_LINES", 6)
    found = History()
    for i in range(9):
        found = grow(found, audit(START + i * DAY, "retrain" if i == 1 else "none"))
    for i in range(9, 20):
        found = grow(found, audit(START + i * DAY, part=kept_part(current=window(i))))

    acted = [each for each in found.drift() if each.kept.acted]
    assert [(each.at, each.summarised) for each in acted] == [(START + DAY, True)]
    assert found.total == 20
