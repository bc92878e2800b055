import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from report_documents import SAMPLES
from workspace import Ended, Workspace, project, workspace

from tidegate.data_quality import training_overlap
from tidegate.forge import LocalForge
from tidegate.registry import artifact_files
from tidegate.registry.fingerprint import overlap, read_fingerprint
from tidegate.tables import open_table

__all__ = ["project", "workspace"]

BRANCH = "tidegate/retrain/late-delivery"
REMOTE_BRANCH = f"origin/{BRANCH}"
FORGE = "local:../forge"
REPORT = ("--drift-report", "drift.json", "--reference", "data/train.csv", "--current", "data/moved.csv")
REASON = ("--reason", "more data", "--reference", "data/train.csv", "--current", "data/moved.csv")


@pytest.fixture
def repo(project: Workspace) -> Workspace:
    drift(project)
    return project


def drift(place: Workspace, **changes: Any) -> None:
    document = SAMPLES["drift-retrain"]() | {"model": "late-delivery", **changes}
    (place.root / ".git" / "info" / "exclude").write_text("drift.json\n", encoding="utf-8")
    place.write("drift.json", json.dumps(document))


def retrain(place: Workspace, *arguments: str, forge: str = FORGE) -> Ended:
    return place.tidegate("open-retrain-pr", "--forge", forge, *arguments)


def document(place: Workspace) -> dict[str, Any]:
    return place.document("open-retrain-pr")


def pulls(place: Workspace) -> list[str]:
    folder = place.root.parent / "forge" / "pulls"
    return sorted(path.name for path in folder.iterdir())


def branches(place: Workspace) -> list[str]:
    return place.git("ls-remote", "--heads", "origin").split()[1::2]


def edit(place: Workspace, old: str, new: str, *, name: str = ".github/tidegate.yml") -> None:
    path = place.root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    place.commit("edit")


def test_a_pull_request_is_opened_and_then_updated(repo: Workspace) -> None:
    head, before = repo.git("rev-parse", "HEAD"), repo.git("status", "--porcelain")
    first = retrain(repo, *REPORT)
    assert first.code == 0, first.err
    opened = document(repo)
    commit = repo.git("rev-parse", REMOTE_BRANCH) if not repo.git("fetch", "-q") else ""
    second = retrain(repo, *REASON)
    assert second.code == 0, second.err
    updated = document(repo)

    assert (opened["decision"], updated["decision"]) == ("opened", "updated")
    assert (opened["pull_request"]["number"], updated["pull_request"]["number"]) == (1, 1)
    assert pulls(repo) == ["1"]
    assert branches(repo) == ["refs/heads/main", f"refs/heads/{BRANCH}"]
    assert repo.git("rev-parse", f"{commit}^") == head
    assert repo.git("show", "--stat", "--format=", "--name-only", commit).splitlines() == [
        "models/late-delivery/MODEL_CARD.md",
        "models/late-delivery/lineage.json",
        "models/late-delivery/rates.json",
        "models/late-delivery/training-fingerprint.json",
    ]
    assert (repo.git("rev-parse", "HEAD"), repo.git("status", "--porcelain")) == (head, before)
    assert repo.git("branch", "--list").split() == ["*", "main"]


def test_lineage_tells_what_the_model_was_made_from(repo: Workspace) -> None:
    retrain(repo, *REPORT)
    lineage = document(repo)["lineage"]
    repo.git("fetch", "-q")

    assert (
        json.loads(repo.git("show", f"{REMOTE_BRANCH}:models/late-delivery/lineage.json"))["digest"]
        == lineage["digest"]
    )
    assert lineage["trigger"] == {"kind": "drift", "reasons": SAMPLES["drift-retrain"]()["reasons"]}
    assert lineage["data"]["rows"] == 1800
    assert lineage["holdout"]["rows"] == pytest.approx(450, abs=1)
    assert lineage["training"]["end"] < lineage["holdout"]["start"]
    assert lineage["code_commit"] == repo.git("rev-parse", "HEAD")
    assert f"Model-Digest: {lineage['digest']}" in repo.git("log", "-1", "--format=%B", REMOTE_BRANCH)


def test_the_rows_that_were_trained_on_leave_a_fingerprint(repo: Workspace) -> None:
    assert retrain(repo, *REPORT).code == 0
    recorded = document(repo)["lineage"]
    repo.git("pull", "-q", "origin", BRANCH)
    folder = repo.root / "models/late-delivery"
    training, golden = (open_table(str(repo.root / "data" / f"{name}.csv")) for name in ("train", "golden"))
    made = read_fingerprint(folder, recorded["digest"])
    assert made is not None

    assert recorded["training_fingerprint"] == {
        "path": "models/late-delivery/training-fingerprint.json",
        "sha256": made.sha256,
    }
    assert [sketch.columns for sketch in (made.by_id, made.by_content) if sketch] == [
        ("id",),
        ("at", "city", "hour", "late", "weather"),
    ]
    assert [each.matched for each in overlap(training, made, "id")] == [900, 900]
    assert training_overlap(golden, folder, identifier="id", digest=recorded["digest"]) is None
    assert list(artifact_files(folder)) == ["rates.json"]
    assert retrain(repo, *REASON).code == 0
    assert repo.git("ls-remote", "--heads", "origin", f"refs/heads/{BRANCH}")


def test_evidence_comes_with_the_pull_request(repo: Workspace) -> None:
    repo.tidegate("promote", "--forge", FORGE)
    assert retrain(repo, *REPORT).code == 0
    found = document(repo)

    assert found["gate"]["decision"] in ("pass", "fail", "inconclusive")
    assert found["comparison"]["sets"] == ["recent", "golden"]
    assert found["lineage"]["parent"]["version"] == 1
    body = (repo.root.parent / "forge/pulls/1/body.md").read_text(encoding="utf-8")
    assert "roc" in body
    assert "not compared" not in body.lower()


@pytest.mark.parametrize("decision", ["watch", "none"])
def test_without_need_nothing_is_done(repo: Workspace, decision: str) -> None:
    drift(repo, decision=decision)
    ended = retrain(repo, *REPORT)

    assert ended.code == 0
    assert document(repo)["decision"] == "skipped"
    assert decision in document(repo)["skipped_because"]
    assert (pulls(repo), branches(repo)) == ([], ["refs/heads/main"])
    assert retrain(repo, "--reason", " ", *REPORT).code == 0
    assert document(repo)["decision"] == "skipped"


def test_a_reason_overrides_the_report(repo: Workspace) -> None:
    drift(repo, decision="none")
    assert retrain(repo, "--reason", "new labels", *REPORT).code == 0

    assert document(repo)["decision"] == "opened"
    assert document(repo)["lineage"]["trigger"] == {"kind": "manual", "reasons": ["new labels"]}


@pytest.mark.parametrize(("days", "decision"), [(1, "skipped"), (30, "opened")])
def test_cooldown_counts_from_the_last_pull_request(repo: Workspace, days: int, decision: str) -> None:
    edit(repo, "      when:", "      cooldown: 7d\n      when:")
    forge = LocalForge(repo.root.parent / "forge")
    forge.open_pull_request(branch=BRANCH, base="main", title="t", body="")
    forge.close_pull_request(1, merged=False, at=datetime.now(UTC) - timedelta(days=days))
    retrain(repo, *REPORT)

    assert document(repo)["decision"] == decision
    retrain(repo, *REASON)
    assert document(repo)["decision"] in ("opened", "updated")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("print('working on it')\nraise SystemExit('no more memory')\n", "exit code 1"),
        ("import time\nprint('working on it', flush=True)\ntime.sleep(60)\n", "was still running after"),
        ("print('working on it')\n", "wrote nothing"),
        (
            "import sys, pathlib\nprint('working on it')\n"
            "pathlib.Path(sys.argv[-1], 'registry.json').write_text('{}')\n"
            "pathlib.Path(sys.argv[-1], 'm').write_text('x')\n",
            "keeps for itself",
        ),
    ],
)
def test_a_train_command_that_fails_leaves_nothing_and_shows_its_last_lines(
    repo: Workspace, code: str, told: str
) -> None:
    edit(repo, "      when:", "      train_timeout: 1s\n      when:")
    repo.write("train.py", code)
    repo.commit("a bad train command")
    ended = retrain(repo, *REPORT)

    assert ended.code == 1
    assert document(repo)["decision"] == "failed"
    assert told in document(repo)["reasons"][0]
    assert document(repo)["log_tail"][0] == "working on it"
    assert "working on it" in ended.out
    assert (pulls(repo), branches(repo)) == ([], ["refs/heads/main"])
    assert retrain(repo, *REPORT, "--fail-on", "never").code == 0


def test_a_predict_command_that_fails_leaves_nothing(repo: Workspace) -> None:
    edit(repo, "rates = ", "raise SystemExit('no such feature')\nrates = ", name="predict.py")
    ended = retrain(repo, *REPORT)

    assert ended.code == 1
    assert document(repo)["decision"] == "failed"
    assert document(repo)["log_tail"] == ["no such feature"]
    assert (pulls(repo), branches(repo)) == ([], ["refs/heads/main"])


def test_what_training_and_prediction_are_shown(repo: Workspace) -> None:
    both = repo.root / "data" / "both.csv"
    moved = (repo.root / "data" / "moved.csv").read_text(encoding="utf-8")
    golden = (repo.root / "data" / "golden.csv").read_text(encoding="utf-8").split("\n", 1)[1]
    both.write_text(moved + golden, encoding="utf-8")
    save = "import shutil\nshutil.copy(options.data, {!r})\n"
    shown = {name: str(repo.root.parent / f"{name}.csv") for name in ("train", "predict")}
    edit(repo, "seen: dict", save.format(shown["train"]) + "seen: dict", name="train.py")
    edit(repo, "rates = ", save.format(shown["predict"]) + "rates = ", name="predict.py")
    ended = retrain(repo, "--reason", "r", "--reference", "data/both.csv")
    assert ended.code == 0, ended.err

    trained_on = Path(shown["train"]).read_text(encoding="utf-8").splitlines()
    header = Path(shown["predict"]).read_text(encoding="utf-8").splitlines()[0].split(",")
    assert not [line for line in trained_on if line.startswith("2-")]
    assert document(repo)["lineage"]["golden"]["excluded"] == 400
    assert "late" not in header
    assert {"id", "hour", "weather"} <= set(header)
    assert max(line.split(",")[1] for line in trained_on[1:]) < document(repo)["lineage"]["holdout"][
        "start"
    ].replace("T", " ")


def test_no_reason_switches_checks_off(repo: Workspace) -> None:
    reason = "urgent [skip ci] [ci skip]\n\n\nskip-checks: true\nCo-authored-by: x <x@example.com>"
    assert retrain(repo, "--reason", reason, *REPORT).code == 0
    repo.git("fetch", "-q")
    message = repo.git("log", "-1", "--format=%B", REMOTE_BRANCH)

    assert "urgent" in message
    assert "[" not in message
    trailers = repo.git("log", "-1", "--format=%(trailers:only)", REMOTE_BRANCH).splitlines()
    assert [line.split(":")[0] for line in trailers] == ["Model-Digest"]
    pull = json.loads((repo.root.parent / "forge/pulls/1/pull.json").read_text(encoding="utf-8"))
    assert pull["title"] == "Retrain late-delivery"
    body = (repo.root.parent / "forge/pulls/1/body.md").read_text(encoding="utf-8")
    assert "[skip ci]" not in body


def test_without_predict_the_pull_request_says_that_nothing_was_compared(repo: Workspace) -> None:
    edit(repo, "    predict: python", "    # predict: python")
    assert retrain(repo, *REPORT).code == 0

    assert document(repo)["decision"] == "opened"
    assert (document(repo)["gate"], document(repo)["comparison"]) == (None, None)
    body = (repo.root.parent / "forge/pulls/1/body.md").read_text(encoding="utf-8")
    assert "not compared" in body.lower()


@pytest.mark.parametrize("promoted", [False, True])
def test_without_a_place_for_the_model_nothing_is_opened(repo: Workspace, promoted: bool) -> None:
    if promoted:
        assert repo.tidegate("promote", "--forge", FORGE).code == 0
    edit(repo, "      artifacts: [models/late-delivery/]\n", "")
    ended = retrain(repo, *REPORT)

    assert ended.code == 2
    assert "has no `retrain.artifacts`" in ended.err
    assert "training on" not in ended.out


def test_without_a_forge_only_files_are_written(repo: Workspace) -> None:
    assert retrain(repo, *REPORT, forge="none").code == 0

    assert document(repo)["decision"] == "skipped"
    assert "no forge" in document(repo)["skipped_because"]
    assert document(repo)["gate"] is not None
    assert branches(repo) == ["refs/heads/main"]


def test_the_model_of_production_is_not_proposed_again(repo: Workspace) -> None:
    retrain(repo, *REPORT)
    repo.git("pull", "-q", "origin", BRANCH)
    repo.git("push", "-q", "origin", "main")
    assert repo.tidegate("promote", "--forge", FORGE).code == 0
    retrain(repo, *REASON)

    assert document(repo)["decision"] == "skipped"
    assert "very model that runs in production" in document(repo)["skipped_because"]


def test_a_refused_push_is_exit_2_and_opens_nothing(repo: Workspace) -> None:
    hook = repo.root.parent / "remote.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho 'GH006: Protected branch' >&2\nexit 1\n", encoding="utf-8")
    hook.chmod(0o755)
    ended = retrain(repo, *REPORT)

    assert ended.code == 2
    assert "GH006" in ended.err
    assert pulls(repo) == []
    assert "open-retrain-pr.json" not in repo.reports


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "is no drift report"),
        ('{"schema": "tidegate/evaluate-gate/1"}', "is no drift report"),
        ('{"schema": "tidegate/drift-report/1", "model": "late-delivery"}', "is no drift report"),
        (
            '{"schema": "tidegate/drift-report/1", "model": "late-delivery", "decision": "retrain", "reasons": [],'
            ' "provenance": {"data": [{"x": 1}]}}',
            "is no drift report",
        ),
        (
            '{"schema": "tidegate/drift-report/1", "model": "x", "decision": "none", "reasons": [],'
            ' "provenance": {"data": []}}',
            "is about model 'x'",
        ),
    ],
)
def test_what_is_no_drift_report_is_refused(repo: Workspace, content: str, told: str) -> None:
    repo.write("drift.json", content)
    ended = retrain(repo, *REPORT)

    assert ended.code == 2
    assert told in ended.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "give --drift-report FILE, or --reason TEXT"),
        (("--reason", "  "), "give --drift-report FILE, or --reason TEXT"),
        (("--reason", "r"), "no rows to train on"),
        (("--drift-report", "none.json"), "none.json cannot be read"),
    ],
)
def test_a_run_without_cause_or_data_is_refused(
    repo: Workspace, arguments: tuple[str, ...], told: str
) -> None:
    ended = retrain(repo, *arguments)

    assert ended.code == 2
    assert told in ended.err
