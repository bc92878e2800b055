import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tidegate.errors import UsageError
from tidegate.forge import Actions, LocalForge, choose_forge
from tidegate.forge.github import GitHubForge


@pytest.fixture
def forge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalForge:
    """In a folder that is given by a relative path, as on the command line."""
    monkeypatch.chdir(tmp_path)
    return LocalForge(Path("forge"))


def test_a_pull_request_is_opened_updated_and_closed(forge: LocalForge, tmp_path: Path) -> None:
    assert forge.find_pull_request("b") is None
    opened = forge.open_pull_request(branch="b", base="main", title="t", body="größe")
    folder = tmp_path / "forge" / "pulls" / "1"

    assert (opened.number, opened.branch, opened.open) == (1, "b", True)
    assert opened.url == folder.as_uri()
    assert (folder / "body.md").read_text(encoding="utf-8") == "größe"
    assert forge.update_pull_request(1, title="t2", body="new").number == 1
    assert (folder / "body.md").read_text(encoding="utf-8") == "new"
    assert json.loads((folder / "pull.json").read_text(encoding="utf-8"))["title"] == "t2"

    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    forge.close_pull_request(1, merged=True, at=at)
    found = forge.find_pull_request("b")
    assert found is not None
    assert (found.open, found.closed_at) == (False, at)


def test_the_open_pull_request_of_a_branch_comes_before_closed_ones(forge: LocalForge) -> None:
    for _ in range(3):
        forge.open_pull_request(branch="b", base="main", title="t", body="")
    forge.open_pull_request(branch="other", base="main", title="t", body="")
    forge.close_pull_request(3, merged=False)
    forge.close_pull_request(1, merged=False)

    found = forge.find_pull_request("b")
    assert found is not None
    assert found.number == 2
    forge.close_pull_request(2, merged=False)
    last = forge.find_pull_request("b")
    assert last is not None
    assert last.number == 3


def test_a_comment_is_written_once_and_then_replaced(forge: LocalForge, tmp_path: Path) -> None:
    forge.open_pull_request(branch="b", base="main", title="t", body="")
    made = [forge.upsert_comment(1, "gate:m", text) for text in ("one", "one", "two")]
    other = forge.upsert_comment(1, "gate:m2", "three")

    assert [comment.action for comment in (*made, other)] == ["created", "unchanged", "updated", "created"]
    assert len({comment.url for comment in made}) == 1
    texts = [
        path.read_text(encoding="utf-8") for path in sorted((tmp_path / "forge/pulls/1/comments").iterdir())
    ]
    assert texts == ["<!-- tidegate:gate:m -->\ntwo", "<!-- tidegate:gate:m2 -->\nthree"]


def test_the_latest_status_of_a_context_counts(forge: LocalForge, tmp_path: Path) -> None:
    forge.set_status("abc", context="x", state="failure", description="d")
    forge.set_status("abc", context="y", state="success", description="d")
    forge.set_status("abc", context="x", state="success", description="d")
    statuses = json.loads((tmp_path / "forge/statuses/abc.json").read_text(encoding="utf-8"))

    assert {context: status["state"] for context, status in statuses.items()} == {
        "x": "success",
        "y": "success",
    }


INSIDE = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "o/r", "TIDEGATE_TOKEN": "t"}


@pytest.mark.parametrize(
    ("spec", "environment", "kind"),
    [
        ("none", INSIDE, type(None)),
        ("auto", {}, type(None)),
        ("auto", INSIDE, GitHubForge),
        ("auto", {**INSIDE, "TIDEGATE_TOKEN": ""}, type(None)),
        ("github", {"GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": "t"}, GitHubForge),
        ("local:there", {}, LocalForge),
    ],
)
def test_the_forge_is_chosen_by_name_and_surroundings(
    spec: str, environment: dict[str, str], kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert type(choose_forge(spec, Actions.from_environ(environment))) is kind


@pytest.mark.parametrize(
    ("spec", "environment", "told"),
    [
        ("gitea", {}, "is unknown"),
        ("local:", {}, "is unknown"),
        ("github", {"GITHUB_TOKEN": "t"}, "GITHUB_REPOSITORY"),
        ("github", {"GITHUB_REPOSITORY": "o/r"}, "needs a token"),
    ],
)
def test_a_forge_that_cannot_be_is_refused(spec: str, environment: dict[str, str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        choose_forge(spec, Actions.from_environ(environment))


def test_a_push_is_authenticated_to_this_server_alone_and_drops_an_older_header() -> None:
    forge = GitHubForge(Actions.from_environ({**INSIDE, "GITHUB_SERVER_URL": "https://ghe.example.com/"}))

    key = "http.https://ghe.example.com/.extraheader"
    assert forge.credentials == ((key, ""), (key, "AUTHORIZATION: basic eC1hY2Nlc3MtdG9rZW46dA=="))
