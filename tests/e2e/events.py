"""Event payloads as GitHub delivers them to a workflow."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .github_api import GitHubApi
from .github_routes import Call
from .tokens import Identity


@dataclass(frozen=True, slots=True)
class Event:
    """An event's name and its payload."""

    name: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Events:
    """Makes events out of the state of the API."""

    api: GitHubApi

    def pull_request(
        self, number: int, *, action: str = "opened", login: str = "octocat", fork: bool = False
    ) -> Event:
        """Something happened to a pull request; with `fork`, to one that came from the person's fork."""
        resources = self.api.resources()
        call = Call({}, {}, None, Identity(login, "user", {}), resources)
        pull = self.api.state.full_pull(call, self.api.state.pulls[number])
        if fork:
            theirs = replace(resources, owner=login).repository() | {"fork": True}
            label = f"{login}:{pull['head']['ref']}"
            pull["head"] |= {"repo": theirs, "user": resources.user(login), "label": label}
        return self._event("pull_request", {"action": action, "number": number, "pull_request": pull}, login)

    def merge_group(self, number: int, head_sha: str, *, login: str = "octocat") -> Event:
        """A pull request waits in the merge queue."""
        base = self.api.state.git.branch("main")
        ref = f"refs/heads/gh-readonly-queue/main/pr-{number}-{base}"
        group = {"head_sha": head_sha, "head_ref": ref, "base_ref": "refs/heads/main", "base_sha": base}
        return self._event("merge_group", {"action": "checks_requested", "merge_group": group}, login)

    def push(
        self, after: str, *, branch: str = "main", before: str = "0" * 40, login: str = "octocat"
    ) -> Event:
        """Commits arrived on a branch."""
        payload = {"ref": f"refs/heads/{branch}", "before": before, "after": after, "forced": False}
        return self._event("push", payload, login)

    def schedule(self, cron: str = "0 6 * * 1") -> Event:
        """The clock struck."""
        return self._event("schedule", {"schedule": cron}, self.api.owner)

    def workflow_dispatch(
        self, inputs: Mapping[str, str] | None = None, *, branch: str = "main", login: str = "octocat"
    ) -> Event:
        """Somebody asked for a run."""
        return self._event(
            "workflow_dispatch", {"inputs": dict(inputs or {}), "ref": f"refs/heads/{branch}"}, login
        )

    def _event(self, name: str, payload: dict[str, Any], login: str) -> Event:
        resources = self.api.resources()
        common = {"repository": resources.repository(), "sender": resources.user(login)}
        return Event(name, payload | common)
