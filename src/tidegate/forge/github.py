"""GitHub by PyGithub, github.com and Enterprise alike: the API's address comes from the runner."""

import base64
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from tidegate.errors import PermissionDenied, ServiceError, UsageError
from tidegate.forge.actions import Actions
from tidegate.forge.base import Comment, PullRequest, State, marker_line

if TYPE_CHECKING:
    from github.PullRequest import PullRequest as GithubPull
    from github.Repository import Repository as GithubRepository

_DESCRIPTION_LIMIT = 140
_TIMEOUT = 30
_RETRIES = 5
_PULLS_LOOKED_AT = 30


class GitHubForge:
    """Pull requests, comments and statuses of one repository."""

    def __init__(self, actions: Actions) -> None:
        """Prepare; the first request is made when something is asked.

        Raises:
            UsageError: no repository or no token to go by.
        """
        if not actions.repository:
            raise UsageError("--forge github needs GITHUB_REPOSITORY (owner/name) in the environment")
        if not actions.token:
            raise UsageError("--forge github needs a token: give the action `token:`, or set TIDEGATE_TOKEN")
        self._actions = actions

    @property
    def credentials(self) -> Sequence[tuple[str, str]]:
        """A header for this server alone; the empty entry first drops one that a checkout may have left."""
        pair = base64.b64encode(f"x-access-token:{self._actions.token}".encode()).decode()
        key = f"http.{self._actions.server_url.rstrip('/')}/.extraheader"
        return ((key, ""), (key, f"AUTHORIZATION: basic {pair}"))

    @cached_property
    def _repository(self) -> "GithubRepository":
        from github import Auth, Github
        from github.GithubRetry import GithubRetry

        client = Github(
            base_url=self._actions.api_url,
            auth=Auth.Token(self._actions.token),
            timeout=_TIMEOUT,
            retry=GithubRetry(total=_RETRIES, backoff_factor=1, backoff_jitter=0.5),
            seconds_between_requests=0,
            seconds_between_writes=0,
            lazy=True,
        )
        return client.get_repo(self._actions.repository)

    @cached_property
    def _login(self) -> str:
        """Who the token speaks as. Only GraphQL tells that to an installation token as well."""
        _, answer = self._repository.requester.graphql_query("query { viewer { login } }", {})
        return _bare(str(answer["data"]["viewer"]["login"]))

    def default_branch(self) -> str:
        """The branch that pull requests are made against."""
        with _translated("read the repository", "contents: read"):
            return self._repository.default_branch

    def find_pull_request(self, branch: str) -> PullRequest | None:
        """The open pull request from `branch`, or else the one that was closed last."""
        head = f"{self._actions.repository.split('/')[0]}:{branch}"
        with _translated("list pull requests", "pull-requests: read"):
            newest_first = self._repository.get_pulls(
                state="all", head=head, sort="created", direction="desc"
            )
            pulls = list(islice(newest_first, _PULLS_LOOKED_AT))
        # A server that does not know the head answers with every pull request.
        mine = [pull for pull in pulls if pull.head.ref == branch]
        best = next((pull for pull in mine if pull.state == "open"), mine[0] if mine else None)
        return _pull(best) if best is not None else None

    def open_pull_request(self, *, branch: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request."""
        with _translated(
            "open a pull request",
            "pull-requests: write",
            hint="and the repository setting 'Allow GitHub Actions to create and approve pull requests'",
        ):
            pull = self._repository.create_pull(base=base, head=branch, title=title, body=body)
        return _pull(pull)

    def update_pull_request(self, number: int, *, title: str, body: str) -> PullRequest:
        """Replace title and body."""
        with _translated("update a pull request", "pull-requests: write"):
            pull = self._repository.get_pull(number)
            pull.edit(title=title, body=body)
        return _pull(pull)

    def upsert_comment(self, number: int, marker: str, body: str) -> Comment:
        """Write a comment, or replace the one that this token's account wrote earlier under the same marker."""
        first = marker_line(marker)
        text = f"{first}\n{body}"
        with _translated("comment on the pull request", "pull-requests: write"):
            issue = self._repository.get_issue(number)
            for comment in issue.get_comments():
                # A marker alone is no proof: anybody can write one, and then edit what we put there.
                if comment.body.startswith(first) and _bare(comment.user.login) == self._login:
                    if comment.body.replace("\r\n", "\n") == text:
                        return Comment(comment.html_url, "unchanged")
                    comment.edit(text)
                    return Comment(comment.html_url, "updated")
            return Comment(issue.create_comment(text).html_url, "created")

    def set_status(self, sha: str, *, context: str, state: State, description: str) -> None:
        """Attach a status to a commit."""
        short = (
            description
            if len(description) <= _DESCRIPTION_LIMIT
            else description[: _DESCRIPTION_LIMIT - 3] + "..."
        )
        with _translated("set a commit status", "statuses: write"):
            self._repository.get_commit(sha).create_status(
                state, target_url=self._actions.run_url or "", description=short, context=context
            )


def _pull(pull: "GithubPull") -> PullRequest:
    return PullRequest(pull.number, pull.html_url, pull.head.ref, pull.state == "open", pull.closed_at)


def _bare(login: str) -> str:
    """REST writes ``name[bot]`` where GraphQL may write ``name``."""
    return login.removesuffix("[bot]")


@contextmanager
def _translated(doing: str, permission: str, hint: str = "") -> Iterator[None]:
    """Turn what the library raises into what a person can mend."""
    import requests
    from github import GithubException, RateLimitExceededException

    try:
        yield
    except RateLimitExceededException:
        raise ServiceError(f"could not {doing}: GitHub's rate limit is used up; run it again later") from None
    except GithubException as error:
        raise _mendable(error.status, str(error.data)[:300], doing, permission, hint) from None
    except requests.RequestException as error:
        raise ServiceError(
            f"could not {doing}: GitHub stayed out of reach ({type(error).__name__})"
        ) from None


def _mendable(
    status: int, said: str, doing: str, permission: str, hint: str
) -> PermissionDenied | ServiceError | UsageError:
    if status in (401, 403, 404):
        also = f" {hint}" if hint else ""
        return PermissionDenied(
            f"could not {doing}: GitHub answered {status} ({said})."
            f" Add `{permission}` under `permissions:` of the job{also}"
        )
    if status == 422:
        return UsageError(f"could not {doing}: GitHub found the request wrong ({said})")
    return ServiceError(f"could not {doing}: GitHub answered {status} ({said})")
