import json
from hashlib import sha256

import pytest
from workspace import Ended, Workspace, project, workspace

from tidegate.registry import artifact_files, artifacts_digest, stored
from tidegate.tables import open_table

__all__ = ["project", "workspace"]

MODEL = "models/late-delivery"
REGISTRY = f"{MODEL}/registry.json"
STORED = f"{MODEL}/golden-predictions.parquet"


def promote(place: Workspace, *more: str) -> Ended:
    return place.tidegate("promote", "--forge", "none", *more)


def predictions(place: Workspace, name: str = "data/made.csv", rows: slice = slice(None)) -> list[str]:
    """A table with what a model answered on golden rows, the last first."""
    lines = (place.root / "data/golden.csv").read_text(encoding="utf-8").splitlines()
    made = [f"{line},{i / 1000}" for i, line in enumerate(lines[1:])][::-1][rows]
    place.write(name, "\n".join([lines[0] + ",p_late", *made]) + "\n")
    return made


def test_a_model_becomes_production_here_and_on_the_remote(project: Workspace) -> None:
    made_at = project.git("rev-parse", "HEAD")
    assert promote(project).code == 0
    document = project.document("promote")
    project.git("fetch", "-q", "--tags")

    assert (document["decision"], document["version"], document["commit"]) == ("promoted", 1, made_at)
    registry = json.loads(project.git("show", f"origin/main:{REGISTRY}"))
    assert registry["aliases"] == {"production": 1}
    assert registry["versions"][0]["digest"] == document["digest"]
    assert project.git("rev-parse", "HEAD") == project.git("rev-parse", "origin/main")
    assert project.git("rev-parse", "HEAD^") == made_at
    assert project.git("ls-remote", "origin", "refs/tags/late-delivery/v1^{}").split()[0] == made_at
    assert project.git("status", "--porcelain") == ""


def test_the_same_model_is_promoted_once(project: Workspace) -> None:
    promote(project)
    head = project.git("rev-parse", "HEAD")
    assert promote(project).code == 0

    assert project.document("promote")["decision"] == "unchanged"
    assert project.git("rev-parse", "HEAD") == head


def test_the_next_model_moves_the_aliases(project: Workspace) -> None:
    promote(project)
    project.write(f"{MODEL}/rates.json", "{}\n")
    project.commit("second")
    promote(project)

    registry = json.loads((project.root / REGISTRY).read_text(encoding="utf-8"))
    assert registry["aliases"] == {"previous": 1, "production": 2}
    assert project.document("promote")["version"] == 2


@pytest.mark.parametrize("name", [f"{MODEL}/rates.json", f"{MODEL}/new.bin"])
def test_what_is_not_committed_is_not_promoted(project: Workspace, name: str) -> None:
    project.write(name, "x")
    ended = promote(project)

    assert ended.code == 2
    assert "not committed" in ended.err
    assert project.git("tag") == ""


def test_a_detached_head_has_no_branch_to_write_to(project: Workspace) -> None:
    project.git("checkout", "-q", "--detach")
    ended = promote(project)

    assert ended.code == 2
    assert "detached head" in ended.err


def test_a_remote_that_moved_on_leaves_no_trace(project: Workspace) -> None:
    head = project.git("rev-parse", "HEAD")
    project.write("readme", "newer")
    theirs = project.commit("theirs")
    project.git("reset", "-q", "--hard", head)
    ended = promote(project)

    assert ended.code == 2
    assert "refused the push" in ended.err
    assert project.git("tag") == ""
    assert project.git("ls-remote", "--tags", "origin") == ""
    assert project.git("rev-parse", "HEAD") == head
    assert project.git("ls-remote", "origin", "refs/heads/main").split()[0] == theirs
    assert project.reports == set()


def test_without_a_model_there_is_nothing_to_promote(project: Workspace) -> None:
    project.git("rm", "-q", f"{MODEL}/rates.json")
    project.git("commit", "-q", "-m", "gone")
    ended = promote(project)

    assert ended.code == 2
    assert "holds no model" in ended.err


def test_a_broken_registry_is_not_overwritten(project: Workspace) -> None:
    project.write(REGISTRY, "{}")
    project.commit("broken")
    ended = promote(project)

    assert ended.code == 2
    assert "is no registry" in ended.err
    assert (project.root / REGISTRY).read_text(encoding="utf-8") == "{}"


def test_a_push_that_fails_for_any_reason_leaves_no_tag(project: Workspace) -> None:
    project.git("remote", "set-url", "origin", "http://127.0.0.1:9/nobody.git")
    ended = promote(project)

    assert ended.code == 3, ended.err
    assert project.git("tag") == ""


def test_a_given_candidate_meets_the_production_of_the_registry(project: Workspace) -> None:
    promote(project)
    lines = (project.root / "data/golden.csv").read_text(encoding="utf-8").splitlines()
    scored = [lines[0] + ",p_late", *(f"{line},{0.9 if line.endswith('1') else 0.1}" for line in lines[1:])]
    project.write("candidate.csv", "\n".join(scored) + "\n")
    ended = project.tidegate("compare-to-prod", "--candidate", "candidate.csv", "--forge", "none")

    assert ended.code == 0, ended.err
    primary = project.document("compare-to-prod")["comparisons"][0]
    assert (primary["set"], primary["candidate_value"]) == ("given", 1.0)
    assert primary["production_value"] < 1


def test_golden_predictions_are_stored_with_the_version(project: Workspace) -> None:
    made = predictions(project)
    before = artifacts_digest(artifact_files(project.root / MODEL).items())
    ended = promote(project, "--golden-predictions", "data/made.csv")
    assert ended.code == 0, ended.err

    content = (project.root / STORED).read_bytes()
    table = open_table(str(project.root / STORED))
    assert list(table.schema) == ["id", "p_late"]
    read = table.read([("id", "category"), ("p_late", "number")])
    ids = read["id", "category"]
    assert [ids.levels[code] for code in ids.values] == [line.split(",")[0] for line in made]
    assert read["p_late", "number"].values.tolist() == [float(line.split(",")[-1]) for line in made]

    version = json.loads((project.root / REGISTRY).read_text(encoding="utf-8"))["versions"][0]
    assert version["golden_predictions_sha256"] == sha256(content).hexdigest()
    golden = (project.root / "data/golden.csv").read_bytes()
    assert version["golden_sha256"] == sha256(golden).hexdigest()
    document = project.document("promote")
    assert {key: document[key] for key in version if key.startswith("golden")} == {
        key: version[key] for key in version if key.startswith("golden")
    }
    # No part of the model: it is the same version still.
    assert artifacts_digest(artifact_files(project.root / MODEL).items()) == before
    assert promote(project).code == 0
    assert project.document("promote")["decision"] == "unchanged"
    assert project.git("status", "--porcelain") == ""


def test_predictions_of_an_older_version_do_not_stay(project: Workspace) -> None:
    predictions(project)
    promote(project, "--golden-predictions", "data/made.csv")
    project.write(f"{MODEL}/rates.json", "{}\n")
    project.commit("second")
    promote(project)

    assert not (project.root / STORED).exists()
    first, second = json.loads((project.root / REGISTRY).read_text(encoding="utf-8"))["versions"]
    assert "golden_sha256" in first
    assert set(second) == {"version", "commit", "digest", "promoted_at"}


@pytest.mark.parametrize(
    ("rows", "text", "told"),
    [
        (
            slice(1, None),
            None,
            "is not of the golden set data/golden.csv: it must answer each of the 400 rows once",
        ),
        (
            slice(None),
            "id,other\n1,2\n",
            "has none of the columns that the config names for score or prediction",
        ),
        (slice(None), "p_late\n1\n", "has no column 'id'"),
        (slice(None), "id,p_late\n2-1,1\n2-1,1\n", "stands in it 2 times"),
    ],
)
def test_predictions_that_are_not_of_the_golden_rows_stop_the_promotion(
    project: Workspace, rows: slice, text: str | None, told: str
) -> None:
    predictions(project, rows=rows)
    if text is not None:
        project.write("data/made.csv", text)
    head = project.git("rev-parse", "HEAD")
    ended = promote(project, "--golden-predictions", "data/made.csv")

    assert ended.code == 2
    assert told in ended.err
    assert (project.git("rev-parse", "HEAD"), project.git("tag"), project.reports) == (head, "", set())


def test_predictions_too_large_for_git_are_left_out_and_said(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "MAX_BYTES", 100)
    predictions(project)
    ended = promote(project, "--golden-predictions", "data/made.csv")

    assert ended.code == 0
    assert "the golden predictions are not stored" in ended.err
    assert not (project.root / STORED).exists()
    assert project.document("promote")["golden_predictions_sha256"] is None


def test_predictions_that_come_late_are_stored_with_the_version_that_serves(project: Workspace) -> None:
    promote(project)
    predictions(project)
    ended = promote(project, "--golden-predictions", "data/made.csv")
    assert ended.code == 0, ended.err
    document = project.document("promote")
    project.git("fetch", "-q", "--tags")

    registry = json.loads(project.git("show", f"origin/main:{REGISTRY}"))
    (version,) = registry["versions"]
    content = (project.root / STORED).read_bytes()
    assert version["golden_predictions_sha256"] == sha256(content).hexdigest()
    assert version["golden_sha256"] == sha256((project.root / "data/golden.csv").read_bytes()).hexdigest()
    assert (document["decision"], document["version"]) == ("unchanged", 1)
    assert document["golden_predictions_sha256"] == version["golden_predictions_sha256"]
    assert document["reasons"] == [
        "version 1 already is production",
        "its predictions on the golden set are stored with it now",
    ]
    assert project.git("rev-parse", "HEAD") == project.git("rev-parse", "origin/main")
    assert project.git("tag") == "late-delivery/v1"
    assert project.git("status", "--porcelain") == ""

    head = project.git("rev-parse", "HEAD")
    assert promote(project, "--golden-predictions", "data/made.csv").code == 0
    assert project.git("rev-parse", "HEAD") == head
    assert project.document("promote")["reasons"] == ["version 1 already is production"]


def test_late_predictions_that_cannot_be_stored_say_why(
    project: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(project)
    head = project.git("rev-parse", "HEAD")
    predictions(project, rows=slice(1, None))
    refused = promote(project, "--golden-predictions", "data/made.csv")
    monkeypatch.setattr(stored, "MAX_BYTES", 100)
    predictions(project)
    too_large = promote(project, "--golden-predictions", "data/made.csv")

    assert refused.code == 2
    assert "is not of the golden set" in refused.err
    assert too_large.code == 0
    assert "the golden predictions are not stored" in too_large.err
    assert project.git("rev-parse", "HEAD") == head
    assert not (project.root / STORED).exists()


def test_late_predictions_on_a_branch_that_moved_on_leave_no_trace(project: Workspace) -> None:
    promote(project)
    head = project.git("rev-parse", "HEAD")
    project.write("readme", "newer")
    project.commit("theirs")
    project.git("reset", "-q", "--hard", head)
    predictions(project)
    ended = promote(project, "--golden-predictions", "data/made.csv")

    assert ended.code == 2
    assert "refused the push" in ended.err
    assert project.git("rev-parse", "HEAD") == head
    assert not (project.root / STORED).exists()
