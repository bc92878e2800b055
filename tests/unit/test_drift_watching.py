"""The drift report over time and over models: history, alarm budget, policy, profile, many models, failures."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from workspace import Ended, Workspace, workspace

from tidegate.config.sections import parse_duration

__all__ = ["workspace"]

MODEL: dict[str, Any] = {
    "task": "binary",
    "columns": {"id": "id", "label": "y", "score": "s", "timestamp": "at", "latency": "ms", "kpi": ["paid"]},
    "drift": {"slices": ["city"]},
    "retrain": {"when": ["performance_drop", "drift"]},
}


def configure(place: Workspace, **models: Any) -> None:
    place.configure(json.dumps({"version": 1, "models": models}))


def drawn(
    seed: int,
    *,
    shift: float = 0.0,
    flipped: float = 0.0,
    count: int = 800,
    day: int = 1,
    days: int = 7,
    labelled: float = 1.0,
) -> list[dict[str, Any]]:
    """Rows of some days; the label follows the score, unless it is flipped."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(shift, 1, count), rng.normal(size=count)
    chance = 1 / (1 + np.exp(-1.5 * x - 0.5 * z))
    label = (rng.random(count) < chance) ^ (rng.random(count) < flipped)
    known = rng.random(count) < labelled
    minutes = np.sort(rng.uniform(0, days * 1440, count)).astype(int)
    start = np.datetime64("2026-01-01") + np.timedelta64(day - 1, "D")
    return [
        {
            "id": seed * 100_000 + i,
            "at": str(start + np.timedelta64(int(minutes[i]), "m")).replace("T", " "),
            "x": round(float(x[i]), 6),
            "z": round(float(z[i]), 6),
            "city": "abc"[int(rng.integers(3))],
            "y": int(label[i]) if known[i] else None,
            "s": round(float(chance[i]), 6),
            "ms": round(float(rng.gamma(3, 10)), 3),
            "paid": round(float(rng.exponential(20)), 3),
        }
        for i in range(count)
    ]


@pytest.fixture
def place(workspace: Workspace) -> Workspace:
    configure(workspace, m=MODEL)
    workspace.table("then.csv", drawn(1, count=1_600, day=-6, days=14))
    workspace.table("same.csv", drawn(2, day=8))
    workspace.table("moved.csv", drawn(3, shift=0.7, day=8))
    workspace.table("broken.csv", drawn(4, flipped=0.3, day=8))
    return workspace


def report(
    place: Workspace, current: str = "same.csv", *more: str, reference: str = "then.csv"
) -> dict[str, Any]:
    ended = place.tidegate("drift-report", "--reference", reference, "--current", current, *more)
    assert ended.code == 0, ended.err
    return place.document("drift-report")


def test_everything_is_asked_of_labelled_windows(place: Workspace) -> None:
    document = report(place)
    assert document["decision"] == "none", document["reasons"]
    assert document["concept_drift"]["present"] is False
    assert document["calibration_drift"]["drifted"] is False
    assert document["performance"]["realised"]["fired"] is False
    names = {(each["name"], json.dumps(each["slice"])) for each in document["segments"]}
    assert {("roc_auc", '{"city": "a"}'), ("latency_p95", "null"), ("mean(paid)", "null")} <= names or any(
        "paid" in name for name, _ in names
    )
    assert sum(document["levels"].values()) == pytest.approx(document["false_alarm_rate"])
    assert all(feature["detectable"] > 0 for feature in document["features"])
    assert document["windows"]["reference"]["kind"] == "table"


def test_concept_drift_is_told_from_covariate_shift(place: Workspace) -> None:
    broken = report(place, "broken.csv")
    assert broken["concept_drift"]["present"]
    assert broken["calibration_drift"]["drifted"]
    assert not any(feature["drifted"] for feature in broken["features"])
    assert broken["decision"] == "retrain"
    moved = report(place, "moved.csv")
    assert moved["concept_drift"]["present"] is False
    assert [feature["feature"] for feature in moved["features"] if feature["drifted"]] == ["x"]


def test_performance_is_estimated_where_labels_lack(place: Workspace) -> None:
    place.table("bare.csv", drawn(5, shift=0.7, day=8, labelled=0))
    estimated = report(place, "bare.csv")["performance"]["estimated"]
    assert estimated["method"] in ("cbpe", "pape")
    assert any("concept drift" in sentence for sentence in estimated["assumptions"])
    assert estimated["labels_needed"]["rows"] > 0
    place.table("some.csv", drawn(6, flipped=0.3, day=8, labelled=0.5))
    some = report(place, "some.csv")
    assert some["performance"]["estimated"]["agreement"]["disagrees"]
    assert some["labels"]["labelled"] == pytest.approx(400, abs=60)
    assert some["labels"]["biased"] is False


def test_a_profile_stands_for_the_table(place: Workspace) -> None:
    made = place.tidegate("profile", "--table", "then.csv", "--output", "profile.json")
    assert made.code == 0, made.err
    assert (place.root / "profile.json").stat().st_size < 60_000
    then, now = (report(place, "moved.csv", reference=name) for name in ("then.csv", "profile.json"))
    assert now["windows"]["reference"]["kind"] == "profile"
    assert (then["decision"], now["decision"]) == ("retrain", "retrain")
    for a, b in zip(then["features"], now["features"], strict=True):
        assert (a["feature"], a["drifted"]) == (b["feature"], b["drifted"])
        assert a["effect"] == pytest.approx(b["effect"], abs=0.03)
    drops = [each["performance"]["realised"]["drop"] for each in (then, now)]
    assert drops[0] == pytest.approx(drops[1], abs=1e-9)
    again = place.tidegate("profile", "--table", "then.csv", "--output", "again.json")
    assert again.code == 0
    first, second = (json.loads((place.root / name).read_text()) for name in ("profile.json", "again.json"))
    assert {**first, "created_at": 0} == {**second, "created_at": 0}


@pytest.mark.parametrize("damage", ['{"schema": "other"}', "[]", "{", ""])
def test_a_damaged_profile_is_refused(place: Workspace, damage: str) -> None:
    place.write("profile.json", damage)
    ended = place.spawn("drift-report", "--reference", "profile.json", "--current", "same.csv")
    assert (ended.code, place.reports) == (2, set())
    assert "profile" in ended.err
    assert "Traceback" not in ended.err


@pytest.fixture
def kept(place: Workspace) -> Workspace:
    """The same as a repository with a remote, where the history lies."""
    root = place.root
    place.git("init", "-q", "--bare", "-b", "main", str(root.with_name(root.name + "-remote.git")))
    place.git("init", "-q", "-b", "main")
    place.git("remote", "add", "origin", str(root.with_name(root.name + "-remote.git")))
    place.write(".gitignore", "tidegate-out/\n")
    place.commit("first")
    return place


def records(place: Workspace) -> list[dict[str, Any]]:
    place.git("fetch", "-q", "origin", "tidegate-history")
    text = place.git("show", "FETCH_HEAD:m/drift-report.jsonl")
    return [json.loads(line) for line in text.splitlines()]


def test_a_condition_must_hold_in_distinct_windows(kept: Workspace) -> None:
    configure(kept, m={**MODEL, "retrain": {"when": ["drift"], "consecutive": 2}})
    first = report(kept, "moved.csv", "--history", "on")
    assert first["decision"] == "watch"
    # The same window once more is no second one.
    assert report(kept, "moved.csv", "--history", "on")["decision"] == "watch"
    kept.table("later.csv", drawn(7, shift=0.7, day=15))
    second = report(kept, "later.csv", "--history", "on")
    assert second["decision"] == "retrain", second["reasons"]
    assert second["triggers"][0]["in_a_row"] == 2
    assert [each["drift"].get("acted", False) for each in records(kept)] == [False, False, True]
    assert second["history"]["reports"] == 2
    assert "the last good run was" in second["history"]["last_good_run"]["sentence"]


def test_a_retrain_is_held_by_cooldown_and_budget_unless_a_person_asks(kept: Workspace) -> None:
    rules = {"when": ["drift"], "cooldown": "7d", "budget": {"retrains": 1, "per": "30d"}}
    configure(kept, m={**MODEL, "retrain": rules})
    assert report(kept, "moved.csv", "--history", "on")["decision"] == "retrain"
    kept.table("later.csv", drawn(7, shift=0.7, day=15))
    held = report(kept, "later.csv", "--history", "on")
    assert (held["decision"], {hold["rule"] for hold in held["holds"]}) == ("watch", {"cooldown", "budget"})
    assert held["possible_from"] is not None
    asked = report(kept, "later.csv", "--history", "off", "--by-hand")
    assert (asked["decision"], asked["by_hand"]) == ("retrain", True)
    assert "the policy was not asked" in asked["reasons"][0]


def test_reports_minutes_apart_spend_next_to_nothing_of_the_alarm_budget(kept: Workspace) -> None:
    configure(kept, m={**MODEL, "drift": {"alarms": {"false_per": "1y"}}})
    first = report(kept, "same.csv", "--history", "on")["alarms"]
    assert first["level"] == 0.01
    repeated = report(kept, "same.csv", "--history", "on")["alarms"]
    assert (repeated["level"], repeated["repeated"]) == (0.01, True)
    kept.table("later.csv", drawn(7, day=15))
    third = report(kept, "later.csv", "--history", "on")
    assert third["alarms"]["level"] < timedelta(minutes=5) / parse_duration("1y")
    assert third["decision"] == "none"


def test_slow_change_is_seen_over_windows_and_figures_get_a_trend(kept: Workspace) -> None:
    configure(
        kept,
        m={
            **MODEL,
            "drift": {"monitor": {"run_length": 10}, "slices": ["city"]},
            "retrain": {"when": ["monitor"]},
        },
    )
    alarms = []
    for week in range(6):
        kept.table("week.csv", drawn(20 + week, shift=0.25, day=8 + 7 * week))
        document = report(kept, "week.csv", "--history", "on")
        alarms.append(document["monitor"]["alarm"])
    assert not alarms[0]
    assert alarms[-1], document["monitor"]
    assert document["monitor"]["windows"] == 6
    assert document["decision"] == "retrain"
    (auc,) = [each for each in document["trends"] if each["name"] == "roc_auc" and each["slice"] is None]
    assert auc["points"] == len(auc["values"]) == 6


def test_a_run_that_fails_leaves_a_record_that_the_next_report_tells_of(kept: Workspace) -> None:
    assert report(kept, "same.csv", "--history", "on")["decision"] == "none"
    ended = kept.tidegate(
        "drift-report", "--reference", "then.csv", "--current", "gone.csv", "--history", "on"
    )
    assert ended.code == 2
    assert kept.tidegate("drift-report", "--failed", "the download broke", "--history", "on").code == 0
    assert ["failed" not in each["drift"] for each in records(kept)] == [True, False, False]
    document = report(kept, "moved.csv", "--history", "on")
    (finding,) = [each for each in document["data_quality"] if each["check"] == "failed"]
    assert "the last 2 runs failed" in finding["detail"]
    assert "the download broke" in finding["detail"]


def test_many_models_are_one_run_and_one_failure_stops_no_other(place: Workspace) -> None:
    def watched(current: str) -> dict[str, Any]:
        return {**MODEL, "drift": {"reference": "then.csv", "current": current}}

    configure(place, calm=watched("same.csv"), gone=watched("gone.csv"), hot=watched("moved.csv"), idle=MODEL)
    outputs = place.root / "outputs"
    ended: Ended = place.tidegate("drift-report", "--all", GITHUB_OUTPUT=str(outputs), GITHUB_ACTIONS="true")
    assert ended.code == 2
    assert "gone" in ended.out + ended.err
    folder = place.root / "tidegate-out"
    assert {path.name for path in folder.iterdir()} == {"calm", "hot"}
    lines = Path(outputs).read_text(encoding="utf-8")
    assert '"model": "hot", "decision": "retrain"' in lines
    assert '{"include": [{"model": "hot"' in lines
    assert '"model": "gone", "decision": "failed"' in lines


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--all", "--current", "same.csv"), "--all watches every model"), (("--all",), "--all finds no model")],
)
def test_all_needs_windows_from_the_config(place: Workspace, arguments: tuple[str, ...], said: str) -> None:
    ended = place.tidegate("drift-report", *arguments)
    assert (ended.code, said in ended.err) == (2, True)


def test_chunks_of_time_know_the_week(place: Workspace) -> None:
    def weekly(seed: int, days: int, first: int) -> list[dict[str, Any]]:
        rng = np.random.default_rng(seed)
        made = []
        for day in range(days):
            level = 2.0 if (first + day) % 7 >= 5 else 0.0
            at = np.datetime64("2026-01-05") + np.timedelta64(first + day, "D")
            made += [
                {"at": f"{at} {hour:02d}:{minute:02d}:00", "x": round(float(rng.normal(level)), 6)}
                for hour in range(24)
                for minute in (0, 20, 40)
            ]
        return made

    place.table("then.csv", weekly(1, 70, 0))
    place.table("sunday.csv", weekly(2, 1, 76))
    for baseline, drifted in (("rows", True), ("chunks", False)):
        drift = {"baseline": baseline, **({"chunk": "1d"} if baseline == "chunks" else {})}
        configure(place, m={"columns": {"timestamp": "at"}, "drift": drift})
        document = report(place, "sunday.csv")
        (feature,) = document["features"]
        assert (feature["drifted"], feature["baseline"]) == (drifted, baseline)
    made = place.tidegate("profile", "--table", "then.csv", "--output", "profile.json")
    assert made.code == 0, made.err
    (feature,) = report(place, "sunday.csv", reference="profile.json")["features"]
    assert (feature["drifted"], feature["baseline"]) == (False, "chunks")


def test_a_report_that_may_not_alarm_does_not(kept: Workspace) -> None:
    drift = {"false_alarm_rate": 0.3, "alarms": {"false_per": "1s"}}
    configure(kept, m={**MODEL, "drift": drift})
    # Each of these spends a part of what one second may spend; together more than it has.
    for week in range(5):
        kept.table("week.csv", drawn(40 + week, flipped=0.04, day=8 + 7 * week))
        document = report(kept, "week.csv", "--history", "on")
    assert document["alarms"]["level"] >= 0
    assert sum(document["levels"].values()) == pytest.approx(document["alarms"]["level"])
    realised = document["performance"]["realised"]
    assert realised["confidence"] >= 1 - 2 * max(document["alarms"]["level"], 1e-6)


def test_what_the_history_keeps_says_at_which_confidence(kept: Workspace) -> None:
    first = report(kept, "same.csv", "--history", "on")
    (record,) = records(kept)
    assert first["levels"]["segments"] == pytest.approx(1 - record["drift"]["tracked"][0]["confidence"])
    kept.table("later.csv", drawn(7, day=15))
    second = report(kept, "later.csv", "--history", "on")
    # Trends have their share now.
    kept_at = records(kept)[1]["drift"]["tracked"][0]["confidence"]
    assert second["levels"]["segments"] / 2 == pytest.approx(1 - kept_at)


def test_a_profile_says_what_it_cannot_do(place: Workspace) -> None:
    configure(place, m={**MODEL, "drift": {"multivariate": True}})
    assert place.tidegate("profile", "--table", "then.csv", "--output", "profile.json").code == 0
    (warning,) = report(place, "same.csv", reference="profile.json")["warnings"]
    assert "`multivariate: true` and concept drift: it takes the rows of the reference" in warning


@pytest.mark.parametrize("cut", [{"quantiles": 4}, {"period": "week"}])
def test_slices_are_the_same_in_every_window(place: Workspace, cut: dict[str, Any]) -> None:
    configure(place, m={**MODEL, "drift": {"slices": [{"x": cut}]}})
    ended = place.tidegate("drift-report", "--reference", "then.csv", "--current", "same.csv")
    assert (ended.code, "at other places in each window" in ended.err) == (2, True)
