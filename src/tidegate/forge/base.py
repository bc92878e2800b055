"""What Tidegate asks of a forge: pull requests, comments and statuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

State = Literal["success", "failure", "pending"]


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request, as far as Tidegate cares."""

    number: int
    url: str
    branch: str
    open: bool
    closed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Comment:
    """What became of a sticky comment."""

    url: str
    action: Literal["created", "updated", "unchanged"]


class Forge(Protocol):
    """The only way to the place where pull requests live."""

    @property
    def credentials(self) -> Sequence[tuple[str, str]]:
        """Git configuration that authenticates pushes."""

    def default_branch(self) -> str:
        """The branch that pull requests are made against."""

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The open pull request from `branch`, or else the one that was closed last."""

    def open_pull_request(self, *, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request."""

    def update_pull_request(self, number: int, *, title: str, body: str) -> PullRequest:
        """Replace title and body."""

    def upsert_comment(self, number: int, marker: str, body: str) -> Comment:
        """Write a comment, or replace the one that Tidegate wrote earlier under the same marker."""

    def set_status(self, sha: str, *, context: str, state: State, description: str) -> None:
        """Attach a status to a commit."""


def marker_line(marker: str) -> str:
    """The invisible first line that a sticky comment is found by."""
    return f"<!-- tidegate:{marker} -->"
