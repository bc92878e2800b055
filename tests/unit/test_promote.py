import json

import pytest
from workspace import Ended, Workspace, project, workspace

__all__ = ["project", "workspace"]

MODEL = "models/late-delivery"
REGISTRY = f"{MODEL}/registry.json"


def promote(place: Workspace) -> Ended:
    return place.tidegate("promote", "--forge", "none")


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
