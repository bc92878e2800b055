import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from workspace import Ended, Workspace, workspace

from tidegate.tables import Table

__all__ = ["workspace"]

Rows = list[Mapping[str, Any]]
ROWS = 300


def configure(place: Workspace, **model: Any) -> None:
    # JSON is YAML.
    place.configure(json.dumps({"version": 1, "models": {"m": model}}))


def rows(seed: int, shift: float = 0.0, count: int = ROWS, **more: Callable[[int], Any]) -> Rows:
    rng = np.random.default_rng(seed)
    return [
        {
            "x": round(float(x) + shift, 6),
            "city": "abc"[int(c)],
            **{name: make(i) for name, make in more.items()},
        }
        for i, (x, c) in enumerate(zip(rng.normal(size=count), rng.integers(0, 3, count), strict=True))
    ]


def run(place: Workspace, then: Rows, now: Rows, *more: str, spawn: bool = False) -> Ended:
    place.table("then.csv", then)
    place.table("now.csv", now)
    command = place.spawn if spawn else place.tidegate
    return command("drift-report", "--reference", "then.csv", "--current", "now.csv", *more)


def names(document: dict[str, Any]) -> list[str]:
    return [feature["feature"] for feature in document["features"]]


@pytest.mark.parametrize(
    ("shift", "when", "decision"),
    [(0, ["drift"], "none"), (1, [], "watch"), (1, ["performance_drop"], "watch"), (1, ["drift"], "retrain")],
)
def test_no_drift_decision_stops_anything(workspace, shift, when, decision):
    configure(workspace, retrain={"when": when})
    ended = run(workspace, rows(1), rows(2, shift))
    document = workspace.document("drift-report")
    assert (ended.code, document["decision"]) == (0, decision)
    assert names(document) == ["x", "city"]
    assert document["windows"]["current"] == {
        "kind": "table",
        "path": "now.csv",
        "rows": ROWS,
        "start": None,
        "end": None,
    }
    assert document["multivariate"] is document["performance"] is None
    assert workspace.reports == {f"drift-report.{kind}" for kind in ("json", "md", "html", "audit.json")}


def test_the_columns_with_a_part_are_no_features(workspace):
    configure(workspace, task="binary", columns={"id": "id", "label": "y", "score": "s", "timestamp": "at"})
    more: dict[str, Callable[[int], Any]] = {
        "id": lambda i: i,
        "y": lambda i: i % 2,
        "s": lambda i: 0.8 if i % 4 else 0.3,
        "at": lambda i: f"2013-01-{1 + i % 20:02d} 00:00:00",
    }
    assert run(workspace, rows(1, **more), rows(2, **more)).code == 0
    document = workspace.document("drift-report")
    assert names(document) == ["x", "city"]
    assert document["prediction_drift"]["p_value"] == document["label_drift"]["p_value"] == 1
    assert document["performance"]["metric"] == "roc_auc"
    assert document["performance"]["realised"]["drop"] == 0
    assert document["windows"]["reference"]["start"] == "2013-01-01T00:00:00"
    assert document["windows"]["reference"]["end"] == "2013-01-20T00:00:00"


def test_a_drop_of_performance_retrains(workspace):
    configure(
        workspace,
        task="binary",
        columns={"label": "y", "prediction": "p"},
        retrain={"when": [{"performance_drop": {"min_drop": 0.1}}]},
    )
    then = rows(1, y=lambda i: i % 2, p=lambda i: i % 2 if i % 10 else 1 - i % 2)
    now = rows(2, y=lambda i: i % 2 if i < 200 else None, p=lambda i: i % 2 if i % 3 else 1 - i % 2)
    assert run(workspace, then, now).code == 0
    document = workspace.document("drift-report")
    realised = document["performance"]["realised"]
    assert (document["performance"]["metric"], realised["rows_current"]) == ("accuracy", 200)
    assert (realised["reference"], realised["current"]) == pytest.approx((0.9, 0.665))
    assert (document["decision"], document["triggers"][0]["condition"]) == ("retrain", "performance_drop")


def test_labels_that_have_not_come_leave_performance_unknown(workspace):
    configure(
        workspace,
        task="binary",
        columns={"label": "y", "score": "s"},
        retrain={"when": ["performance_drop", "not performance_drop"]},
    )
    then = rows(1, y=lambda i: i % 2, s=lambda i: 0.5)
    assert run(workspace, then, rows(2, y=lambda i: None, s=lambda i: 0.5)).code == 0
    document = workspace.document("drift-report")
    assert [trigger["value"] for trigger in document["triggers"]] == [None, None]
    assert document["performance"]["realised"] is None
    assert document["decision"] == "none"


def test_times_are_left_out_with_a_warning_unless_listed(workspace):
    def at(day: int) -> Callable[[int], Any]:
        return lambda i: f"2013-02-{day:02d} 00:00:{i % 60:02d}"

    configure(workspace)
    assert run(workspace, rows(1, seen=at(1)), rows(2, seen=at(2))).code == 0
    document = workspace.document("drift-report")
    assert names(document) == ["x", "city"]
    assert any("seen holds times" in warning for warning in document["warnings"])
    configure(workspace, drift={"features": ["seen"]})
    assert run(workspace, rows(1, seen=at(1)), rows(2, seen=at(2))).code == 0
    document = workspace.document("drift-report")
    assert names(document) == ["seen"]
    # Times always move on: only weekdays, hours and ages can drift.
    assert (document["features"][0]["kind"], document["features"][0]["drifted"]) == ("date", False)


def test_every_table_is_read_once_for_its_features(workspace, monkeypatch):
    reads: list[str] = []
    read = Table.read

    def counted(self: Table, wanted: Any) -> Any:
        reads.append(self.path)
        return read(self, wanted)

    monkeypatch.setattr(Table, "read", counted)
    configure(workspace)
    run(workspace, rows(1), rows(2))
    assert sorted(reads) == ["now.csv", "then.csv"]


def changed(**columns: Callable[[int], Any]) -> tuple[Rows, Rows]:
    """Windows whose current one has other columns, or other values in them."""
    return rows(1, z=lambda i: i % 5), rows(2, **columns)


FOUND = {
    "gone": (changed(), "z", "the column is missing in the current window"),
    "all missing": (changed(z=lambda i: None), "z", "is missing in every row of the current window"),
    "another type": (changed(z=lambda i: "many" if i == 7 else i % 5), "z", "was number, is text"),
    "infinite": (
        changed(z=lambda i: "inf" if i == 7 else i % 5),
        "z",
        "1 infinite value, of which the reference has none",
    ),
}


@pytest.mark.parametrize(("windows", "column", "said"), FOUND.values(), ids=FOUND)
def test_broken_columns_are_findings_and_can_trigger(workspace, windows, column, said):
    configure(workspace, retrain={"when": ["data_quality"]})
    assert run(workspace, *windows).code == 0
    document = workspace.document("drift-report")
    (finding,) = document["data_quality"]
    assert finding["column"] == column
    assert said in finding["detail"]
    assert document["decision"] == "retrain"


QUIET: dict[str, Callable[[int], Any]] = {
    "constant": lambda i: 7,
    "all missing in both": lambda i: None,
    "infinite in both": lambda i: "inf" if i % 9 == 0 else i % 5,
    "unlike any other": lambda i: f"row {i}",
}


@pytest.mark.parametrize("make", QUIET.values(), ids=QUIET)
def test_odd_columns_that_did_not_change_are_quiet(workspace, make):
    configure(workspace)
    assert run(workspace, rows(1, z=make), rows(2, z=make)).code == 0
    document = workspace.document("drift-report")
    assert document["decision"] == "none"
    assert {finding["severity"] for finding in document["data_quality"]} <= {"info"}


@pytest.mark.parametrize("count", [1, 2])
def test_windows_of_a_row_or_two_are_no_evidence(workspace, count):
    configure(workspace)
    assert run(workspace, rows(1, count=count), rows(2, 9, count=count), spawn=True).code == 0
    document = workspace.document("drift-report")
    assert not any(feature["drifted"] for feature in document["features"])
    if count == 1:
        assert any("a single row" in finding["detail"] for finding in document["data_quality"])


@pytest.mark.parametrize(
    ("then", "now", "said"),
    [
        ("x\n1\n", "x\n", "now.csv has no rows: a window needs at least one"),
        ("x\n", "x\n1\n", "then.csv has no rows"),
        ("", "x\n1\n", "then.csv is empty"),
        ("x\n1\n", "x,y\n1\n", "now.csv cannot be read as csv"),
        ("t\n2013-01-01\n", "t\n2013-01-02\n", "there is no column to watch"),
    ],
)
def test_windows_that_are_none_are_refused(workspace, then, now, said):
    configure(workspace)
    workspace.write("then.csv", then)
    workspace.write("now.csv", now)
    ended = workspace.spawn("drift-report", "--reference", "then.csv", "--current", "now.csv")
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert workspace.reports == set()


def test_a_feature_that_no_window_has_is_a_mistake_in_the_config(workspace):
    configure(workspace, drift={"features": ["cty"]})
    ended = run(workspace, rows(1), rows(2))
    assert ended.code == 2
    assert "did you mean 'city'" in ended.err.lower()


@pytest.mark.parametrize("missing", ["--reference", "--current"])
def test_both_windows_are_needed(workspace, missing):
    configure(workspace)
    workspace.table("then.csv", rows(1))
    given = "--current" if missing == "--reference" else "--reference"
    ended = workspace.tidegate("drift-report", given, "then.csv")
    assert ended.code == 2
    assert f"{missing} is missing" in ended.err


@pytest.mark.parametrize("metric", ["latency_p95", "accuracy"])
def test_performance_by_any_metric_without_options(workspace, metric):
    configure(
        workspace,
        task="binary",
        columns={"id": "id", "label": "y", "score": "s", "latency": "ms"},
        retrain={"when": [{"performance_drop": {"metric": metric}}]},
    )
    then = rows(1, y=lambda i: i % 2, s=lambda i: i % 2 * 0.8 + 0.1, ms=lambda i: 10 + i % 7)
    ended = run(workspace, then, then)
    assert ended.code == 0, ended.err
    realised = workspace.document("drift-report")["performance"]["realised"]
    assert realised["reference"] == realised["current"]


def test_a_window_that_was_never_scored_leaves_performance_unknown(workspace):
    configure(workspace, task="binary", columns={"id": "id", "label": "y", "prediction": "p"})
    then, now = rows(1, y=lambda i: i % 2), rows(2, y=lambda i: i % 2, p=lambda i: i % 2)
    assert run(workspace, then, now).code == 0
    assert workspace.document("drift-report")["performance"]["realised"] is None


def test_performance_on_too_few_rows_for_an_interval_is_told(workspace):
    configure(
        workspace,
        task="binary",
        columns={"id": "id", "label": "y", "latency": "ms"},
        retrain={"when": [{"performance_drop": {"metric": "latency_p95"}}]},
    )
    few = rows(1, count=20, y=lambda i: i % 2, ms=lambda i: 10 + i)
    assert run(workspace, few, few).code == 0
    realised = workspace.document("drift-report")["performance"]["realised"]
    assert (realised["ci"], realised["fired"]) == (None, False)
