import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from workspace import CONFIG, Workspace, project, rows, workspace

from tidegate.audit import Surroundings, audit_document, to_bytes
from tidegate.config import Model
from tidegate.forge import Actions
from tidegate.history.records import entry
from tidegate.loading import LoadedConfig, parse_config

__all__ = ["project", "workspace"]

GATE = ("evaluate-gate", "--predictions", "p.csv", "--forge", "none")
TOKEN = "ghs_0123456789abcdefghijklmnopqrstuvwxyz"
RUN = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_REPOSITORY": "a/b",
    "GITHUB_WORKFLOW": "Gate",
    "GITHUB_WORKFLOW_REF": "a/b/.github/workflows/gate.yml@refs/heads/main",
    "GITHUB_JOB": "gate",
    "GITHUB_RUN_ID": "12",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_ACTOR": "ada",
    "GITHUB_TRIGGERING_ACTOR": "grace",
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_REF": "refs/pull/7/merge",
    "GITHUB_SHA": "a" * 40,
    "TIDEGATE_TOKEN": TOKEN,
}


def audit_of(place: Workspace, command: str) -> dict[str, Any]:
    audit: dict[str, Any] = place.document(f"{command}.audit")
    return audit


def written(place: Workspace, name: str) -> str:
    return sha256((place.root / "tidegate-out" / name).read_bytes()).hexdigest()


def test_the_audit_document_signs_the_report_and_names_what_it_stands_on(workspace: Workspace) -> None:
    workspace.configure(CONFIG.replace("min: 0.7", "min: 0.7, slices: [city], confidence: 0.9"))
    table = workspace.table("p.csv", rows())
    ended = workspace.tidegate(*GATE)
    audit, document = audit_of(workspace, "evaluate-gate"), workspace.document("evaluate-gate")

    assert ended.code in (0, 1)
    assert audit["schema"] == "tidegate/audit/1"
    assert audit["document_sha256"] == written(workspace, "evaluate-gate.json")
    for key in ("model", "decision", "reasons", "warnings"):
        assert audit[key] == document[key]
    assert (audit["command"], audit["at"]) == ("evaluate-gate", document["created_at"])
    (data,) = audit["data"]
    assert (data["role"], data["sha256"], data["rows"]) == (
        "predictions",
        sha256(table.read_bytes()).hexdigest(),
        40,
    )
    config = workspace.root / ".github/tidegate.yml"
    assert audit["code"]["config"] == {
        "path": ".github/tidegate.yml",
        "sha256": sha256(config.read_bytes()).hexdigest(),
    }
    judged = [each for each in audit["verdicts"] if each["kind"] == "check"]
    assert [(each["slice"], each["verdict"], each["value"]) for each in judged] == [
        (each["slice"], each["verdict"], each["value"]) for each in document["checks"]
    ]
    for each in judged:
        assert (each["metric"], each["threshold"], each["severity"], each["confidence"]) == (
            "accuracy",
            {"min": 0.7},
            "block",
            0.9,
        )
    (asked,) = audit["policy"]["gate"]
    assert (asked["metric"], asked["min"], asked["slices"], asked["severity"]) == (
        "accuracy",
        0.7,
        ["city"],
        "block",
    )


def test_the_same_decision_in_the_same_place_has_the_same_bytes() -> None:
    document = {
        "schema": "tidegate/promote/1",
        "model": "m",
        "decision": "promoted",
        "reasons": ["größer \u202e"],
        "warnings": [],
        "created_at": "2026-01-01T00:00:00Z",
        "version": 3,
        "digest": "1" * 64,
        "provenance": {"git_sha": None, "tidegate_version": "1", "config_sha256": "x", "data": [], "rows": 0},
    }

    def made() -> bytes:
        return to_bytes(
            audit_document(
                document,
                document_sha256="0" * 64,
                config=LoadedConfig(parse_config(CONFIG.encode(), "c"), Path("c"), "x"),
                model=Model(),
                surroundings=Surroundings("u", "o", None, None, "2" * 64),
                actions=Actions.from_environ({}),
            )
        )

    assert made() == made()
    assert made().isascii()
    audit = json.loads(made())
    # The promoted files' own digest, as git has them, counts before that of the working tree.
    assert audit["code"]["artifacts"] == "1" * 64
    assert audit["verdicts"] == [{"kind": "version", "value": 3, "verdict": "promoted"}]
    assert (audit["reasons"], audit["waivers"], audit["approval"]) == (["größer \u202e"], [], None)


def test_inside_a_run_the_actors_are_named(workspace: Workspace) -> None:
    workspace.table("p.csv", rows())
    event = workspace.write(
        "event.json", json.dumps({"pull_request": {"number": 7, "head": {"sha": "b" * 40}}})
    )
    ended = workspace.tidegate(*GATE, **RUN, GITHUB_EVENT_PATH=str(event), GITHUB_OUTPUT="out")
    audit = audit_of(workspace, "evaluate-gate")

    assert ended.code == 0
    assert audit["who"] == {
        "actor": "ada",
        "triggering_actor": "grace",
        "git_user": None,
        "os_user": None,
    }
    assert audit["run"] == {
        "repository": "a/b",
        "workflow": "Gate",
        "workflow_ref": RUN["GITHUB_WORKFLOW_REF"],
        "job": "gate",
        "run_id": "12",
        "run_attempt": "2",
        "event": "pull_request",
        "ref": "refs/pull/7/merge",
        "pull_request": 7,
        "url": "https://github.com/a/b/actions/runs/12",
    }
    assert (audit["code"]["git_sha"], audit["code"]["head_sha"]) == ("a" * 40, "b" * 40)
    outputs = (workspace.root / "out").read_text(encoding="utf-8")
    assert str(Path("tidegate-out/evaluate-gate.audit.json")) in outputs
    assert written(workspace, "evaluate-gate.audit.json") in outputs
    for path in (workspace.root / "tidegate-out").iterdir():
        assert TOKEN not in path.read_text(encoding="utf-8")


def test_outside_a_run_the_users_are_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace.table("p.csv", rows())
    workspace.git("init", "-q")
    workspace.git("config", "user.name", "Ada L")
    workspace.git("config", "user.email", "ada@example.com")
    monkeypatch.setenv("LOGNAME", "ada")
    workspace.tidegate(*GATE)
    audit = audit_of(workspace, "evaluate-gate")

    assert audit["who"] == {
        "actor": None,
        "triggering_actor": None,
        "git_user": "Ada L <ada@example.com>",
        "os_user": "ada",
    }
    assert audit["run"] is None


@pytest.mark.parametrize("edited", [False, True])
def test_code_is_named_by_its_commit_and_whether_it_was_edited(workspace: Workspace, edited: bool) -> None:
    workspace.table("p.csv", rows())
    workspace.git("init", "-q")
    workspace.git("add", ".")
    workspace.git("commit", "-q", "-m", "first")
    if edited:
        workspace.configure(CONFIG.replace("0.7", "0.6"))
    workspace.tidegate(*GATE)
    code = audit_of(workspace, "evaluate-gate")["code"]

    head = workspace.git("rev-parse", "HEAD")
    assert (code["git_sha"], code["checked_out"], code["dirty"]) == (head, head, edited)


def test_without_git_and_without_users_a_decision_is_audited_all_the_same(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise OSError("no user name")

    monkeypatch.setattr("getpass.getuser", nobody)
    workspace.table("p.csv", rows())
    ended = workspace.tidegate(*GATE, PATH=str(workspace.root))
    audit = audit_of(workspace, "evaluate-gate")

    assert ended.code == 0
    assert set(audit["who"].values()) == {None}
    assert [audit["code"][key] for key in ("git_sha", "head_sha", "checked_out", "dirty", "artifacts")] == [
        None
    ] * 5


def test_an_audit_document_that_cannot_be_written_leaves_no_report(workspace: Workspace) -> None:
    workspace.table("p.csv", rows())
    (workspace.root / "tidegate-out/evaluate-gate.audit.json/in-the-way").mkdir(parents=True)
    ended = workspace.tidegate(*GATE)

    assert ended.code == 2
    assert not [name for name in workspace.reports if name.endswith(".part")]


def test_comparisons_are_listed_with_margin_and_level(workspace: Workspace) -> None:
    workspace.configure(
        CONFIG
        + "    compare:\n      primary: {metric: accuracy}\n"
        + "      guardrails:\n        - {metric: recall, slices: [city], margin: 0.2}\n"
    )
    workspace.table("c.csv", rows(200, 180))
    workspace.table("p.csv", rows(200, 120))
    workspace.tidegate("compare-to-prod", "--candidate", "c.csv", "--production", "p.csv", "--forge", "none")
    audit, document = audit_of(workspace, "compare-to-prod"), workspace.document("compare-to-prod")
    compared = [each for each in audit["verdicts"] if each["kind"] == "comparison"]

    assert [(each["metric"], each["slice"], each["value"], each["verdict"]) for each in compared] == [
        (each["metric"], each["slice"], each["delta"], each["verdict"]) for each in document["comparisons"]
    ]
    assert {(each["role"], each["margin"], each["confidence"]) for each in compared} == {
        ("primary", 0.0, 0.95),
        ("guardrail", 0.2, 0.95),
    }
    assert audit["verdicts"][-1] == {"kind": "candidate", "candidate": "c", "verdict": document["decision"]}
    assert audit["policy"]["compare"]["on_inconclusive"] == "hold"


def test_the_sets_that_decided_are_named_with_their_candidates() -> None:
    document = {
        "schema": "tidegate/compare-to-prod/1",
        "model": "m",
        "decision": "promote",
        "reasons": [],
        "warnings": [],
        "created_at": "2026-01-01T00:00:00Z",
        "provenance": {"git_sha": None, "tidegate_version": "1", "config_sha256": "x", "data": [], "rows": 0},
    }
    judged = [{"set": "golden", "sha256": "1" * 64, "candidates": ["2" * 64, "3" * 64]}]

    def made(**more: Any) -> dict[str, Any]:
        return audit_document(
            {**document, **more},
            document_sha256="0" * 64,
            config=LoadedConfig(parse_config(CONFIG.encode(), "c"), Path("c"), "x"),
            model=Model(),
            surroundings=Surroundings(None, None, None, None, None),
            actions=Actions.from_environ({}),
        )

    assert made(test_sets=judged)["test_sets"] == judged
    assert made()["test_sets"] == []
    recorded = entry(made(test_sets=judged), "0" * 64)
    assert recorded["test_sets"] == [{"golden_sha256": "1" * 64, "candidates": ["2" * 64, "3" * 64]}]


def test_drift_is_listed_with_its_thresholds_and_the_policy(workspace: Workspace) -> None:
    workspace.configure(
        CONFIG.partition("    gate:")[0]
        + "    drift: {features: [city, gone], false_alarm_rate: 0.02}\n"
        + "    retrain: {when: [performance_drop, drift], cooldown: 7d, train: 't {data} {model_dir}'}\n"
    )
    workspace.table("then.csv", [{**row, "gone": 1} for row in rows(400, 380)])
    workspace.table("now.csv", [{**row, "city": "a"} for row in rows(400, 250)])
    ended = workspace.tidegate("drift-report", "--reference", "then.csv", "--current", "now.csv")
    audit, document = audit_of(workspace, "drift-report"), workspace.document("drift-report")
    by_kind = {each["kind"]: each for each in audit["verdicts"]}

    assert (ended.code, audit["decision"]) == (0, document["decision"])
    assert (by_kind["feature"]["column"], by_kind["feature"]["verdict"]) == ("city", "drifted")
    assert by_kind["feature"]["threshold"] == {"min_effect": 0.05, "false_alarm_rate": 0.02}
    assert {"prediction", "predicted_class", "label", "performance", "trigger", "feature", "finding"} == set(
        by_kind
    )
    assert by_kind["performance"]["verdict"] == "fired"
    assert by_kind["performance"]["threshold"] == {"max": document["performance"]["realised"]["min_drop"]}
    assert [each["condition"] for each in audit["verdicts"] if each["kind"] == "trigger"] == [
        each["condition"] for each in document["triggers"]
    ]
    assert "gone" in [each["column"] for each in audit["verdicts"] if each["kind"] == "finding"]
    # What decides, and no command line beside it.
    assert set(audit["policy"]) == {"drift", "retrain"}
    assert set(audit["policy"]["retrain"]) == {"when", "cooldown", "consecutive", "min_labels", "blackout"}


def test_a_promotion_names_version_and_files(project: Workspace) -> None:
    assert project.tidegate("promote", "--forge", "none").code == 0
    audit, document = audit_of(project, "promote"), project.document("promote")

    assert audit["code"]["artifacts"] == document["digest"]
    assert audit["verdicts"] == [{"kind": "version", "value": 1, "verdict": "promoted"}]
    assert audit["data"] == []


def test_the_models_files_in_the_tree_are_named_where_they_can_be(project: Workspace) -> None:
    model = project.root / "models/late-delivery"
    project.tidegate("promote", "--forge", "none")
    digest = project.document("promote")["digest"]
    retrain = parse_config((project.root / ".github/tidegate.yml").read_bytes(), "c").models["late-delivery"]
    outside = Actions.from_environ({})

    assert Surroundings.of(project.root, retrain, outside).artifacts == digest
    (model / "link").symlink_to("rates.json")
    assert Surroundings.of(project.root, retrain, outside).artifacts is None
    assert Surroundings.of(project.root, Model(), outside).artifacts is None


def test_what_the_gate_adds_to_its_document_is_audited() -> None:
    waiver = {"owner": "o", "reason": "r", "expires": "2026-12-31"}
    found = {"finding": "leakage", "severity": "warn", "column": "c", "value": 0.99, "detail": "d"}
    where = {
        "slice": {"a": "x", "b": 1},
        "value": 0.2,
        "rows": 9,
        "difference": -0.3,
        "adjusted_p_value": 0.01,
    }
    check = {
        "metric": "f1",
        "by": ["p", "q"],
        "options": {"class": "a"},
        "slice": None,
        "threshold": {"max": 1},
        "verdict": "fail",
        "waiver": waiver,
        "worst_of": 5,
    }
    document = {
        "schema": "tidegate/evaluate-gate/1",
        "model": "m",
        "decision": "pass",
        "reasons": [],
        "warnings": [],
        "created_at": "2026-01-01T00:00:00Z",
        "checks": [check],
        "findings": [found],
        "discovered": [
            {
                "metric": "f1",
                "column": None,
                "options": {},
                "confidence": 0.95,
                "slices": [{**where, "claimed": True}, {**where, "rows": 3, "claimed": False}],
            }
        ],
        "waivers": [{**waiver, "metric": "f1", "state": "used", "covers": 1}],
        "approval": "required",
        "golden": {"path": "g", "sha256": "0", "changed_with_model": True},
        "provenance": {"git_sha": None, "tidegate_version": "1", "config_sha256": "x", "data": [], "rows": 0},
    }
    audit = audit_document(
        document,
        document_sha256="0" * 64,
        config=LoadedConfig(parse_config(CONFIG.encode(), "c"), Path("c"), "x"),
        model=Model(),
        surroundings=Surroundings(None, None, None, None, None),
        actions=Actions.from_environ({}),
    )
    by_kind = {each["kind"]: each for each in audit["verdicts"]}

    assert [each["kind"] for each in audit["verdicts"]] == ["check", "finding", "discovered"]
    assert {key: by_kind["check"][key] for key in check} == check
    assert {key: by_kind["finding"][key] for key in found} == found
    assert (by_kind["discovered"]["rows"], by_kind["discovered"]["confidence"]) == (9, 0.95)
    for key in ("waivers", "approval", "golden"):
        assert audit[key] == document[key]
