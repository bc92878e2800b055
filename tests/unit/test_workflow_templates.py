"""The workflows that users copy, and the project's own: pinned, few rights, no expression in a shell."""

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = sorted((ROOT / "workflow-templates").glob("*.yml"))
WORKFLOWS = [*TEMPLATES, *sorted((ROOT / ".github" / "workflows").glob("*.yml"))]
OWN_ACTION = re.compile(r"tidegate/tidegate(/actions/[a-z-]+)?@v1")

each_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def load(path: Path) -> dict[str, Any]:
    # YAML 1.1 reads the key `on` as true.
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {"on" if key is True else key: value for key, value in document.items()}


def steps(path: Path, job: str | None = None) -> list[dict[str, Any]]:
    return [
        step for key, found in load(path)["jobs"].items() if job in (None, key) for step in found["steps"]
    ]


def test_the_templates_are_there():
    assert [path.stem for path in TEMPLATES] == [
        "model-gate",
        "release",
        "retrain",
        "scheduled-drift-all",
        "scheduled-drift",
    ]


@each_template
def test_properties_describe_the_template(path):
    properties = json.loads(path.with_suffix(".properties.json").read_text(encoding="utf-8"))
    assert set(properties) == {"name", "description", "iconName", "categories", "filePatterns"}
    assert properties["name"] == load(path)["name"]
    assert [re.compile(pattern) for pattern in properties["filePatterns"]]
    icon = path.with_name(properties["iconName"] + ".svg")
    assert ElementTree.parse(icon).getroot().tag == "{http://www.w3.org/2000/svg}svg"  # noqa: S314 -- our own file


@each_workflow
def test_every_foreign_action_is_pinned_by_commit_with_its_version(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        if match := re.search(r"\buses: (\S+)(.*)", line):
            action, comment = match.groups()
            pinned = re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action)
            own = action.startswith("./") or OWN_ACTION.fullmatch(action)
            assert own or (pinned and re.fullmatch(r" # v\d+\.\d+\.\d+", comment)), line


def test_one_action_has_one_pin():
    pins: dict[str, set[str]] = {}
    sources = [*WORKFLOWS, *(ROOT / "actions").glob("*/README.md")]
    for path in sources:
        for action, pin in re.findall(r"uses: (\S+)@(\S+ # \S+)", path.read_text(encoding="utf-8")):
            pins.setdefault(action, set()).add(pin)
    assert {action: found for action, found in pins.items() if len(found) > 1} == {}


@each_template
def test_own_actions_exist_and_know_every_input(path):
    used = [step for step in steps(path) if OWN_ACTION.fullmatch(step.get("uses", ""))]
    assert used
    for step in used:
        folder = (OWN_ACTION.fullmatch(step["uses"])[1] or "").removeprefix("/")
        action = yaml.safe_load((ROOT / folder / "action.yml").read_text(encoding="utf-8"))
        assert set(step["with"]) <= set(action["inputs"])


@each_workflow
def test_no_expression_reaches_a_shell(path):
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@each_workflow
def test_rights_are_granted_job_by_job(path):
    workflow = load(path)
    assert workflow["permissions"] == {}
    assert all(job["permissions"] for job in workflow["jobs"].values())
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())


@each_workflow
def test_checkout_leaves_no_credentials_behind(path):
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@each_template
def test_reports_are_kept_whatever_happens(path):
    uploads = [step for step in steps(path) if step.get("uses", "").startswith("actions/upload-artifact@")]
    assert {step["if"] for step in uploads} == {"always()"}


MODEL_GATE = ROOT / "workflow-templates" / "model-gate.yml"


def test_the_gate_gives_one_status_on_every_path():
    workflow = load(MODEL_GATE)
    # A filter would leave the required check waiting for ever.
    assert workflow["on"] == {"pull_request": None, "merge_group": None, "workflow_dispatch": None}
    gate = workflow["jobs"]["model-gate"]
    assert gate["name"] == "model-gate"
    assert not {"if", "needs", "strategy"} & set(gate)


def test_the_comparison_reports_after_a_failed_gate_and_the_job_still_fails():
    gate, compare = [
        step for step in steps(MODEL_GATE, "model-gate") if OWN_ACTION.fullmatch(step.get("uses", ""))
    ]
    assert "!cancelled()" in compare["if"]
    assert not any("continue-on-error" in step for step in (gate, compare))


def test_whatever_runs_code_of_a_pull_request_can_only_read():
    jobs = load(MODEL_GATE)["jobs"]
    assert jobs["model-gate"]["permissions"] == {"contents": "read"}
    commenting = [step["with"].get("comment", "true") for step in steps(MODEL_GATE) if "with" in step]
    assert commenting.count("false") == 2


def test_whatever_comments_runs_no_code_of_a_pull_request():
    download, publish = steps(MODEL_GATE, "comment")
    assert download["uses"].startswith("actions/download-artifact@")
    assert publish["uses"] == "tidegate/tidegate@v1"
    assert publish["with"] == {"command": "publish", "reports": download["with"]["path"]}
    (upload,) = [
        step for step in steps(MODEL_GATE) if step.get("uses", "").startswith("actions/upload-artifact@")
    ]
    assert download["with"]["name"] == upload["with"]["name"]


SCHEDULED = ROOT / "workflow-templates" / "scheduled-drift.yml"
OF_ALL = ROOT / "workflow-templates" / "scheduled-drift-all.yml"


def own(path: Path, job: str | None = None) -> list[dict[str, Any]]:
    return [step for step in steps(path, job) if OWN_ACTION.fullmatch(step.get("uses", ""))]


def test_only_a_drift_report_that_says_retrain_opens_a_pull_request():
    drift, _, retrain = own(SCHEDULED)
    assert drift["id"] == "drift"
    assert retrain["if"] == "steps.drift.outputs.decision == 'retrain'"
    assert retrain["with"]["drift-report"] == "${{ steps.drift.outputs.json }}"


def test_a_run_by_hand_passes_the_policy_by_and_a_schedule_does_not():
    assert load(SCHEDULED)["on"]["workflow_dispatch"]["inputs"]["retrain"]["default"] is True
    drift, *_ = own(SCHEDULED)
    assert drift["with"]["by-hand"] == "${{ inputs.retrain || 'false' }}"
    assert not any("by-hand" in step["with"] for step in own(OF_ALL))


@pytest.mark.parametrize("path", [SCHEDULED, OF_ALL], ids=lambda path: path.stem)
def test_a_job_that_fails_before_its_report_leaves_a_record(path):
    drift, record, *_ = own(path, "drift")
    assert record["uses"] == drift["uses"]
    # What the report itself stumbles over is recorded by it, and once.
    assert record["if"] == "${{ failure() && steps.drift.outcome == 'skipped' }}"
    assert record["with"]["failed"]
    assert record["with"].get("all") == drift["with"].get("all")


def test_each_of_many_models_is_retrained_though_another_could_not_be_watched():
    jobs = load(OF_ALL)["jobs"]
    assert jobs["retrain"]["if"] == "${{ !cancelled() && needs.drift.outputs.decision == 'retrain' }}"
    assert jobs["retrain"]["strategy"]["matrix"] == "${{ fromJSON(needs.drift.outputs.matrix) }}"
    assert jobs["retrain"]["strategy"]["fail-fast"] is False
    (retrain,) = own(OF_ALL, "retrain")
    assert retrain["with"] == {"model": "${{ matrix.model }}", "drift-report": "${{ matrix.json }}"}
    (upload,) = [
        step for step in steps(OF_ALL, "drift") if step.get("uses", "").startswith("actions/upload-artifact@")
    ]
    (download,) = [
        step
        for step in steps(OF_ALL, "retrain")
        if step.get("uses", "").startswith("actions/download-artifact@")
    ]
    # The paths in the matrix are those of the job that wrote the reports.
    assert download["with"] == {"name": upload["with"]["name"], "path": upload["with"]["path"].rstrip("/")}


def test_the_job_that_watches_all_models_opens_no_pull_request():
    jobs = load(OF_ALL)["jobs"]
    assert jobs["drift"]["permissions"] == {"contents": "write"}
    assert jobs["retrain"]["permissions"] == {"contents": "write", "pull-requests": "write"}


def test_two_retrainings_never_race():
    names = ("scheduled-drift", "retrain")
    groups = [load(ROOT / "workflow-templates" / f"{name}.yml")["concurrency"]["group"] for name in names]
    groups.append(load(OF_ALL)["jobs"]["retrain"]["concurrency"]["group"])
    assert {re.sub(r"\$\{\{.*\}\}", "", group) for group in groups} == {"retrain-"}
