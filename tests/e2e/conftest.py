"""The surroundings of every end-to-end test: a GitHub, a person's clone, a runner.

All servers listen on loopback and end with their test; all files are below `tmp_path`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from .events import Events
from .git_remote import GitRemote
from .git_repository import BareRepository, Clone
from .github_api import GitHubApi
from .github_operations import Operations
from .runner import DOWNLOAD_ARTIFACT, OURSELVES, STAND_INS, UPLOAD_ARTIFACT, Act, clean_copy
from .tokens import Tokens, basic

ROOT = Path(__file__).parents[2]
OWNER, NAME = "acme", "flights"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.e2e)


@dataclass(frozen=True, slots=True)
class GitHub:
    """GitHub as one repository sees it: the API, the git remote, and the tokens that both accept."""

    api: GitHubApi
    remote: GitRemote
    tokens: Tokens
    events: Events
    full_name: str = f"{OWNER}/{NAME}"

    @property
    def state(self) -> Operations:
        """Pull requests with their comments, statuses, labels and dispatches."""
        return self.api.state

    @property
    def git(self) -> BareRepository:
        """The bare repository behind it all."""
        return self.remote.repository

    def token(self, permissions: Mapping[str, str] | None = None, **scopes: str) -> str:
        """A new token of the runner: `github.token(contents="write")`."""
        return self.tokens.installation({**(permissions or {}), **scopes})

    def clone(self, path: Path, login: str = "octocat") -> Clone:
        """A clone of somebody who may push."""
        return Clone.create(self.remote.url, path, authorization=basic(self.tokens.user(login)), login=login)


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    """acme/flights with one commit on main. Fails the test if anybody broke the API's description."""
    tokens = Tokens()
    repository = BareRepository.create(tmp_path / "github" / OWNER / f"{NAME}.git")
    repository.commit_files({"README.md": "# Flights\n"}, "First commit")
    with GitRemote(repository, tokens, f"{OWNER}/{NAME}") as remote:
        api = GitHubApi(Operations(repository, remote.protects), tokens, OWNER, NAME, web=remote.server_url)
        with api:
            yield GitHub(api, remote, tokens, Events(api))
        assert api.violations == []


@pytest.fixture
def user_repo(github: GitHub, tmp_path: Path) -> Clone:
    """A person's clone of acme/flights, on main."""
    return github.clone(tmp_path / "user-repo")


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This project as `uses: tidegate/tidegate@v1` would fetch it."""
    return clean_copy(ROOT, tmp_path_factory.mktemp("release") / "tidegate")


@pytest.fixture
def act(github: GitHub, release: Path, tmp_path: Path) -> Act:
    """The runner, with this checkout as tidegate/tidegate@v1."""
    actions = {
        OURSELVES: release,
        UPLOAD_ARTIFACT: STAND_INS / "upload-artifact",
        DOWNLOAD_ARTIFACT: STAND_INS / "download-artifact",
    }
    return Act(
        tmp_path / "act", actions, github.tokens, github.full_name, github.api.url, github.remote.server_url
    )
