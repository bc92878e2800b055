"""What a GitHub Actions runner tells a step, and how a step answers it."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tidegate.errors import UsageError

SUMMARY_LIMIT = 1_000_000
"""GitHub refuses a step summary of over 1 MiB."""

_OF_THE_REPOSITORY = frozenset(
    {"schedule", "push", "workflow_dispatch", "repository_dispatch", "workflow_run"}
)
"""Events that the repository's own people or its clock cause."""


@dataclass(frozen=True, slots=True)
class Actions:
    """The runner's environment; the token stays out of ``repr``."""

    inside: bool
    repository: str
    api_url: str
    server_url: str
    sha: str
    workflow: str
    workflow_ref: str
    job: str
    run_id: str
    run_attempt: str
    run_url: str | None
    actor: str
    triggering_actor: str
    event_name: str
    event: Mapping[str, Any] = field(repr=False)
    ref: str
    ref_name: str
    token: str = field(repr=False)
    output: Path | None
    summary: Path | None

    @classmethod
    def from_environ(cls, environment: Mapping[str, str]) -> "Actions":
        """Read the runner's variables; outside a runner most are empty."""
        server = environment.get("GITHUB_SERVER_URL") or "https://github.com"
        repository = environment.get("GITHUB_REPOSITORY", "")
        run = environment.get("GITHUB_RUN_ID")
        return cls(
            inside=environment.get("GITHUB_ACTIONS") == "true",
            repository=repository,
            api_url=environment.get("GITHUB_API_URL") or "https://api.github.com",
            server_url=server,
            sha=environment.get("GITHUB_SHA", ""),
            workflow=environment.get("GITHUB_WORKFLOW", ""),
            workflow_ref=environment.get("GITHUB_WORKFLOW_REF", ""),
            job=environment.get("GITHUB_JOB", ""),
            run_id=run or "",
            run_attempt=environment.get("GITHUB_RUN_ATTEMPT", ""),
            run_url=f"{server}/{repository}/actions/runs/{run}" if repository and run else None,
            actor=environment.get("GITHUB_ACTOR", ""),
            triggering_actor=environment.get("GITHUB_TRIGGERING_ACTOR", ""),
            event_name=environment.get("GITHUB_EVENT_NAME", ""),
            event=_event(environment.get("GITHUB_EVENT_PATH")),
            ref=environment.get("GITHUB_REF", ""),
            ref_name=environment.get("GITHUB_REF_NAME", ""),
            token=environment.get("TIDEGATE_TOKEN") or environment.get("GITHUB_TOKEN") or "",
            output=_file(environment.get("GITHUB_OUTPUT")),
            summary=_file(environment.get("GITHUB_STEP_SUMMARY")),
        )

    @property
    def pull_request(self) -> int | None:
        """Number of the pull request that triggered the run."""
        number = (self.event.get("pull_request") or {}).get("number")
        return number if isinstance(number, int) else None

    @property
    def head_sha(self) -> str:
        """The commit under judgement: of a pull request its head, not the trial merge that is checked out."""
        head = ((self.event.get("pull_request") or {}).get("head") or {}).get("sha")
        return str(head) if head else self.sha

    @property
    def base_sha(self) -> str | None:
        """The commit that the pull request of the run is made against, in the merge queue as well."""
        base = ((self.event.get("pull_request") or {}).get("base") or {}).get("sha")
        queued = (self.event.get("merge_group") or {}).get("base_sha")
        return str(base or queued) if base or queued else None

    @property
    def for_pull_request(self) -> bool:
        """Whether the run judges a change that is not merged yet, in the merge queue as well."""
        return (
            self.event_name.startswith("pull_request")
            or self.event_name == "merge_group"
            or self.ref.startswith("refs/pull/")
            or any(key in self.event for key in ("pull_request", "merge_group"))
            or "pull_request" in (self.event.get("issue") or {})
        )

    @property
    def of_the_repository(self) -> bool:
        """Whether an event caused the run that runs what is merged: a push, a schedule, a call by hand."""
        return self.event_name in _OF_THE_REPOSITORY and not self.for_pull_request

    @property
    def default_branch(self) -> str | None:
        """The repository's default branch, where the event tells it."""
        name = (self.event.get("repository") or {}).get("default_branch")
        return name if isinstance(name, str) and name else None

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Set step outputs; a random delimiter keeps a value from ending its own block."""
        if self.output is None:
            return
        with self.output.open("a", encoding="utf-8") as stream:
            for name, value in outputs.items():
                delimiter = f"tidegate_{secrets.token_hex(16)}"
                stream.write(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")

    def write_summary(self, markdown: str) -> None:
        """Append to the job summary."""
        if self.summary is not None:
            with self.summary.open("a", encoding="utf-8") as stream:
                stream.write(markdown + "\n")


def _file(path: str | None) -> Path | None:
    return Path(path) if path else None


def _event(path: str | None) -> Mapping[str, Any]:
    if not path or not Path(path).is_file():
        return {}
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8"))
    except ValueError:
        raise UsageError(f"GITHUB_EVENT_PATH ({path}) holds no JSON") from None
    return event if isinstance(event, dict) else {}
