"""The forge against GitHub's API as its description has it: comments, pull requests, refusals and faults."""

from collections.abc import Mapping

import pytest

from tidegate.errors import PermissionDenied, ServiceError
from tidegate.forge import Actions
from tidegate.forge.github import GitHubForge

from .conftest import GitHub
from .git_repository import Clone

MARKER = "evaluate-gate:m:Model gate"


def forge(github: GitHub, *, url: str | None = None, token: str | None = None, **scopes: str) -> GitHubForge:
    granted: Mapping[str, str] = scopes or {
        "contents": "write",
        "pull_requests": "write",
        "statuses": "write",
    }
    environment = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": github.full_name,
        "GITHUB_API_URL": url or github.api.url,
        "GITHUB_SERVER_URL": github.remote.server_url,
        "TIDEGATE_TOKEN": token or github.token(granted),
    }
    return GitHubForge(Actions.from_environ(environment))


@pytest.fixture
def branch(user_repo: Clone) -> str:
    user_repo.pull_request("tidegate/retrain/m", {"model.txt": "2"}, "Retrain m")
    return "tidegate/retrain/m"


@pytest.mark.parametrize("enterprise", [False, True])
def test_a_pull_request_is_opened_found_and_updated(github: GitHub, branch: str, enterprise: bool) -> None:
    mine = forge(github, url=github.api.enterprise_url if enterprise else None)
    assert mine.find_pull_request(branch) is None
    opened = mine.open_pull_request(branch=branch, base=mine.default_branch(), title="Retrain m", body="why")
    found = mine.find_pull_request(branch)
    assert found is not None
    assert (found.number, found.open) == (opened.number, True)
    mine.update_pull_request(opened.number, title="Retrain m", body="why else")
    assert github.state.pulls[opened.number].body == "why else"


@pytest.mark.parametrize("enterprise", [False, True])
def test_a_comment_is_kept_up_to_date_beyond_the_first_page(
    github: GitHub, branch: str, enterprise: bool
) -> None:
    mine = forge(github, url=github.api.enterprise_url if enterprise else None)
    number = mine.open_pull_request(branch=branch, base="main", title="t", body="b").number
    for i in range(130):
        github.state.add_comment(number, f"chatter {i}", "octocat")
    assert mine.upsert_comment(number, MARKER, "first").action == "created"
    for i in range(130):
        github.state.add_comment(number, f"more {i}", "octocat")
    assert mine.upsert_comment(number, MARKER, "second").action == "updated"
    assert mine.upsert_comment(number, MARKER, "second").action == "unchanged"
    bodies = [str(comment["body"]) for comment in github.state.pulls[number].comments]
    assert [body.splitlines()[-1] for body in bodies if MARKER in body] == ["second"]


def test_a_marker_in_somebody_elses_comment_is_not_ours(github: GitHub, branch: str) -> None:
    mine = forge(github)
    number = mine.open_pull_request(branch=branch, base="main", title="t", body="b").number
    github.state.add_comment(number, f"<!-- tidegate:{MARKER} -->\nall is well", "mallory")
    assert mine.upsert_comment(number, MARKER, "fail").action == "created"
    bodies = [str(comment["body"]) for comment in github.state.pulls[number].comments]
    assert bodies[0].endswith("all is well")
    assert len(bodies) == 2


def test_a_persons_token_finds_its_own_comment(github: GitHub, branch: str) -> None:
    mine = forge(github, token=github.tokens.user("octocat"))
    number = mine.open_pull_request(branch=branch, base="main", title="t", body="b").number
    assert mine.upsert_comment(number, MARKER, "first").action == "created"
    assert mine.upsert_comment(number, MARKER, "second").action == "updated"


def test_a_missing_permission_names_the_line_to_add(github: GitHub, branch: str) -> None:
    number = forge(github).open_pull_request(branch=branch, base="main", title="t", body="b").number
    reader = forge(github, contents="read", pull_requests="read")
    with pytest.raises(PermissionDenied, match="pull-requests: write"):
        reader.upsert_comment(number, MARKER, "text")
    with pytest.raises(PermissionDenied, match=r"pull-requests: write.*Allow GitHub Actions to create"):
        reader.open_pull_request(branch="main", base="main", title="t", body="b")
    with pytest.raises(PermissionDenied, match="statuses: write"):
        reader.set_status(github.git.branch("main") or "", context="c", state="success", description="d")


def test_a_status_is_set_and_its_description_cut(github: GitHub) -> None:
    sha = github.git.branch("main") or ""
    forge(github).set_status(sha, context="tidegate/m", state="failure", description="x" * 200)
    (status,) = github.state.statuses[sha]
    assert len(str(status["description"])) == 140


@pytest.mark.parametrize("fault", [500, 502, "reset"])
def test_a_passing_fault_is_survived(github: GitHub, branch: str, fault: int | str) -> None:
    mine = forge(github)
    github.api.fault("GET", r"/pulls$", fault, times=1)
    assert mine.find_pull_request(branch) is None


def test_a_lasting_fault_is_a_service_error(
    github: GitHub, branch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.forge.github._RETRIES", 1)
    github.api.fault("GET", r"/pulls$", 503, times=20)
    with pytest.raises(ServiceError, match="list pull requests"):
        forge(github).find_pull_request(branch)


def test_the_token_stays_out_of_representations(github: GitHub) -> None:
    token = github.token(contents="read")
    mine = forge(github, token=token)
    assert token not in repr(mine)
    assert token not in repr(mine.__dict__)
