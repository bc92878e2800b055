"""The templates that watch production data: many models in one run, records of failures, retraining by hand."""

import json
from datetime import datetime

import pytest

from .conftest import ROOT, GitHub
from .deliveries import write_rows
from .git_repository import Clone
from .runner import Act
from .test_workflows import PROJECT, score, train

FEBRUARY = datetime(2026, 2, 1)
MODEL = "models/late-delivery"
MODELS = {
    "moved": "data/moved-scored.csv",
    "steady": "data/steady-scored.csv",
    "lost": "data/never-written.csv",
}


def section(name: str, current: str) -> str:
    return f"""
  {name}:
    task: binary
    columns: {{id: id, label: late, score: p_late, timestamp: at}}
    drift: {{features: [hour, weather, city], reference: data/reference.csv, current: {current}}}
    retrain:
      when: [performance_drop]
      train: python train.py --data {{data}} --output {{model_dir}}
      artifacts: [models/{name}/]
"""


@pytest.fixture
def watched(github: GitHub, user_repo: Clone) -> Clone:
    """A repository with three models, each with windows in its configuration; those of one were never written."""
    data = user_repo.path / "data"
    write_rows(data / "train.csv", 3000, seed=1)
    write_rows(data / "later.csv", 3000, seed=2)
    write_rows(data / "steady.csv", 3000, seed=3, start=FEBRUARY)
    write_rows(data / "moved.csv", 3000, seed=4, start=FEBRUARY, changed=True)
    files: dict[str, str | bytes] = {
        name: (PROJECT / name).read_bytes() for name in ("train.py", "predict.py")
    }
    files[".github/tidegate.yml"] = "version: 1\nmodels:" + "".join(section(*each) for each in MODELS.items())
    files[".gitignore"] = "tidegate-out/\n"
    for template in ("scheduled-drift", "scheduled-drift-all"):
        path = ROOT / "workflow-templates" / f"{template}.yml"
        files[f".github/workflows/{template}.yml"] = path.read_bytes()
    user_repo.write(files)
    user_repo.write({f"{MODEL}/rates.json": train(user_repo, "data/train.csv")})
    score(user_repo, "data/later.csv", "data/reference.csv")
    for name in ("moved", "steady"):
        score(user_repo, f"data/{name}.csv", f"data/{name}-scored.csv")
    user_repo.commit({}, "Watch three models")
    user_repo.push()
    return user_repo


def recorded(github: GitHub, model: str) -> list[dict[str, object]]:
    """What the history holds of a model's drift reports."""
    tip = github.git.branch("tidegate-history")
    assert tip is not None
    lines = github.git.git("show", f"{tip}:{model}/drift-report.jsonl").splitlines()
    return [json.loads(line) for line in lines]


def test_of_many_models_the_one_that_dropped_is_retrained_though_another_cannot_be_watched(
    github: GitHub, watched: Clone, act: Act
) -> None:
    run = act.run(watched.path, "scheduled-drift-all.yml", github.events.schedule())
    assert run.job("drift").result == "failure"
    decisions = {each["model"]: each["decision"] for each in json.loads(run.outputs("drift")["models"])}
    assert decisions["moved"] == "retrain"
    assert decisions["steady"] in ("none", "watch")
    assert decisions["lost"] == "failed"

    assert run.job("retrain").result == "success", run.log
    (pull,) = github.state.pulls.values()
    assert pull.head == "tidegate/retrain/moved"
    assert "performance_drop" in str(pull.body)
    assert run.token not in run.raw

    assert [each["decision"] for each in recorded(github, "moved")] == ["retrain"]
    (lost,) = recorded(github, "lost")
    assert lost["decision"] == "failed"
    assert "does not exist" in str(lost["drift"])
    assert {"moved/drift-report.json", "steady/drift-report.html"} <= set(run.artifact("drift"))


def test_a_job_that_fails_before_its_report_leaves_a_record(github: GitHub, watched: Clone, act: Act) -> None:
    for template in ("scheduled-drift", "scheduled-drift-all"):
        path = watched.path / ".github" / "workflows" / f"{template}.yml"
        text = path.read_text(encoding="utf-8")
        fetch = next(line for line in text.splitlines() if "# Fetch your production data" in line)
        watched.commit(
            {f".github/workflows/{template}.yml": text.replace(fetch, "      - run: exit 7", 1)}, "Fetch"
        )
    watched.push()
    run = act.run(
        watched.path, "scheduled-drift.yml", github.events.schedule(), variables={"TIDEGATE_MODEL": "steady"}
    )
    assert run.result == "failure"
    assert not run.ran("drift")
    (record,) = recorded(github, "steady")
    assert (record["decision"], record["drift"]) == ("failed", {"failed": "A step before the report failed"})

    run = act.run(watched.path, "scheduled-drift-all.yml", github.events.schedule())
    assert run.result == "failure"
    assert [len(recorded(github, model)) for model in MODELS] == [1, 2, 1]
    assert github.state.pulls == {}


@pytest.mark.parametrize("asked", ["true", "false"])
def test_a_person_may_retrain_past_the_policy(github: GitHub, watched: Clone, act: Act, asked: str) -> None:
    variables = {
        "TIDEGATE_MODEL": "steady",
        "TIDEGATE_REFERENCE": "data/reference.csv",
        "TIDEGATE_CURRENT": MODELS["steady"],
    }
    event = github.events.workflow_dispatch({"retrain": asked})
    run = act.run(watched.path, "scheduled-drift.yml", event, variables=variables)
    assert run.result == "success", run.log
    if asked == "true":
        (pull,) = github.state.pulls.values()
        assert "started by hand" in str(pull.body)
    else:
        assert github.state.pulls == {}
