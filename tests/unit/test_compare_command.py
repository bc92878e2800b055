import json
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
from workspace import Ended, Workspace, environment, workspace

from tidegate.registry import Registry, registry_path

__all__ = ["workspace"]

CONFIG = """\
version: 1
models:
  m:
    task: {task}
    columns: {columns}
    compare: {compare}
"""
BINARY = {"id": "id", "label": "y", "score": "s"}
EASY = {"primary": {"metric": "accuracy", "require": "non_inferior", "margin": 0.05}}
Rows = list[Mapping[str, Any]]


def configure(place: Workspace, compare: Any = EASY, columns: Any = BINARY, task: str = "binary") -> None:
    # JSON is YAML.
    place.configure(CONFIG.format(task=task, columns=json.dumps(columns), compare=json.dumps(compare)))


def answers(right: int, rows: int = 200, **more: Any) -> Rows:
    """Balanced labels, of which the score finds the first `right`."""
    return [
        {"id": i, "y": i % 2, "s": 0.9 if (i % 2 == 1) == (i < right) else 0.1, **more} for i in range(rows)
    ]


def run(place: Workspace, *more: str, **variables: str) -> Ended:
    return place.tidegate(
        "compare-to-prod", "--candidate", "c.csv", "--production", "p.csv", *more, **variables
    )


def tables(place: Workspace, candidate: Rows, production: Rows) -> None:
    place.table("c.csv", candidate)
    place.table("p.csv", production)


@pytest.mark.parametrize(
    ("right", "decision", "code"),
    [(190, "promote", 0), (160, "promote", 0), (155, "inconclusive", 1), (100, "hold", 1)],
)
def test_the_decision_sets_the_exit_code(workspace, right, decision, code):
    configure(workspace)
    tables(workspace, answers(right), answers(160))
    ended = run(workspace)
    document = workspace.document("compare-to-prod")
    assert (document["decision"], ended.code) == (decision, code)
    assert decision.upper() in ended.out
    assert workspace.reports == {f"compare-to-prod.{kind}" for kind in ("json", "md", "html", "audit.json")}


@pytest.mark.parametrize(
    ("right", "decision", "code"), [(155, "inconclusive", 0), (100, "hold", 1), (160, "promote", 0)]
)
def test_on_inconclusive_changes_the_exit_code_alone(workspace, right, decision, code):
    configure(workspace, {**EASY, "on_inconclusive": "promote"})
    tables(workspace, answers(right), answers(160))
    assert run(workspace).code == code
    assert workspace.document("compare-to-prod")["decision"] == decision


def test_fail_on_never_reports_and_goes_on(workspace):
    configure(workspace)
    tables(workspace, answers(100), answers(160))
    assert run(workspace, "--fail-on", "never").code == 0
    assert workspace.document("compare-to-prod")["decision"] == "hold"


def test_the_document_has_the_promised_keys(workspace):
    configure(workspace)
    tables(workspace, answers(170), answers(160))
    run(workspace)
    document = workspace.document("compare-to-prod")
    assert document["schema"] == "tidegate/compare-to-prod/1"
    assert document["sets"] == ["given"]
    assert document["first_release"] is False
    assert document["joins"] == [
        {
            "set": "given",
            "candidate": "c",
            "matched": 200,
            "only_candidate": 0,
            "only_production": 0,
            "repeated_candidate": 0,
            "repeated_production": 0,
        }
    ]
    (comparison,) = document["comparisons"]
    expected = {
        "candidate candidate_value production_value delta ci p_value adjusted_p_value p_better margin require"
        " verdict method rows role detectable rows_needed satisfied detail set metric slice relative_margin clusters"
        " equivalence suspicious cost"
    }
    assert set(" ".join(expected).split()) <= set(comparison)
    assert comparison["delta"] == pytest.approx(0.05)
    assert [rank["candidate"] for rank in document["ranking"]] == ["c"]
    assert document["best"]["may_be_best"] == ["c"]
    assert document["level"] == document["confidence"] == 0.95
    assert (document["correction"], document["segments"], document["disagreements"]) == ("holm", [], [])
    assert [(each["new_errors"], each["fixed"]) for each in document["flips"]] == [(0, 10)]
    assert document["baseline"]["source"] == "given"
    assert (document["budget"], document["golden_drift"]) == (None, None)
    assert document["candidates"] == [
        {"candidate": "c", "decision": "promote", "reasons": document["reasons"]}
    ]


def without_time(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in ("created_at", "provenance")}


def test_neither_the_order_of_rows_nor_the_spelling_of_ids_matters(workspace):
    configure(workspace, {"primary": {"metric": "roc_auc"}, "guardrails": [{"metric": "f1", "margin": 0.2}]})
    tables(workspace, answers(170), answers(160))
    run(workspace)
    first = workspace.document("compare-to-prod")
    workspace.table("c.csv", answers(170)[::-1])
    text = "\n".join(json.dumps({**row, "id": str(row["id"])}) for row in answers(160))
    workspace.write("p.jsonl", text)
    workspace.tidegate("compare-to-prod", "--candidate", "c.csv", "--production", "p.jsonl")
    assert without_time(workspace.document("compare-to-prod")) == without_time(first)


def test_labels_may_be_words(workspace):
    def worded(rows: Rows) -> Rows:
        return [{**row, "y": "late" if row["y"] else "on time"} for row in rows]

    configure(workspace, columns={**BINARY, "positive": "late"})
    tables(workspace, worded(answers(170)), worded(answers(160)))
    assert run(workspace).code == 0
    assert workspace.document("compare-to-prod")["comparisons"][0]["candidate_value"] == 0.85


def test_multiclass_with_a_class_that_one_model_never_predicts(workspace):
    columns = {"id": "id", "label": "y", "prediction": "p"}
    metrics = ["accuracy", "f1_macro", "balanced_accuracy"]
    guardrails = [{"metric": metric, "margin": 0.9} for metric in metrics]
    configure(workspace, {"primary": {"metric": "accuracy"}, "guardrails": guardrails}, columns, "multiclass")
    truth = [{"id": i, "y": "abc"[i % 3]} for i in range(300)]
    tables(workspace, [{**row, "p": row["y"]} for row in truth], [{**row, "p": "a"} for row in truth])
    assert run(workspace).code == 0
    primary, _, macro, balanced = workspace.document("compare-to-prod")["comparisons"]
    assert primary["delta"] == pytest.approx(2 / 3)
    assert macro["production_value"] == pytest.approx(1 / 6)
    assert balanced["production_value"] == pytest.approx(1 / 3)


def test_regression_errors_are_better_when_lower(workspace):
    columns = {"id": "id", "label": "y", "prediction": "p"}
    configure(
        workspace,
        {
            "primary": {"metric": "root_mean_squared_error"},
            "guardrails": [{"metric": "mean_absolute_error"}, {"metric": "r2"}],
        },
        columns,
        "regression",
    )
    rows = [{"id": i, "y": i, "p": i + (-1) ** i * (1 + i % 3)} for i in range(90)]
    better = [{**row, "p": (row["p"] + row["y"]) / 2} for row in rows]
    tables(workspace, better, rows)
    assert run(workspace).code == 0
    assert all(c["delta"] > 0 for c in workspace.document("compare-to-prod")["comparisons"])


def test_missing_values_of_a_slice_are_a_slice(workspace):
    configure(workspace, {**EASY, "guardrails": [{"metric": "accuracy", "slices": ["city"], "margin": 0.5}]})
    rows = [{**row, "city": ["x", "y", None][int(row["id"]) % 3]} for row in answers(160)]
    tables(workspace, rows, rows)
    assert run(workspace).code == 0
    found = [c["slice"] for c in workspace.document("compare-to-prod")["comparisons"]]
    assert found == [None, {"city": "x"}, {"city": "y"}, {"city": None}]


def test_several_candidates_by_name_and_by_file(workspace):
    configure(workspace)
    workspace.table("small.csv", answers(100))
    tables(workspace, answers(190), answers(160))
    ended = workspace.tidegate(
        "compare-to-prod", "--candidate", "small.csv", "--candidate", "large=c.csv", "--production", "p.csv"
    )
    document = workspace.document("compare-to-prod")
    assert (ended.code, document["decision"]) == (0, "promote")
    assert [rank["candidate"] for rank in document["ranking"]] == ["large", "small"]
    assert {c["candidate"]: c["decision"] for c in document["candidates"]} == {
        "small": "hold",
        "large": "promote",
    }


def test_a_few_rows_without_a_partner_are_left_out_and_said(workspace):
    configure(workspace, {**EASY, "max_unmatched_share": 0.05})
    tables(workspace, answers(160)[4:], answers(160)[:-3])
    assert run(workspace).code == 0
    document = workspace.document("compare-to-prod")
    assert document["joins"][0]["matched"] == 193
    assert (document["joins"][0]["only_candidate"], document["joins"][0]["only_production"]) == (3, 4)
    assert any("7 rows without exactly one partner" in warning for warning in document["warnings"])


def test_a_few_repeated_ids_are_left_out_and_counted(workspace: Workspace) -> None:
    # One id twice in the candidate: its two rows, and production's partner, meet nobody.
    configure(workspace, {**EASY, "max_unmatched_share": 0.02})
    tables(workspace, [*answers(160), answers(160)[7]], answers(160))
    assert run(workspace).code in (0, 1)
    join = workspace.document("compare-to-prod")["joins"][0]
    assert (join["matched"], join["repeated_candidate"], join["only_production"]) == (199, 2, 1)


BAD: dict[str, tuple[Rows, Rows, str]] = {
    "other ids": (answers(160), [{**row, "id": f"x{row['id']}"} for row in answers(160)], "share no id"),
    "too many without partner": (answers(160)[10:], answers(160), "10 of 200 rows have no partner by id"),
    "a repeated id": (
        [*answers(160), *answers(160)[7:10]],
        answers(160),
        "6 with a repeated id in",
    ),
    "missing ids": (answers(160), [{**row, "id": None} for row in answers(160)], "no value at all"),
    "another truth": (
        answers(160),
        [{**row, "y": 1 - int(row["y"])} if int(row["id"]) < 3 else row for row in answers(160)],
        "label differs from production's in 3 rows",
    ),
    "no id column": ([{"y": 1, "s": 0.5}], answers(160), "has no column 'id'"),
    "no label": ([{**row, "y": None} for row in answers(160)], answers(160), "column 'y'"),
}


@pytest.mark.parametrize(("candidate", "production", "said"), BAD.values(), ids=BAD)
def test_tables_that_do_not_fit_together_are_refused(workspace, candidate, production, said):
    configure(workspace)
    tables(workspace, candidate, production)
    ended = run(workspace)
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert workspace.reports == set()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--candidate", "c.csv"], "--production is missing"),
        (["--production", "p.csv"], "--candidate is missing"),
        (
            ["--candidate", "c.csv", "--candidate", "c=p.csv", "--production", "p.csv"],
            "two candidates are called",
        ),
        (["--candidate", "none.csv", "--production", "p.csv"], "none.csv does not exist"),
        (["--candidate", "c.csv", "--production", "p.csv", "--first-release"], "leave out --production"),
    ],
)
def test_bad_usage_is_refused(workspace, arguments, said):
    configure(workspace)
    tables(workspace, answers(160), answers(160))
    ended = workspace.tidegate("compare-to-prod", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert workspace.reports == set()


def test_an_id_is_needed(workspace):
    configure(workspace, columns={"label": "y", "score": "s"})
    tables(workspace, answers(160), answers(160))
    ended = run(workspace)
    assert ended.code == 2
    assert "columns.id" in ended.err


def test_a_first_release_is_explicit_and_still_reads_the_table(workspace):
    configure(workspace)
    tables(workspace, answers(160), answers(160))
    ended = workspace.tidegate("compare-to-prod", "--candidate", "c.csv", "--first-release")
    document = workspace.document("compare-to-prod")
    assert (ended.code, document["decision"], document["first_release"]) == (0, "promote", True)
    assert "nothing was compared" in document["reasons"][0]
    workspace.table("c.csv", [{**row, "s": 7} for row in answers(160)])
    ended = workspace.tidegate("compare-to-prod", "--candidate", "c.csv", "--first-release")
    assert ended.code == 2
    assert "between 0 and 1" in ended.err


def test_a_run_of_its_own_process_says_the_same(workspace):
    configure(workspace)
    tables(workspace, answers(100), answers(160))
    ended = workspace.spawn("compare-to-prod", "--candidate", "c.csv", "--production", "p.csv")
    assert ended.code == 1
    assert "HOLD" in ended.out


def git(place: Workspace, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *arguments], cwd=place.root, env=environment(), check=True)


def test_there_is_no_first_release_after_another(workspace):
    configure(workspace)
    tables(workspace, answers(160), answers(160))
    git(workspace, "init", "-q", "-b", "main")
    git(workspace, "commit", "-q", "--allow-empty", "-m", "empty")
    first = ["compare-to-prod", "--candidate", "c.csv", "--first-release", "--output-dir", "first"]
    assert workspace.tidegate(*first).code == 0
    promoted = Registry("m").promoted("0" * 40, "0" * 64, "2013-04-01T00:00:00Z")
    workspace.write(registry_path("m"), promoted.to_json())
    git(workspace, "add", "models")
    git(workspace, "commit", "-q", "-m", "promote")
    ended = workspace.tidegate("compare-to-prod", "--candidate", "c.csv", "--first-release")
    assert ended.code == 2
    assert "has a production version" in ended.err
    assert workspace.reports == set()


def test_two_sets_and_given_tables_are_said_to_be_one(workspace: Workspace) -> None:
    primary = {"metric": "accuracy", "require": "non_inferior", "margin": 0.05}
    configure(workspace, {"sets": ["recent", "golden"], "primary": primary})
    tables(workspace, answers(160), answers(160))
    assert run(workspace).code == 0
    assert "stand for all of recent and golden" in workspace.document("compare-to-prod")["warnings"][0]
