"""The workflow templates, run by a real runner, against git over HTTP and GitHub's API as described."""

import csv
import html
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pytest

from .conftest import ROOT, GitHub
from .deliveries import write_rows
from .git_repository import Clone
from .runner import Act

PROJECT = Path(__file__).parent / "project"
MODEL = "models/late-delivery"
FEBRUARY, MARCH = datetime(2026, 2, 1), datetime(2026, 3, 1)
WINDOWS = {"TIDEGATE_REFERENCE": "data/reference.csv", "TIDEGATE_CURRENT": "data/current.csv"}


def python(repo: Clone, *arguments: str, **variables: str) -> None:
    """Run the interpreter of the tests in a repository, outside of any runner."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("GITHUB_", "TIDEGATE_"))}
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=repo.path,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def train(repo: Clone, *tables: str) -> str:
    """What train.py makes of some tables, as the text of the model."""
    rows = repo.path / "rows.csv"
    parts = [(repo.path / table).read_text(encoding="utf-8").partition("\n") for table in tables]
    rows.write_text(parts[0][0] + "\n" + "".join(part[2] for part in parts), encoding="utf-8")
    output = repo.path / "trained"
    output.mkdir()
    python(repo, "train.py", "--data", str(rows), "--output", str(output))
    model = (output / "rates.json").read_text(encoding="utf-8")
    rows.unlink()
    shutil.rmtree(output)
    return model


def score(repo: Clone, table: str, target: str) -> None:
    """What the serving system logs: the rows with production's score."""
    answers = repo.path / "answers.csv"
    python(repo, "predict.py", "--model", MODEL, "--data", _unlabelled(repo, table), "--output", str(answers))
    with answers.open(encoding="utf-8", newline="") as stream:
        scores = {row["id"]: row["p_late"] for row in csv.DictReader(stream)}
    with (
        (repo.path / table).open(encoding="utf-8", newline="") as source,
        (repo.path / target).open("w", encoding="utf-8", newline="") as stream,
    ):
        reader = csv.DictReader(source)
        writer = csv.DictWriter(stream, [*(reader.fieldnames or ()), "p_late"])
        writer.writeheader()
        writer.writerows({**row, "p_late": scores[row["id"]]} for row in reader)
    answers.unlink()
    (repo.path / "unlabelled.csv").unlink()


def _unlabelled(repo: Clone, table: str) -> str:
    with (
        (repo.path / table).open(encoding="utf-8", newline="") as source,
        (repo.path / "unlabelled.csv").open("w", encoding="utf-8", newline="") as stream,
    ):
        reader = csv.DictReader(source)
        writer = csv.DictWriter(
            stream, [n for n in reader.fieldnames or () if n != "late"], extrasaction="ignore"
        )
        writer.writeheader()
        writer.writerows(reader)
    return "unlabelled.csv"


@pytest.fixture
def deliveries(github: GitHub, user_repo: Clone) -> Clone:
    """A repository that has adopted Tidegate: its code, its data, its workflows, version 1 in production."""
    data = user_repo.path / "data"
    write_rows(data / "train.csv", 3000, seed=1)
    write_rows(data / "golden.csv", 1500, seed=2)
    write_rows(data / "steady.csv", 3000, seed=3, start=FEBRUARY)
    write_rows(data / "moved.csv", 3000, seed=4, start=FEBRUARY, changed=True)
    write_rows(data / "recent.csv", 1500, seed=5, start=MARCH, changed=True)
    files: dict[str, str | bytes] = {
        name: (PROJECT / name).read_bytes() for name in ("train.py", "predict.py")
    }
    files[".github/tidegate.yml"] = (PROJECT / "tidegate.yml").read_bytes()
    files[".gitignore"] = "tidegate-out/\n"
    for template in ("model-gate", "scheduled-drift", "retrain", "release"):
        files[f".github/workflows/{template}.yml"] = (
            ROOT / "workflow-templates" / f"{template}.yml"
        ).read_bytes()
    user_repo.write(files)
    user_repo.write({f"{MODEL}/rates.json": train(user_repo, "data/train.csv")})
    score(user_repo, "data/golden.csv", "data/reference.csv")
    score(user_repo, "data/moved.csv", "data/current.csv")
    score(user_repo, "data/steady.csv", "data/still.csv")
    user_repo.commit({}, "Adopt Tidegate")
    user_repo.push()
    python(
        user_repo,
        *("-m", "tidegate", "promote", "--forge", "github"),
        TIDEGATE_TOKEN=github.token(contents="write"),
        GITHUB_REPOSITORY=github.full_name,
        GITHUB_API_URL=github.api.url,
        GITHUB_SERVER_URL=github.remote.server_url,
    )
    return user_repo


def open_pull_request(github: GitHub, repo: Clone, branch: str, files: Mapping[str, str | bytes]) -> int:
    """A person pushes a branch and opens a pull request."""
    repo.pull_request(branch, files, "Change the model")
    token = github.tokens.user("octocat")
    from github import Auth, Github

    with Github(base_url=github.api.url, auth=Auth.Token(token), seconds_between_requests=0) as client:
        return client.get_repo(github.full_name).create_pull(base="main", head=branch, title="Change").number


def comments(github: GitHub, number: int) -> list[dict[str, object]]:
    return github.state.pulls[number].comments


def body_of(github: GitHub, number: int, command: str) -> str:
    """The one comment that a command has on a pull request."""
    found = [str(c["body"]) for c in comments(github, number) if f"tidegate:{command}:" in str(c["body"])]
    assert len(found) == 1
    return found[0]


CONSTANT_MODEL = '{"0 sun": 0.5}\n'


def test_a_failing_candidate_is_red_and_has_one_comment_that_a_second_push_updates(
    github: GitHub, deliveries: Clone, act: Act
) -> None:
    number = open_pull_request(github, deliveries, "worse", {f"{MODEL}/rates.json": CONSTANT_MODEL})
    deliveries.check_out_merge("worse")
    run = act.run(deliveries.path, "model-gate.yml", github.events.pull_request(number))
    assert run.job("model-gate").result == "failure", run.log
    assert run.step("gate").outputs["decision"] == "fail"
    assert run.job("comment").result == "success", run.log
    first = body_of(github, number, "evaluate-gate")
    assert "fail" in first
    assert "roc_auc" in first
    assert "fail" in run.summary
    assert {"evaluate-gate.json", "evaluate-gate.html", "compare-to-prod.json"} <= set(
        run.artifact("model-gate")
    )
    before = {comment["id"] for comment in comments(github, number)}
    assert len(before) == 2

    deliveries.git("checkout", "--quiet", "worse")
    deliveries.commit({f"{MODEL}/rates.json": '{"0 sun": 0.4, "1 sun": 0.6}\n'}, "Try again")
    deliveries.push()
    deliveries.check_out_merge("worse")
    run = act.run(deliveries.path, "model-gate.yml", github.events.pull_request(number, action="synchronize"))
    assert run.job("model-gate").result == "failure"
    assert {comment["id"] for comment in comments(github, number)} == before
    assert body_of(github, number, "evaluate-gate") != first


def test_a_better_candidate_is_green(github: GitHub, deliveries: Clone, act: Act) -> None:
    better = train(deliveries, "data/train.csv", "data/moved.csv")
    number = open_pull_request(github, deliveries, "better", {f"{MODEL}/rates.json": better})
    deliveries.check_out_merge("better")
    run = act.run(deliveries.path, "model-gate.yml", github.events.pull_request(number))
    assert run.result == "success", run.log
    assert run.step("gate").outputs["decision"] == "pass"
    assert run.step("compare").outputs["decision"] == "promote"
    assert "promote" in body_of(github, number, "compare-to-prod")


def test_the_gate_has_one_answer_in_the_merge_queue_too(github: GitHub, deliveries: Clone, act: Act) -> None:
    better = train(deliveries, "data/train.csv", "data/moved.csv")
    number = open_pull_request(github, deliveries, "better", {f"{MODEL}/rates.json": better})
    merged = deliveries.check_out_merge("better")
    run = act.run(deliveries.path, "model-gate.yml", github.events.merge_group(number, merged))
    assert run.job("model-gate").result == "success", run.log
    assert comments(github, number) == []


def test_drift_opens_a_retrain_pull_request_and_a_second_run_updates_it(
    github: GitHub, deliveries: Clone, act: Act
) -> None:
    run = act.run(deliveries.path, "scheduled-drift.yml", github.events.schedule(), variables=WINDOWS)
    assert run.result == "success", run.log
    assert run.step("drift").outputs["decision"] == "retrain"
    (number,) = github.state.pulls
    pull = github.state.pulls[number]
    assert (pull.head, pull.base) == ("tidegate/retrain/late-delivery", "main")
    body = str(pull.body)
    assert "performance_drop" in body
    assert "[skip ci]" not in body
    head = github.git.branch("tidegate/retrain/late-delivery")
    assert head is not None
    files = github.git.paths(head, MODEL)
    assert {
        f"{MODEL}/{name}"
        for name in (
            "rates.json",
            "lineage.json",
            "training-fingerprint.json",
            "MODEL_CARD.md",
            "registry.json",
        )
    } == set(files)
    assert "[skip ci]" not in github.git.git("log", "-1", "--format=%B", head)
    assert "tidegate-out" not in "\n".join(github.git.paths(head))
    assert run.token not in run.raw

    again = act.run(deliveries.path, "scheduled-drift.yml", github.events.schedule(), variables=WINDOWS)
    assert again.result == "success", again.log
    assert list(github.state.pulls) == [number]
    assert github.git.branch("tidegate/retrain/late-delivery") != head
    assert "updated" in again.log


def test_a_merged_model_is_judged_released_and_remembered(
    github: GitHub, deliveries: Clone, act: Act
) -> None:
    better = train(deliveries, "data/train.csv", "data/moved.csv")
    config = (deliveries.path / ".github/tidegate.yml").read_text(encoding="utf-8")
    config = config.replace("    task: binary\n", "    task: binary\n    approval: required\n")
    deliveries.commit({f"{MODEL}/rates.json": better, ".github/tidegate.yml": config}, "Merge a better model")
    deliveries.push()
    merged = deliveries.git("rev-parse", "HEAD").strip()

    run = act.run(deliveries.path, "release.yml", github.events.push(merged))
    assert run.result == "success", run.log
    assert run.step("gate").outputs["decision"] == "pass"
    assert run.step("gate").outputs["approval"] == "required"
    head = github.git.branch("main")
    assert head is not None
    registry = json.loads(github.git.git("show", f"{head}:{MODEL}/registry.json"))
    assert registry["aliases"] == {"previous": 1, "production": 2}

    history = github.git.branch("tidegate-history")
    assert history is not None
    for command, decision in (("evaluate-gate", "pass"), ("promote", "promoted")):
        lines = github.git.git("show", f"{history}:late-delivery/{command}.jsonl").splitlines()
        assert json.loads(lines[-1])["decision"] == decision
    audit = run.step("gate").outputs["audit-sha256"]
    gate = github.git.git("show", f"{history}:late-delivery/evaluate-gate.jsonl")
    assert json.loads(gate.splitlines()[-1])["audit_sha256"] == audit


def test_without_drift_nothing_is_opened(github: GitHub, deliveries: Clone, act: Act) -> None:
    still = {**WINDOWS, "TIDEGATE_CURRENT": "data/still.csv"}
    run = act.run(deliveries.path, "scheduled-drift.yml", github.events.schedule(), variables=still)
    assert run.result == "success", run.log
    assert run.step("drift").outputs["decision"] in ("none", "watch")
    assert github.state.pulls == {}
    assert github.git.branch("tidegate/retrain/late-delivery") is None


def test_a_person_retrains_with_a_reason(github: GitHub, deliveries: Clone, act: Act) -> None:
    event = github.events.workflow_dispatch({"reason": "labels of January were mended; ping @everyone"})
    run = act.run(deliveries.path, "retrain.yml", event, variables=WINDOWS)
    assert run.result == "success", run.log
    (pull,) = github.state.pulls.values()
    assert "labels of January were mended" in str(pull.body)
    assert "@everyone" not in str(pull.body)


def test_a_failing_training_leaves_nothing_behind(github: GitHub, deliveries: Clone, act: Act) -> None:
    deliveries.commit(
        {"train.py": 'print("cannot reach the feature store")\nraise SystemExit(7)\n'}, "Break it"
    )
    deliveries.push()
    event = github.events.workflow_dispatch({"reason": "try"})
    run = act.run(deliveries.path, "retrain.yml", event, variables=WINDOWS)
    assert run.result == "failure"
    assert "cannot reach the feature store" in run.log
    assert github.state.pulls == {}
    assert github.git.branch("tidegate/retrain/late-delivery") is None
    assert "cannot reach the feature store" in run.summary


OWN_WORKFLOW = """
name: Mine
on: pull_request
permissions:
  contents: read
  pull-requests: write
jobs:
  judge:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
        with:
          persist-credentials: false
      - id: gate
        uses: tidegate/tidegate/actions/evaluate-gate@v1
        with:
          predictions: data/current.csv
          fail-on: never
      - id: root
        uses: tidegate/tidegate@v1
        with:
          command: evaluate-gate
          predictions: data/reference.csv
          comment: "false"
"""


@pytest.mark.parametrize("fork", [False, True])
def test_a_workflow_of_ones_own_comments_from_the_same_job_where_the_token_may(
    github: GitHub, deliveries: Clone, act: Act, fork: bool
) -> None:
    number = open_pull_request(github, deliveries, "mine", {".github/workflows/mine.yml": OWN_WORKFLOW})
    deliveries.check_out_merge("mine")
    run = act.run(deliveries.path, "mine.yml", github.events.pull_request(number, fork=fork), fork=fork)
    assert run.result == "success", run.log
    assert run.step("gate").outputs["decision"] == "fail"
    assert run.step("root").outputs["decision"] == "pass"
    if fork:
        assert comments(github, number) == []
        assert any("`pull-requests: write`" in note.text for note in run.annotations)
    else:
        assert "fail" in body_of(github, number, "evaluate-gate")
        assert len(comments(github, number)) == 1


HOSTILE = [
    '"; echo pwned > pwned.txt; "',
    "${{ secrets.X }}",
    "<img src=x onerror=alert(1)>",
    "@everyone",
    "`id > pwned.txt`",
    "$(touch pwned.txt)",
    "two\nlines\n::error::pwned",
    "[x](https://evil.example) https://evil.example #1",
    "| cell | <!-- tidegate:evaluate-gate:late-delivery -->",
]


def test_hostile_names_reach_the_comment_escaped_and_nothing_executes(
    github: GitHub, deliveries: Clone, act: Act
) -> None:
    column = '"; echo pwned > pwned.txt; #`${{ secrets.X }}`\n<img src=x onerror=alert(1)>'
    write_rows(deliveries.path / "data/hostile.csv", 2000, seed=6, cities=tuple(HOSTILE), column=column)
    score(deliveries, "data/hostile.csv", "data/candidate.csv")
    shutil.copyfile(deliveries.path / "data/candidate.csv", deliveries.path / "data/production.csv")
    config = (PROJECT / "tidegate.yml").read_text(encoding="utf-8")
    as_yaml = '"' + column.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    config = config.replace("slices: [city]", f"slices: [{as_yaml}]").replace("min: 0.5,", "min: 0.99,")
    (deliveries.path / "data/hostile.csv").unlink()
    files = {
        ".github/tidegate.yml": config,
        **{
            f"data/{name}.csv": (deliveries.path / f"data/{name}.csv").read_bytes()
            for name in ("candidate", "production")
        },
    }
    for name in ("candidate", "production"):
        (deliveries.path / f"data/{name}.csv").unlink()
    number = open_pull_request(github, deliveries, "hostile", files)
    deliveries.check_out_merge("hostile")
    variables = {"TIDEGATE_PREDICTIONS": "data/candidate.csv", "TIDEGATE_PRODUCTION": "data/production.csv"}
    run = act.run(
        deliveries.path,
        "model-gate.yml",
        github.events.pull_request(number),
        variables=variables,
        secrets={"X": "the-secret-value"},
    )
    assert run.step("gate").outputs["decision"] == "fail", run.log
    assert "pwned.txt" not in "\n".join(run.artifact("model-gate"))
    assert not list(deliveries.path.rglob("pwned.txt"))
    assert not [note for note in run.annotations if "pwned" in str(note) and "Tidegate" not in str(note)]
    assert "the-secret-value" not in run.raw
    for command in ("evaluate-gate", "compare-to-prod"):
        body = body_of(github, number, command)
        for text in [*HOSTILE, column]:
            assert text not in body
        # One marker, ours, in the first line; no tag but those of our own layout.
        assert body.count("<!--") == 1
        tags = set(re.findall(r"<(/?[a-z]+)", body))
        assert tags <= {
            f"{slash}{tag}"
            for slash in ("", "/")
            for tag in ("code", "details", "summary", "small", "br", "sub")
        }
        assert "@everyone" not in html.unescape(body)
        assert "::error" not in html.unescape(body)
