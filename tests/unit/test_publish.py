import json
import sys
from typing import Any

import pytest
from report_documents import HOSTILE, SAMPLES
from workspace import Ended, Workspace, project, workspace

from tidegate.commands import publish
from tidegate.commands.base import sticky_marker
from tidegate.forge import LocalForge

__all__ = ["project", "workspace"]


@pytest.fixture
def repo(project: Workspace) -> Workspace:
    """On a branch that has an open pull request."""
    project.git("checkout", "-q", "-b", "change")
    forge = LocalForge(project.root.parent / "forge")
    forge.open_pull_request(branch="change", base="main", title="t", body="")
    return project


def post(place: Workspace, *arguments: str) -> Ended:
    return place.tidegate("publish", "--reports", "reports", "--forge", "local:../forge", *arguments)


def comments(place: Workspace) -> list[str]:
    folder = place.root.parent / "forge/pulls/1/comments"
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.md"))]


def report(place: Workspace, name: str, document: Any) -> None:
    place.write(f"reports/{name}.json", document if isinstance(document, str) else json.dumps(document))


def test_reports_become_comments_once_each(repo: Workspace) -> None:
    report(repo, "a/gate", SAMPLES["gate-pass"]())
    report(repo, "compare", SAMPLES["compare-hold"]())
    report(repo, "drift", SAMPLES["drift-none"]())
    report(repo, "other", {"schema": "something else"})
    first, second = post(repo), post(repo)

    assert (first.code, second.code) == (0, 0)
    assert first.out.count("comment created") == 2
    assert second.out.count("comment unchanged") == 2
    assert sorted(text.split(":")[1] for text in comments(repo)) == ["compare-to-prod", "evaluate-gate"]


def test_no_comment_when_none_is_wanted(repo: Workspace) -> None:
    report(repo, "gate", SAMPLES["gate-pass"]())
    assert post(repo, "--no-comment").code == 0

    assert comments(repo) == []


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"model": None, "decision": None, "reasons": None, "checks": None},
        {"model": "m", "decision": "pass", "reasons": "x", "checks": [1], "provenance": [], "warnings": 3},
        {"model": {"a": 1}, "decision": ["pass"], "reasons": [{}], "checks": {}, "provenance": {}},
    ],
)
def test_a_report_that_is_none_is_refused_or_harmless(repo: Workspace, document: dict[str, Any]) -> None:
    report(repo, "gate", {"schema": "tidegate/evaluate-gate/1", **document})
    ended = post(repo)

    assert ended.code in (0, 2)
    assert "Traceback" not in ended.err
    assert comments(repo) == []


@pytest.mark.parametrize("content", ["{", "[" * 100_000])
def test_what_is_no_json_is_refused(repo: Workspace, content: str) -> None:
    report(repo, "gate", content)
    ended = post(repo)

    assert ended.code == 2
    assert "is no JSON" in ended.err


def test_links_and_huge_files_are_left_alone(repo: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    report(repo, "gate", SAMPLES["gate-pass"]())
    if sys.platform != "win32":
        outside = repo.root.parent / "outside.json"
        (repo.root / "reports" / "gate.json").rename(outside)
        (repo.root / "reports" / "gate.json").symlink_to(outside)
        assert post(repo).code == 0
        assert comments(repo) == []
        (repo.root / "reports" / "gate.json").unlink()
        outside.rename(repo.root / "reports" / "gate.json")
    monkeypatch.setattr(publish, "MAX_BYTES", 10)
    assert post(repo).code == 0
    assert comments(repo) == []


def test_without_reports_there_is_nothing_to_do(repo: Workspace) -> None:
    ended = post(repo)
    assert ended.code == 2
    assert "is no folder" in ended.err

    (repo.root / "reports").mkdir()
    outputs = repo.root / "out"
    assert post(repo).code == 0
    repo.tidegate("publish", "--reports", "reports", "--forge", "none", GITHUB_OUTPUT=str(outputs))
    assert "\nnone\n" in outputs.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_ends_the_marker_early(name: str) -> None:
    marker = sticky_marker({"schema": "tidegate/evaluate-gate/1", "model": name}, name)

    assert not set(marker) & set("<>\n`@ ")
    assert "--" not in marker


def test_markers_tell_models_and_workflows_apart() -> None:
    one, two = ({"schema": "tidegate/evaluate-gate/1", "model": name} for name in ("a", "b"))

    assert len({sticky_marker(one, "w"), sticky_marker(two, "w"), sticky_marker(one, "v")}) == 3
